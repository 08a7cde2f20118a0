"""Refusals that carry a status and no word: over both wire formats, asked whole and streamed.

The simulator words its errors as its models' providers do, so that a test with it could pass by the word alone. Here a
gateway answers, which knows nothing of the format.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import Connection
from judges.types import Message, Prompt
from tests.ensemble.providers import anthropic_upstream, openai_upstream
from tests.ensemble.providers.conftest import Upstream

if TYPE_CHECKING:
    from ensemble.types import Failure

PROMPT = Prompt(messages=(Message(role="user", content="Count."),), max_output_tokens=100)
STATUSES: list[tuple[int, "Failure", bool]] = [
    (401, "unauthorized", False),
    (402, "rate_limited", False),
    (403, "unauthorized", False),
    (404, "rejected", False),
    (408, "timeout", True),
    (409, "overloaded", True),
    (413, "too_long", False),
    (422, "rejected", False),
    (425, "overloaded", True),
    (429, "rate_limited", True),
    (500, "overloaded", True),
    (501, "rejected", False),
    (502, "overloaded", True),
    (503, "overloaded", True),
    (504, "timeout", True),
    (529, "overloaded", True),
]
BEGUN = {
    "openai": openai_upstream.event(openai_upstream.a_chunk(content="One two")),
    "anthropic": anthropic_upstream.start()
    + anthropic_upstream.block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "One two"}),
}


@pytest.fixture(params=["openai", "anthropic"])
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def connection(wire: str, upstream: Upstream) -> AsyncIterator[Connection]:
    made = openai_upstream.a_provider if wire == "openai" else anthropic_upstream.a_provider
    async with made(upstream).connect() as opened:
        yield opened


async def ask(connection: Connection, *, streaming: bool) -> None:
    if not streaming:
        await connection.complete("m", PROMPT)
        return
    async with aclosing(connection.stream("m", PROMPT)) as stream:  # type: ignore[type-var]
        async for _ in stream:
            pass


async def failure_of(connection: Connection, *, streaming: bool) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await ask(connection, streaming=streaming)
    return caught.value


either = pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])


@either
@pytest.mark.parametrize("body", [b"", b"upstream said no"], ids=["empty", "plain"])
@pytest.mark.parametrize(("status", "failure", "retryable"), STATUSES)
async def test_a_bare_status_is_a_typed_failure(
    upstream: Upstream,
    connection: Connection,
    status: int,
    failure: "Failure",
    retryable: bool,
    body: bytes,
    streaming: bool,
) -> None:
    upstream.says(body, status=status, headers={"content-type": "text/plain", "x-request-id": "r1", "retry-after": "3"})
    failed = await failure_of(connection, streaming=streaming)
    assert (failed.failure, failed.retryable, failed.sent) == (failure, retryable, True)
    assert (failed.http_status, failed.provider_request_id, failed.retry_after_s) == (status, "r1", 3.0)
    assert str(failed) == f"status {status}: {body.decode() or 'no explanation'}"
    assert failed.completion is None
    assert len(upstream.received) == 1, "the SDK must not retry by itself"


@either
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_told_and_not_followed(
    upstream: Upstream, connection: Connection, status: int, streaming: bool
) -> None:
    where = {"content-type": "text/html", "location": f"{upstream.url}/elsewhere"}
    upstream.says(b"<html>Moved</html>", status=status, headers=where)
    failed = await failure_of(connection, streaming=streaming)
    assert (failed.failure, failed.retryable, failed.http_status) == ("rejected", False, status)
    assert str(failed) == f"status {status}: a redirect, which is not followed: correct base_url"
    assert len(upstream.received) == 1


@either
@pytest.mark.parametrize("status", [200, 503])
async def test_a_page_in_html_is_named_and_not_quoted(
    upstream: Upstream, connection: Connection, status: int, streaming: bool
) -> None:
    upstream.says(b"<html><h1>Welcome</h1></html>", status=status, headers={"content-type": "text/html"})
    failed = await failure_of(connection, streaming=streaming)
    assert (failed.failure, failed.retryable) == ("bad_reply" if status == 200 else "overloaded", True)
    if status == 503:
        assert str(failed) == "status 503: an HTML page"
    else:
        assert "the reply is text/html, not " in str(failed)
    assert "Welcome" not in str(failed)


async def test_a_stream_that_ends_well_without_a_finish_was_cut(
    upstream: Upstream, connection: Connection, wire: str
) -> None:
    """A proxy that gives up its upstream closes the reply in good order."""
    upstream.streams(BEGUN[wire])
    failed = await failure_of(connection, streaming=True)
    assert (failed.failure, failed.retryable, failed.http_status) == ("cut_stream", True, 200)
    assert "ended in the middle of the answer" in str(failed)
    assert failed.completion is not None
    assert (failed.completion.text, failed.completion.partial) == ("One two", True)


async def test_a_stream_that_ends_before_it_begins_was_cut(upstream: Upstream, connection: Connection) -> None:
    upstream.streams(b": keep-alive\n\n")
    failed = await failure_of(connection, streaming=True)
    assert (failed.failure, failed.retryable, failed.completion) == ("cut_stream", True, None)
