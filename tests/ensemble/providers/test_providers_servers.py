"""Servers that call themselves OpenAI-compatible, each by the recipe of the README and with the quirks of its own."""

import re
import tomllib
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import PROVIDERS, Connection
from ensemble.providers._http import Transport
from ensemble.simulator import Simulator, ToolUse, fault, reply, status
from judges.types import Completion, ImagePart, Message, Prompt, ResponseFormat, TextPart, ToolCall, Usage

README = Path(__file__).parents[3] / "README.md"


def written() -> Mapping[str, Mapping[str, Any]]:
    """The recipes as the README has them, all providers, by name."""
    blocks = re.findall(r"^```toml\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (recipes,) = (block for block in blocks if "[providers.azure]" in block)
    found: Mapping[str, Mapping[str, Any]] = tomllib.loads(recipes)["providers"]
    return found


def played(name: str, recipe: Mapping[str, Any]) -> dict[str, Any]:
    """``recipe`` at the path under which the simulator plays the server; without its host yet."""
    own: dict[str, Any] = {**recipe, "base_url": f"/{name}{urlsplit(recipe['base_url']).path}"}
    if name == "azure":
        own["token_parameter"] = "max_completion_tokens"  # known by the host, which here is loopback
    return own


RECIPES: Mapping[str, Mapping[str, Any]] = {
    **{name: played(name, recipe) for name, recipe in written().items() if recipe["use"] == "openai"},
    "azure-deployment": {
        "use": "openai",
        "base_url": "/azure/openai/deployments/tested",
        "headers_env": {"api-key": "AZURE_OPENAI_API_KEY"},
        "query": {"api-version": "2026-01-01"},
        "token_parameter": "max_completion_tokens",
    },
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
async def connection(
    simulator: Simulator, server: str, transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Connection]:
    for variable in ("AZURE_OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.setenv(variable, "some-key-1")
    recipe = {
        **RECIPES[server],
        "base_url": simulator.anthropic_url + RECIPES[server]["base_url"],
        "transport": transport,
    }
    async with PROVIDERS.build(recipe).connect() as opened:
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
    assert ("api-key" in headers) == server.startswith("azure")


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
async def test_a_filter_by_whatever_word_is_no_good_answer_but_where_the_server_hides_it(
    simulator: Simulator, connection: Connection, server: str, streaming: bool
) -> None:
    simulator.script(MODEL, [reply("one", finish="content_filter")])
    said = await answer(connection, streaming=streaming)
    expected = {"vllm": "other", "ollama": "stop"}
    assert said.finish_reason == expected.get(server, "refusal")


async def test_a_form_for_the_answer_reaches_the_server(simulator: Simulator, connection: Connection) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wanted = ResponseFormat(type="json_schema", schema=schema, name="count")
    simulator.script(MODEL, [reply('{"n": 3}')])
    said = await connection.complete(MODEL, replace(PROMPT, response_format=wanted))
    assert said.text == '{"n": 3}'
    sent: Any = simulator.served[-1].body
    assert sent["response_format"]["json_schema"]["schema"] == schema


async def test_an_image_and_the_result_of_a_tool_reach_the_server(simulator: Simulator, connection: Connection) -> None:
    call = ToolCall(id="call_1", name="look", arguments="{}")
    shown = (TextPart(text="What is it?"), ImagePart(url="data:image/png;base64,iVBORw0KGgo="))
    messages = (
        Message(role="user", content=shown),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="a cat", tool_call_id="call_1"),
    )
    simulator.script(MODEL, [reply("A cat.")])
    assert (await connection.complete(MODEL, replace(PROMPT, messages=messages))).text == "A cat."
    sent: Any = simulator.served[-1].body
    assert sent["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png")
    assert sent["messages"][2] == {"role": "tool", "tool_call_id": "call_1", "content": "a cat"}


@pytest.mark.parametrize(
    ("kind", "failure"),
    [("429", "rate_limited"), ("500", "overloaded"), ("401", "unauthorized"), ("html", "bad_reply")],
)
async def test_errors_in_the_servers_own_shape(
    simulator: Simulator, connection: Connection, kind: str, failure: str
) -> None:
    simulator.script(MODEL, [fault(kind) if kind == "html" else status(int(kind), message="in its own words")])
    with pytest.raises(CallFailed) as caught:
        await answer(connection, streaming=False)
    assert caught.value.failure == failure
    assert kind == "html" or "in its own words" in str(caught.value)


def test_every_recipe_of_the_readme_can_be_built() -> None:
    uses = {name: PROVIDERS.build(recipe).use for name, recipe in written().items()}
    assert set(uses) == {
        *("azure", "openrouter", "gemini", "vllm", "ollama", "llamacpp"),
        *("anthropic", "bedrock", "vertex"),
    }
    assert (uses["bedrock"], uses["vertex"]) == ("anthropic_bedrock", "anthropic_vertex")
