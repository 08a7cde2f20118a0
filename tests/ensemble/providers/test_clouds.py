"""Bedrock and Vertex with their clouds' own credentials: signed by Amazon's SDK, tokens fetched by Google's."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

import ensemble
from ensemble.errors import CallFailed, ConfigError
from ensemble.providers._http import Transport
from ensemble.providers.anthropic_bedrock import AnthropicBedrock
from ensemble.providers.anthropic_vertex import AnthropicVertex
from judges.types import Message, Prompt
from tests.ensemble.providers.anthropic_upstream import a_message
from tests.ensemble.providers.conftest import Upstream
from tests.patience import PATIENCE_S

PROMPT = Prompt(messages=(Message(role="user", content="Capital of France?"),), max_output_tokens=9)
MODEL = "anthropic.small-v1:0"
ID, SECRET, SESSION = "AKIAFOR0THE0TEST0000", "aws-secret-0123456789abcdef", "aws-session-0123456789abcdef"
TOKEN = "ya29.fetched-0123456789abcdef"

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("boto3", "botocore") or name.startswith("google.auth"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from ensemble.errors import ConfigError
from ensemble.provider import PROVIDERS

for use, options in (("anthropic-bedrock", {}), ("anthropic-vertex", {"project": "ours"})):
    for key in ({}, {"api_key_env": "PATH"}):
        try:
            PROVIDERS.build({"use": use, "region": "us-east-1", **options, **key}).open()
            print("opened")
        except ConfigError as error:
            print(error)
"""


def test_without_the_extra_only_a_key_will_do() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    told = done.stdout.splitlines()
    assert (told[1], told[3]) == ("opened", "opened")
    for line, module, extra in ((told[0], "boto3", "bedrock"), (told[2], "google.auth", "vertex")):
        assert line.startswith(f"use: this needs {module}")
        assert f"pip install '.[{extra}]'" in line


@pytest.fixture
def transport() -> Transport:
    """Clouds are reached by their SDK alone, since it signs."""
    return "sdk"


@pytest.fixture(autouse=True)
def no_other_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """None of this machine's: what the SDKs look at is empty or not there."""
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_BEARER_TOKEN_BEDROCK",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("TEST_ID", ID)
    monkeypatch.setenv("TEST_SECRET", SECRET)
    monkeypatch.setenv("TEST_SESSION", SESSION)


BY_ENVIRONMENT = {"access_key_env": "TEST_ID", "secret_key_env": "TEST_SECRET", "session_token_env": "TEST_SESSION"}


def bedrock(upstream: Upstream, **options: Any) -> AnthropicBedrock:
    return AnthropicBedrock.model_validate({"region": "us-east-1", "base_url": upstream.url, **options})


class Signed:
    """The last request that came, down to its bytes."""

    def __init__(self, upstream: Upstream) -> None:
        self.upstream, self.path, self.body = upstream, "", b""
        upstream.answer = self.answer

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.path, self.body = request.raw_path, await request.read()
        return web.json_response(a_message())

    def fits(self, key: Credentials) -> bool:
        """Whether the signature is the one that Amazon would compute with ``key``."""
        headers = self.upstream.received[-1].headers
        fields = dict(part.split("=", 1) for part in headers["authorization"].partition(" ")[2].split(", "))
        names = fields["SignedHeaders"].split(";")
        signed = {name: headers[name] for name in names}
        request = AWSRequest("POST", self.upstream.url + self.path, headers=signed, data=self.body)
        request.context["timestamp"] = headers["x-amz-date"]
        signer = SigV4Auth(key, "bedrock", "us-east-1")
        told = signer.string_to_sign(request, signer.canonical_request(request))
        return bool(fields["Signature"] == signer.signature(told, request))


async def test_a_request_is_signed_with_the_access_key_of_the_environment(upstream: Upstream) -> None:
    signed = Signed(upstream)
    async with bedrock(upstream, **BY_ENVIRONMENT).connect() as opened:
        assert (await opened.complete(MODEL, PROMPT)).text == "Paris."
    headers = upstream.received[0].headers
    assert headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={ID}/")
    assert headers["x-amz-security-token"] == SESSION
    assert SECRET not in json.dumps(headers)
    assert signed.fits(Credentials(ID, SECRET, SESSION))
    assert not signed.fits(Credentials(ID, "another secret", SESSION))


