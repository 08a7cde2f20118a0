"""Anthropic's wire format: what is sent for a prompt, and what is made of a reply."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import PROVIDERS, Connection
from judges.errors import InvalidOptions
from judges.types import (
    FilePart,
    ImagePart,
    Message,
    OpaquePart,
    Prompt,
    ResponseFormat,
    TextPart,
    ToolCall,
)
from tests.ensemble.providers.anthropic_upstream import KEY, TOOL, a_message, a_prompt, a_provider, sent_for
from tests.ensemble.providers.conftest import Upstream


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with a_provider(upstream, api_key_env="TEST_KEY", max_body_bytes=20_000).connect() as opened:
        yield opened


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
        made = body["messages"][1]["content"][1]["id"]
        assert re.fullmatch(r"call_\w{32}", made)
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
                    {"type": "tool_use", "id": made, "name": "look", "input": {"at": 1}},
                    {"type": "tool_use", "id": "call_2", "name": "look", "input": {"arguments": "not JSON"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": made,
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

    async def test_no_call_at_all_is_no_parallel_one(self, upstream: Upstream) -> None:
        """A choice of none has no further field, and the API refuses what it does not know."""
        prompt = a_prompt(tools=(TOOL,), tool_choice="none", options={"parallel_tool_calls": False})
        body, dropped = await sent_for(upstream, prompt)
        assert (body["tool_choice"], dropped) == ({"type": "none"}, ())

    @pytest.mark.parametrize(
        ("most", "budget", "sent", "left_out"),
        [
            (4001, 4000, 4000, ()),
            (4000, 4000, 2000, ("thinking",)),
            (2048, 4000, 1024, ("thinking",)),
            (2047, 4000, None, ("thinking",)),
        ],
    )
    async def test_thoughts_leave_room_for_the_answer(
        self, upstream: Upstream, most: int, budget: int, sent: int | None, left_out: tuple[str, ...]
    ) -> None:
        """The API refuses a limit that is not above the budget; a member's or client's may well be lower."""
        options = {"thinking": {"type": "enabled", "budget_tokens": budget}}
        body, dropped = await sent_for(upstream, a_prompt(max_output_tokens=most, options=options))
        assert (body.get("thinking", {}).get("budget_tokens"), dropped) == (sent, left_out)

    async def test_what_only_this_format_has_is_sent_as_it_is(self, upstream: Upstream) -> None:
        mark = {"type": "ephemeral"}
        own = {"service_tier": "auto", "thinking": {"type": "adaptive"}, "cache_control": mark}
        tool = {**TOOL, "anthropic": {"cache_control": mark}}
        prompt = Prompt(
            messages=(
                Message(role="system", content="Be brief.", cache_control=mark),
                Message(role="system", content="Be kind."),
                Message(role="user", content=(TextPart(text="a"), TextPart(text="b")), cache_control=mark),
                Message(role="assistant", tool_calls=(ToolCall(id="c1", name="look", arguments="{}"),)),
                Message(role="tool", content="broken", tool_call_id="c1", failed=True),
            ),
            tools=(tool,),
            max_output_tokens=9,
            options={"anthropic": own},
        )
        body, dropped = await sent_for(upstream, prompt)
        assert body.items() >= own.items()
        assert body["system"] == [
            {"type": "text", "text": "Be brief.", "cache_control": mark},
            {"type": "text", "text": "Be kind."},
        ]
        assert [block.get("cache_control") for block in body["messages"][0]["content"]] == [None, mark]
        assert body["messages"][2]["content"][0]["is_error"] is True
        assert (body["tools"][0]["cache_control"], dropped) == (mark, ())

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
        "messages",
        [
            (Message(role="user", content=" "),),
            (Message(role="system", content="Be brief."),),
            (
                Message(role="user", content="hi"),
                Message(role="assistant", content="Hello."),
                Message(role="user", content=""),
                Message(role="developer", content="Be brief."),
            ),
        ],
    )
    async def test_without_a_question_nothing_is_sent(
        self, upstream: Upstream, connection: Connection, messages: tuple[Message, ...]
    ) -> None:
        with pytest.raises(CallFailed, match="write some into the last turn") as caught:
            await connection.complete("balanced", a_prompt(messages=messages))
        assert (caught.value.failure, caught.value.sent, upstream.received) == ("rejected", False, [])

    async def test_the_beginning_of_an_answer_is_sent(self, upstream: Upstream) -> None:
        begun = (Message(role="user", content="Capital?"), Message(role="assistant", content="It is"))
        body, _ = await sent_for(upstream, a_prompt(messages=(*begun, Message(role="system", content="Be brief."))))
        assert [turn["role"] for turn in body["messages"]] == ["user", "assistant"]

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
