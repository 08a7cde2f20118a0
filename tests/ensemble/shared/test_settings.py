"""The table ``[shared]``: what can be used, and that a password in it is shown nowhere."""

from pathlib import Path

import pytest

from ensemble.config import load, read
from ensemble.errors import ConfigError

PARTS = """
[providers.sim]
use = "openai"
base_url = "http://127.0.0.1:9/v1"

[members.alpha]
provider = "sim"
model = "alpha"

[shared]
"""


def a_file(folder: Path, shared: str) -> Path:
    file = folder / "ensemble.toml"
    file.write_text(PARTS + shared, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("shared", "told"),
    [
        ('url = "http://hush@host"', "[shared] url: is no URL of a Redis"),
        ('url = "redis://:hush@host:port/0"', "[shared] url: is no URL of a Redis"),
        ('url = "redis://:hush@host"', "[shared] replicas: is missing; add how many services"),
        ('url = "redis://:hush@host"\nreplicas = 0', "[shared] replicas:"),
        ("timeout_s = 0", "[shared] timeout_s:"),
        ('prefix = "a b"', "[shared] prefix:"),
        ('host = "hush"', "[shared] host:"),
    ],
)
def test_a_mistake_is_told_by_its_place_and_shows_no_password(tmp_path: Path, shared: str, told: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        load(a_file(tmp_path, shared))
    assert told in str(wrong.value)
    assert "hush" not in str(wrong.value)


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENSEMBLE_SHARED__URL", "rediss://user:hush@host:6380/2")
    settings = load(a_file(tmp_path, "replicas = 3")).shared
    assert settings.url is not None
    assert settings.url.get_secret_value() == "rediss://user:hush@host:6380/2"
    assert settings.replicas == 3
    assert "hush" not in repr(settings)


def test_nothing_is_shared_unless_it_is_wanted(tmp_path: Path) -> None:
    assert read(a_file(tmp_path, "")).settings.shared.url is None