async def test_a_request_is_signed_with_what_a_profile_holds(upstream: Upstream, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text(f"[team]\naws_access_key_id = {ID}\naws_secret_access_key = {SECRET}\n")
    signed = Signed(upstream)
    async with bedrock(upstream, profile="team").connect() as opened:
        await opened.complete(MODEL, PROMPT)
    assert signed.fits(Credentials(ID, SECRET))


@pytest.mark.parametrize(("options", "told"), [({}, "finds no credentials"), ({"profile": "gone"}, "profile: .*gone")])
async def test_a_start_without_credentials_fails_as_such(upstream: Upstream, options: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        async with bedrock(upstream, **options).connect():
            pass


async def test_what_the_cloud_repeats_of_the_credentials_is_not_passed_on(upstream: Upstream) -> None:
    upstream.says({"message": f"The key {ID} with {SECRET} and {SESSION} is expired"}, status=403)
    async with bedrock(upstream, **BY_ENVIRONMENT).connect() as opened:
        with pytest.raises(CallFailed) as caught:
            await opened.complete(MODEL, PROMPT)
    assert (caught.value.failure, caught.value.retryable) == ("unauthorized", False)
    assert not any(one in str(caught.value) for one in (ID, SECRET, SESSION, "0123456789"))


CONFIG = """
[providers.aws]
use = "anthropic-bedrock"
region = "us-east-1"
base_url = "{url}"
access_key_env = "TEST_ID"
secret_key_env = "TEST_SECRET"
session_token_env = "TEST_SESSION"

[members.cloudy]
provider = "aws"
model = "anthropic.small-v1:0"
max_output_tokens = 50
max_attempts = 1
price = {{ input = 1, output = 2 }}
"""


async def test_no_credential_is_in_the_log(upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "ensemble.toml"
    path.write_text(CONFIG.format(url=upstream.url), encoding="utf-8")
    async with ensemble.open(path) as service:
        upstream.says({"message": f"The key {ID} with {SECRET} and {SESSION} is expired"}, status=403)
        with pytest.raises(ensemble.EnsembleError) as caught:
            await service.ask("Capital of France?")
        upstream.says(a_message())
        answer = await service.ask("Capital of France?")
        record = await service.store.request(answer.request.id)
    assert (answer.text, answer.calls[0].usage.nano_usd) == ("Paris.", 11 * 1000 + 3 * 2000)
    kept = await asyncio.to_thread(lambda: b"".join(file.read_bytes() for file in tmp_path.glob("ensemble.db*")))
    told = [str(caught.value), json.dumps(record, default=str), kept.decode("utf-8", "replace")]
    assert "is expired" in told[2]
    assert not any(one in text for one in (ID, SECRET, SESSION) for text in told)


@pytest.fixture
async def tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Any]]:
    """Google's token server on loopback, and a service account that knows it; yields what was asked of the server."""
    asked: list[Any] = []

    async def give(request: web.Request) -> web.Response:
        asked.append(dict(await request.post()))
        if len(asked) > 1:
            return web.json_response({"error": "invalid_grant", "error_description": "account gone"}, status=400)
        return web.json_response({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

    app = web.Application()
    app.router.add_post("/token", give)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    account = {
        "type": "service_account",
        "project_id": "theirs",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "tester@theirs.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"http://127.0.0.1:{runner.addresses[0][1]}/token",
    }
    file = tmp_path / "account.json"
    file.write_text(json.dumps(account), encoding="utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    yield asked
    await runner.cleanup()


def vertex(upstream: Upstream) -> AnthropicVertex:
    return AnthropicVertex(region="global", project="ours", base_url=f"{upstream.url}/v1")


async def test_a_service_account_gets_a_token_once_and_sends_it(upstream: Upstream, tokens: list[Any]) -> None:
    upstream.says(a_message())
    async with vertex(upstream).connect() as opened:
        for _ in range(2):
            assert (await opened.complete("small@2026", PROMPT)).text == "Paris."
    assert [one.headers["authorization"] for one in upstream.received] == [f"Bearer {TOKEN}"] * 2
    assert upstream.received[0].path.startswith("/v1/projects/ours/locations/global/"), "who pays is configured"
    assert [one["grant_type"] for one in tokens] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]


async def test_a_token_that_is_refused_is_a_failure_of_the_call(upstream: Upstream, tokens: list[Any]) -> None:
    tokens.append("the one that is given")
    async with vertex(upstream).connect() as opened:
        with pytest.raises(CallFailed, match="could not be signed") as caught:
            await opened.complete("small@2026", PROMPT)
    assert (caught.value.failure, caught.value.sent) == ("unauthorized", False)
    assert not upstream.received


async def test_a_token_that_the_cloud_repeats_is_not_passed_on(upstream: Upstream, tokens: list[Any]) -> None:
    upstream.says({"error": {"message": f"Token {TOKEN} has expired", "type": "x"}}, status=401)
    async with vertex(upstream).connect() as opened:
        with pytest.raises(CallFailed) as caught:
            await opened.complete("small@2026", PROMPT)
    assert caught.value.failure == "unauthorized"
    assert "0123456789" not in str(caught.value)
