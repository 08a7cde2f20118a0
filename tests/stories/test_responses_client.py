"""The official OpenAI client's Responses, sync and async, over members of every wire format."""

import asyncio
import json
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI
from openai.types.responses import Response
from pydantic import BaseModel

from ensemble.simulator import ToolUse, reply, status
from tests import messages
from tests.messages import BEST, MODELS, TOOL, say, sent
from tests.served import SERVER, Served, serving

ASKED: Any = {"model": "panel", "input": "How cold is Oslo?"}
FUNCTION: Any = {
    "type": "function",
    "name": "weather",
    "description": "Weather of a city.",
    "parameters": TOOL["input_schema"],
}
LONG = "It is cold. " * 100


def asking(served: Served, **options: Any) -> Any:
    """The asynchronous client. ``Any``, since bodies here are built and replies read as plain JSON."""
    return served.client(**options)


def sync(served: Served) -> Any:
    return OpenAI(base_url=served.url, api_key="none", max_retries=0)


def whole(response: Response) -> dict[str, Any]:
    """Everything of a response but what names the request and what only a stream tells always."""
    told = json.loads(json.dumps(response.to_dict()).replace(response.id.removeprefix("resp_"), "ID"))
    return {name: value for name, value in told.items() if name not in ("ensemble", "created_at")}


