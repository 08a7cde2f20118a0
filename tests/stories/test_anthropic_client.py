"""The official Anthropic client, sync and async, sees a service that it knows, whoever answers behind it."""

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import pytest
from anthropic import Anthropic, beta_async_tool
from pydantic import BaseModel

from ensemble.simulator import ToolUse, reply, status
from tests.messages import ASKED, BEST, MODELS, PARTS, TOOL, client, say, sent
from tests.served import Served, serving


async def test_a_tool_runner_goes_on_without_a_thread(mixed: Served) -> None:
    """It asks for a thread by itself, and leaves it out once it is told that there is none."""
    call = ToolUse(id="t1", name="weather", arguments='{"city": "Oslo"}')
    mixed.simulator.script("beta", [reply(tool_calls=(call,), finish="tool_calls"), reply("Minus three.")])

    @beta_async_tool
    async def weather(city: str) -> str:
        """Weather of a city."""
        return f"-3 in {city}"

    async with client(mixed) as asking:
        asked: Any = {**ASKED, "model": "claude", "tools": [weather]}
        said = await asking.beta.messages.tool_runner(**asked).until_done()
    assert said.content[0].to_dict()["text"] == "Minus three."
    assert sent(mixed, "claude")["messages"][-1]["content"][0]["content"] == [{"type": "text", "text": "-3 in Oslo"}]


@pytest.mark.parametrize("winner", MODELS)
async def test_async(mixed: Served, winner: str) -> None:
    say(mixed, winner)
    async with client(mixed) as asking:
        said = await asking.messages.create(**ASKED, system="Be brief.")
    assert (said.model, said.stop_reason, said.content[0].to_dict()) == (
        winner,
        "end_turn",
        {"type": "text", "text": BEST},
    )
    assert said.usage.output_tokens > 5
    assert said.id == f"msg_{said._request_id}"
    record = await mixed.record(said.id)
    assert (record["dialect"], record["member"]) == ("anthropic-messages", winner)
    assert sent(mixed, "claude")["system"] == "Be brief."
    assert sent(mixed, "alpha")["messages"][0] == {"role": "system", "content": "Be brief."}


async def test_the_headers_are_those_of_every_answer(mixed: Served) -> None:
    say(mixed, "claude")
    async with client(mixed) as asking:
        raw = await asking.messages.with_raw_response.create(**ASKED)
    assert raw.headers["x-ensemble-winner"] == "claude"
    assert raw.headers["x-ensemble-cost-usd"] == "unknown"
    assert raw.headers["request-id"] == raw.headers["x-ensemble-request-id"]


@pytest.mark.parametrize("winner", ["alpha", "claude"])
async def test_async_streamed(mixed: Served, winner: str) -> None:
    say(mixed, winner)
    async with client(mixed) as asking, asking.messages.stream(**ASKED) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        whole = await stream.get_final_message()
    assert text == BEST
    assert (whole.model, whole.stop_reason) == (winner, "end_turn")
    assert whole.usage.output_tokens > 5


async def test_sync(mixed: Served) -> None:
    say(mixed, "claude")

    def ask() -> Any:
        with Anthropic(base_url=mixed.root, api_key="none", max_retries=0) as asking:
            return asking.messages.create(**ASKED, extra_body={"ensemble": {"include": ["candidates"]}})

    said = await asyncio.to_thread(ask)
    assert said.content[0].text == BEST
    assert sorted(one["member"] for one in said.ensemble["candidates"]) == ["alpha", "claude", "deep"]


async def test_sync_streamed(mixed: Served) -> None:
    say(mixed, "alpha")

    def ask() -> tuple[str, Any, list[Any]]:
        with (
            Anthropic(base_url=mixed.root, api_key="none", max_retries=0) as asking,
            asking.messages.stream(**ASKED) as stream,
        ):
            events = list(stream)
            return stream.get_final_text(), stream.get_final_message(), events

    text, whole, events = await asyncio.to_thread(ask)
    assert (text, whole.stop_reason) == (BEST, "end_turn")
    (delta,) = (event for event in events if event.type == "message_delta")
    assert delta.ensemble["winner"] == "alpha"


