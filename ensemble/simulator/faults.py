"""Sending an answer, whole or streamed, sound or spoilt in one of the ways that providers have."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import orjson
from aiohttp import web

from ensemble.simulator.script import Step
from ensemble.simulator.served import Served
from ensemble.simulator.talk import Problem
from ensemble.simulator.wire import Piece, Reply, Wire

SSE = "text/event-stream"
JSON = "application/json"
OVERSIZED_BYTES = 64 * 2**20
TRICKLE_S = 0.2
# A lone surrogate is no UTF-8, so the encoder would refuse it: this stands in until the bytes are made.
_MARK = "\u0001lone-surrogate\u0001"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """An answer that is to be sent, and where to. ``first_s`` and ``token_s`` are its pace in seconds."""

    request: web.Request
    wire: Wire
    reply: Reply
    served: Served
    first_s: float
    token_s: float
    chunk_tokens: int
    closing: asyncio.Event

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every answer."""
        return {self.wire.id_header: self.served.request_id}

    def tell(self, *, prompt: bool, completion: bool) -> None:
        """Note what usage the client has been told."""
        if prompt:
            self.served.told_prompt_tokens = self.reply.usage.prompt
        if completion:
            self.served.told_completion_tokens = self.reply.usage.completion

    def whole(self, body: bytes, content_type: str = JSON) -> web.Response:
        """A complete response with ``body``."""
        self.served.status = 200
        return web.Response(body=body, headers=self.headers, content_type=content_type)

    async def begin(self, content_type: str, length: int | None = None) -> web.StreamResponse:
        """Send status and headers; ``length`` promises a number of bytes."""
        self.served.status = 200
        response = web.StreamResponse(headers=self.headers)
        response.content_type = content_type
        response.content_length = length
        await response.prepare(self.request)
        return response

    @asynccontextmanager
    async def streaming(self, content_type: str = SSE, length: int | None = None) -> AsyncIterator[web.StreamResponse]:
        """A begun response; a client that leaves meanwhile ends it quietly and is noted."""
        response = await self.begin(content_type, length)
        try:
            yield response
        except ConnectionError:
            self.served.cancelled = True

    def abort(self) -> None:
        """Cut the connection where it is."""
        if self.request.transport is not None:
            self.request.transport.abort()

    def pieces(self) -> list[Piece]:
        """The answer as a stream."""
        return list(self.wire.pieces(self.reply, self.chunk_tokens))


async def play(out: Outgoing, step: Step) -> web.StreamResponse:
    """Send the answer, spoilt as ``step`` says."""
    if step.fault is None:
        return await _sound(out)
    out.served.fault = step.fault
    return await _FAULTS[step.fault](out, step)


async def _sound(out: Outgoing) -> web.StreamResponse:
    if not out.reply.ask.stream:
        await _sleep(out.first_s + out.token_s * out.reply.usage.completion)
        told = out.wire.tells_usage
        out.tell(prompt=told, completion=told)
        return out.whole(out.wire.whole(out.reply))
    await _sleep(out.first_s)
    async with out.streaming() as response:
        await _send(out, response, out.pieces())
    return response


async def _send(out: Outgoing, response: web.StreamResponse, pieces: list[Piece]) -> None:
    if out.token_s == 0:
        await response.write(b"".join(piece.data for piece in pieces))
        out.tell(prompt=any(p.tells_prompt for p in pieces), completion=any(p.tells_completion for p in pieces))
        return
    for piece in pieces:
        await _sleep(piece.tokens * out.token_s)
        await response.write(piece.data)
        out.tell(prompt=piece.tells_prompt, completion=piece.tells_completion)


async def _sleep(seconds: float) -> None:
    if seconds > 0:
        await asyncio.sleep(seconds)


async def _html(out: Outgoing, step: Step) -> web.StreamResponse:
    page = b"<!doctype html><html><head><title>Just a moment...</title></head><body>Checking your browser</body></html>"
    return out.whole(page, "text/html")


def _spoilt_json(body: bytes) -> Callable[[Outgoing, Step], Awaitable[web.StreamResponse]]:
    async def send(out: Outgoing, step: Step) -> web.StreamResponse:
        if out.reply.ask.stream:
            return out.whole(b"data: " + body + b"\n\n", SSE)
        return out.whole(body)

    return send


