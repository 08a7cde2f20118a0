"""OpenAI's wire format: what is sent for a prompt, and what is made of a reply."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from ensemble.errors import CallFailed, ConfigError
from ensemble.provider import PROVIDERS, Connection, Delta
from ensemble.providers.openai import OpenAI
from judges.errors import InvalidOptions
from judges.types import (
    Completion,
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Prompt,
    ResponseFormat,
    TextPart,
    TokenLogprob,
    ToolCall,
    Usage,
)
from tests.ensemble.providers.conftest import Upstream

KEY = "sk-test-0123456789abcdef"


def a_reply(**changes: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": "Paris.", **changes.pop("message", {})}
    choice = {"index": 0, "message": message, "finish_reason": "stop", **changes.pop("choice", {})}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "small-2026-01-01",
        "system_fingerprint": "fp_1",
        "choices": [choice],
        "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14},
        **changes,
    }


def a_chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "model": "small-2026-01-01",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def event(data: object) -> bytes:
    return b"data: " + (data if isinstance(data, bytes) else json.dumps(data).encode()) + b"\n\n"


USAGE = {"choices": [], "usage": {"prompt_tokens": 11, "completion_tokens": 3, "total_tokens": 14}}
DONE = event(b"[DONE]")


def a_prompt(text: str = "Capital of France?", **changes: Any) -> Prompt:
    return Prompt(**{"messages": (Message(role="user", content=text),), **changes})


def a_provider(upstream: Upstream, **options: Any) -> OpenAI:
    return OpenAI.model_validate({"base_url": f"{upstream.url}/v1", **options})


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with a_provider(upstream, api_key_env="TEST_KEY", max_body_bytes=20_000).connect() as opened:
        yield opened


async def answer_of(upstream: Upstream, **options: Any) -> tuple[Completion, dict[str, Any]]:
    """The completion of a plain prompt, and the body that went out for it."""
    upstream.says(a_reply())
    prompt = options.pop("prompt", a_prompt())
    async with a_provider(upstream, **options).connect() as opened:
        completion = await opened.complete("small", prompt)
    return completion, upstream.received[-1].body


async def failure_of(connection: Connection) -> CallFailed:
    with pytest.raises(CallFailed) as caught:
        await connection.complete("small", a_prompt())
    return caught.value


async def streamed(connection: Connection) -> tuple[list[Delta], Completion]:
    items = [item async for item in connection.stream("small", a_prompt())]
    last = items.pop()
    assert isinstance(last, Completion)
    return [item for item in items if isinstance(item, Delta)], last


async def stream_failure(connection: Connection) -> tuple[str, CallFailed]:
    text = ""
    try:
        async for item in connection.stream("small", a_prompt()):
            text += item.text
    except CallFailed as failed:
        return text, failed
    pytest.fail(f"the stream did not fail, it said {text!r}")


class TestRequest:
    async def test_a_plain_prompt(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(a_reply())
        await connection.complete("small", a_prompt())
        received = upstream.received[0]
        assert received.path == "/v1/chat/completions"
        assert received.body == {"model": "small", "messages": [{"role": "user", "content": "Capital of France?"}]}
        assert received.headers["authorization"] == f"Bearer {KEY}"

    async def test_every_part_of_a_conversation(self, upstream: Upstream) -> None:
        call = ToolCall(id="call_1", name="look", arguments='{"at": "map"}')
        prompt = Prompt(
            messages=(
                Message(role="developer", content="Be brief."),
                Message(
                    role="user",
                    name="ann",
                    content=(
                        TextPart(text="See:"),
                        ImagePart(url="data:image/png;base64,AA==", detail="low"),
                        FilePart(data={"type": "file", "file": {"file_id": "f1"}}),
                    ),
                ),
                Message(role="assistant", tool_calls=(call,)),
                Message(role="tool", tool_call_id="call_1", content=(TextPart(text="a map"),)),
            )
        )
        _, body = await answer_of(upstream, prompt=prompt)
        assert body["messages"] == [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "name": "ann",
                "content": [
                    {"type": "text", "text": "See:"},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA==", "detail": "low"}},
                    {"type": "file", "file": {"file_id": "f1"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "map"}'}}
                ],
            },
            {"role": "tool", "tool_call_id": "call_1", "content": "a map"},
        ]

    async def test_every_wish_by_its_wire_name(self, upstream: Upstream) -> None:
        tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
        prompt = a_prompt(
            tools=(tool,),
            tool_choice={"type": "function", "function": {"name": "look"}},
            response_format=ResponseFormat(type="json_schema", schema={"type": "object"}, name="place", strict=True),
            max_output_tokens=7,
            stop=("END",),
            seed=4,
            top_logprobs=2,
            options={"temperature": 0.5, "user": "u"},
        )
        completion, body = await answer_of(upstream, prompt=prompt)
        del body["messages"]
        assert body == {
            "model": "small",
            "tools": [tool],
            "tool_choice": {"type": "function", "function": {"name": "look"}},
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "place", "schema": {"type": "object"}, "strict": True},
            },
            "max_tokens": 7,
            "stop": ["END"],
            "seed": 4,
            "logprobs": True,
            "top_logprobs": 2,
            "temperature": 0.5,
            "user": "u",
        }
        assert completion.dropped == ()

    async def test_any_json_object(self, upstream: Upstream) -> None:
        prompt = a_prompt(response_format=ResponseFormat(type="json_object"), top_logprobs=0)
        _, body = await answer_of(upstream, prompt=prompt)
        assert body["response_format"] == {"type": "json_object"}
        assert body["logprobs"] is True
        assert "top_logprobs" not in body

    async def test_what_is_not_sent_is_recorded(self, upstream: Upstream) -> None:
        prompt = a_prompt(top_logprobs=3, seed=1, options={"temperature": 1, "n": 4, "model": "other"})
        completion, body = await answer_of(upstream, prompt=prompt, unsupported=["temperature", "logprobs"])
        assert body == {"model": "small", "messages": body["messages"], "seed": 1}
        assert sorted(completion.dropped) == ["logprobs", "model", "n", "temperature", "top_logprobs"]

    async def test_own_thoughts_go_back_where_the_wire_takes_them(self, upstream: Upstream) -> None:
        thought = OpaquePart(origin="m", data={"type": "reasoning_content", "text": "hm"})
        details = OpaquePart(origin="m", data={"type": "reasoning_details", "details": [{"id": 1}]})
        call = ToolCall(id="c", name="f", arguments="{}")
        prompt = Prompt(
            messages=(
                Message(role="assistant", content=(thought, TextPart(text="plain"))),
                Message(role="assistant", content=(thought,), tool_calls=(call,)),
                Message(role="assistant", content=(details, TextPart(text="gateway"))),
            )
        )
        _, body = await answer_of(upstream, prompt=prompt)
        plain, loop, gateway = body["messages"]
        assert plain == {"role": "assistant", "content": "plain"}
        assert (loop["content"], loop["reasoning_content"]) == (None, "hm")
        assert gateway == {"role": "assistant", "content": "gateway", "reasoning_details": [{"id": 1}]}

    async def test_lone_surrogates_are_mended_and_recorded(self, upstream: Upstream) -> None:
        completion, body = await answer_of(upstream, prompt=a_prompt("a\ud800b"))
        assert body["messages"][0]["content"] == "a\ufffdb"
        assert completion.dropped == ("lone_surrogates",)

    async def test_an_option_that_is_no_json_fails_unsent(self, connection: Connection) -> None:
        with pytest.raises(CallFailed) as caught:
            await connection.complete("small", a_prompt(options={"metadata": {"when": object()}}))
        assert (caught.value.failure, caught.value.sent, caught.value.retryable) == ("rejected", False, False)

    @pytest.mark.parametrize(
        ("base_url", "parameter", "role"),
        [
            ("https://api.openai.com/v1", "max_completion_tokens", "developer"),
            ("https://ours.openai.azure.com/openai/v1", "max_completion_tokens", "developer"),
            ("http://127.0.0.1:8000/v1", "max_tokens", "system"),
            ("https://openrouter.ai/api/v1", "max_tokens", "system"),
        ],
    )
    def test_what_the_token_limit_is_called(self, base_url: str, parameter: str, role: str) -> None:
        manner = OpenAI(base_url=base_url).format().manner
        assert manner.token_parameter == parameter
        assert manner.developer == (role == "developer")
        assert OpenAI(base_url=base_url, token_parameter="max_tokens").format().manner.token_parameter == "max_tokens"


class TestReply:
    async def test_everything_that_an_answer_tells(self, upstream: Upstream, connection: Connection) -> None:
        usage = {
            "prompt_tokens": 100,
            "completion_tokens": 40,
            "total_tokens": 140,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5, "image_tokens": 2},
            "completion_tokens_details": {"reasoning_tokens": 30},
            "cost": 0.000123457,
        }
        logprobs = {
            "content": [
                {"token": "Pa", "logprob": -0.1, "bytes": [80], "top_logprobs": [{"token": "Ro", "logprob": -2.5}]},
                {"token": "ris", "logprob": 0, "top_logprobs": []},
            ]
        }
        reply = a_reply(usage=usage, choice={"logprobs": logprobs}, message={"reasoning_content": "France..."})
        upstream.says(reply, headers={"x-request-id": "req_9"})
        assert await connection.complete("small", a_prompt()) == Completion(
            text="Paris.",
            finish_reason="stop",
            logprobs=(
                TokenLogprob(token="Pa", logprob=-0.1, top=(("Ro", -2.5),)),
                TokenLogprob(token="ris", logprob=0.0),
            ),
            usage=Usage(
                input_tokens=100,
                output_tokens=40,
                cached_input_tokens=60,
                cache_write_tokens=5,
                reasoning_tokens=30,
                image_tokens=2,
                provider_nano_usd=123_457,
            ),
            model="small-2026-01-01",
            system_fingerprint="fp_1",
            provider_request_id="req_9",
            reasoning=(OpaquePart(origin="", data={"type": "reasoning_content", "text": "France..."}),),
        )

    @pytest.mark.parametrize(
        ("wire", "meant"),
        [
            ("stop", "stop"),
            ("length", "length"),
            ("content_filter", "refusal"),
            ("SAFETY", "refusal"),
            ("tool_calls", "tool_calls"),
            ("eos", "stop"),
            ("insufficient_system_resource", "other"),
            (None, "other"),
        ],
    )
    async def test_finish_reasons(
        self, upstream: Upstream, connection: Connection, wire: str | None, meant: str
    ) -> None:
        upstream.says(a_reply(choice={"finish_reason": wire}))
        assert (await connection.complete("small", a_prompt())).finish_reason == meant

    async def test_a_refusal_is_an_answer(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(a_reply(message={"content": None, "refusal": "I cannot."}))
        said = await connection.complete("small", a_prompt())
        assert (said.text, said.finish_reason) == ("I cannot.", "refusal")

    async def test_a_prompt_filter_is_a_refusal(self, upstream: Upstream, connection: Connection) -> None:
        error = {"message": "The prompt was filtered.", "code": "content_filter", "type": None}
        upstream.says({"error": error}, status=400)
        said = await connection.complete("small", a_prompt())
        assert (said.text, said.finish_reason, said.usage) == ("The prompt was filtered.", "refusal", Usage())

    async def test_a_length_stop_may_be_empty(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(a_reply(message={"content": ""}, choice={"finish_reason": "length"}))
        said = await connection.complete("small", a_prompt())
        assert (said.text, said.finish_reason) == ("", "length")

    async def test_tool_calls(self, upstream: Upstream, connection: Connection) -> None:
        """Some servers say "stop" although the model asks for a call."""
        wire = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{broken"}}
        upstream.says(a_reply(message={"content": None, "tool_calls": [wire]}))
        said = await connection.complete("small", a_prompt())
        assert said.tool_calls == (ToolCall(id="c1", name="look", arguments="{broken"),)
        assert (said.text, said.finish_reason) == ("", "tool_calls")

    async def test_a_function_call_of_the_old_form(self, upstream: Upstream, connection: Connection) -> None:
        message = {"content": None, "function_call": {"name": "look", "arguments": "{}"}}
        upstream.says(a_reply(message=message, choice={"finish_reason": "function_call"}))
        said = await connection.complete("small", a_prompt())
        assert said.tool_calls == (ToolCall(id="", name="look", arguments="{}"),)
        assert said.finish_reason == "tool_calls"

    async def test_content_in_parts(self, upstream: Upstream, connection: Connection) -> None:
        parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Pa"}, {"type": "text", "text": "ris"}]
        upstream.says(a_reply(message={"content": parts}))
        assert (await connection.complete("small", a_prompt())).text == "Paris"

    @pytest.mark.parametrize(
        "usage",
        [
            None,
            [],
            {"prompt_tokens": -1, "completion_tokens": "3"},
            {"prompt_tokens": True, "completion_tokens": 1e300, "cost": "1e999999999"},
            {"prompt_tokens": None, "cost": float("1e308"), "prompt_tokens_details": 5},
        ],
    )
    async def test_counts_that_are_none_are_unknown(
        self, upstream: Upstream, connection: Connection, usage: object
    ) -> None:
        upstream.says(a_reply(usage=usage))
        said = await connection.complete("small", a_prompt())
        assert (said.text, said.usage) == ("Paris.", Usage())

    async def test_reasoning_that_only_the_total_holds_is_output(
        self, upstream: Upstream, connection: Connection
    ) -> None:
        upstream.says(a_reply(usage={"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 35}))
        said = await connection.complete("small", a_prompt())
        assert said.usage == Usage(input_tokens=10, output_tokens=25, reasoning_tokens=20)

    @pytest.mark.parametrize(
        ("cost", "nano_usd"),
        [(0, 0), (1, 10**9), (0.1, 10**8), (1.5e-9, 2), (2.5e-9, 2), ("0.25", 25 * 10**7), (-1, None), ("x", None)],
    )
    async def test_the_stated_cost_is_exact(
        self, upstream: Upstream, connection: Connection, cost: object, nano_usd: int | None
    ) -> None:
        upstream.says(a_reply(usage={"cost": cost}))
        assert (await connection.complete("small", a_prompt())).usage.provider_nano_usd == nano_usd

    @pytest.mark.parametrize(
        "logprobs",
        [
            5,
            {"content": "x"},
            {"content": [{"token": "a", "logprob": None}]},
            {"content": [{"token": 1, "logprob": 0}]},
        ],
    )
    async def test_logprobs_that_cannot_be_read_are_unknown(
        self, upstream: Upstream, connection: Connection, logprobs: object
    ) -> None:
        upstream.says(a_reply(choice={"logprobs": logprobs}))
        said = await connection.complete("small", a_prompt())
        assert (said.text, said.logprobs) == ("Paris.", None)

    async def test_infinity_where_a_number_should_be(self, upstream: Upstream, connection: Connection) -> None:
        logprobs = {"content": [{"token": "a", "logprob": float("-inf")}]}
        details = {"reasoning_details": [{"score": float("nan")}]}
        upstream.says(a_reply(choice={"logprobs": logprobs}, message=details))
        said = await connection.complete("small", a_prompt())
        assert (said.text, said.logprobs) == ("Paris.", None)
        assert said.reasoning[0].data == {"type": "reasoning_details", "details": [{"score": None}]}

    @pytest.mark.parametrize(
        "content", [rb'"a\ud800b"', b'"a\xffb"', rb'"a\udc00b"'], ids=["high surrogate", "no UTF-8", "low surrogate"]
    )
    async def test_text_that_is_no_unicode_is_mended(
        self, upstream: Upstream, connection: Connection, content: bytes
    ) -> None:
        upstream.says(json.dumps(a_reply()).encode().replace(b'"Paris."', content))
        assert (await connection.complete("small", a_prompt())).text == "a\ufffdb"


class TestStream:
    async def test_pieces_and_then_the_whole(self, upstream: Upstream, connection: Connection) -> None:
        upstream.streams(
            event(a_chunk(role="assistant", content="")),
            event(a_chunk(reasoning_content="hm")),
            event(a_chunk(content="Par")),
            event(a_chunk(content="is.")),
            event(a_chunk(finish="stop")),
            event(USAGE),
            DONE,
            headers={"x-request-id": "req_9"},
        )
        deltas, last = await streamed(connection)
        assert deltas == [
            Delta(kind="reasoning", text="hm"),
            Delta(kind="text", text="Par"),
            Delta(kind="text", text="is."),
        ]
        assert (last.text, last.finish_reason, last.partial) == ("Paris.", "stop", False)
        assert last.usage == Usage(input_tokens=11, output_tokens=3)
        assert (last.model, last.provider_request_id) == ("small-2026-01-01", "req_9")
        assert last.first_token_s is not None
        assert last.reasoning == (OpaquePart(origin="", data={"type": "reasoning_content", "text": "hm"}),)
        body = upstream.received[0].body
        assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})

    async def test_stream_options_can_be_left_out(self, upstream: Upstream) -> None:
        upstream.streams(event(a_chunk(content="Paris.")), event(a_chunk(finish="stop")), DONE)
        async with a_provider(upstream, unsupported=["stream_options"]).connect() as opened:
            _, last = await streamed(opened)
        assert "stream_options" not in upstream.received[0].body
        assert (last.text, last.usage) == ("Paris.", Usage())

    async def test_tool_calls_in_pieces(self, upstream: Upstream, connection: Connection) -> None:
        def piece(index: int, arguments: str, **head: Any) -> bytes:
            name = {"name": head.pop("name")} if "name" in head else {}
            call = {"index": index, "function": {"arguments": arguments, **name}, **head}
            return event(a_chunk(tool_calls=[call]))

        upstream.streams(
            piece(0, "", id="c1", name="look"),
            piece(0, '{"a":'),
            piece(0, "1}"),
            piece(1, "{}", id="c2", name="find"),
            piece(0, "{}", id="c3", name="same index, another call"),
            event(a_chunk(finish="tool_calls")),
            DONE,
        )
        deltas, last = await streamed(connection)
        assert last.tool_calls == (
            ToolCall(id="c1", name="look", arguments='{"a":1}'),
            ToolCall(id="c2", name="find", arguments="{}"),
            ToolCall(id="c3", name="same index, another call", arguments="{}"),
        )
        assert deltas[0] == Delta(kind="tool_call", text="", index=0, id="c1", name="look")
        assert [delta.index for delta in deltas] == [0, 0, 0, 1, 2]

    async def test_only_the_first_of_several_choices_counts(self, upstream: Upstream, connection: Connection) -> None:
        other = a_chunk(content="Rome.")
        other["choices"][0]["index"] = 1
        upstream.streams(event(a_chunk(content="Paris.")), event(other), event(a_chunk(finish="stop")), DONE)
        assert (await streamed(connection))[1].text == "Paris."

    async def test_events_cut_anywhere_by_the_network(self, upstream: Upstream, connection: Connection) -> None:
        events = event(a_chunk(content="Parí")) + b": keep-alive\r\n\r\n" + event(a_chunk(content="s", finish="stop"))
        wire = (events + DONE).replace(b"\n\n", b"\r\n\r\n")
        upstream.streams(*(bytes([byte]) for byte in wire))
        assert (await streamed(connection))[1].text == "París"

    async def test_the_connection_is_used_again(self, upstream: Upstream, connection: Connection) -> None:
        upstream.streams(event(a_chunk(content="x", finish="stop")), DONE)
        for _ in range(3):
            await streamed(connection)
        upstream.says(a_reply())
        for _ in range(3):
            await connection.complete("small", a_prompt())
        assert len(upstream.connections) == 1

    async def test_a_server_that_cannot_stream(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(a_reply())
        deltas, last = await streamed(connection)
        assert deltas == [Delta(kind="text", text="Paris.")]
        assert (last.text, last.finish_reason, last.usage.input_tokens) == ("Paris.", "stop", 11)

    async def test_a_stream_without_its_last_line(self, upstream: Upstream, connection: Connection) -> None:
        upstream.streams(event(a_chunk(content="Paris.")), event(a_chunk(finish="stop")))
        assert (await streamed(connection))[1].finish_reason == "stop"

    async def test_a_server_that_stays_after_the_last_line(self, upstream: Upstream, connection: Connection) -> None:
        upstream.hangs(event(a_chunk(content="Paris.", finish="stop")), DONE)
        async with asyncio.timeout(2):
            assert (await streamed(connection))[1].text == "Paris."

    async def test_a_connection_that_breaks_after_the_last_word(
        self, upstream: Upstream, connection: Connection
    ) -> None:
        upstream.streams(event(a_chunk(content="Paris.", finish="stop")), cut=True)
        _, last = await streamed(connection)
        assert (last.text, last.finish_reason, last.partial) == ("Paris.", "stop", False)

    @pytest.mark.parametrize("cut", [True, False], ids=["broken connection", "early end"])
    async def test_a_cut_stream_keeps_what_came(self, upstream: Upstream, connection: Connection, cut: bool) -> None:
        upstream.streams(event(a_chunk(content="Par")), event(a_chunk(content="is")), b"data: {", cut=cut)
        text, failed = await stream_failure(connection)
        assert (failed.failure, failed.retryable, failed.sent) == ("cut_stream", True, True)
        assert failed.completion is not None
        assert (failed.completion.text, failed.completion.partial) == (text, True)
        assert text == "Paris"

    @pytest.mark.parametrize(
        ("error", "failure"),
        [
            ({"message": "boom"}, "cut_stream"),
            ({"message": "busy", "type": "server_error"}, "overloaded"),
            ({"message": "slow down", "code": "rate_limit_exceeded"}, "rate_limited"),
            ({"message": "upstream", "code": 502}, "overloaded"),
        ],
    )
    async def test_an_error_in_the_middle(
        self, upstream: Upstream, connection: Connection, error: object, failure: str
    ) -> None:
        upstream.streams(event(a_chunk(content="Par")), event({"error": error}))
        text, failed = await stream_failure(connection)
        assert (text, failed.failure, failed.retryable) == ("Par", failure, True)
        assert failed.completion is not None
        assert failed.completion.text == "Par"

    async def test_a_chunk_that_cannot_be_read(self, upstream: Upstream, connection: Connection) -> None:
        for bad in (b"{", b"[]", b'{"choices": 5}', b'{"choices": [{"delta": {"content": 5}}]}'):
            upstream.streams(event(a_chunk(content="Par")), event(bad))
            text, failed = await stream_failure(connection)
            assert (text, failed.failure) == ("Par", "bad_reply")

    async def test_an_endless_stream_is_given_up(self, upstream: Upstream, connection: Connection) -> None:
        upstream.streams(event(a_chunk(content="x")), b"data: " + b"y" * 30_000, event(a_chunk(finish="stop")))
        text, failed = await stream_failure(connection)
        assert (text, failed.failure, failed.retryable) == ("x", "oversized", False)

    async def test_html_instead_of_a_stream(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(b"<html>", headers={"content-type": "text/html"})
        _, failed = await stream_failure(connection)
        assert (failed.failure, failed.completion) == ("bad_reply", None)

    async def test_closing_the_stream_hangs_up(self, upstream: Upstream, connection: Connection) -> None:
        upstream.hangs(event(a_chunk(content="Par")))
        async with aclosing(connection.stream("small", a_prompt())) as stream:  # type: ignore[type-var]
            async for _ in stream:
                break
        async with asyncio.timeout(1):
            await upstream.gone.wait()

    async def test_cancelling_the_stream_hangs_up(self, upstream: Upstream, connection: Connection) -> None:
        upstream.hangs(event(a_chunk(content="Par")))
        async with asyncio.timeout(1), asyncio.TaskGroup() as group:
            task = group.create_task(streamed(connection))
            await upstream.arrived.wait()
            task.cancel()
        async with asyncio.timeout(0.5):
            await upstream.gone.wait()


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
        assert len(upstream.received) == 1, "the SDK must not retry by itself"

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
        async with asyncio.timeout(1):
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

    async def test_a_connection_closed_without_a_word(self, upstream: Upstream, connection: Connection) -> None:
        """The provider has seen the prompt, so this is not the same as an unreachable one."""

        async def hang_up(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.close()
            return web.Response()

        upstream.answer = hang_up
        failed = await failure_of(connection)
        assert (failed.failure, failed.retryable, failed.sent) == ("cut_stream", True, True)
        assert len(upstream.received) == 1, "the SDK must not retry by itself"

    async def test_nobody_there(self, unused_tcp_port: int) -> None:
        provider = OpenAI(base_url=f"http://127.0.0.1:{unused_tcp_port}/v1")
        async with provider.connect() as opened:
            failed = await failure_of(opened)
        assert (failed.failure, failed.retryable, failed.sent) == ("unreachable", True, False)

    async def test_a_certificate_that_nobody_signed(self, upstream: Upstream) -> None:
        async with OpenAI(base_url=upstream.url.replace("http:", "https:")).connect() as opened:
            failed = await failure_of(opened)
        assert (failed.failure, failed.retryable, failed.sent) == ("unreachable", False, False)

    async def test_silence_ends_by_itself(self, upstream: Upstream) -> None:
        upstream.hangs(b"{", kind="application/json")
        async with a_provider(upstream, silence_timeout_s=0.05).connect() as opened:
            failed = await failure_of(opened)
        assert (failed.failure, failed.retryable, failed.sent) == ("timeout", True, True)

    async def test_cancelling_hangs_up_at_once(self, upstream: Upstream, connection: Connection) -> None:
        upstream.hangs(b"{", kind="application/json")
        async with asyncio.timeout(1), asyncio.TaskGroup() as group:
            task = group.create_task(connection.complete("small", a_prompt()))
            await upstream.arrived.wait()
            task.cancel()
        async with asyncio.timeout(0.5):
            await upstream.gone.wait()


class TestSecrets:
    @pytest.mark.parametrize(
        "words",
        [
            f"Incorrect API key provided: {KEY}.",
            f"Incorrect API key provided: {KEY[:7]}***{KEY[-4:]}.",
            f"Bad key {KEY[:12]}",
            f"Bad key ...{KEY[-9:]}",
        ],
    )
    async def test_a_key_that_the_provider_repeats(
        self, upstream: Upstream, connection: Connection, words: str
    ) -> None:
        upstream.says({"error": {"message": words}}, status=401)
        told = str(await failure_of(connection))
        assert "[secret]" in told
        assert KEY[:7] not in told
        assert KEY[-4:] not in told

    async def test_nothing_shows_the_key(self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEST_KEY", KEY)
        provider = a_provider(upstream, api_key_env="TEST_KEY")
        async with provider.connect() as opened:
            seen = f"{provider!r} {provider} {opened!r} {provider.model_dump_json()} {provider.secrets()!r}"
        assert KEY not in seen

    async def test_no_key_no_header(self, upstream: Upstream) -> None:
        await answer_of(upstream)
        assert "authorization" not in upstream.received[0].headers

    async def test_a_key_from_a_file(self, upstream: Upstream, tmp_path: Path) -> None:
        (tmp_path / "key").write_text(f"{KEY}\n")
        await answer_of(upstream, api_key_file=str(tmp_path / "key"))
        assert upstream.received[0].headers["authorization"] == f"Bearer {KEY}"

    async def test_further_headers_and_query(self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
        """As Azure wants them."""
        monkeypatch.setenv("AZURE_KEY", "azure-secret-1")
        upstream.says({"error": {"message": "wrong key azure-secret-1"}}, status=401)
        options = {"headers_env": {"Api-Key": "AZURE_KEY"}, "query": {"api-version": "2026-01-01"}}
        async with a_provider(upstream, **options).connect() as opened:
            failed = await failure_of(opened)
        assert upstream.received[0].headers["api-key"] == "azure-secret-1"
        assert upstream.received[0].query == {"api-version": "2026-01-01"}
        assert "azure-secret-1" not in str(failed)

    async def test_the_environment_of_the_sdk_has_no_effect(
        self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "OPENAI_BASE_URL"):
            monkeypatch.setenv(name, "http://127.0.0.1:9/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
        monkeypatch.setenv("OPENAI_ORG_ID", "org")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "project")
        monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Custom: 1\nAuthorization: Bearer custom")
        await answer_of(upstream)
        assert sorted(upstream.received[0].headers) == [
            "accept",
            "accept-encoding",
            "content-length",
            "content-type",
            "host",
            "user-agent",
        ]


class TestOptions:
    async def test_a_missing_variable_names_itself(self, upstream: Upstream) -> None:
        with pytest.raises(ConfigError, match=r"^api_key_env: the environment variable NO_SUCH_KEY is not set$"):
            async with a_provider(upstream, api_key_env="NO_SUCH_KEY").connect():
                pass

    async def test_a_key_that_no_header_can_carry(self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TEST_KEY", "sk-ключ")
        with pytest.raises(ConfigError, match="TEST_KEY holds characters"):
            async with a_provider(upstream, api_key_env="TEST_KEY").connect():
                pass

    async def test_files_that_cannot_be_read(self, upstream: Upstream, tmp_path: Path) -> None:
        for options in ({"api_key_file": tmp_path / "none"}, {"ca_file": tmp_path / "none"}):
            with pytest.raises(ConfigError, match=f"^{next(iter(options))}: .*none"):
                async with a_provider(upstream, **options).connect():
                    pass

    @pytest.mark.parametrize(
        ("options", "mend"),
        [
            ({"base_url": "api.openai.com"}, "must start with http"),
            ({"base_url": "http://user:pw@host/v1"}, "no user name"),
            ({"base_url": "http://host/v1?key=1"}, "use the option query"),
            ({"base_url": "http://host/v1/chat/completions"}, "leave /chat/completions away: http://host/v1"),
            ({"base_url": "http://host:99999/v1"}, "is no address"),
            ({"api_key_env": "A", "api_key_file": "b"}, "not both"),
            ({"headers_env": {"a b": "C"}}, "no name of a header"),
            ({"token_paramter": "max_tokens"}, "token_parameter"),
        ],
    )
    def test_wrong_options_say_what_to_do(self, options: dict[str, object], mend: str) -> None:
        with pytest.raises(InvalidOptions, match=mend):
            PROVIDERS.build({"use": "openai", **options})

    async def test_calls_go_through_the_proxy(self, upstream: Upstream) -> None:
        upstream.says(a_reply())
        provider = OpenAI(base_url="http://models.invalid/v1", proxy=upstream.url)
        async with provider.connect() as opened:
            await opened.complete("small", a_prompt())
        assert upstream.received[0].headers["host"] == "models.invalid"

    async def test_three_hundred_at_once(self, upstream: Upstream, connection: Connection) -> None:
        """One client serves every task, without a limit of its own on connections."""
        together = asyncio.Barrier(300)

        async def wait(_: web.Request) -> web.StreamResponse:
            await together.wait()
            return web.json_response(a_reply())

        upstream.answer = wait
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            tasks = [group.create_task(connection.complete("small", a_prompt())) for _ in range(300)]
        assert {task.result().text for task in tasks} == {"Paris."}
