"""What arrives from the direct transport is what the SDKs send: to the byte over ours, in meaning over the SDKs' own.

``scripts/wire_check`` runs this against the lowest and the newest SDK allowed.
"""

import os
from collections.abc import Mapping
from typing import Any

import pytest

from ensemble.provider import EmbeddingConnection, TokenCounter
from judges.types import Prompt
from tests.ensemble.providers.arriving import (
    KEY,
    MANNERS,
    REPLIES,
    SHAPES,
    Arrived,
    Recorder,
    asked,
    officially,
    provider,
)

ALLOWED: Mapping[str, str] = {
    "accept": "both kinds of reply are asked for, since some servers stream or do not as they like",
    "accept-encoding": "identity, else a small reply may unpack to gigabytes",
    "user-agent": "ours",
    "connection": "keep-alive is what HTTP/1.1 means without it",
    "content-length": "follows the body, whose blanks and escapes are free",
    "anthropic-version": "an option of ours, whose default is the SDK's of today",
    "x-stainless-*": "telemetry",
}
"""Headers in which we may differ from the SDK, and why. Every other header is the same."""


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def streaming(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


QUERY = {"api version": "2026-01-01", "ä&": "=+%20"}

each = pytest.mark.parametrize(("wire", "shape"), [(wire, shape) for wire in SHAPES for shape in SHAPES[wire]])
# aiohttp tells the SDKs' bridge so, which hands over every body in one piece.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


async def ask(recorder: Recorder, wire: str, prompt: Prompt, streaming: bool, **options: Any) -> Arrived:
    recorder.says(REPLIES[wire][streaming], "text/event-stream" if streaming else "application/json")
    async with provider(wire, recorder, **options).connect() as connection:
        if streaming:
            last = [item async for item in connection.stream("m", prompt)][-1]
        else:
            last = await connection.complete("m", prompt)
        assert connection.transport == options.get("transport", "direct")
    assert last.text == "Paris."
    return recorder.arrived.pop()


def compared(one: Arrived) -> tuple[object, ...]:
    """What must be the same; a blank in a query is ``+`` or ``%20``, as SDKs change their minds."""
    headers = [
        (name, value) for name, value in one.headers if name not in ALLOWED and not name.startswith("x-stainless-")
    ]
    return one.line, one.query, headers, one.document


@each
async def test_over_our_two_transports_the_same_bytes_arrive(
    recorder: Recorder, wire: str, shape: str, streaming: bool
) -> None:
    prompt, options = SHAPES[wire][shape], {"query": QUERY, **MANNERS.get(shape, {})}
    direct = await ask(recorder, wire, prompt, streaming, **options, transport="direct")
    assert direct == await ask(recorder, wire, prompt, streaming, **options, transport="sdk")


@each
async def test_the_official_sdk_sends_the_same(recorder: Recorder, wire: str, shape: str, streaming: bool) -> None:
    prompt, manner = SHAPES[wire][shape], MANNERS.get(shape, {})
    ours = await ask(recorder, wire, prompt, streaming, query=QUERY, **manner)
    document = provider(wire, recorder, **manner).format().body("m", prompt, stream=streaming)[0]
    further = {name: KEY for name in manner.get("headers_env", ())}
    await officially(wire, recorder, document, default_query=QUERY, default_headers=further)
    theirs = recorder.arrived.pop()
    assert compared(ours) == compared(theirs)


async def test_embeddings_and_counts(recorder: Recorder) -> None:
    arrived = []
    for transport in ("direct", "sdk"):
        recorder.says(b'{"data": [{"index": 0, "embedding": [0.5]}]}')
        async with provider("openai", recorder, transport=transport).connect() as connection:
            assert isinstance(connection, EmbeddingConnection)
            await connection.embed("m", ["text"], {"dimensions": 1})
        recorder.says(b'{"input_tokens": 3}')
        async with provider("anthropic", recorder, transport=transport).connect() as counting:
            assert isinstance(counting, TokenCounter)
            assert await counting.count_tokens("m", asked()) == 3
        arrived.append(recorder.arrived[-2:])
    assert arrived[0] == arrived[1]


async def test_embeddings_as_the_official_sdk_sends_them(recorder: Recorder) -> None:
    import openai

    async with provider("openai", recorder).connect() as connection:
        assert isinstance(connection, EmbeddingConnection)
        recorder.says(b'{"data": [{"index": 0, "embedding": [0.5]}]}')
        await connection.embed("m", ["a", "b ü"][:1], {"dimensions": 1})
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{recorder.url}/v1", max_retries=0) as client:
        await client.embeddings.create(model="m", input=["a"], dimensions=1, encoding_format="float")
    ours, theirs = recorder.arrived
    assert compared(ours) == compared(theirs)


async def test_counts_as_the_official_sdk_asks_for_them(recorder: Recorder) -> None:
    import anthropic

    recorder.says(b'{"input_tokens": 3}')
    prompt = SHAPES["anthropic"]["tools"]
    async with provider("anthropic", recorder).connect() as connection:
        assert isinstance(connection, TokenCounter)
        await connection.count_tokens("m", prompt)
    ours = recorder.arrived[0]
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=recorder.url, max_retries=0) as client:
        await client.messages.count_tokens(**ours.document)
    theirs = recorder.arrived[1]
    assert compared(ours) == compared(theirs)


@pytest.mark.skipif("WIRE_CHECK" not in os.environ, reason="only scripts/wire_check says which SDKs it means")
def test_the_sdks_are_those_that_are_meant() -> None:
    import anthropic
    import openai

    assert f"openai=={openai.__version__} anthropic=={anthropic.__version__}" == os.environ["WIRE_CHECK"]
