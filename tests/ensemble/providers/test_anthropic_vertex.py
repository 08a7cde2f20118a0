"""Anthropic's models at Google's Vertex AI, by an access token."""

from dataclasses import replace
from typing import Any

import pytest

from ensemble.providers._http import Transport
from ensemble.providers.anthropic_vertex import AnthropicVertex
from ensemble.simulator import Simulator, reply
from judges.types import Completion, Message, Prompt
from tests.ensemble.providers.anthropic_upstream import a_message, block, end, start
from tests.ensemble.providers.conftest import Upstream

PROMPT = Prompt(messages=(Message(role="user", content="Capital of France?"),), max_output_tokens=9)
MODELS = "/v1/projects/ours/locations/global/publishers/anthropic/models"


@pytest.fixture
def transport() -> Transport:
    """Clouds are reached by their SDK alone, since it signs."""
    return "sdk"


def a_provider(upstream: Upstream, monkeypatch: pytest.MonkeyPatch, **options: Any) -> AnthropicVertex:
    monkeypatch.setenv("TEST_TOKEN", "ya29.token-0123456789")
    monkeypatch.setenv("ANTHROPIC_VERTEX_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Custom: 1")
    given = {"region": "global", "project": "ours", "base_url": f"{upstream.url}/v1", "api_key_env": "TEST_TOKEN"}
    return AnthropicVertex.model_validate({**given, **options})


async def test_a_whole_answer(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream.says(a_message())
    async with a_provider(upstream, monkeypatch).connect() as opened:
        said = await opened.complete("small@2026", PROMPT)
    assert (said.text, said.usage.input_tokens) == ("Paris.", 11)
    received = upstream.received[0]
    assert received.path == f"{MODELS}/small@2026:rawPredict"
    assert received.body["anthropic_version"] == "2026-10-21"
    assert "model" not in received.body
    assert received.headers["authorization"] == "Bearer ya29.token-0123456789"
    assert "x-custom" not in received.headers


async def test_a_stream(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    upstream.streams(start(), block(0, {"type": "text", "text": "Paris."}), end())
    async with a_provider(upstream, monkeypatch).connect() as opened:
        items = [item async for item in opened.stream("small@2026", PROMPT)]
    assert isinstance(items[-1], Completion)
    assert (items[-1].text, items[-1].finish_reason) == ("Paris.", "stop")
    assert upstream.received[0].path == f"{MODELS}/small@2026:streamRawPredict"


@pytest.mark.parametrize(("version", "dropped"), [("vertex-2023-10-16", ()), ("2026-10-21", ("temperature",))])
async def test_an_older_version_takes_sampling(
    monkeypatch: pytest.MonkeyPatch, version: str, dropped: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TEST_TOKEN", "ya29.token-0123456789")
    async with Simulator() as simulator:
        simulator.script("small@2026", [reply("Paris.")])
        provider = AnthropicVertex(
            region="global",
            project="ours",
            base_url=f"{simulator.anthropic_url}/vertex/v1",
            api_key_env="TEST_TOKEN",
            api_version=version,
        )
        async with provider.connect() as opened:
            said = await opened.complete("small@2026", replace(PROMPT, options={"temperature": 0.5}))
        sent = simulator.served[-1].body
    assert (said.text, said.dropped) == ("Paris.", dropped)
    assert ("temperature" in sent) == (not dropped)
