"""OpenAI's chat completions, and every server that speaks them: vLLM, Ollama, llama.cpp, OpenRouter, Azure, Gemini."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from pydantic import field_validator

from ensemble.errors import CallFailed
from ensemble.provider import PROVIDERS, Connection, Delta
from ensemble.providers._failures import Filtered, failed_inside, request_id, told_in
from ensemble.providers._http import Post, Reply, Wire, client_settings, transport_errors
from ensemble.providers._openai_reply import Gathered, WrongShape
from ensemble.providers._openai_request import Manner, TokenParameter, body_of
from ensemble.providers._options import Address, HttpProvider
from ensemble.providers._text import SURROGATES, NotJson, Secrets, from_json, to_json
from judges.types import Completion, Prompt

if TYPE_CHECKING:
    import httpx2

_OPENAI_HOSTS = ("api.openai.com", ".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
_PATH = "/chat/completions"


@PROVIDERS.register("openai")
class OpenAI(HttpProvider):
    """Models behind the chat completions of OpenAI, or of a server that imitates them."""

    base_url: Address = "https://api.openai.com/v1"
    """Where ``/chat/completions`` is found; usually ends with ``/v1``."""
    token_parameter: TokenParameter | None = None
    """What the limit of output tokens is called; left out: ``max_completion_tokens`` at OpenAI and Azure, whose
    reasoning models take nothing else, ``max_tokens`` anywhere else."""

    @field_validator("base_url")
    @classmethod
    def _without_path(cls, url: str) -> str:
        if url.endswith(_PATH):
            raise ValueError(f"leave {_PATH} away: {url.removesuffix(_PATH)}")
        return url

    def connect(self) -> AbstractAsyncContextManager[Connection]:
        return self._connected()

    def manner(self) -> Manner:
        """How this server wants to be spoken to."""
        host = urlsplit(self.base_url).hostname or ""
        at_home = host.endswith(_OPENAI_HOSTS)
        return Manner(
            token_parameter=self.token_parameter or ("max_completion_tokens" if at_home else "max_tokens"),
            developer=at_home,
            unsupported=frozenset(self.unsupported),
        )

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        # In a thread: the import takes half a second, and keys and certificates are read from disk.
        secrets, client, post, errors = await asyncio.to_thread(self._client)
        try:
            yield OpenAIConnection(Wire(post, secrets, self.max_body_bytes, errors), self.manner())
        finally:
            await client.aclose()

    def _client(self) -> "tuple[Secrets, httpx2.AsyncClient, Post, tuple[type[Exception], ...]]":
        import httpx2
        import openai

        secrets, key = self.secrets(), self.key()
        client = openai.DefaultAioHttpClient(**client_settings(self, self.base_url, secrets, self._dress(key)))
        # A key is demanded even where none is used; what is sent is settled by the headers above.
        sdk = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=self.base_url,
            max_retries=0,
            default_query=dict(self.query),
            http_client=client,
            timeout=client.timeout,
        )

        async def post(body: bytes) -> httpx2.Response:
            # Asked for the response itself, the SDK hands it over unread and unparsed, whatever stream_cls says.
            stream_cls = openai.AsyncStream[object]
            reply: object = await sdk.post(
                _PATH, cast_to=httpx2.Response, content=body, stream=True, stream_cls=stream_cls
            )
            return cast("httpx2.Response", reply)

        return secrets, client, post, (*transport_errors(), openai.OpenAIError)

    def _dress(self, key: str | None) -> dict[str, str]:
        return {
            "accept": "application/json, text/event-stream",
            "accept-encoding": "identity",  # else a small reply may unpack to gigabytes
            "content-type": "application/json",
            "user-agent": "ensemble-judges",
            **({"authorization": f"Bearer {key}"} if key else {}),
            **{name.lower(): value for name, value in self.headers().items()},
        }


class OpenAIConnection:
    """An open client, shared by every task. It takes any ``Wire``, so the SDK is not its only way out."""

    transport = "sdk"

    def __init__(self, wire: Wire, manner: Manner) -> None:
        self._wire = wire
        self._manner = manner

    async def complete(self, model: str, prompt: Prompt) -> Completion:
        """As ``Connection.complete``."""
        body, left_out = self._body(model, prompt, stream=False)
        gathered = Gathered()
        try:
            async with self._wire.exchange(body) as reply:
                for _ in _whole(await reply.document(), reply, gathered):
                    pass
                return _answer(gathered, reply, left_out)
        except Filtered as filtered:
            return _refusal(filtered, left_out)

    async def stream(self, model: str, prompt: Prompt) -> AsyncGenerator[Delta | Completion, None]:
        """As ``Connection.stream``. Close the generator to hang up."""
        clock = asyncio.get_running_loop().time
        begin, first_s = clock(), None
        body, left_out = self._body(model, prompt, stream=True)
        gathered = Gathered()
        try:
            async with self._wire.exchange(body) as reply, aclosing(_deltas(reply, gathered)) as deltas:
                async for delta in deltas:
                    first_s = clock() - begin if first_s is None else first_s
                    yield delta
                answer = _answer(gathered, reply, left_out)
        except Filtered as filtered:
            answer = _refusal(filtered, left_out)
        except CallFailed as failed:
            if not gathered.begun:
                raise
            complete = failed.failure == "cut_stream" and gathered.finish is not None
            kept = replace(gathered.completion(partial=not complete), dropped=left_out, first_token_s=first_s)
            if failed.provider_request_id:
                kept = replace(kept, provider_request_id=failed.provider_request_id)
            if not complete:
                failed.completion = failed.completion or kept
                raise
            answer = kept  # the connection broke after the last word
        yield replace(answer, first_token_s=first_s)

    def _body(self, model: str, prompt: Prompt, *, stream: bool) -> tuple[bytes, tuple[str, ...]]:
        table, left_out = body_of(model, prompt, self._manner, stream=stream)
        try:
            body, mended = to_json(table)
        except TypeError as error:
            raise CallFailed(f"the request is no JSON: {error}", failure="rejected", sent=False) from error
        return body, (*left_out, SURROGATES) if mended else left_out


async def _deltas(reply: Reply, gathered: Gathered) -> AsyncGenerator[Delta, None]:
    """What is new in every chunk; ``gathered`` holds it all, also when this raises CallFailed."""
    if reply.kind and reply.is_json:  # a server that cannot stream answers as a whole
        for delta in _whole(await reply.document(), reply, gathered):
            yield delta
        return
    async with aclosing(reply.events()) as events:
        async for data in events:
            if data.strip() == b"[DONE]":
                await reply.drain(events)
                return
            for delta in _chunk(data, reply, gathered):
                yield delta
    if gathered.finish is None:
        raise reply.bad("the stream ended in the middle of the answer", failure="cut_stream")


def _whole(document: object, reply: Reply, gathered: Gathered) -> Iterator[Delta]:
    try:
        yield from gathered.add_whole(_checked(document, reply, streaming=False))
    except WrongShape as error:
        raise reply.bad(str(error)) from error


def _chunk(data: bytes, reply: Reply, gathered: Gathered) -> Iterator[Delta]:
    try:
        yield from gathered.add_chunk(_checked(from_json(data), reply, streaming=True))
    except (NotJson, WrongShape) as error:
        raise reply.bad(f"a chunk of the stream cannot be read: {error}") from error


def _checked(document: object, reply: Reply, *, streaming: bool) -> object:
    """``document``, unless it holds an error: gateways send those under status 200."""
    if isinstance(document, Mapping) and document.get("error"):
        raise failed_inside(told_in(document), reply.headers, reply.secrets, streaming=streaming)
    return document


def _answer(gathered: Gathered, reply: Reply, left_out: tuple[str, ...]) -> Completion:
    """The answer with what the reply's head adds; a refusal and a length stop may be empty, nothing else may."""
    said = gathered.completion()
    signed = replace(said, provider_request_id=request_id(reply.headers) or said.provider_request_id, dropped=left_out)
    if said.finish_reason in ("length", "refusal") or said.tool_calls or said.text.strip():
        return signed
    raise reply.bad("the answer is empty", failure="empty", partial=signed)


def _refusal(filtered: Filtered, left_out: tuple[str, ...]) -> Completion:
    return Completion(
        text=str(filtered),
        finish_reason="refusal",
        provider_request_id=filtered.provider_request_id,
        dropped=left_out,
    )
