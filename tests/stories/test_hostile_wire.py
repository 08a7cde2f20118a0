"""Requests that attack the server itself: every one is answered as documented, and others are served meanwhile."""

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from time import thread_time

import aiohttp
import pytest
import pytest_asyncio

from tests import served
from tests.patience import PATIENCE_S
from tests.served import PANEL, SERVER, Served, a_question
from tests.stories.conftest import Shared

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEEP = 30_000
PATHS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/ensemble/compare", "/v1/ensemble/feedback")
HOSTILE: dict[str, bytes] = {
    "deep arrays": b'{"model":"panel","messages":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "deep objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "no end": b'{"model":"panel","messages":' + b"[" * DEEP,
    "a number of a million digits": b'{"model":"panel","max_tokens":' + b"9" * 1_000_000 + b"}",
    "infinity": b'{"model":"panel","temperature":1e999,"messages":[{"role":"user","content":"a"}]}',
    "NaN": b'{"model":"panel","temperature":NaN,"messages":[{"role":"user","content":"a"}]}',
    "no UTF-8": b'{"model":"panel","messages":[{"role":"user","content":"\xff\xfe"}]}',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "half a surrogate pair": b'{"model":"panel","messages":[{"role":"user","content":"\\ud800"}]}',
    "zeros": b"\0" * 1000,
}
"""Bodies that are no request."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    """The panel; how its providers are called makes no difference here.

    One for all tests, since no attack may leave it less able to meet the next.
    """
    async with served.serving(tmp_path_factory.mktemp("attacked"), PANEL + SERVER) as opened:
        yield Shared(opened)


@pytest_asyncio.fixture(loop_scope="module")
async def server(attacked: Shared) -> AsyncIterator[Served]:
    """Nothing is under way, and no connection is there that the server may be about to give up."""
    served = (await attacked.begin()).served
    async with aiohttp.ClientSession() as http:
        yield replace(served, http=http)


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_no_request_is_refused_by_name(server: Served, attacked: Shared, path: str) -> None:
    for name, body in HOSTILE.items():
        async with server.http.post(
            server.root + path, data=body, headers={"Content-Type": "application/json"}
        ) as said:
            told = await said.json()
        assert said.status in (400, 404, 422), (name, told)
        assert told["error"]["message"], name
        assert len(json.dumps(told)) < 5_000, f"{name}: the body is told back"
    assert attacked.calls == []


@pytest.mark.parametrize("text", ["a\\u0000b", "\\u202e", "\\uffff", "x" * 200_000])
async def test_strange_texts_are_asked_and_kept(server: Served, text: str) -> None:
    body = json.dumps(a_question("TEXT")).replace("TEXT", text).encode()
    status, said, headers = await server.post(data=body)
    assert status == 200, said
    record = await server.record(headers["x-ensemble-request-id"])
    assert record["messages"][0]["content"] == json.loads(f'"{text}"')


async def test_the_last_of_two_equal_keys_holds_or_the_body_is_refused(server: Served) -> None:
    body = json.dumps(a_question()).encode()[:-1] + b',"model":"nobody"}'
    status, said, _ = await server.post(data=body)
    assert (status, said["error"]["code"]) == (404, "model_not_found")


async def test_a_body_of_fifty_megabytes_is_refused_before_it_is_read(server: Served) -> None:
    before = forgotten_peak()
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 50_000_000:
            sent += 100_000
            yield b"x" * 100_000

    async with server.http.post(
        server.root + PATHS[0], data=pieces(), headers={"Content-Type": "application/json"}
    ) as said:
        told = await said.json()
    assert (said.status, told["error"]["code"]) == (413, "request_too_large")
    assert peak_kib() - before < 100 * 1024


def peak_kib() -> int:
    """Most memory that this process has had since ``forgotten_peak``."""
    return int(Path("/proc/self/status").read_text(encoding="ascii").partition("VmHWM:")[2].split()[0])


def forgotten_peak() -> int:
    """What it has now, which is the most from here on (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak_kib()


def bomb(window: int) -> bytes:
    """400 MB of blanks in 400 KB; ``window`` says in which format (zlib's wbits)."""
    packer, blanks = zlib.compressobj(1, wbits=window), b" " * 1_000_000
    first, again = (packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * 399  # each unpacks by itself; the sum at the end is missing, up to which nobody may read


@pytest.mark.parametrize(("name", "window"), [("gzip", 31), ("deflate", 15)])
async def test_a_decompression_bomb_is_refused(server: Served, name: str, window: int) -> None:
    packed = await asyncio.to_thread(bomb, window)
    before = forgotten_peak()
    headers = {"Content-Type": "application/json", "Content-Encoding": name}
    async with server.http.post(server.root + PATHS[0], data=BytesIO(packed), headers=headers) as said:
        assert said.status in (400, 413, 415), await said.text()
    assert peak_kib() - before < 200 * 1024


HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SMUGGLED = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
SHAPES: dict[str, bytes] = {
    "two lengths": HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!" + SMUGGLED,
    "length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a sign before the length": HEAD + b"Content-Length: +5\r\n\r\nhello" + SMUGGLED,
    "a blank before the colon": HEAD + b"Content-Length : 5\r\n\r\nhello" + SMUGGLED,
    "a bad chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a folded header": HEAD + b"X-A: b\r\n c: d\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "a NUL in a header": HEAD + b"X-A: b\0c\r\nContent-Length: 0\r\n\r\n" + SMUGGLED,
    "a huge header": HEAD + b"X-A: " + b"b" * 100_000 + b"\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 no http at all\r\n\r\n",
}
"""Shapes by which one request is taken for two, or two for one (RFC 9112, section 11.2)."""


@pytest.mark.parametrize("shape", SHAPES)
async def test_no_second_request_is_smuggled(server: Served, attacked: Shared, shape: str) -> None:
    said = await spoken(server, SHAPES[shape])
    assert re.match(rb"HTTP/1\.[01] 4\d\d ", said), said[:200]
    assert len(re.findall(rb"HTTP/1\.[01] \d\d\d ", said)) == 1, said[:600]
    assert attacked.calls == []


async def spoken(server: Served, data: bytes) -> bytes:
    """What the server says to raw bytes, until it hangs up or says no more."""
    host, _, port = server.root.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    said = b""
    try:
        writer.write(data)
        async with asyncio.timeout(PATIENCE_S):
            said = await reader.read(65536)
        async with asyncio.timeout(1.0):
            while piece := await reader.read(65536):
                said += piece
    except (TimeoutError, ConnectionError):
        pass  # it waits for more, or has hung up
    finally:
        writer.transport.abort()
    return said


async def test_slow_clients_keep_nobody_else_waiting(server: Served) -> None:
    host, _, port = server.root.removeprefix("http://").partition(":")
    slow = [await asyncio.open_connection(host, int(port)) for _ in range(200)]
    try:
        for at, (_, writer) in enumerate(slow):
            writer.write(HEAD if at % 2 else HEAD + b"Content-Length: 1000\r\n\r\n{")
        async with asyncio.timeout(PATIENCE_S):
            status, *_ = await server.post()
        assert status == 200
        assert not any(reader.at_eof() for reader, _ in slow), "it was answered once they had been given up"
    finally:
        for _, writer in slow:
            writer.transport.abort()


YARD = 10_000_000
"""Numbers that take a processor some ten times as long to add up as the longest of what is asked here."""


async def test_the_event_loop_is_not_held_up(server: Served) -> None:
    longest, over = 0.0, asyncio.Event()
    # Seconds of this thread's processor, and beside them work that takes as much longer on a slow one.
    begin = thread_time()
    sum(range(YARD))
    yard = thread_time() - begin

    async def watch() -> None:
        nonlocal longest
        while not over.is_set():
            begin = thread_time()
            await asyncio.sleep(0.001)
            longest = max(longest, thread_time() - begin)

    async with asyncio.TaskGroup() as group:
        group.create_task(watch())
        for body in HOSTILE.values():
            await server.post(data=body or b" ")
        over.set()
    assert longest < yard
