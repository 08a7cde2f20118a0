"""Where events may go, and what a secret must be."""

import base64
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from ensemble.config import read
from ensemble.webhooks.settings import WebhookSettings

GOOD = "whsec_" + base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()


def settings(url: str, **more: Any) -> WebhookSettings:
    return WebhookSettings.model_validate({"url": url, "secret_env": "HOOK_SECRET", **more})


@pytest.mark.parametrize(
    ("url", "more"),
    [
        ("https://example.org/hook", {}),
        ("https://8.8.8.8/hook", {}),
        ("http://127.0.0.1:9000/hook", {}),
        ("http://[::1]:9000/hook", {}),
        ("http://localhost/hook", {}),
        ("http://10.0.0.1/hook", {"private": True}),
    ],
)
def test_where_events_may_go(url: str, more: dict[str, Any]) -> None:
    assert settings(url, **more).url == url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://example.org/hook", "http is for this machine"),
        ("ftp://example.org/hook", "must begin with https://"),
        ("example.org", "must begin with https://"),
        ("https://user:word@example.org/hook", "holds a name or password"),
        ("https://10.0.0.1/hook", "is no public address"),
        ("https://169.254.169.254/latest", "is no public address"),
        ("https://[fd00::1]/hook", "is no public address"),
        ("https://0.0.0.0/hook", "is no public address"),
    ],
)
def test_where_they_may_not(url: str, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        settings(url)


def test_a_secret_is_needed() -> None:
    with pytest.raises(ValidationError, match="secret_env: name the variable"):
        WebhookSettings(url="https://example.org")


@pytest.mark.parametrize("secret", ["whsec_short", "not base64 but long enough to be a secret", "whsec_c2hvcnQ="])
def test_a_secret_that_is_none_is_told_without_telling_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("HOOK_SECRET", secret)
    file = tmp_path / "e.toml"
    parts = '[providers.p]\nuse = "openai"\n[members.a]\nprovider = "p"\nmodel = "a"\n'
    file.write_text(parts + '[webhooks]\nurl = "https://example.org"\nsecret_env = "HOOK_SECRET"\n')
    (problem,) = read(file).problems
    assert "[webhooks] secret_env: must hold whsec_ and 24 to 64 bytes as base64" in problem.line
    assert secret not in problem.line
    monkeypatch.setenv("HOOK_SECRET", GOOD)
    assert read(file).problems == ()
    monkeypatch.delenv("HOOK_SECRET")
    (problem,) = read(file).problems
    assert "the environment variable HOOK_SECRET is not set" in problem.line


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(GOOD + "\n")
    found = WebhookSettings(url="https://example.org", secret_file=tmp_path / "key")
    assert found.secret() == b"0123456789abcdef0123456789abcdef"
