"""``streaming = "leader"`` as official clients see it: the text comes at once, and the panel is judged behind it."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from ensemble.simulator import SimulatorSettings, Step, ToolUse, fault, reply, status
from tests.served import SERVER, Served, a_question, serving

PANEL = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "longest"
streaming = "leader"
leader = "alpha"
grace_s = {grace}
"""
ASKED: Any = {"model": "panel", "messages": [{"role": "user", "content": "Why is the sky blue?"}]}
SPOKEN = "Blue light scatters most, and so the sky looks blue wherever you turn your eyes. " * 2
LONGER = SPOKEN + "That is what is called Rayleigh scattering."
SLOWLY = 1e-6
"""Seconds between two bytes of a leader that is heard while it speaks."""
SOON_S = 3
"""A deadline by which a leader has begun, and who says the same thirty times over has not ended, on any machine."""


Led = Callable[..., Awaitable[Served]]


@pytest.fixture
async def led(tmp_path: Path) -> AsyncIterator[Led]:
    """Serves a panel that alpha leads, word by word; gamma fails. ``steps`` tell what the others do."""
    async with AsyncExitStack() as stack:

        async def start(*, grace: float = 0, **steps: Step) -> Served:
            word_by_word = SimulatorSettings(chunk_tokens=1)
            tables = PANEL.format(grace=grace) + SERVER
            served = await stack.enter_async_context(serving(tmp_path, tables, simulated=word_by_word))
            speech = fault("trickle", text=SPOKEN, amount=SLOWLY)
            for name, step in {"alpha": speech, "gamma": status(400), **steps}.items():
                served.simulator.script(name, [step])
            return served

        yield start


def claude(served: Served) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=served.root, api_key="none", max_retries=0)


def full(record: Any) -> Sequence[tuple[str, int]]:
    return [(verdict["phase"], verdict["overturned"]) for verdict in record["verdicts"] if verdict["parent"] is None]


async def test_openais_client_hears_the_leader_before_anybody_else_has_answered(led: Led) -> None:
    served = await led()
    gate = served.simulator.hold("beta", LONGER)
    async with served.client() as client:
        streamed = await client.chat.completions.create(**ASKED, stream=True, stream_options={"include_usage": True})
        chunks = [await anext(aiter(streamed))]
        stored = await served.service.store.read(
            lambda db: db.execute("SELECT status, answered_s > 0 FROM requests").fetchall()
        )
        chunks += [chunk async for chunk in streamed]
    assert stored == [("streaming", 1)]
    assert {chunk.model for chunk in chunks} == {"alpha"}
    text = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert "".join(text) == SPOKEN
    assert len(text) > 2
    assert chunks[-1].usage is not None
    report = (chunks[-1].model_extra or {})["ensemble"]
    assert (report["winner"], report["unjudged"], report["verdict"]) == ("alpha", True, None)
    gate.set()
    record = await served.record(report["request_id"])
    assert (record["status"], record["member"], full(record)) == ("answered", "alpha", [("full", 1)])
    assert {one["member"] for one in record["candidates"]} == {"alpha", "beta"}
    assert {call["member"]: call["failure"] for call in record["calls"]}["gamma"] == "rejected"
    _, metrics = await _metrics(served)
    assert 'ensemble_overturned_total{router="panel"} 1.0' in metrics
    assert 'ensemble_requests_total{dialect="openai-chat",router="panel",status="answered"} 1.0' in metrics
    assert 'status="streaming"' not in metrics


async def _metrics(served: Served) -> tuple[int, str]:
    async with served.http.get(f"{served.root}/metrics") as reply_:
        return reply_.status, await reply_.text()


async def test_the_last_chunk_holds_the_verdict_where_it_may_wait_for_it(led: Led) -> None:
    served = await led(grace=5, beta=reply(LONGER))
    async with served.client() as client:
        chunks = [chunk async for chunk in await client.chat.completions.create(**ASKED, stream=True)]
    report = (chunks[-1].model_extra or {})["ensemble"]
    assert (report["winner"], report["overturned"]) == ("alpha", True)
    assert "unjudged" not in report
    assert [one["member"] for one in report["verdict"]["winners"]] == ["beta"]
    assert full(await served.record(report["request_id"])) == [("full", 1)]


async def test_anthropics_client_hears_the_leader_too(led: Led) -> None:
    served = await led()
    gate = served.simulator.hold("beta", LONGER)
    async with claude(served) as client, client.messages.stream(**ASKED, max_tokens=99) as stream:
        events: list[Any] = [event async for event in stream]
        whole = await stream.get_final_message()
    begun = events[0].message.usage  # clients check or add up these counts, so each is a number
    assert (begun.input_tokens, begun.output_tokens) == (0, 0)
    pieces = [event.text for event in events if event.type == "text"]
    assert len(pieces) > 2
    assert "".join(pieces) == SPOKEN == "".join(block.text for block in whole.content if block.type == "text")
    assert (whole.model, whole.stop_reason, len(whole.content)) == ("alpha", "end_turn", 1)
    assert whole.usage.input_tokens > 2
    assert whole.usage.output_tokens > 2
    gate.set()
    assert full(await served.record(whole.id)) == [("full", 1)]


