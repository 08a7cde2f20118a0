"""OpenAI's wire format: what is sent for a prompt, and what is made of a reply."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from ensemble.provider import Connection
from ensemble.providers._http import Transport
from ensemble.providers.openai import OpenAI
from judges.types import (
    Usage,
)
from tests.ensemble.providers.conftest import Upstream
from tests.ensemble.providers.openai_upstream import (
    KEY,
    a_prompt,
    a_provider,
    a_reply,
    failure_of,
)
from tests.patience import PATIENCE_S


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with a_provider(upstream, api_key_env="TEST_KEY", max_body_bytes=20_000).connect() as opened:
        yield opened


class TestFailures:
    @pytest.mark.parametrize(
        ("status", "error", "failure", "retryable"),
        [
            (400, {"message": "no"}, "rejected", False),
            (400, {"code": "context_length_exceeded"}, "too_long", False),
            (400, {"message": "This model's maximum context length is 8192 tokens."}, "too_long", False),
            (400, {"type": "exceed_context_size_error", "code": 400}, "too_long", False),
            (401, {"type": "invalid_request_error", "code": "invalid_api_key"}, "unauthorized", False),
            (402, {"message": "Insufficient credits", "code": 402}, "rate_limited", False),
            (403, {}, "unauthorized", False),
            (404, {"code": "model_not_found"}, "rejected", False),
            (408, {}, "timeout", True),
            (409, {}, "overloaded", True),
            (413, {}, "too_long", False),
            (422, {}, "rejected", False),
            (429, {"code": "rate_limit_exceeded"}, "rate_limited", True),
            (429, {"code": "insufficient_quota"}, "rate_limited", False),
            (500, {"type": "server_error"}, "overloaded", True),
            (503, {}, "overloaded", True),
            (529, {}, "overloaded", True),
        ],
    )
    async def test_by_status_and_word(
        self,
        upstream: Upstream,
        connection: Connection,
        status: int,
        error: dict[str, Any],
        failure: str,
        retryable: bool,
    ) -> None:
        upstream.says({"error": error}, status=status, headers={"x-request-id": "req_1"})
        failed = await failure_of(connection)
        assert (failed.failure, failed.retryable, failed.sent) == (failure, retryable, True)
        assert (failed.http_status, failed.provider_request_id) == (status, "req_1")
        assert len(upstream.received) == 1, "nobody but the fleet asks again"

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b'{"error": "model is loading"}', "model is loading"),
            (b'[{"error": {"message": "from Google"}}]', "from Google"),
            (b'{"detail": "from FastAPI"}', "from FastAPI"),
            (b"<html><body>nginx</body></html>", "an HTML page"),
            (b"plain\nwords", "plain words"),
            (b"", "no explanation"),
        ],
    )
    async def test_the_providers_own_words(
        self, upstream: Upstream, connection: Connection, body: bytes, told: str
    ) -> None:
        upstream.says(body, status=400)
        assert str(await failure_of(connection)) == f"status 400: {told}"

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [
            ({"retry-after": "7"}, 7.0),
            ({"retry-after": "1.5"}, 1.5),
            ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
            ({"retry-after": "-3"}, 0.0),
            ({"retry-after": "99999999"}, 3600.0),
            ({"retry-after": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
            ({"retry-after": "soon"}, None),
            ({"retry-after": "nan"}, None),
            ({}, None),
        ],
    )
    async def test_retry_after(
        self, upstream: Upstream, connection: Connection, headers: dict[str, str], seconds: float | None
    ) -> None:
        upstream.says({"error": {}}, status=429, headers=headers)
        assert (await failure_of(connection)).retry_after_s == seconds

    async def test_retry_after_as_google_says_it(self, upstream: Upstream, connection: Connection) -> None:
        info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}
        upstream.says([{"error": {"code": 429, "details": [{}, info]}}], status=429)
        assert (await failure_of(connection)).retry_after_s == 37.0

    async def test_the_provider_decides_about_retries(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says({"error": {}}, status=500, headers={"x-should-retry": "false"})
        assert not (await failure_of(connection)).retryable

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b"<html>maintenance</html>", "text/html"),
            (b"null", "application/json"),
            (b"[]", "application/json"),
            (b'"text"', "application/json"),
            (b'{"choices": [', "application/json"),
            (b"", "application/json"),
            (b"[" * 10_000, "application/json"),
            (b'{"choices": null}', "application/json"),
            (b'{"object": "list"}', "application/json"),
            (b'{"choices": [null]}', "application/json"),
            (b'{"choices": [{"message": null}]}', "application/json"),
            (b'{"choices": [{"message": {"content": {"a": 1}}}]}', "application/json"),
            (b'{"choices": [{"message": {"content": "x"}, "finish_reason": 5}]}', "application/json"),
            (b'{"choices": [{"message": {"tool_calls": [{"function": null}]}}]}', "application/json"),
            (b'{"choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}]}', "text/plain"),
            (b'{"error": {"message": "boom"}}', "application/json"),
        ],
    )
    async def test_replies_under_200_that_are_none(
        self, upstream: Upstream, connection: Connection, body: bytes, kind: str
    ) -> None:
        upstream.says(body, headers={"content-type": kind, "x-request-id": "req_1"})
        failed = await failure_of(connection)
        assert (failed.failure, failed.retryable, failed.http_status) == ("bad_reply", True, 200)
        assert failed.provider_request_id == "req_1"

    @pytest.mark.parametrize("content", [None, "", " "])
    async def test_a_text_that_the_model_left_empty_is_an_answer(
        self, upstream: Upstream, connection: Connection, content: str | None
    ) -> None:
        upstream.says(a_reply(message={"content": content}))
        said = await connection.complete("m", a_prompt())
        assert (said.text.strip(), said.finish_reason) == ("", "stop")

    async def test_a_reply_without_a_choice_is_a_failure_that_keeps_its_cost(
        self, upstream: Upstream, connection: Connection
    ) -> None:
        upstream.says(a_reply(choices=[]))
        failed = await failure_of(connection)
        assert (failed.failure, failed.retryable) == ("empty", True)
        assert failed.completion is not None
        assert failed.completion.usage == Usage(input_tokens=11, output_tokens=3)

    @pytest.mark.parametrize("status", [200, 500])
    async def test_a_body_without_end_is_given_up_while_reading(
        self, upstream: Upstream, connection: Connection, status: int
    ) -> None:
        sent = 0

        async def endless(request: web.Request) -> web.StreamResponse:
            nonlocal sent
            response = web.StreamResponse(status=status, headers={"content-type": "application/json"})
            await response.prepare(request)
            while True:
                await response.write(b" " * 10_000)
                sent += 10_000

        upstream.answer = endless
        failed = await failure_of(connection)
        assert failed.failure == ("oversized" if status == 200 else "overloaded")
        async with asyncio.timeout(PATIENCE_S):
            await upstream.gone.wait()
        assert sent < 20_000_000

    async def test_a_redirect_is_not_followed(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(b"", status=307, headers={"location": f"{upstream.url}/elsewhere"})
        failed = await failure_of(connection)
        assert (failed.failure, failed.retryable, failed.http_status) == ("rejected", False, 307)
        assert len(upstream.received) == 1

    async def test_a_body_cut_short(self, upstream: Upstream, connection: Connection) -> None:
        upstream.streams(b'{"choices": [', headers={"content-type": "application/json"}, cut=True)
        failed = await failure_of(connection)
        assert (failed.failure, failed.retryable, failed.sent) == ("cut_stream", True, True)
        assert str(failed) == "the connection broke in the middle of the reply"

    async def test_a_connection_closed_without_a_word(self, upstream: Upstream, connection: Connection) -> None:
        """The provider has seen the prompt, so this is not the same as an unreachable one."""

        async def hang_up(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.close()
            return web.Response()

        upstream.answer = hang_up
        failed = await failure_of(connection)
        assert (failed.failure, failed.retryable, failed.sent) == ("cut_stream", True, True)
        assert str(failed) == "the connection broke before a reply came"
        assert len(upstream.received) == 1, "nobody but the fleet asks again"

    async def test_nobody_there(self, unused_tcp_port: int, transport: Transport) -> None:
        provider = OpenAI(base_url=f"http://127.0.0.1:{unused_tcp_port}/v1", transport=transport)
        async with provider.connect() as opened:
            failed = await failure_of(opened)
        assert (failed.failure, failed.retryable, failed.sent) == ("unreachable", True, False)
        assert str(failed) == f"127.0.0.1:{unused_tcp_port} cannot be reached: connection refused"

    async def test_a_name_that_nobody_knows(self, transport: Transport) -> None:
        provider = OpenAI(base_url="http://models.invalid/v1", transport=transport)
        async with provider.connect() as opened:
            failed = await failure_of(opened)
        assert str(failed).startswith("models.invalid:80 cannot be reached: the name is not known here (")

    async def test_a_certificate_that_nobody_signed(self, upstream: Upstream) -> None:
        provider = OpenAI(base_url=upstream.url.replace("http:", "https:"), transport=upstream.transport)
        async with provider.connect() as opened:
            failed = await failure_of(opened)
        assert (failed.failure, failed.retryable, failed.sent) == ("unreachable", False, False)
        assert "cannot be reached: no TLS connection came about (" in str(failed)

    async def test_silence_ends_by_itself(self, upstream: Upstream) -> None:
        upstream.hangs(b"{", kind="application/json")
        async with a_provider(upstream, silence_timeout_s=0.05).connect() as opened:
            failed = await failure_of(opened)
        assert (failed.failure, failed.retryable, failed.sent) == ("timeout", True, True)

    async def test_cancelling_hangs_up_at_once(self, upstream: Upstream, connection: Connection) -> None:
        upstream.hangs(b"{", kind="application/json")
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            task = group.create_task(connection.complete("small", a_prompt()))
            await upstream.arrived.wait()
            task.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await upstream.gone.wait()
