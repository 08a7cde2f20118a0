"""OpenAI's wire format: what is sent for a prompt, and what is made of a reply."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from ensemble.errors import CallFailed, ConfigError
from ensemble.provider import PROVIDERS, Connection
from ensemble.providers.openai import OpenAI
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
from tests.ensemble.providers.conftest import Upstream
from tests.ensemble.providers.openai_upstream import (
    KEY,
    a_prompt,
    a_provider,
    a_reply,
    answer_of,
    failure_of,
)
from tests.patience import PATIENCE_S


@pytest.fixture
async def connection(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Connection]:
    monkeypatch.setenv("TEST_KEY", KEY)
    async with a_provider(upstream, api_key_env="TEST_KEY", max_body_bytes=20_000).connect() as opened:
        yield opened


class TestRequest:
    async def test_a_plain_prompt(self, upstream: Upstream, connection: Connection) -> None:
        upstream.says(a_reply())
        await connection.complete("small", a_prompt())
        received = upstream.received[0]
        assert received.path == "/v1/chat/completions"
        assert received.body == {"model": "small", "messages": [{"role": "user", "content": "Capital of France?"}]}
        assert received.headers["authorization"] == f"Bearer {KEY}"

    async def test_what_only_anthropics_format_has_is_not_sent_and_recorded(self, upstream: Upstream) -> None:
        mark = {"type": "ephemeral"}
        function = {"name": "look", "parameters": {"type": "object"}}
        prompt = Prompt(
            messages=(
                Message(role="user", content="?", cache_control=mark),
                Message(role="assistant", tool_calls=(ToolCall(id="c1", name="look", arguments="{}"),)),
                Message(role="tool", content="broken", tool_call_id="c1", failed=True),
            ),
            tools=({"type": "function", "function": function, "anthropic": {"cache_control": mark}},),
            options={"anthropic": {"thinking": {"type": "adaptive"}, "top_k": 3}},
        )
        completion, body = await answer_of(upstream, prompt=prompt)
        assert completion.dropped == ("thinking", "top_k", "tools.cache_control", "cache_control", "is_error")
        assert set(body) == {"model", "messages", "tools"}
        assert body["tools"] == [{"type": "function", "function": function}]
        assert "cache_control" not in str(body)

    async def test_what_a_tool_shows_is_shown_behind_its_results(self, upstream: Upstream) -> None:
        calls = tuple(ToolCall(id=f"c{n}", name="look", arguments="{}") for n in range(2))
        picture = ImagePart(url="https://host/a.png")
        prompt = Prompt(
            messages=(
                Message(role="assistant", tool_calls=calls),
                Message(role="tool", content=(picture,), tool_call_id="c0"),
                Message(role="tool", content=(TextPart(text="a"), TextPart(text="b")), tool_call_id="c1"),
                Message(role="user", content="And?"),
            ),
        )
        _, body = await answer_of(upstream, prompt=prompt)
        assert body["messages"][1:] == [
            {"role": "tool", "tool_call_id": "c0", "content": "The result is shown in the next message."},
            {"role": "tool", "tool_call_id": "c1", "content": "a\nb"},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://host/a.png"}}]},
            {"role": "user", "content": "And?"},
        ]

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
        provider = OpenAI(base_url="http://models.invalid/v1", proxy=upstream.url, transport=upstream.transport)
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
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            tasks = [group.create_task(connection.complete("small", a_prompt())) for _ in range(300)]
        assert {task.result().text for task in tasks} == {"Paris."}
