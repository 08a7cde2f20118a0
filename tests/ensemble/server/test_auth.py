from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.server.app import make_app
from tests.served import PANEL, Served, serving

KEYED = """
[server]
drain_s = 0.2
api_key_env = "THE_KEY"
"""


@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", "Bearer ", "Bearer s3cret-", "s3cret", "Basic s3cret", "bearer é"]
)
async def test_a_wrong_key_is_401_in_openais_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.setenv("THE_KEY", "s3cret")
    headers = {} if given is None else {"Authorization": given}
    async with serving(tmp_path, PANEL + KEYED) as served:
        code, said, told = await served.post(headers=headers)
        assert (code, said["error"]["code"]) == (401, "invalid_api_key")
        assert "s3cret" not in str(said) + str(told)
        for path in ("/v1/models", "/v1/nothing", "/v1/ensemble/requests/x"):
            assert (await served.get(path, headers=headers))[0] == 401
        assert len(served.simulator.served) == 0


async def test_with_the_key_everything_and_without_it_the_probes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", "s3cret")
    async with serving(tmp_path, PANEL + KEYED) as served:
        bearer = {"Authorization": "Bearer s3cret", "Host": "llm.example.org"}
        assert (await served.post(headers=bearer))[0] == 200
        for path in ("/healthz", "/readyz"):
            assert (await served.get(path))[0] == 200


async def test_an_empty_key_starts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "s3cret")
    async with serving(tmp_path, PANEL + KEYED) as served:
        monkeypatch.setenv("THE_KEY", "")
        with pytest.raises(ConfigError, match="api_key"):
            make_app(served.service)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000", "[::1]"])
async def test_without_a_key_loopback_names_are_served(served: Served, host: str) -> None:
    assert (await served.get("/v1/models", headers={"Host": host}))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "10.0.0.1:80", "", "1"]
)
async def test_without_a_key_a_page_that_rebinds_its_name_is_refused(served: Served, host: str) -> None:
    code, said, _ = await served.get("/v1/models", headers={"Host": host})
    assert (code, said["error"]["code"]) == (403, "forbidden")