USE = ToolUse(id="call_1", name="weather", arguments='{"city": "Rome"}')


@pytest.mark.parametrize("ending", [{}, {"tool_calls": (USE,), "finish": "tool_calls"}, {"finish": "length"}])
async def test_openais_responses_hear_the_leader_too(led: Led, ending: Any) -> None:
    served = await led(alpha=reply(SPOKEN, **ending))
    gate = served.simulator.hold("beta", LONGER)
    asked: Any = {"model": "panel", "input": "Why is the sky blue?"}
    asked["tools"] = [{"type": "function", "name": "weather", "parameters": {"type": "object"}}]
    async with served.client() as client:
        events: Any = [event async for event in await client.responses.create(**asked, stream=True)]
        final = events[-1].response
        told = final.to_dict()
        about: Any = told.pop("ensemble")
        again = (await client.responses.retrieve(final.id)).to_dict()
    assert again == told
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:4]] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
    ]
    text = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(text) == SPOKEN == final.output_text
    assert (about["winner"], about["unjudged"]) == ("alpha", True)
    gate.set()
    assert full(await served.record(final.id)) == [("full", 1)]


async def test_a_response_that_breaks_off_is_an_error_in_the_order_of_events(led: Led) -> None:
    served = await led(alpha=fault("trickle", text=SPOKEN * 30, amount=SLOWLY), beta=reply(LONGER))
    body: Any = {"model": "panel", "input": "Why?", "stream": True, "ensemble": {"deadline_s": SOON_S}}
    async with served.http.post(f"{served.url}/responses", json=body) as got:
        sent = (await got.read()).decode()
    events = [json.loads(line.removeprefix("data: ")) for line in sent.split("\n") if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"], events[-1]["code"]) == ("response.created", "error", "stream_broken")


@pytest.mark.parametrize("text", ["", "Let me look."])
async def test_tool_calls_of_a_leader_come_whole(led: Led, text: str) -> None:
    use = ToolUse(id="call_1", name="weather", arguments='{"city": "Rome"}')
    served = await led(grace=5, alpha=reply(text, finish="tool_calls", tool_calls=(use,)))
    tool: Any = {"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
    async with claude(served) as client, client.messages.stream(**ASKED, max_tokens=99, tools=[tool]) as stream:
        whole = await stream.get_final_message()
    called = [(block.name, block.input) for block in whole.content if block.type == "tool_use"]
    assert (called, whole.stop_reason) == ([("weather", {"city": "Rome"})], "tool_use")


async def test_a_leader_that_breaks_off_is_an_error_in_the_stream(led: Led) -> None:
    served = await led(alpha=fault("trickle", text=SPOKEN * 30, amount=SLOWLY), beta=reply(LONGER))
    heard: list[str] = []

    async def listen() -> None:
        async with served.client() as client:
            soon = {"ensemble": {"deadline_s": SOON_S}}
            async for chunk in await client.chat.completions.create(**ASKED, stream=True, extra_body=soon):
                heard.append(chunk.choices[0].delta.content or "")

    with pytest.raises(openai.APIError, match="alpha broke off"):
        await listen()
    assert (SPOKEN * 30).startswith("".join(heard))
    assert "".join(heard)
    (stored,) = await served.service.store.read(lambda db: db.execute("SELECT status, error FROM requests").fetchall())
    assert stored == ("failed", "stream_broken")


async def test_a_leader_that_fails_before_its_first_word_is_replaced(led: Led) -> None:
    air = fault("trickle", text="Air.", amount=SLOWLY)
    served = await led(alpha=fault("cut", text=SPOKEN, after_tokens=0), beta=air)
    async with served.client() as client:
        chunks = [chunk async for chunk in await client.chat.completions.create(**ASKED, stream=True)]
    assert {chunk.model for chunk in chunks} == {"beta"}
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Air."


async def test_where_nobody_answers_the_error_is_a_plain_reply(led: Led) -> None:
    served = await led(alpha=status(400), beta=status(400))
    code, said, _ = await served.post(a_question(stream=True))
    assert (code, said["error"]["code"]) == (502, "no_candidate")


async def test_without_a_stream_there_is_a_verdict_first(led: Led) -> None:
    served = await led(alpha=reply(SPOKEN), beta=reply(LONGER))
    code, said, _ = await served.post()
    assert (code, said["model"]) == (200, "beta")
    assert json.dumps(said).count("unjudged") == 0
