"""Where the configuration says that the log is, when a server keeps it."""

from pathlib import Path

import pytest

from ensemble.config import load
from ensemble.errors import ConfigError
from tests.ensemble.test_config import GOOD


def test_a_log_on_a_server_takes_its_password_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = tmp_path / "ensemble.toml"
    written.write_text(GOOD + '[store]\nurl = "postgresql://ann@host/logs"\npassword_env = "LOG_PASSWORD"')
    store = load(written).store
    with pytest.raises(ConfigError, match="password_env: the environment variable LOG_PASSWORD is not set"):
        _ = store.address
    monkeypatch.setenv("LOG_PASSWORD", "hunter2")
    assert store.address.url == "postgresql://ann:hunter2@host/logs"
    assert store.address.beside(".spill") == written.parent / "ensemble.db.spill"
    assert "hunter2" not in f"{store.address} {store!r}"


@pytest.mark.parametrize(
    ("url", "told"), [("mysql://ann:hunter2@host/logs", "no engine keeps a log at mysql://"), ("a.db", "name a server")]
)
def test_an_url_of_no_server_is_refused(tmp_path: Path, url: str, told: str) -> None:
    written = tmp_path / "ensemble.toml"
    written.write_text(f'{GOOD}[store]\nurl = "{url}"')
    with pytest.raises(ConfigError, match=told) as caught:
        load(written)
    assert "hunter2" not in str(caught.value)
