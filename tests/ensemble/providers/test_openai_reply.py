"""OpenAI's wire format: what is sent for a prompt, and what is made of a reply."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from ensemble.provider import Connection, Delta
from judges.types import (
    Completion,
    OpaquePart,
    TokenLogprob,
    ToolCall,
    Usage,
)
from tests.ensemble.providers.conftest import Upstream
from tests.ensemble.providers.openai_upstream import (
    DONE,
    KEY,
    USAGE,
    a_chunk,
    a_prompt,
    a_provider,
    a_reply,
    event,
    stream_failure,
    streamed,
)
from tests.patience import PATIENCE_S


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with a_provider(upstream, api_key_env="TEST_KEY", max_body_bytes=20_000).connect() as opened:
        yield opened


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

    async def test_deeply_nested_state_spoils_no_answer(self, upstream: Upstream, connection: Connection) -> None:
        deep = json.loads("[" * 600 + "]" * 600)
        upstream.says(a_reply(message={"reasoning_details": [deep]}))
        said = await connection.complete("small", a_prompt())
        assert (said.text, said.reasoning) == ("Paris.", ())

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

    @pytest.mark.parametrize(("one", "other"), [(0, 1), (1, 2), (5, 3), (0, 0)])
    async def test_pieces_go_to_the_call_that_began_under_their_index(
        self, upstream: Upstream, connection: Connection, one: int, other: int
    ) -> None:
        """Some servers count from 1, behind the text, and some give every call the same."""

        def piece(index: int, arguments: str, **head: Any) -> bytes:
            function = {"arguments": arguments, **({"name": "look"} if head else {})}
            return event(a_chunk(tool_calls=[{"index": index, "function": function, **head}]))

        upstream.streams(
            piece(one, "", id="c1"),
            piece(one, '{"a":'),
            piece(one, "1}"),
            piece(other, "", id="c2"),
            piece(other, '{"b":'),
            piece(other, "2}"),
            event(a_chunk(finish="tool_calls")),
            DONE,
        )
        deltas, last = await streamed(connection)
        assert last.tool_calls == (
            ToolCall(id="c1", name="look", arguments='{"a":1}'),
            ToolCall(id="c2", name="look", arguments='{"b":2}'),
        )
        assert [delta.index for delta in deltas] == [0, 0, 0, 1, 1, 1]

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
        async with asyncio.timeout(PATIENCE_S):
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
        end = (
            "the connection broke in the middle of the reply" if cut else "the stream ended in the middle of the answer"
        )
        assert str(failed) == end
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
        async with asyncio.timeout(PATIENCE_S):
            await upstream.gone.wait()

    async def test_cancelling_the_stream_hangs_up(self, upstream: Upstream, connection: Connection) -> None:
        upstream.hangs(event(a_chunk(content="Par")))
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            task = group.create_task(streamed(connection))
            await upstream.arrived.wait()
            task.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await upstream.gone.wait()
