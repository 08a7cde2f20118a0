"""What one call costs in CPU over each transport, beside a bare aiohttp call in the same run.

Bare is a body made by orjson, one ``session.post``, ``read`` and ``orjson.loads``; a stream is read by ``iter_any``,
and its events are parsed. The server is a process of its own and answers at once. Rounds take turns, so that a ratio
compares neighbours in time; told are the median over the rounds and the range.
"""

import argparse
import asyncio
import json
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from multiprocessing import Queue, get_context
from typing import cast

import aiohttp
import orjson

from ensemble.provider import Connection
from ensemble.providers.anthropic import Anthropic
from ensemble.providers.openai import OpenAI
from judges.types import Message, Prompt

WORDS = "word " * 40
PROMPT = Prompt(
    messages=(Message(role="system", content="Be brief."), Message(role="user", content="question " * 50)),
    max_output_tokens=200,
)
EVENTS = 40

Call = Callable[[], Awaitable[object]]


def _event(document: object) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def _openai(stream: bool) -> bytes:
    head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "system_fingerprint": "fp"}
    usage = {"prompt_tokens": 60, "completion_tokens": EVENTS, "total_tokens": 60 + EVENTS}
    if not stream:
        message = {"role": "assistant", "content": WORDS, "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
        return json.dumps({**head, "choices": [choice], "usage": usage}).encode()
    pieces = [
        {**head, "choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]} for _ in range(EVENTS)
    ]
    end = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return b"".join(map(_event, [*pieces, end, {**head, "choices": [], "usage": usage}])) + b"data: [DONE]\n\n"


def _anthropic(stream: bool) -> bytes:
    usage = {"input_tokens": 60, "output_tokens": EVENTS}
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "usage": usage}
    if not stream:
        content = [{"type": "text", "text": WORDS}]
        return json.dumps({**head, "content": content, "stop_reason": "end_turn", "stop_sequence": None}).encode()
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "word "}}
    return b"".join(
        _event(document)
        for document in (
            {"type": "message_start", "message": {**head, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            *(delta for _ in range(EVENTS)),
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage},
            {"type": "message_stop"},
        )
    )


class Upstream(asyncio.Protocol):
    """Answers whatever is whole with what its path and body ask for, at next to no cost."""

    def __init__(self, replies: Mapping[tuple[bool, bool], bytes]) -> None:
        self._replies = replies
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, end, body = self._held.partition(b"\r\n\r\n")
        if not end or len(body) < int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]):
            return
        self._held = b""
        self._transport.write(self._replies[b"/v1/messages" in head[:80], b'"stream":true' in body])


def _replies() -> Mapping[tuple[bool, bool], bytes]:
    found = {}
    for anthropic, make in ((False, _openai), (True, _anthropic)):
        for stream in (False, True):
            body = make(stream)
            kind = "text/event-stream" if stream else "application/json"
            head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nx-request-id: req_1\r\ncontent-length: {len(body)}"
            found[anthropic, stream] = f"{head}\r\n\r\n".encode() + body
    return found


def upstream(told: "Queue[int]") -> None:
    """Serve on a free port, which is ``told``, until the process is ended."""

    async def serve() -> None:
        replies, loop = _replies(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: Upstream(replies), "127.0.0.1", 0)
        told.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


def bare(session: aiohttp.ClientSession, url: str, document: Mapping[str, object], stream: bool) -> Call:
    """The least that a call can be."""

    async def whole() -> object:
        async with session.post(url, data=orjson.dumps(document)) as reply:
            return orjson.loads(await reply.read())

    async def streamed() -> object:
        held, events = b"", list[object]()
        async with session.post(url, data=orjson.dumps(document)) as reply:
            async for piece in reply.content.iter_any():
                *ended, held = (held + piece).split(b"\n\n")
                events += [orjson.loads(data[6:]) for data in ended if data != b"data: [DONE]"]
        return events

    return streamed if stream else whole


def ours(connection: Connection, stream: bool) -> Call:
    """A call of the product, without the fleet around it."""

    async def whole() -> object:
        return await connection.complete("m", PROMPT)

    async def streamed() -> object:
        return [item async for item in connection.stream("m", PROMPT)][-1]

    return streamed if stream else whole


async def cost(call: Call, calls: int, at_once: int) -> float:
    """CPU seconds per call of this process."""
    left = iter(range(calls))

    async def worker() -> None:
        for _ in left:
            await call()

    begin = time.process_time()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    return (time.process_time() - begin) / calls


async def measured(port: int, calls: int, rounds: int, at_once: int) -> None:
    """Measure and print the table."""
    root = f"http://127.0.0.1:{port}"
    print(f"CPU per call, {at_once} at once, {rounds} rounds of {calls} calls: median and range")
    print("| call | bare, us | direct, us | direct / bare | sdk, us | sdk / bare |\n|---|---|---|---|---|---|")
    for wire in ("openai", "anthropic"):
        for stream in (False, True):
            async with AsyncExitStack() as stack:
                session = await stack.enter_async_context(aiohttp.ClientSession())
                providers = [
                    OpenAI(base_url=f"{root}/v1", transport=transport)
                    if wire == "openai"
                    else Anthropic(base_url=root, transport=transport)
                    for transport in ("direct", "sdk")
                ]
                opened = [await stack.enter_async_context(each.connect()) for each in providers]
                format = providers[0].format()
                path = "/v1/chat/completions" if wire == "openai" else "/v1/messages"
                document = format.body("m", PROMPT, stream=stream)[0]
                ways = [bare(session, root + path, document, stream), *(ours(each, stream) for each in opened)]
                for way in ways:
                    await cost(way, at_once * 4, at_once)
                found = [[await cost(way, calls, at_once) for way in ways] for _ in range(rounds)]
            cells = [f"{wire}, {'streamed' if stream else 'whole'}", _us([row[0] for row in found])]
            for place in (1, 2):
                cells += [_us([row[place] for row in found]), _ratio([row[place] / row[0] for row in found])]
            print(f"| {' | '.join(cells)} |", flush=True)


def _us(seconds: list[float]) -> str:
    return f"{statistics.median(seconds) * 1e6:.0f}"


def _ratio(ratios: list[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1000, help="calls per round and way (default: 1000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: 5)")
    parser.add_argument("--at-once", type=int, default=16, help="calls in flight (default: 16)")
    given = parser.parse_args()
    context = get_context("spawn")
    told: Queue[int] = context.Queue()
    server = context.Process(target=upstream, args=(told,), daemon=True)
    server.start()
    try:
        asyncio.run(measured(told.get(timeout=60), given.calls, given.rounds, given.at_once))
    finally:
        server.terminate()
        server.join()


if __name__ == "__main__":
    main()
