"""Servers that call themselves OpenAI-compatible, each by the recipe of the README and with the quirks of its own."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from ensemble.provider import Connection
from ensemble.providers.openai import OpenAI
from ensemble.simulator import Simulator, ToolUse, reply
from judges.types import Completion, Message, Prompt, ToolCall, Usage

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "azure": {
        "base_url": "/azure/openai/v1",
        "headers_env": {"api-key": "AZURE_KEY"},
        "token_parameter": "max_completion_tokens",  # known by the host, which here is loopback
    },
    "openrouter": {"base_url": "/openrouter/api/v1", "api_key_env": "SOME_KEY"},
    "gemini": {
        "base_url": "/gemini/v1beta/openai",
        "api_key_env": "SOME_KEY",
        "unsupported": ["logprobs", "seed"],
    },
    "vllm": {"base_url": "/vllm/v1"},
    "ollama": {"base_url": "/ollama/v1", "unsupported": ["logprobs"]},
    "llamacpp": {"base_url": "/llamacpp/v1"},
}
MODEL = "tested"
PROMPT = Prompt(
    messages=(Message(role="developer", content="Count."), Message(role="user", content="To three.")),
    max_output_tokens=50,
    seed=1,
    top_logprobs=0,
)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as opened:
        yield opened


@pytest.fixture(params=RECIPES)
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def connection(simulator: Simulator, server: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("AZURE_KEY", "azure-key-1")
    monkeypatch.setenv("SOME_KEY", "some-key-1")
    recipe = {**RECIPES[server], "base_url": simulator.anthropic_url + RECIPES[server]["base_url"]}
    async with OpenAI.model_validate(recipe).connect() as opened:
        yield opened


async def answer(connection: Connection, *, streaming: bool) -> Completion:
    if not streaming:
        return await connection.complete(MODEL, PROMPT)
    items = [item async for item in connection.stream(MODEL, PROMPT)]
    last = items[-1]
    assert isinstance(last, Completion)
    return last


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
async def test_the_answer_and_what_it_costs(
    simulator: Simulator, server: str, connection: Connection, streaming: bool
) -> None:
    simulator.script(MODEL, [reply("one two three", reasoning="hm hm")])
    said = await answer(connection, streaming=streaming)
    served = simulator.served[-1]
    assert (said.text, said.finish_reason) == ("one two three", "stop")
    told = (served.told_prompt_tokens, served.told_completion_tokens)
    assert (said.usage.input_tokens, said.usage.output_tokens) == told
    if server in ("ollama", "llamacpp") and streaming:
        assert said.usage == Usage()
    elif server != "llamacpp":
        assert told == (served.prompt_tokens, served.completion_tokens)
    assert (said.usage.provider_nano_usd is not None) == (server == "openrouter")
    assert said.model is not None
    assert said.model.endswith(MODEL)
    kept = {"openrouter", "vllm", "ollama", "llamacpp"}
    assert [part.data["text"] for part in said.reasoning] == (["hm hm"] if server in kept else [])


async def test_a_limit_is_understood(simulator: Simulator, connection: Connection, server: str) -> None:
    simulator.script(MODEL, [reply("word " * 200)])
    said = await answer(connection, streaming=False)
    assert said.finish_reason == "length"
    assert len(said.text.split()) <= 50


async def test_logprobs_where_the_server_has_them(simulator: Simulator, connection: Connection, server: str) -> None:
    simulator.script(MODEL, [reply("one two three")])
    said = await answer(connection, streaming=False)
    assert (said.logprobs is None) == (server in ("gemini", "ollama"))
    assert ("logprobs" in said.dropped) == (server in ("gemini", "ollama"))


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
async def test_tool_calls(simulator: Simulator, connection: Connection, streaming: bool) -> None:
    use = ToolUse(id="call_1", name="look", arguments='{"at": 1}')
    simulator.script(MODEL, [reply(tool_calls=(use,), finish="tool_calls")])
    said = await answer(connection, streaming=streaming)
    assert said.tool_calls == (ToolCall(id="call_1", name="look", arguments='{"at": 1}'),)
    assert said.finish_reason == "tool_calls"


async def test_azure_gets_its_key_in_a_header_of_its_own(
    simulator: Simulator, connection: Connection, server: str
) -> None:
    simulator.script(MODEL, [reply("one")])
    await answer(connection, streaming=False)
    headers = {name.lower() for name in simulator.served[-1].headers}
    assert ("api-key" in headers) == (server == "azure")
