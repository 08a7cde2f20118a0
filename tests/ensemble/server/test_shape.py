"""Errors that nobody expected: the client learns that there was one, the log learns where, neither learns content."""

import logging
from pathlib import Path

import pytest

from ensemble.server.logs import JsonLines
from ensemble.simulator.script import status
from tests.served import SERVER, a_question, serving

ROUTER = '''
from ensemble.router import ROUTERS, Router


@ROUTERS.register("exploding")
class Exploding(Router):
    """Fails with a bug that quotes the question."""

    async def plan(self, request, context):
        raise ZeroDivisionError(f"while planning {request.prompt.messages[0].content}")
'''
TABLES = """
[routers.exploding]
use = "./exploding.py"
"""


async def test_a_bug_costs_a_500_and_tells_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "exploding.py").write_text(ROUTER, encoding="utf-8")
    caplog.set_level(logging.INFO)
    async with serving(tmp_path, TABLES + SERVER) as served:
        code, said, headers = await served.post(a_question("my secret", model="exploding"))
        question = a_question("my secret", model="exploding", stream=True)
        async with served.http.post(f"{served.url}/chat/completions", json=question) as streamed:
            event = (await streamed.read()).decode()
    assert code == 500
    assert (said["error"]["type"], said["error"]["code"]) == ("server_error", "internal_error")
    assert headers["x-ensemble-request-id"] in said["error"]["message"]
    assert '"internal_error"' in event
    lines = [JsonLines().format(record) for record in caplog.records if record.name.startswith("ensemble")]
    assert sum("ZeroDivisionError" in line and "exploding.py" in line for line in lines) == 2
    for told in (str(said), event, *lines):
        assert "my secret" not in told


@pytest.mark.parametrize("stream", [False, True])
async def test_what_fails_is_told_once_at_any_level(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    caplog.set_level(logging.WARNING)
    async with serving(tmp_path) as served:
        for name in ("alpha", "beta", "gamma"):
            served.simulator.script(name, [status(500, message="my secret")])
        code, _, headers = await served.post(a_question(stream=stream))
    assert code == 502
    (line,) = [record for record in caplog.records if record.message == "request failed"]
    assert getattr(line, "fields", None) == {"request_id": headers["x-ensemble-request-id"], "code": "no_candidate"}


async def test_every_request_is_a_line_in_the_log_without_its_content(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with serving(tmp_path) as served:
        _, _, headers = await served.post(a_question("my secret"))
        await served.get("/v1/my-secret?key=secret")
    fields = [getattr(record, "fields", None) for record in caplog.records if record.message == "request"]
    assert [(one["method"], one["route"], one["status"]) for one in fields if one] == [
        ("POST", "/v1/chat/completions", 200),
        ("GET", None, 404),
    ]
    assert fields[0] is not None
    assert fields[0]["request_id"] == headers["x-ensemble-request-id"]
    own = [JsonLines().format(record) for record in caplog.records if record.name.startswith("ensemble")]
    assert "secret" not in "".join(own)