@pytest.mark.parametrize("winner", MODELS)
async def test_async(mixed: Served, winner: str) -> None:
    say(mixed, winner)
    async with asking(mixed) as client:
        raw = await client.responses.with_raw_response.create(**ASKED, instructions="Be brief.", max_output_tokens=100)
    said = raw.parse()
    assert (said.model, said.status, said.output_text, said.error) == (winner, "completed", BEST, None)
    assert (said.instructions, said.max_output_tokens, said.tools) == ("Be brief.", 100, [])
    assert said.usage is not None
    assert said.usage.total_tokens == said.usage.input_tokens + said.usage.output_tokens
    assert raw.headers["x-ensemble-winner"] == winner
    assert said.id == f"resp_{raw.headers['x-ensemble-request-id']}"
    record = await mixed.record(said.id)
    assert (record["dialect"], record["member"]) == ("openai-responses", winner)
    assert sent(mixed, "claude")["system"] == "Be brief."
    assert sent(mixed, "alpha")["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_sync(mixed: Served) -> None:
    say(mixed, "claude")

    def ask() -> Any:
        with sync(mixed) as client:
            return client.responses.create(**ASKED, extra_body={"ensemble": {"include": ["candidates"]}})

    said = await asyncio.to_thread(ask)
    assert said.output_text == BEST
    assert sorted(one["member"] for one in said.ensemble["candidates"]) == ["alpha", "claude", "deep"]


CALL = ToolUse(id="call_1", name="weather", arguments='{"city":"Oslo"}')
SAID: dict[str, tuple[str, dict[str, Any]]] = {
    "text": (LONG, {}),
    "calls": (
        LONG,
        {"tool_calls": (CALL, ToolUse(id="call_2", name="weather", arguments="{}")), "finish": "tool_calls"},
    ),
    "cut": (LONG, {"finish": "length"}),
    "refused": ("", {"finish": "refusal", "refusal": "I would rather not, and say so at some length."}),
    "thoughts": (LONG, {"reasoning": "It is winter."}),
}


@pytest.mark.parametrize("kind", SAID)
@pytest.mark.parametrize("winner", ["alpha", "deep"])
async def test_a_stream_gathers_the_same_object_sync_and_async(mixed: Served, winner: str, kind: str) -> None:
    text, told = SAID[kind]
    for model in MODELS.values():
        mixed.simulator.script(model, [reply(text, **told)] * 3)
    asked = {**ASKED, "model": winner, "tools": [FUNCTION], "reasoning": {"summary": "auto"}}

    def streamed() -> tuple[list[Any], Any]:
        with sync(mixed) as client, client.responses.stream(**asked) as stream:
            events = list(stream)
            return events, events[-1].response

    async with asking(mixed) as client:
        once = await client.responses.create(**asked)
        events = [event async for event in await client.responses.create(**asked, stream=True)]
    helped, final = await asyncio.to_thread(streamed)
    assert once.status == ("incomplete" if kind == "cut" else "completed")
    assert [item.type for item in once.output] == {
        "calls": ["message", "function_call", "function_call"],
        "thoughts": ["reasoning", "message"] if winner == "deep" else ["message"],
    }.get(kind, ["message"])
    assert whole(events[-1].response) == whole(once)
    assert [event.type for event in helped] == [event.type for event in events]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert final.to_dict()["ensemble"]["winner"] == winner
    gathered = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert gathered == ("" if kind == "refused" else LONG)


async def test_the_events_come_in_the_order_of_the_protocol(mixed: Served) -> None:
    mixed.simulator.script("gamma", [reply("Brr.", reasoning="Winter.", tool_calls=(CALL,), finish="tool_calls")])
    asked: Any = {**ASKED, "model": "deep", "tools": [FUNCTION], "reasoning": {"summary": "auto"}}
    async with asking(mixed) as client:
        events = [event.type async for event in await client.responses.create(**asked, stream=True)]
    assert [event.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]


async def test_logprobs(mixed: Served) -> None:
    asked: Any = {**ASKED, "model": "alpha", "top_logprobs": 2, "include": ["message.output_text.logprobs"]}
    async with asking(mixed) as client:
        said = await client.responses.create(**asked)
        events = [event async for event in await client.responses.create(**asked, stream=True)]
        again = await client.responses.retrieve(said.id)
    part: Any = said.output[0].to_dict()["content"]
    tokens = part[0]["logprobs"]
    assert "".join(token["token"] for token in tokens) == said.output_text
    assert len(tokens[0]["top_logprobs"]) == 2
    (delta,) = (event for event in events if event.type == "response.output_text.delta")
    assert [token.token for token in delta.logprobs] == [token["token"] for token in tokens]
    assert again.to_dict() == said.to_dict()


class Weather(BaseModel):
    """What the answer is to look like."""

    city: str
    celsius: int


@pytest.mark.parametrize("how", ["async", "streamed", "sync"])
@pytest.mark.parametrize("winner", ["alpha", "claude"])
async def test_a_parsed_answer_in_a_form(mixed: Served, winner: str, how: str) -> None:
    say(mixed, winner, '{"city": "Oslo", "celsius": -3}')

    def ask() -> Any:
        with sync(mixed) as client:
            return client.responses.parse(**ASKED, text_format=Weather)

    async with asking(mixed) as client:
        if how == "sync":
            said = await asyncio.to_thread(ask)
        elif how == "async":
            said = await client.responses.parse(**ASKED, text_format=Weather)
        else:
            async with client.responses.stream(**ASKED, text_format=Weather) as stream:
                said = await stream.get_final_response()
    assert said.output_parsed == Weather(city="Oslo", celsius=-3)
    form = sent(mixed, "alpha")["response_format"]["json_schema"]
    assert (form["strict"], sorted(form["schema"]["properties"])) == (True, ["celsius", "city"])
    assert form["schema"] == sent(mixed, "claude")["output_config"]["format"]["schema"]


@pytest.mark.parametrize("kept", ["by the client", "by the log"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_tool_loop_of_three_turns_over_both_formats(mixed: Served, kept: str, streamed: bool) -> None:
    """Each turn is won by a member of the other format; the conversation is the client's or the log's."""
    items: list[Any] = [{"role": "user", "content": "How cold is Oslo?"}]
    asked: Any = {"model": "panel", "tools": [FUNCTION], "tool_choice": "auto", "instructions": "Be brief."}
    last: Any = None
    async with asking(mixed) as client:

        async def turn(new: list[Any]) -> Any:
            items.extend(new)
            own = {"input": items} if kept == "by the client" or last is None else {"input": new}
            after = {"previous_response_id": last.id} if kept == "by the log" and last is not None else {}
            if not streamed:
                return await client.responses.create(**asked, **own, **after)
            async with client.responses.stream(**asked, **own, **after) as stream:
                return await stream.get_final_response()

        new: list[Any] = []
        for number, winner in enumerate(["alpha", "claude", "deep"]):
            use = ToolUse(id=f"call_{number}", name="weather", arguments=f'{{"city":"City {number}"}}')
            say(mixed, winner, "I look it up, and tell you at once.", tool_calls=(use,), finish="tool_calls")
            last = await turn(new)
            assert (last.model, last.status) == (winner, "completed")
            call = last.output[-1]
            assert (call.type, call.name, json.loads(call.arguments)) == (
                "function_call",
                "weather",
                {"city": f"City {number}"},
            )
            if kept == "by the client":
                items.extend(last.output)
            new = [{"type": "function_call_output", "call_id": call.call_id, "output": f"-{number}"}]
        say(mixed, "alpha")
        final = await turn(new)
    assert final.output_text == BEST
    assert final.previous_response_id == (last.id if kept == "by the log" else None)
    openai_turns = sent(mixed, "alpha")["messages"]
    assert [turn["role"] for turn in openai_turns] == ["system", "user"] + ["assistant", "tool"] * 3
    assert [turn["content"] for turn in openai_turns if turn["role"] == "tool"] == ["-0", "-1", "-2"]
    anthropic_turns = sent(mixed, "claude")["messages"]
    assert [turn["role"] for turn in anthropic_turns] == ["user"] + ["assistant", "user"] * 3
    assert sent(mixed, "claude")["tools"] == [TOOL]


@pytest.mark.parametrize("kept", ["by the client", "by the log"])
async def test_thoughts_go_back_to_who_had_them(mixed: Served, kept: str) -> None:
    say(mixed, "deep", "I look it up.", reasoning="It is winter.", tool_calls=(CALL,), finish="tool_calls")
    output: Any = {"type": "function_call_output", "call_id": "call_1", "output": "-3"}
    async with asking(mixed) as client:
        first = await client.responses.create(**ASKED, tools=[FUNCTION])
        thought = first.output[0].to_dict()
        assert (thought["type"], thought["summary"]) == ("reasoning", [])
        assert "It is winter." not in str(thought)
        say(mixed, "deep")
        if kept == "by the client":
            items: Any = [{"role": "user", "content": ASKED["input"]}, *first.output, output]
            second = await client.responses.create(model="panel", input=items, tools=[FUNCTION])
        else:
            second = await client.responses.create(
                model="panel", previous_response_id=first.id, input=[output], tools=[FUNCTION]
            )
    assert second.output_text == BEST
    assert sent(mixed, "deep")["messages"][1]["reasoning_content"] == "It is winter."
    assert "It is winter." not in str(sent(mixed, "alpha")) + str(sent(mixed, "claude"))
    dropped = {call["member"]: call["dropped"] for call in (await mixed.record(second.id))["calls"]}
    assert dropped == {"alpha": ["provider_state"], "claude": ["provider_state"], "deep": []}


@pytest.mark.parametrize(
    ("changes", "kind", "told"),
    [
        ({"model": "panl"}, openai.NotFoundError, "panel"),
        ({"input": [{"type": "function_call_output", "call_id": "c9", "output": "x"}]}, openai.BadRequestError, "c9"),
        ({"tools": [{"type": "web_search"}]}, openai.BadRequestError, "tools[0].type: not supported here"),
        ({"extra_body": {"max_tokens": 5}}, openai.BadRequestError, "unknown parameter: max_tokens"),
    ],
)
async def test_errors_are_the_clients_own(mixed: Served, changes: Any, kind: type[Any], told: str) -> None:
    async with asking(mixed) as client:
        with pytest.raises(kind) as refused:
            await client.responses.create(**{**ASKED, **changes})
    assert told in str(refused.value)
    assert refused.value.type == "invalid_request_error"


async def _events(client: Any, *, helper: bool, **more: Any) -> list[Any]:
    if not helper:
        return [event async for event in await client.responses.create(**ASKED, **more, stream=True)]
    async with client.responses.stream(**ASKED, **more) as stream:
        return [event async for event in stream]


@pytest.mark.parametrize("helper", [False, True])
async def test_an_error_in_a_stream_is_raised(mixed: Served, helper: bool) -> None:
    for model in MODELS.values():
        mixed.simulator.script(model, [status(500)])
    async with asking(mixed) as client:
        with pytest.raises(openai.APIError, match="no member brought an answer") as failed:
            await _events(client, helper=helper)
    assert failed.value.code == "no_candidate"


@pytest.mark.parametrize("helper", [False, True])
async def test_an_error_after_the_status_line_is_raised(tmp_path: Path, helper: bool) -> None:
    async with serving(tmp_path, SERVER + "hold_s = 0\n", parts=messages.PARTS) as served:
        for model in MODELS.values():
            served.simulator.hold(model)
        async with asking(served) as client:
            with pytest.raises(openai.APIError, match="deadline") as failed:
                await _events(client, helper=helper, extra_body={"ensemble": {"deadline_s": 0.3}})
    assert not isinstance(failed.value, openai.APIStatusError)
    assert failed.value.code == "deadline_exceeded"


@pytest.mark.parametrize("streamed", [False, True])
async def test_under_an_idempotency_key_a_response_is_the_same_to_the_byte(mixed: Served, streamed: bool) -> None:
    say(mixed, "deep", "I look it up.", reasoning="It is winter.", tool_calls=(CALL,), finish="tool_calls")
    headers, replies = {"Idempotency-Key": "order-17"}, []
    asked = {**ASKED, "instructions": "Be brief.", "tools": [FUNCTION], "reasoning": {"summary": "auto"}}
    for _ in range(2):
        body = {**asked, "stream": streamed}
        async with mixed.http.post(f"{mixed.url}/responses", json=body, headers=headers) as got:
            replies.append(await got.read())
    assert replies[0] == replies[1]
    assert len(mixed.simulator.served) == 3


async def test_what_is_not_offered_is_404_in_openais_shape(mixed: Served) -> None:
    async with asking(mixed) as client:
        said = await client.responses.create(**ASKED)
        with pytest.raises(openai.NotFoundError):
            await client.responses.cancel(said.id)
        with pytest.raises(openai.NotFoundError):
            [item async for item in client.responses.input_items.list(said.id)]
        with pytest.raises(openai.NotFoundError):
            await client.responses.input_tokens.count(**ASKED)
        with pytest.raises(openai.BadRequestError, match="stream: not supported"):
            await client.responses.retrieve(said.id, stream=True)


async def test_a_file_by_its_address_goes_to_members_that_fetch_it(mixed: Served) -> None:
    file = {"type": "input_file", "file_url": "https://host/a.pdf"}
    say(mixed, "claude")
    async with asking(mixed) as client:
        said = await client.responses.create(model="panel", input=[{"role": "user", "content": [file]}])
    assert said.model == "claude"
    failures = {call["member"]: call["failure"] for call in (await mixed.record(said.id))["calls"]}
    assert failures == {"alpha": "skipped", "claude": None, "deep": "skipped"}
    assert {one.model for one in mixed.simulator.served} == {MODELS["claude"]}
