"""Every fault of a provider, over both wire formats, asked whole and streamed, at a simulated fleet on real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import Connection, Provider
from ensemble.providers._http import Transport
from ensemble.providers.anthropic import Anthropic
from ensemble.providers.anthropic_vertex import AnthropicVertex
from ensemble.providers.openai import OpenAI
from ensemble.simulator import Simulator, SimulatorSettings, Step, fault, reply
from judges.types import Completion, Message, Prompt

if TYPE_CHECKING:
    from ensemble.types import Failure

MODEL = "tested"
TEXT = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
PROMPT = Prompt(messages=(Message(role="user", content="Count."),), max_output_tokens=500)


@dataclass
class Line:
    """One connection to the simulator, and whether it is asked for streams."""

    simulator: Simulator
    connection: Connection
    streaming: bool

    async def ask(self, *steps: Step) -> Completion:
        """The answer of a model that takes ``steps``."""
        self.simulator.script(MODEL, list(steps))
        return await self.again()

    async def again(self) -> Completion:
        if not self.streaming:
            return await self.connection.complete(MODEL, PROMPT)
        async with aclosing(self.connection.stream(MODEL, PROMPT)) as stream:  # type: ignore[type-var]
            items = [item async for item in stream]
        last = items.pop()
        assert isinstance(last, Completion)
        assert last.text == "".join(item.text for item in items if not isinstance(item, Completion))
        return last

    async def failure(self, *steps: Step) -> CallFailed:
        with pytest.raises(CallFailed) as caught:
            await self.ask(*steps)
        return caught.value


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorSettings(chunk_tokens=1)) as opened:
        yield opened


@pytest.fixture(params=["openai-direct", "openai-sdk", "anthropic-direct", "anthropic-sdk", "vertex"])
def provider(request: pytest.FixtureRequest, simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> Provider:
    wire, _, transport = request.param.partition("-")
    if wire == "openai":
        return OpenAI(base_url=simulator.base_url, max_body_bytes=100_000, transport=transport)
    if wire == "anthropic":
        return Anthropic(base_url=simulator.anthropic_url, max_body_bytes=100_000, transport=transport)
    monkeypatch.setenv("TEST_TOKEN", "ya29.token-0123456789")
    url = f"{simulator.anthropic_url}/vertex/v1"
    return AnthropicVertex(
        region="global", project="ours", base_url=url, api_key_env="TEST_TOKEN", max_body_bytes=100_000
    )


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
async def line(request: pytest.FixtureRequest, simulator: Simulator, provider: Provider) -> AsyncIterator[Line]:
    async with provider.connect() as connection:
        yield Line(simulator, connection, request.param)


async def test_a_sound_answer_tells_what_the_simulator_served(line: Line) -> None:
    said = await line.ask(reply(TEXT, cached_tokens=2))
    served = line.simulator.served[-1]
    assert (said.text, said.finish_reason, said.partial) == (TEXT, "stop", False)
    assert (said.usage.input_tokens, said.usage.output_tokens) == (served.prompt_tokens, served.completion_tokens)
    assert (said.usage.cached_input_tokens, said.provider_request_id) == (2, served.request_id)
    assert (said.first_token_s is not None) == line.streaming


@pytest.mark.parametrize(
    ("kind", "failure", "retryable"),
    [
        ("html", "bad_reply", True),
        ("null", "bad_reply", True),
        ("wrong_shape", "bad_reply", True),
        ("broken_json", "bad_reply", True),
        ("wrong_type", "bad_reply", True),
        ("no_choices", "empty", True),
        ("oversized", "oversized", False),
        ("cut", "cut_stream", True),
        ("stream_error", "overloaded", True),
        ("redirect", "rejected", False),
        ("429", "rate_limited", True),
        ("500", "overloaded", True),
        ("503", "overloaded", True),
        ("529", "overloaded", True),
    ],
)
async def test_each_fault_is_a_typed_failure(line: Line, kind: str, failure: "Failure", retryable: bool) -> None:
    failed = await line.failure(fault(kind, text=TEXT, amount=1_000_000))
    assert (failed.failure, failed.retryable, failed.sent) == (failure, retryable, True)
    served = line.simulator.served[-1]
    assert (failed.http_status, failed.provider_request_id) == (served.status, served.request_id)
    assert len(line.simulator.served) == 1, "nobody but the fleet asks again"
    assert line.simulator.redirects_followed == 0
    assert (await line.ask(reply("fine"))).text == "fine", "the connection lives on"


@pytest.mark.parametrize("kind", ["cut", "stream_error"])
async def test_a_stream_that_breaks_off_keeps_its_beginning(line: Line, kind: str) -> None:
    failed = await line.failure(fault(kind, text=TEXT, after_tokens=5))
    if not line.streaming:
        assert failed.completion is None
        return
    assert failed.completion is not None
    assert failed.completion.partial
    assert TEXT.startswith(failed.completion.text)
    assert failed.completion.text.split()[:3] == ["one", "two", "three"]
    assert failed.completion.usage.input_tokens == line.simulator.served[-1].told_prompt_tokens


async def test_an_empty_answer_keeps_its_cost(line: Line) -> None:
    failed = await line.failure(fault("no_choices"))
    assert failed.completion is not None
    assert failed.completion.usage.input_tokens == line.simulator.served[-1].told_prompt_tokens


async def test_lone_surrogates_become_a_replacement(line: Line) -> None:
    assert (await line.ask(fault("surrogates", text="so "))).text == "so \ufffd"


async def test_usage_that_is_not_told_is_unknown(line: Line) -> None:
    said = await line.ask(fault("no_usage", text=TEXT))
    assert (said.text, said.usage.input_tokens, said.usage.output_tokens) == (TEXT, None, None)


@pytest.mark.parametrize("kind", ["429", "503", "529"])
async def test_retry_after_is_passed_on(line: Line, kind: str) -> None:
    assert (await line.failure(fault(kind, retry_after=7))).retry_after_s == 7.0


@pytest.mark.parametrize("kind", ["silence", "trickle"])
async def test_whoever_loses_patience_hangs_up_at_once(line: Line, kind: str) -> None:
    line.simulator.script(MODEL, [fault(kind, text=TEXT, amount=0.01)])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(line.again())
        await line.simulator.until(n_requests=1)
        task.cancel()
    await line.simulator.until(in_flight=0)
    assert line.simulator.served[-1].cancelled


@pytest.mark.parametrize("on", ["openai", "anthropic"])
async def test_silence_ends_by_itself(simulator: Simulator, on: str, transport: Transport) -> None:
    simulator.script(MODEL, [fault("silence")])
    provider = (
        OpenAI(base_url=simulator.base_url, silence_timeout_s=0.05, transport=transport)
        if on == "openai"
        else Anthropic(base_url=simulator.anthropic_url, silence_timeout_s=0.05, transport=transport)
    )
    async with provider.connect() as connection:
        failed = await Line(simulator, connection, False).failure(fault("silence"))
        assert str(failed) == "nothing came within silence_timeout_s"
    assert (failed.failure, failed.retryable, failed.sent) == ("timeout", True, True)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
async def test_nobody_there(simulator: Simulator, unused_tcp_port: int, transport: Transport, streaming: bool) -> None:
    nowhere = f"http://127.0.0.1:{unused_tcp_port}"
    for provider in (
        OpenAI(base_url=f"{nowhere}/v1", transport=transport),
        Anthropic(base_url=nowhere, transport=transport),
    ):
        async with provider.connect() as connection:
            failed = await Line(simulator, connection, streaming).failure()
        assert (failed.failure, failed.retryable, failed.sent) == ("unreachable", True, False)


async def test_a_wrong_key_is_not_repeated(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WRONG_KEY", "sk-wrong-0123456789abcdef")
    async with Simulator(SimulatorSettings(api_key="right")) as guarded:
        for provider in (
            OpenAI(base_url=guarded.base_url, api_key_env="WRONG_KEY", transport=transport),
            Anthropic(base_url=guarded.anthropic_url, api_key_env="WRONG_KEY", transport=transport),
        ):
            async with provider.connect() as connection:
                failed = await Line(guarded, connection, False).failure()
            assert (failed.failure, failed.http_status, failed.retryable) == ("unauthorized", 401, False)
            assert "0123456789" not in str(failed)
