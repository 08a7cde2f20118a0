"""Anthropic's wire format: what is sent for a prompt, and what is made of a reply."""

from collections.abc import AsyncIterator

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import Connection, Delta
from judges.types import (
    Completion,
    OpaquePart,
    ToolCall,
    Usage,
)
from tests.ensemble.providers.anthropic_upstream import (
    KEY,
    a_message,
    a_prompt,
    a_provider,
    block,
    end,
    event,
    start,
    streamed,
)
from tests.ensemble.providers.conftest import Upstream


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with a_provider(upstream, api_key_env="TEST_KEY", max_body_bytes=20_000).connect() as opened:
        yield opened


class TestReply:
    async def test_everything_that_an_answer_tells(self, upstream: Upstream, connection: Connection) -> None:
        thought = {"type": "thinking", "thinking": "France...", "signature": "sig"}
        hidden = {"type": "redacted_thinking", "data": "xyz"}
        usage = {
            "input_tokens": 10,
            "cache_read_input_tokens": 60,
            "cache_creation_input_tokens": 5,
            "output_tokens": 40,
            "output_tokens_details": {"thinking_tokens": 30},
        }
        reply = a_message(
            thought, hidden, {"type": "text", "text": "Par"}, {"type": "text", "text": "is."}, usage=usage
        )
        upstream.says(reply, headers={"request-id": "req_9"})
        assert await connection.complete("balanced", a_prompt()) == Completion(
            text="Paris.",
            finish_reason="stop",
            usage=Usage(
                input_tokens=75,
                output_tokens=40,
                cached_input_tokens=60,
                cache_write_tokens=5,
                reasoning_tokens=30,
            ),
            model="balanced-2026",
            provider_request_id="req_9",
            reasoning=(
                OpaquePart(origin="", data={"type": "anthropic", "block": thought}),
                OpaquePart(origin="", data={"type": "anthropic", "block": hidden}),
            ),
        )

    async def test_state_that_is_nested_without_end_spoils_no_answer(
        self, upstream: Upstream, connection: Connection
    ) -> None:
        deep: object = "x"
        for _ in range(600):
            deep = [deep]
        upstream.says(a_message({"type": "server_tool_use", "input": deep}, {"type": "text", "text": "Paris."}))
        said = await connection.complete("balanced", a_prompt())
        assert (said.text, said.reasoning) == ("Paris.", ())

    async def test_arguments_that_are_nested_without_end_stay_as_they_were_written(
        self, upstream: Upstream, connection: Connection
    ) -> None:
        written = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
        piece = {"type": "input_json_delta", "partial_json": written}
        call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
        upstream.streams(start(), block(0, call, piece), end("tool_use"))
        _, said = await streamed(connection)
        assert said.tool_calls == (ToolCall(id="toolu_1", name="look", arguments=written),)

    async def test_tool_calls(self, upstream: Upstream, connection: Connection) -> None:
        use = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "Zürich"}}
        upstream.says(a_message(use, stop_reason="tool_use"))
        said = await connection.complete("balanced", a_prompt())
        assert said.tool_calls == (ToolCall(id="toolu_1", name="look", arguments='{"at": "Zürich"}'),)
        assert (said.text, said.finish_reason) == ("", "tool_calls")

    @pytest.mark.parametrize(
        ("wire", "meant"),
        [
            ("stop_sequence", "stop"),
            ("max_tokens", "length"),
            ("model_context_window_exceeded", "length"),
            ("refusal", "refusal"),
            ("pause_turn", "other"),
            (None, "other"),
        ],
    )
    async def test_stop_reasons(self, upstream: Upstream, connection: Connection, wire: str | None, meant: str) -> None:
        upstream.says(a_message(stop_reason=wire))
        assert (await connection.complete("balanced", a_prompt())).finish_reason == meant

    async def test_an_empty_refusal_says_why(self, upstream: Upstream, connection: Connection) -> None:
        why = {"type": "refusal", "category": "cyber", "explanation": "Not this."}
        upstream.says({**a_message(stop_reason="refusal", stop_details=why), "content": []})
        said = await connection.complete("balanced", a_prompt())
        assert (said.text, said.finish_reason) == ("Not this.", "refusal")

    async def test_unknown_usage(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(a_message(usage={"input_tokens": "many", "output_tokens": -1, "cache_read_input_tokens": None}))
        assert (await connection.complete("balanced", a_prompt())).usage == Usage()


class TestStream:
    async def test_pieces_and_then_the_whole(self, upstream: Upstream, connection: Connection) -> None:
        search = {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {}}
        upstream.streams(
            start(usage={"input_tokens": 10, "cache_read_input_tokens": 60, "output_tokens": 1}),
            event("ping"),
            block(
                0,
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "h"},
                {"type": "thinking_delta", "thinking": "m"},
                {"type": "signature_delta", "signature": "sig"},
            ),
            block(
                1,
                {"type": "text", "text": ""},
                {"type": "text_delta", "text": "Par"},
                {"type": "citations_delta", "citation": {}},
                {"type": "text_delta", "text": "is."},
            ),
            block(2, search, {"type": "input_json_delta", "partial_json": '{"q": 1}'}),
            block(
                3,
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}},
                {"type": "input_json_delta", "partial_json": ""},
                {"type": "input_json_delta", "partial_json": '{"at":'},
                {"type": "input_json_delta", "partial_json": "1}"},
            ),
            block(4, {"type": "tool_use", "id": "toolu_2", "name": "find", "input": {}}),
            event("of_the_future", anything=1),
            end("tool_use", output_tokens=40, output_tokens_details={"thinking_tokens": 30}),
            headers={"request-id": "req_9"},
        )
        deltas, last = await streamed(connection)
        assert deltas == [
            Delta(kind="reasoning", text="h"),
            Delta(kind="reasoning", text="m"),
            Delta(kind="text", text="Par"),
            Delta(kind="text", text="is."),
            Delta(kind="tool_call", text="", index=0, id="toolu_1", name="look"),
            Delta(kind="tool_call", text="", index=0),
            Delta(kind="tool_call", text='{"at":', index=0),
            Delta(kind="tool_call", text="1}", index=0),
            Delta(kind="tool_call", text="", index=1, id="toolu_2", name="find"),
        ]
        assert (last.text, last.finish_reason, last.partial) == ("Paris.", "tool_calls", False)
        assert last.tool_calls == (
            ToolCall(id="toolu_1", name="look", arguments='{"at":1}'),
            ToolCall(id="toolu_2", name="find", arguments="{}"),
        )
        assert last.usage == Usage(input_tokens=70, output_tokens=40, cached_input_tokens=60, reasoning_tokens=30)
        assert (last.model, last.provider_request_id) == ("balanced-2026", "req_9")
        assert [part.data["block"] for part in last.reasoning] == [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {**search, "input": {"q": 1}},
        ]
        assert upstream.received[0].body["stream"] is True

    async def test_the_connection_is_used_again(self, upstream: Upstream, connection: Connection) -> None:
        upstream.streams(start(), block(0, {"type": "text", "text": "Paris."}), end())
        for _ in range(3):
            assert (await streamed(connection))[1].text == "Paris."
        assert len(upstream.connections) == 1

    async def test_an_overload_under_status_200(self, upstream: Upstream, connection: Connection) -> None:
        """The type in the body counts, not the status."""
        error = {"type": "overloaded_error", "message": "Overloaded"}
        upstream.streams(
            start(),
            event("content_block_start", index=0, content_block={"type": "text", "text": "Par"}),
            event("error", error=error),
        )
        with pytest.raises(CallFailed) as caught:
            await streamed(connection)
        failed = caught.value
        assert (failed.failure, failed.retryable, failed.http_status) == ("overloaded", True, 200)
        assert failed.completion is not None
        assert (failed.completion.text, failed.completion.partial) == ("Par", True)
        assert failed.completion.usage.input_tokens == 11

    @pytest.mark.parametrize(
        "bad",
        [
            event("content_block_delta", index=7, delta={"type": "text_delta", "text": "x"}),
            event("content_block_delta", delta={"type": "text_delta", "text": "x"}),
            event("content_block_start", index=0, content_block=None),
            event("message_start", message={"type": "error"}),
            event("message_delta", delta={"stop_reason": 5}),
            b"data: {}\n\n",
            b"data: []\n\n",
        ],
    )
    async def test_events_that_are_none(self, upstream: Upstream, connection: Connection, bad: bytes) -> None:
        upstream.streams(start(), bad, end())
        with pytest.raises(CallFailed) as caught:
            await streamed(connection)
        assert (caught.value.failure, caught.value.retryable) == ("bad_reply", True)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind", "message", "failure", "retryable"),
        [
            (400, "invalid_request_error", "no", "rejected", False),
            (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", "too_long", False),
            (401, "authentication_error", "", "unauthorized", False),
            (403, "permission_error", "", "unauthorized", False),
            (400, "billing_error", "", "rate_limited", False),
            (404, "not_found_error", "", "rejected", False),
            (413, "request_too_large", "", "too_long", False),
            (429, "rate_limit_error", "", "rate_limited", True),
            (500, "api_error", "", "overloaded", True),
            (504, "timeout_error", "", "timeout", True),
            (529, "overloaded_error", "", "overloaded", True),
            (500, "overloaded_error", "", "overloaded", True),
            (400, "rate_limit_error", "the type counts, not the status", "rate_limited", True),
        ],
    )
    async def test_by_type(
        self,
        upstream: Upstream,
        connection: Connection,
        status: int,
        kind: str,
        message: str,
        failure: str,
        retryable: bool,
    ) -> None:
        error = {"type": "error", "error": {"type": kind, "message": message}}
        upstream.says(error, status=status, headers={"request-id": "req_1", "retry-after": "3"})
        with pytest.raises(CallFailed) as caught:
            await connection.complete("balanced", a_prompt())
        failed = caught.value
        assert (failed.failure, failed.retryable, failed.sent) == (failure, retryable, True)
        assert (failed.http_status, failed.provider_request_id, failed.retry_after_s) == (status, "req_1", 3.0)
        assert len(upstream.received) == 1, "the SDK must not retry by itself"