class Weather(BaseModel):
    """What the answer is to look like."""

    city: str
    celsius: int


@pytest.mark.parametrize("winner", ["alpha", "claude"])
async def test_a_parsed_answer_in_a_form(mixed: Served, winner: str) -> None:
    say(mixed, winner, '{"city": "Oslo", "celsius": -3}')
    async with client(mixed) as asking:
        said = await asking.messages.parse(**ASKED, output_format=Weather)
    assert said.parsed_output == Weather(city="Oslo", celsius=-3)
    form = sent(mixed, "alpha")["response_format"]["json_schema"]
    assert sorted(form["schema"]["properties"]) == ["celsius", "city"]
    assert form["schema"] == sent(mixed, "claude")["output_config"]["format"]["schema"]


async def test_what_only_anthropic_knows_reaches_its_members_and_is_recorded_for_others(mixed: Served) -> None:
    say(mixed, "alpha")
    marked: Any = {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}
    native: Any = {"service_tier": "standard_only", "extra_body": {"top_k": 5}}
    async with client(mixed) as asking:
        said = await asking.messages.create(**ASKED, system=[marked], **native)
    assert sorted((said.model_extra or {})["ensemble"]["dropped"]) == ["cache_control", "service_tier", "top_k"]
    body = sent(mixed, "claude")
    assert (body["service_tier"], body["system"]) == ("standard_only", [marked])
    assert not {"service_tier", "top_k", "anthropic", "cache_control"} & set(sent(mixed, "alpha"))


@pytest.mark.parametrize(
    ("told", "reason", "changes"),
    [
        ({"finish": "length"}, "max_tokens", {}),
        ({"finish": "refusal", "refusal": "I would rather not."}, "refusal", {}),
        ({}, "stop_sequence", {"stop_sequences": ["STOP"]}),
    ],
)
@pytest.mark.parametrize("member", ["alpha", "claude"])
async def test_stop_reasons(mixed: Served, member: str, told: Any, reason: str, changes: Any) -> None:
    text = "" if reason == "refusal" else "x STOP y"
    mixed.simulator.script(MODELS[member], [reply(text, **told)])
    async with client(mixed) as asking:
        said = await asking.messages.create(**{**ASKED, "model": member, **changes})
    if reason == "stop_sequence" and member == "alpha":
        reason = "end_turn"  # OpenAI's format does not tell which ending it was
    assert said.stop_reason == reason
    assert said.stop_sequence == ("STOP" if reason == "stop_sequence" else None)


@pytest.mark.parametrize(
    ("changes", "kind", "told"),
    [
        ({"model": "panl"}, anthropic.NotFoundError, "panel"),
        ({"max_tokens": 0}, anthropic.BadRequestError, "max_tokens"),
        ({"extra_body": {"container": "c1"}}, anthropic.BadRequestError, "container: not supported here"),
    ],
)
async def test_errors_are_the_clients_own(mixed: Served, changes: Any, kind: type[Any], told: str) -> None:
    async with client(mixed) as asking:
        with pytest.raises(kind) as refused:
            await asking.messages.create(**{**ASKED, **changes})
    assert told in str(refused.value)
    assert refused.value.type in ("not_found_error", "invalid_request_error")
    assert refused.value.error_code in ("model_not_found", "invalid_request")
    assert refused.value.request_id


async def test_who_fails_everywhere_is_told_and_not_asked_again(mixed: Served) -> None:
    for model in MODELS.values():
        mixed.simulator.script(model, [status(500)])
    async with client(mixed, max_retries=3) as asking:
        with pytest.raises(anthropic.InternalServerError) as failed:
            await asking.messages.create(**ASKED)
    assert failed.value.type == "api_error"
    assert len(mixed.simulator.served) == 3


async def test_an_error_in_a_stream_is_an_event(mixed: Served) -> None:
    for model in MODELS.values():
        mixed.simulator.script(model, [status(500)])
    async with client(mixed) as asking:
        with pytest.raises(anthropic.APIStatusError) as failed:
            async with asking.messages.stream(**ASKED) as stream:
                await stream.get_final_message()
    assert (failed.value.type, failed.value.error_code) == ("api_error", "no_candidate")


