"""Anthropic's wire format: what is sent for a prompt, and what is made of a reply."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import PROVIDERS, Connection, Delta
from ensemble.providers.anthropic import Anthropic
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
    ToolCall,
    Usage,
)
from tests.ensemble.providers.conftest import Upstream

KEY = "sk-ant-0123456789abcdef"
TOOL = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object"}, "strict": True},
}


def a_message(*content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "balanced-2026",
        "content": list(content) or [{"type": "text", "text": "Paris."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 11, "output_tokens": 3},
        **changes,
    }


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def start(**changes: Any) -> bytes:
    return event("message_start", message={**a_message(stop_reason=None), "content": [], **changes})


def block(index: int, head: dict[str, Any], *deltas: dict[str, Any]) -> bytes:
    pieces = [event("content_block_start", index=index, content_block=head)]
    pieces += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
    return b"".join([*pieces, event("content_block_stop", index=index)])


def end(reason: str = "end_turn", **usage: Any) -> bytes:
    usage = {"output_tokens": 3, **usage}
    return event("message_delta", delta={"stop_reason": reason}, usage=usage) + event("message_stop")


def a_prompt(text: str = "Capital of France?", **changes: Any) -> Prompt:
    return Prompt(**{"messages": (Message(role="user", content=text),), "max_output_tokens": 100, **changes})


def a_provider(upstream: Upstream, **options: Any) -> Anthropic:
    return Anthropic.model_validate({"base_url": upstream.url, **options})


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with a_provider(upstream, api_key_env="TEST_KEY", max_body_bytes=20_000).connect() as opened:
        yield opened


async def sent_for(upstream: Upstream, prompt: Prompt, **options: Any) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The body that goes out for ``prompt``, and what is recorded as dropped."""
    upstream.says(a_message())
    async with a_provider(upstream, **options).connect() as opened:
        completion = await opened.complete("balanced", prompt)
    return upstream.received[-1].body, completion.dropped


async def streamed(connection: Connection) -> tuple[list[Delta], Completion]:
    items = [item async for item in connection.stream("balanced", a_prompt())]
    last = items.pop()
    assert isinstance(last, Completion)
    return [item for item in items if isinstance(item, Delta)], last


