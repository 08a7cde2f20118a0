"""A server on loopback that keeps what arrives to the byte, and the requests that are compared by it."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from ensemble.native import DETAILS
from ensemble.providers.anthropic import Anthropic
from ensemble.providers.openai import OpenAI
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
from tests.ensemble.providers import anthropic_upstream, openai_upstream

KEY = "sk-test-0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Arrived:
    """One request: method and path, what its query says, its headers by lower-case name, its body."""

    line: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Recorder:
    """Keeps requests and answers each with ``reply``, a whole reply down to its head; then, if wanted, hangs up."""

    url: str = ""
    reply: bytes = b""
    then: Literal["stay", "close", "reset"] = "stay"
    arrived: list[Arrived] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                line, _, query = head[0].removesuffix(" HTTP/1.1").partition("?")
                pairs = [(name.lower(), value) for name, _, value in (line.partition(": ") for line in head[1:-2])]
                body = await reader.readexactly(int(dict(pairs).get("content-length", "0")))
                told = tuple(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)))
                self.arrived.append(Arrived(line, told, tuple(sorted(pairs)), body))
                writer.write(self.reply)
                await writer.drain()
                if self.then == "reset":
                    writer.transport.abort()
                if self.then != "stay":
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def says(self, body: bytes, kind: str = "application/json") -> None:
        """Answer with ``body`` under status 200."""
        self.reply = replied(body, f"content-type: {kind}")


def replied(body: bytes, *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """A reply as it goes over the wire; ``length`` to tell a wrong one."""
    told = len(body) if length is None else length
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"content-length: {told}", "", ""]).encode("latin-1") + body


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """A recorder that listens."""
    recorder = Recorder()
    server = await asyncio.start_server(recorder.handle, "127.0.0.1", 0, limit=2**24)
    recorder.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield recorder
    finally:
        server.close()


TOOL: Mapping[str, object] = {
    "type": "function",
    "function": {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}},
}
SCHEMA: Mapping[str, object] = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
CALLS = (ToolCall(id="call_1", name="look", arguments='{"at": "map"}'),)
ASKED = Message(role="user", content="Capital of France?")


def asked(**changes: Any) -> Prompt:
    return Prompt(**{"messages": (ASKED,), "max_output_tokens": 100, **changes})


_TALK = (
    Message(role="developer", content="Be brief."),
    Message(role="user", name="ann", content=(TextPart(text="See:"), ImagePart(url="data:image/png;base64,AA=="))),
    Message(role="assistant", content="I look.", tool_calls=CALLS),
    Message(role="tool", tool_call_id="call_1", content="a map"),
    Message(role="user", content="And now? Ünïcödé, 漢字, \u2028 and \u0000 \x7f."),
)
_FILE = FilePart(data={"type": "file", "file": {"file_id": "f"}})
_PDF = FilePart(data={"type": "file", "file": {"file_data": "data:application/pdf;base64,AA=="}})
_SOUND = FilePart(data={"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}})
_SAID = TextPart(text="Paris.")
_DETAILS = OpaquePart(origin="m", data={"type": DETAILS, "details": [{"type": "reasoning.text", "text": "hm"}]})
_MARKED_TOOL = {**TOOL, "anthropic": {"cache_control": {"type": "ephemeral"}}}
_FAILED = (
    ASKED,
    Message(role="assistant", tool_calls=CALLS),
    Message(role="tool", tool_call_id="call_1", content="broken", failed=True, cache_control={"type": "ephemeral"}),
)
_THOUGHT = OpaquePart(
    origin="m", data={"type": "anthropic", "block": {"type": "thinking", "thinking": "hm", "signature": "s"}}
)
COMMON: Mapping[str, Prompt] = {
    "plain": asked(),
    "talk": asked(messages=_TALK),
    "tools": asked(tools=(TOOL,), tool_choice="required", options={"parallel_tool_calls": False}),
    "one tool": asked(tools=(TOOL,), tool_choice={"type": "function", "function": {"name": "look"}}),
    "schema": asked(response_format=ResponseFormat(type="json_schema", schema=SCHEMA, name="count", strict=True)),
    "stop": asked(stop=("END", "\n\nHuman:")),
    "effort": asked(options={"reasoning_effort": "low", "user": "u1"}),
    "long": asked(messages=(Message(role="user", content="word " * 300_000),)),
}
SHAPES: Mapping[str, Mapping[str, Prompt]] = {
    "openai": {
        **COMMON,
        "no limit": Prompt(messages=(ASKED,)),
        "json": asked(response_format=ResponseFormat(type="json_object")),
        "sampling": asked(seed=7, options={"temperature": 0.1, "top_p": 1, "presence_penalty": -0.5}),
        "logprobs": asked(top_logprobs=3, options={"logit_bias": {"50256": -100}}),
        "of a lookalike": asked(options={"top_k": 5, "repetition_penalty": 1.1, "provider": {"only": ["a"]}}),
        "file": asked(messages=(Message(role="user", content=(_FILE,)),)),
        "sound": asked(messages=(Message(role="user", content=(_SOUND,)),)),
        "thoughts of others": asked(messages=(ASKED, Message(role="assistant", content=(_DETAILS, _SAID)), ASKED)),
        "as at home": asked(messages=_TALK, seed=1, options={"verbosity": "low", "store": False}),
        "as at Azure": asked(),
    },
    "anthropic": {
        **COMMON,
        "thoughts": asked(
            messages=(
                ASKED,
                Message(role="assistant", content=(_THOUGHT, TextPart(text="P."))),
                Message(role="user", content="Sure?"),
            ),
            options={"anthropic": {"thinking": {"type": "adaptive"}}},
        ),
        "cache": asked(
            messages=(
                Message(role="system", content="Be kind.", cache_control={"type": "ephemeral"}),
                Message(role="system", content="Be brief."),
                ASKED,
            ),
        ),
        "of an older version": asked(options={"temperature": 0.5, "top_k": 5}),
        "failed tools": asked(messages=_FAILED, tools=(_MARKED_TOOL,), tool_choice="none"),
        "own words": asked(options={"anthropic": {"service_tier": "auto", "context_management": {"edits": []}}}),
        "document": asked(messages=(Message(role="user", content=(_PDF,)),)),
    },
}
"""Every shape of a request that goes without the SDK, by wire format. A shape that stands not here has no claim to."""

MANNERS: Mapping[str, Mapping[str, Any]] = {
    "as at home": {"token_parameter": "max_completion_tokens"},
    "as at Azure": {
        "token_parameter": "max_completion_tokens",
        "headers_env": {"Api-Key": "TEST_KEY", "X-Team": "TEST_KEY"},
    },
    "of an older version": {"api_version": "2023-06-01"},
}
"""Options of the provider for some of the shapes."""

REPLIES: Mapping[str, tuple[bytes, bytes]] = {
    "openai": (
        json.dumps(openai_upstream.a_reply()).encode(),
        openai_upstream.event(openai_upstream.a_chunk(finish="stop", content="Paris."))
        + openai_upstream.event(openai_upstream.USAGE)
        + openai_upstream.DONE,
    ),
    "anthropic": (
        json.dumps(anthropic_upstream.a_message()).encode(),
        anthropic_upstream.start()
        + anthropic_upstream.block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Paris."})
        + anthropic_upstream.end(),
    ),
}
"""An answer to each wire format, whole and as a stream."""


def provider(wire: str, recorder: Recorder, **options: Any) -> OpenAI | Anthropic:
    """One with a key in the environment variable TEST_KEY."""
    if wire == "openai":
        return OpenAI.model_validate({"base_url": f"{recorder.url}/v1", "api_key_env": "TEST_KEY", **options})
    return Anthropic.model_validate({"base_url": recorder.url, "api_key_env": "TEST_KEY", **options})


async def officially(wire: str, recorder: Recorder, document: Mapping[str, Any], **options: Any) -> None:
    """Send ``document`` as the official SDK does when it is used as its own manual says; ``options`` of its client."""
    import anthropic
    import openai

    if wire == "openai":
        async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{recorder.url}/v1", max_retries=0, **options) as client:
            await _call(client.chat.completions.create, document)
    else:
        async with anthropic.AsyncAnthropic(api_key=KEY, base_url=recorder.url, max_retries=0, **options) as client:
            await _call(client.messages.create, document)


async def _call(create: Callable[..., Awaitable[Any]], document: Mapping[str, Any]) -> None:
    known = inspect.signature(create).parameters
    further = {name: value for name, value in document.items() if name not in known}
    own = {name: value for name, value in document.items() if name in known}
    said = await create(**own, **({"extra_body": further} if further else {}))
    if document.get("stream"):
        async for _ in said:
            pass