async def _broken_json(out: Outgoing, step: Step) -> web.StreamResponse:
    if not out.reply.ask.stream:
        body = out.wire.whole(out.reply)
        return out.whole(body[: len(body) // 2])
    pieces = out.pieces()
    half = pieces[len(pieces) // 2].data.rstrip()
    return out.whole(pieces[0].data + half[: len(half) // 2] + b"\n\n", SSE)


async def _no_choices(out: Outgoing, step: Step) -> web.StreamResponse:
    silent = replace(out, reply=replace(out.reply, said=replace(out.reply.said, text="", tool_calls=())))
    if out.reply.ask.stream:
        kept = [piece for piece in silent.pieces() if not piece.tokens]
        # Only the frame goes out: for OpenAI the usage and the end, for Anthropic a message without blocks.
        kept = [piece for piece in kept if b'"choices":[{' not in piece.data and b"content_block" not in piece.data]
        async with out.streaming() as response:
            await _send(replace(out, token_s=0.0), response, kept)
        return response
    body = orjson.loads(out.wire.whole(silent.reply))
    body["choices" if "choices" in body else "content"] = []
    told = out.wire.tells_usage
    out.tell(prompt=told, completion=told)
    return out.whole(orjson.dumps(body))


async def _oversized(out: Outgoing, step: Step) -> web.StreamResponse:
    size = int(step.amount or OVERSIZED_BYTES)
    block = b"simulated " * 6554
    kind = SSE if out.reply.ask.stream else JSON
    opening = b"data: " if out.reply.ask.stream else b""
    async with out.streaming(kind) as response:
        await response.write(opening + b'{"choices":[{"index":0,"message":{"role":"assistant","content":"')
        for _ in range(max(1, size // len(block))):
            await response.write(block)
        await response.write(b'"},"finish_reason":"stop"}]}' + (b"\n\n" if out.reply.ask.stream else b""))
    return response


async def _cut(out: Outgoing, step: Step) -> web.StreamResponse:
    if not out.reply.ask.stream:
        body = out.wire.whole(out.reply)
        async with out.streaming(JSON, len(body)) as response:
            await response.write(body[: len(body) // 2])
    else:
        async with out.streaming() as response:
            await _send(out, response, _begun(out, step))
    await _flushed(response)
    out.abort()
    return response


async def _stream_error(out: Outgoing, step: Step) -> web.StreamResponse:
    message = "The server had an error while processing your request (simulated)."
    if not out.reply.ask.stream:
        problem = Problem(500, message)
        return out.whole(out.wire.problem(problem, out.served.request_id))
    async with out.streaming() as response:
        await _send(out, response, _begun(out, step))
        await response.write(out.wire.broken_off(message))
    return response


def _begun(out: Outgoing, step: Step) -> list[Piece]:
    """The first pieces of the stream, up to ``after_tokens`` (None: half) of its tokens."""
    pieces = out.pieces()
    limit = step.after_tokens if step.after_tokens is not None else sum(piece.tokens for piece in pieces) // 2
    begun: list[Piece] = []
    spoken = 0
    for piece in pieces:
        spoken += piece.tokens
        if spoken > limit or piece.tells_completion:
            break
        begun.append(piece)
    return begun


async def _flushed(response: web.StreamResponse) -> None:
    # An aborted connection drops what the kernel has not taken: one turn of the loop lets it take the little there is.
    await asyncio.sleep(0.01)


async def _silence(out: Outgoing, step: Step) -> web.StreamResponse:
    await out.closing.wait()
    return out.whole(b"")


async def _trickle(out: Outgoing, step: Step) -> web.StreamResponse:
    stream = out.reply.ask.stream
    body = b"".join(piece.data for piece in out.pieces()) if stream else out.wire.whole(out.reply)
    async with out.streaming(SSE if stream else JSON) as response:
        for at in range(len(body)):
            await response.write(body[at : at + 1])
            await asyncio.sleep(step.amount or TRICKLE_S)
        out.tell(prompt=True, completion=True)
    return response


async def _redirect(out: Outgoing, step: Step) -> web.StreamResponse:
    out.served.status = 307
    return web.Response(status=307, headers={**out.headers, "Location": step.location or "/sim/elsewhere"})


async def _wrong_type(out: Outgoing, step: Step) -> web.StreamResponse:
    if out.reply.ask.stream:
        return out.whole(b"".join(piece.data for piece in out.pieces()), "text/plain")
    return out.whole(out.wire.whole(out.reply), "text/plain")


async def _surrogates(out: Outgoing, step: Step) -> web.StreamResponse:
    said = replace(out.reply.said, text=out.reply.said.text + _MARK)
    marked = replace(out, reply=replace(out.reply, said=said), chunk_tokens=len(said.text))
    mark, lone = orjson.dumps(_MARK)[1:-1], rb"\ud800"
    if out.reply.ask.stream:
        async with out.streaming() as response:
            pieces = [replace(piece, data=piece.data.replace(mark, lone)) for piece in marked.pieces()]
            await _send(replace(out, token_s=0.0), response, pieces)
        return response
    told = out.wire.tells_usage
    out.tell(prompt=told, completion=told)
    return out.whole(out.wire.whole(marked.reply).replace(mark, lone))


async def _no_usage(out: Outgoing, step: Step) -> web.StreamResponse:
    return await _sound(replace(out, wire=out.wire.without_usage()))


_FAULTS: dict[str, Callable[[Outgoing, Step], Awaitable[web.StreamResponse]]] = {
    "html": _html,
    "null": _spoilt_json(b"null"),
    "wrong_shape": _spoilt_json(b'{"choices":"none","content":7,"type":"message","usage":[]}'),
    "broken_json": _broken_json,
    "no_choices": _no_choices,
    "oversized": _oversized,
    "cut": _cut,
    "stream_error": _stream_error,
    "silence": _silence,
    "trickle": _trickle,
    "redirect": _redirect,
    "wrong_type": _wrong_type,
    "surrogates": _surrogates,
    "no_usage": _no_usage,
}
