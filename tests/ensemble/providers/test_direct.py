"""What the direct transport does by itself, where the suites over both transports do not look."""

import asyncio
import base64
import gc
import subprocess
import sys
from collections.abc import AsyncIterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import StreamReader
from aiohttp.client_proto import ResponseHandler

from ensemble.errors import CallFailed
from ensemble.provider import PROVIDERS
from ensemble.providers._http import Transport
from ensemble.providers._posting import MOST_BYTES
from ensemble.providers.openai import OpenAI
from tests.certificates import serving
from tests.ensemble.providers.arriving import REPLIES, Arrived, Recorder, asked, replied
from tests.ensemble.providers.conftest import Upstream
from tests.ensemble.providers.openai_upstream import a_prompt, a_provider, a_reply

ALONE = """
import asyncio, sys
from ensemble.provider import PROVIDERS
from judges.types import Message, Prompt

async def main():
    prompt = Prompt(messages=(Message(role="user", content="?"),), max_output_tokens=5)
    for use, url in (("openai", {url!r} + "/v1"), ("anthropic", {url!r})):
        async with PROVIDERS.build({{"use": use, "base_url": url}}).connect() as connection:
            assert connection.transport == "direct"
            try:
                await connection.complete("m", prompt)
            except Exception as failed:
                assert type(failed).__name__ == "CallFailed", failed
    print(sorted({{"openai", "anthropic", "httpx", "httpx2"}} & set(sys.modules)))

asyncio.run(main())
"""


async def test_no_sdk_is_imported(recorder: Recorder) -> None:
    """That they are in memory only where they are used is half of what the direct transport is for."""
    command = [sys.executable, "-c", ALONE.format(url=recorder.url)]
    ran = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
    assert [one.line for one in recorder.arrived] == ["POST /v1/chat/completions", "POST /v1/messages"]


def test_the_transport_decides_no_answer() -> None:
    """So caches, calibrations and logs of before stay of use."""
    for use in ("openai", "anthropic"):
        digests = {PROVIDERS.build({"use": use, "transport": transport}).digest for transport in ("direct", "sdk")}
        assert digests == {PROVIDERS.build(use).digest}


async def test_connections_are_used_again(upstream: Upstream) -> None:
    upstream.says(a_reply())
    async with a_provider(upstream).connect() as connection:
        for _ in range(5):
            await connection.complete("small", a_prompt())
    assert len(upstream.connections) == 1