async def test_either_header_may_carry_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THE_KEY", "s3cret")
    async with serving(tmp_path, '[server]\ndrain_s = 0.2\napi_key_env = "THE_KEY"\n', parts=PARTS) as served:
        async with client(served, api_key="wrong") as asking:
            with pytest.raises(anthropic.AuthenticationError) as refused:
                await asking.messages.create(**ASKED)
            assert refused.value.type == "authentication_error"
        async with client(served, api_key="s3cret") as asking:
            assert (await asking.messages.create(**ASKED)).content
        headers = {"x-api-key": "s3cret", "anthropic-version": "2023-06-01"}
        assert (await served.get("/v1/models", headers=headers))[0] == 200
        assert (await served.get("/v1/models", headers={**headers, "x-api-key": "s3cre"}))[0] == 401


async def test_tokens_are_counted_by_the_first_member_that_can(mixed: Served) -> None:
    asked = {name: value for name, value in ASKED.items() if name != "max_tokens"}
    async with client(mixed) as asking:
        few = await asking.messages.count_tokens(**asked, system="Be brief.", tools=[TOOL])
        many = await asking.messages.count_tokens(**asked, system="Be brief. " * 100, tools=[TOOL])
        with pytest.raises(anthropic.BadRequestError, match="no provider of alpha counts tokens"):
            await asking.messages.count_tokens(**{**asked, "model": "alpha"})
        with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
            await asking.messages.count_tokens(**asked, extra_body={"max_tokens": 5})
    assert 0 < few.input_tokens < many.input_tokens
    assert len(mixed.simulator.served) == 0  # nobody was asked to answer


async def test_the_models_are_listed_in_the_clients_shape(mixed: Served) -> None:
    async with client(mixed) as asking:
        listed = [model async for model in asking.models.list(limit=2)]
        one = await asking.models.retrieve("claude")
        before = await asking.models.list(limit=2, before_id="deep")
        with pytest.raises(anthropic.BadRequestError, match="after_id"):
            await asking.models.list(after_id="nobody")
        with pytest.raises(anthropic.NotFoundError):
            await asking.models.retrieve("nobody")
    assert [model.id for model in listed] == ["panel", "alpha", "claude", "deep"]
    assert (one.type, one.display_name, one.max_tokens) == ("model", "claude", 3000)
    assert [model.id for model in before.data] == ["alpha", "claude"]
    assert before.has_more


async def test_what_is_not_offered_is_404_in_the_protocols_shape(mixed: Served) -> None:
    async with client(mixed) as asking:
        with pytest.raises(anthropic.NotFoundError) as missing:
            await asking.messages.batches.create(requests=[])
    assert missing.value.type == "not_found_error"
    assert missing.value.request_id
    for path, headers in (("/v1/messages/nothing", {}), ("/v1/files", {"anthropic-version": "2026-10-21"})):
        code, said, _ = await mixed.get(path, headers=headers)
        assert (code, said["type"], said["error"]["type"]) == (404, "error", "not_found_error")
    code, said, _ = await mixed.get("/v1/files")
    assert (code, said["error"]["code"]) == (404, "not_found")


async def test_pings_keep_a_stream_alive_until_the_answer_is_there(tmp_path: Path) -> None:
    async with serving(tmp_path, "[server]\ndrain_s = 0.2\nhold_s = 0\nkeepalive_s = 0.01\n", parts=PARTS) as served:
        gate = served.simulator.hold("beta", BEST)
        body = {**ASKED, "model": "claude", "stream": True}
        async with served.http.post(f"{served.url}/messages", json=body) as reply_:
            assert reply_.headers["request-id"] == reply_.headers["x-ensemble-request-id"]
            for _ in range(3):
                assert await reply_.content.readuntil(b"\n\n") == b'event: ping\ndata: {"type":"ping"}\n\n'
            gate.set()
            rest = (await reply_.read()).decode()
    assert BEST in rest
    assert rest.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