class TestRequest:
    async def test_a_plain_prompt(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(a_message())
        await connection.complete("balanced", a_prompt())
        received = upstream.received[0]
        assert received.path == "/v1/messages"
        assert received.body == {
            "model": "balanced",
            "max_tokens": 100,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Capital of France?"}]}],
        }
        assert received.headers["authorization"] == f"Bearer {KEY}"
        assert received.headers["anthropic-version"] == "2026-10-21"

    async def test_every_part_of_a_conversation(self, upstream: Upstream) -> None:
        thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
        prompt = a_prompt(
            messages=(
                Message(role="system", content="Be brief."),
                Message(
                    role="user",
                    content=(
                        TextPart(text="See:"),
                        ImagePart(url="data:image/png;base64,AA=="),
                        ImagePart(url="https://host/b.png"),
                    ),
                ),
                Message(
                    role="assistant",
                    content=(OpaquePart(origin="m", data={"type": "anthropic", "block": thought}), TextPart(text="")),
                    tool_calls=(
                        ToolCall(id="call.1", name="look", arguments='{"at": 1}'),
                        ToolCall(id="call_2", name="look", arguments="not JSON"),
                    ),
                ),
                Message(role="tool", tool_call_id="call.1", content="a map"),
                Message(role="tool", tool_call_id="call_2", content=""),
                Message(role="developer", content="No maps."),
                Message(role="user", content="And?"),
            )
        )
        body, dropped = await sent_for(upstream, prompt)
        assert dropped == ()
        assert body["system"] == "Be brief.\n\nNo maps."
        assert body["messages"] == [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See:"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}},
                    {"type": "image", "source": {"type": "url", "url": "https://host/b.png"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    thought,
                    {"type": "tool_use", "id": "call_1", "name": "look", "input": {"at": 1}},
                    {"type": "tool_use", "id": "call_2", "name": "look", "input": {"arguments": "not JSON"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "call_1",
                        "content": [{"type": "text", "text": "a map"}],
                    },
                    {"type": "tool_result", "tool_use_id": "call_2", "content": []},
                    {"type": "text", "text": "And?"},
                ],
            },
        ]

    async def test_what_can_be_said_is_said(self, upstream: Upstream) -> None:
        schema = {"type": "object"}
        prompt = a_prompt(
            tools=(TOOL,),
            tool_choice="required",
            response_format=ResponseFormat(type="json_schema", schema=schema),
            stop=("END",),
            options={"reasoning_effort": "minimal", "user": "u1", "parallel_tool_calls": False, "thinking": {"a": 1}},
        )
        body, dropped = await sent_for(upstream, prompt)
        del body["messages"]
        assert body == {
            "model": "balanced",
            "max_tokens": 100,
            "tools": [{"name": "look", "description": "Look.", "input_schema": {"type": "object"}, "strict": True}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema}},
            "stop_sequences": ["END"],
            "metadata": {"user_id": "u1"},
            "thinking": {"a": 1},
        }
        assert dropped == ()

    async def test_what_cannot_be_said_is_recorded(self, upstream: Upstream) -> None:
        prompt = a_prompt(
            tools=({"type": "web_search"},),
            tool_choice="auto",
            response_format=ResponseFormat(type="json_object"),
            stop=("\n",),
            seed=1,
            top_logprobs=3,
            options={
                "temperature": 0.5,
                "top_p": 0.9,
                "frequency_penalty": 1,
                "service_tier": "flex",
                "metadata": {"run": "7"},
                "reasoning_effort": "none",
                "logit_bias": None,
            },
        )
        body, dropped = await sent_for(upstream, prompt)
        assert set(body) == {"model", "max_tokens", "messages"}
        assert sorted(dropped) == [
            "frequency_penalty",
            "logprobs",
            "metadata",
            "reasoning_effort",
            "response_format",
            "seed",
            "service_tier",
            "stop",
            "temperature",
            "tool_choice",
            "tools.web_search",
            "top_p",
        ]

    @pytest.mark.parametrize(
        ("choice", "wire"),
        [
            ("auto", {"type": "auto"}),
            ("none", {"type": "none"}),
            ({"type": "function", "function": {"name": "look"}}, {"type": "tool", "name": "look"}),
        ],
    )
    async def test_the_choice_of_a_tool(self, upstream: Upstream, choice: Any, wire: dict[str, str]) -> None:
        body, dropped = await sent_for(upstream, a_prompt(tools=(TOOL,), tool_choice=choice))
        assert (body["tool_choice"], dropped) == (wire, ())

    async def test_an_older_api_takes_sampling(self, upstream: Upstream) -> None:
        prompt = a_prompt(options={"temperature": 0.5, "top_p": 0.9, "top_k": 5})
        body, dropped = await sent_for(upstream, prompt, api_version="2023-06-01")
        assert (body["temperature"], body["top_p"], body["top_k"], dropped) == (0.5, 0.9, 5, ())
        assert upstream.received[0].headers["anthropic-version"] == "2023-06-01"

    async def test_a_temperature_beyond_its_scale(self, upstream: Upstream) -> None:
        body, dropped = await sent_for(upstream, a_prompt(options={"temperature": 1.7}), api_version="2023-06-01")
        assert (body["temperature"], dropped) == (1.0, ("temperature",))

    async def test_unsupported_by_either_name(self, upstream: Upstream) -> None:
        prompt = a_prompt(stop=("END",), response_format=ResponseFormat(type="json_schema", schema={}))
        body, dropped = await sent_for(upstream, prompt, unsupported=["stop_sequences", "response_format"])
        assert set(body) == {"model", "max_tokens", "messages"}
        assert sorted(dropped) == ["response_format", "stop"]

    async def test_without_a_limit_nothing_is_sent(self, upstream: Upstream, connection: Connection) -> None:
        with pytest.raises(CallFailed, match="max_output_tokens") as caught:
            await connection.complete("balanced", a_prompt(max_output_tokens=None))
        assert (caught.value.failure, caught.value.sent, upstream.received) == ("rejected", False, [])

    @pytest.mark.parametrize(
        ("data", "wire"),
        [
            (
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
                {
                    "type": "document",
                    "source": {"type": "base64", "media_type": "application/pdf", "data": "AA=="},
                    "title": "a.pdf",
                },
            ),
            (
                {"type": "file", "file": {"file_data": "data:text/csv;base64,YSxi"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
            ),
            (
                {"type": "input_file", "file_url": "https://host/a.pdf"},
                {"type": "document", "source": {"type": "url", "url": "https://host/a.pdf"}},
            ),
            ({"type": "document", "source": {"anything": 1}}, {"type": "document", "source": {"anything": 1}}),
        ],
    )
    async def test_files_in_anybodys_shape(self, upstream: Upstream, data: dict[str, Any], wire: object) -> None:
        message = Message(role="user", content=(FilePart(data=data),))
        body, _ = await sent_for(upstream, a_prompt(messages=(message,)))
        assert body["messages"][0]["content"] == [wire]

    @pytest.mark.parametrize(
        "data",
        [
            {"type": "file", "file": {"file_id": "file-of-openai"}},
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:text/plain;base64,%%%"}},
        ],
    )
    async def test_a_file_without_a_shape_is_not_sent(self, connection: Connection, data: dict[str, Any]) -> None:
        message = Message(role="user", content=(FilePart(data=data),))
        with pytest.raises(CallFailed) as caught:
            await connection.complete("balanced", a_prompt(messages=(message,)))
        assert (caught.value.failure, caught.value.sent) == ("skipped", False)

    async def test_the_environment_of_the_sdk_has_no_effect(
        self, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-from-the-environment")
        monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token")
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Custom: 1\nAuthorization: Bearer custom")
        await sent_for(upstream, a_prompt())
        assert not {"authorization", "x-api-key", "x-custom"} & set(upstream.received[0].headers)


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


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "mend"),
        [
            ({"base_url": "https://api.anthropic.com/v1"}, "leave /v1 away: https://api.anthropic.com"),
            ({"base_url": "https://host/v1/messages"}, "leave /v1/messages away: https://host"),
            ({"api_version": "latest"}, "pattern"),
        ],
    )
    def test_wrong_options_say_what_to_do(self, options: dict[str, object], mend: str) -> None:
        with pytest.raises(InvalidOptions, match=mend):
            PROVIDERS.build({"use": "anthropic", **options})