async def test_a_connection_is_opened_outside_of_its_request(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would keep what is in the context of the request, such as the body that a client sent, while it lives."""
    asking: ContextVar[str] = ContextVar("asking", default="nobody")
    seen: list[str] = []

    def made(protocol: ResponseHandler, transport: asyncio.BaseTransport) -> None:
        seen.append(asking.get())
        taken(protocol, transport)

    taken = ResponseHandler.connection_made
    monkeypatch.setattr(ResponseHandler, "connection_made", made)
    recorder.says(REPLIES["openai"][0])
    async with OpenAI(base_url=f"{recorder.url}/v1").connect() as connection:
        asking.set("somebody")
        await connection.complete("m", asked())
    assert seen == ["nobody"]


def readers() -> list[StreamReader]:
    return [one for one in gc.get_objects() if type(one) is StreamReader]


async def test_a_connection_at_rest_keeps_nothing_of_its_reply(recorder: Recorder) -> None:
    """A thousand of them are kept where 256 clients ask four models each."""
    recorder.says(REPLIES["openai"][0])
    before = readers()  # of tests before this one; kept, so that their ids are taken
    async with OpenAI(base_url=f"{recorder.url}/v1").connect() as connection:
        await connection.complete("m", asked())
        assert not {id(one) for one in readers()} - {id(one) for one in before}
        await connection.complete("m", asked())
    assert len(recorder.arrived) == 2


async def test_what_nobody_asked_for_answers_nobody(recorder: Recorder) -> None:
    """A second reply to one request would else be that of the next, which may be another tenant's."""
    asking = list[asyncio.StreamWriter]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asking.append(writer)
        await recorder.handle(reader, writer)

    recorder.says(REPLIES["openai"][0])
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    async with server, OpenAI(base_url=url).connect() as connection:
        await connection.complete("m", asked())
        asking[0].write(replied(REPLIES["openai"][0].replace(b"Paris.", b"Rome.")))
        for _ in range(10):  # turns of the loop, in which it arrives
            await asyncio.sleep(0)
        with pytest.raises(CallFailed) as caught:
            await connection.complete("m", asked())
        assert (caught.value.failure, caught.value.retryable, caught.value.sent) == ("unreachable", True, False)
        assert (await connection.complete("m", asked())).text == "Paris."
    assert len(asking) == 2


async def test_no_cookie_is_kept(recorder: Recorder) -> None:
    """The SDKs give them back; here they would tie the calls of all tenants together."""
    recorder.reply = replied(REPLIES["openai"][0], "content-type: application/json", "set-cookie: who=you; Path=/")
    named = f"{recorder.url.replace('127.0.0.1', 'localhost')}/v1"  # aiohttp's jar takes none from bare addresses
    async with OpenAI(base_url=named).connect() as connection:
        for _ in range(2):
            await connection.complete("m", asked())
    assert [dict(one.headers).get("cookie") for one in recorder.arrived] == [None, None]


@pytest.mark.parametrize(
    ("length", "known", "through"),
    [(10, True, 0), (MOST_BYTES, True, 1), (10, False, 1)],
    ids=["plain", "long", "of another aiohttp"],
)
async def test_only_what_is_not_plain_goes_through_the_session(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch, length: int, known: bool, through: int
) -> None:
    """The same arrives on either way; the short one stands on methods that aiohttp does not document."""
    posted: list[object] = []
    post = aiohttp.ClientSession.post

    def counted(session: aiohttp.ClientSession, *args: Any, **options: Any) -> object:
        posted.append(args)
        return post(session, *args, **options)

    monkeypatch.setattr(aiohttp.ClientSession, "post", counted)
    if not known:
        monkeypatch.setattr("ensemble.providers._direct.understood", lambda: False)
    async with OpenAI(base_url=f"{recorder.url}/v1").connect() as connection:
        said = await connection.complete("m", a_prompt("x" * length))
    assert (said.text, len(posted)) == ("Paris.", through)
    assert recorder.arrived[0].document["messages"][0]["content"] == "x" * length


class TestProxy:
    """``user:p@ss`` as the address of a proxy spells it."""

    @pytest.fixture
    def options(self, recorder: Recorder, transport: Transport, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
        monkeypatch.setenv("TEST_PROXY", recorder.url.replace("//", "//user:p%40ss@"))
        return {"proxy_env": "TEST_PROXY", "transport": transport}

    pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")  # by the bridge to the SDKs

    async def asked_through(self, recorder: Recorder, options: dict[str, str], url: str) -> tuple[Arrived, str]:
        """What arrives at the proxy, and what comes of it."""
        told = ""
        async with OpenAI.model_validate({"base_url": url, **options}).connect() as connection:
            try:
                await connection.complete("m", asked())
            except CallFailed as failed:
                told = f"{failed.failure} {failed.retryable} {failed.sent} {failed}"
        return recorder.arrived[0], told

    async def test_the_proxy_is_told_who_asks(self, recorder: Recorder, options: dict[str, str]) -> None:
        arrived, _ = await self.asked_through(recorder, options, "http://models.invalid/v1")
        headers = dict(arrived.headers)
        assert headers["proxy-authorization"] == f"Basic {base64.b64encode(b'user:p@ss').decode()}"
        assert (arrived.line, headers["host"]) == ("POST http://models.invalid/v1/chat/completions", "models.invalid")

    async def test_a_tunnel_is_asked_for_and_only_the_proxy_gets_the_password(
        self, recorder: Recorder, options: dict[str, str]
    ) -> None:
        recorder.reply, recorder.then = replied(b"", status="407 Who are you"), "close"
        arrived, told = await self.asked_through(recorder, options, "https://models.invalid/v1")
        assert arrived.line.startswith("CONNECT models.invalid:443")
        assert dict(arrived.headers)["proxy-authorization"].startswith("Basic ")
        assert told.startswith("unreachable False False ClientHttpProxyError")
        assert "p@ss" not in told


class TestTls:
    @pytest.fixture
    async def secure(self, tmp_path: Path) -> AsyncIterator[str]:
        """The address of a server whose certificate is its own authority, in ``ca.pem``."""
        context = serving(tmp_path)
        recorder = Recorder()
        recorder.says(REPLIES["openai"][0])
        server = await asyncio.start_server(recorder.handle, "127.0.0.1", 0, ssl=context)
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()

    async def test_whom_the_file_names_is_trusted(self, secure: str, transport: Transport, tmp_path: Path) -> None:
        trusting = OpenAI(base_url=secure, ca_file=tmp_path / "ca.pem", transport=transport)
        async with trusting.connect() as connection:
            assert (await connection.complete("m", asked())).text == "Paris."

    @pytest.mark.parametrize("named", [True, False])
    async def test_nobody_else_is(self, secure: str, transport: Transport, tmp_path: Path, named: bool) -> None:
        """Neither without the file, nor under another name than the certificate's."""
        url = secure.replace("127.0.0.1", "localhost") if named else secure
        options = {"ca_file": tmp_path / "ca.pem"} if named else {}
        async with OpenAI.model_validate({"base_url": url, "transport": transport, **options}).connect() as connection:
            with pytest.raises(CallFailed) as caught:
                await connection.complete("m", asked())
        assert (caught.value.failure, caught.value.retryable, caught.value.sent) == ("unreachable", False, False)
        told = "its certificate is not trusted (" + ("Hostname mismatch" if named else "self-signed")
        assert f"{url.removeprefix('https://')} cannot be reached: {told}" in str(caught.value).replace(
            " self ", " self-"
        )
