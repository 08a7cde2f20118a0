"""Replies down to their bytes: whatever comes, both transports make the same of it, be it a failure or an answer."""

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Literal, NamedTuple

import pytest

from ensemble.errors import CallFailed
from ensemble.provider import Connection
from judges.types import Completion
from tests.ensemble.providers.arriving import KEY, REPLIES, Recorder, asked, provider, replied
from tests.patience import PATIENCE_S

BOUND = 100_000
BOMB = gzip.compress(b" " * 30_000_000)
WORDED_OTHERWISE = frozenset({"packed and not"})
"""Where what unpacks has words of its own for the same failure."""
JSON, EVENTS = "content-type: application/json", "content-type: text/event-stream"
NAMED = "x-request-id: req_1"


class Raw(NamedTuple):
    """What a server sends, and how it goes on."""

    reply: bytes
    then: Literal["stay", "close", "reset"] = "stay"


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + end


def framed(headers: list[str], body: bytes) -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode("latin-1") + body


def cases(good: bytes, kind: str) -> Mapping[str, Raw]:
    """Everything that may come in place of ``good``, a body of the media type that ``kind`` names."""
    packed, half = gzip.compress(good), len(good) // 2
    gz, pieces = "content-encoding: gzip", "transfer-encoding: chunked"
    error = b'{"error": {"message": "wrong key %s", "type": "some_error"}}' % KEY.encode()
    return {
        "good": Raw(replied(good, kind, NAMED)),
        "good in chunks": Raw(framed([kind, NAMED, pieces], chunked(good[:half], good[half:]))),
        "good byte by byte": Raw(framed([kind, pieces], chunked(*(bytes([b]) for b in good)))),
        "good until the end": Raw(framed([kind, NAMED, "connection: close"], good), "close"),
        "good by an old server": Raw(b"HTTP/1.0 200 OK\r\n" + kind.encode() + b"\r\n\r\n" + good, "close"),
        "good after a hint": Raw(b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n" + replied(good, kind)),
        "good after a go on": Raw(b"HTTP/1.1 100 Continue\r\n\r\n" + replied(good, kind)),
        "good of no type": Raw(replied(good, NAMED)),
        "good of another type": Raw(replied(good, "content-type: text/plain", NAMED)),
        "good of two types": Raw(replied(good, kind, "content-type: text/html", NAMED)),
        "good with a charset": Raw(replied(good, kind + "; charset=UTF-8", NAMED)),
        "good with a cookie": Raw(replied(good, kind, "set-cookie: a=b; Path=/")),
        "good with two ids": Raw(replied(good, kind, NAMED, "x-request-id: req_2")),
        "good with a strange id": Raw(replied(good, kind, "x-request-id: r\xe9q\xff")),
        "good with more behind it": Raw(replied(good, kind, NAMED) + b"HTTP/1.1 200 OK\r\n\r\n"),
        "nothing": Raw(b"", "close"),
        "a reset": Raw(b"", "reset"),
        "half a head": Raw(b"HTTP/1.1 200 OK\r\ncontent-ty", "close"),
        "half a head, reset": Raw(b"HTTP/1.1 200 OK\r\ncontent-ty", "reset"),
        "no HTTP": Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "close"),
        "no status": Raw(b"HTTP/1.1 fine\r\n\r\n", "close"),
        "a header without a colon": Raw(framed(["x"], b""), "close"),
        "a header without end": Raw(framed([f"x-long: {'y' * 20_000}", "content-length: 0"], b"")),
        "a head without end": Raw(framed([f"x-{n}: y" for n in range(300)] + ["content-length: 0"], b"")),
        "a NUL in a header": Raw(replied(good, kind, "x-request-id: a\0b"), "close"),
        "cut": Raw(replied(good[:half], kind, NAMED, length=len(good)), "close"),
        "cut by a reset": Raw(replied(good[:half], kind, NAMED, length=len(good)), "reset"),
        "cut in a chunk": Raw(framed([kind, NAMED, pieces], b"fff\r\n" + good[:half]), "close"),
        "cut between chunks": Raw(framed([kind, pieces], chunked(good, end=b"")), "close"),
        "a chunk of no size": Raw(framed([kind, NAMED, pieces], b"zz\r\n" + good), "close"),
        "a length that is none": Raw(framed([kind, "content-length: many"], good), "close"),
        "two lengths": Raw(framed([kind, "content-length: 5", f"content-length: {len(good)}"], good), "close"),
        "a length and chunks": Raw(framed([kind, pieces, "content-length: 3"], chunked(good)), "close"),
        "a body too short": Raw(replied(good, kind, NAMED, length=half), "close"),
        "an empty body": Raw(replied(b"", kind, NAMED)),
        "invalid UTF-8": Raw(replied(good.replace(b"Paris", b"Par\xffs"), kind, NAMED)),
        "a lone surrogate": Raw(replied(good.replace(b"Paris", b"Par\\ud800s"), kind, NAMED)),
        "a control character": Raw(replied(good.replace(b"Paris", b"Par\x01s"), kind, NAMED)),
        "NaN": Raw(replied(good.replace(b"11", b"NaN"), kind, NAMED)),
        "a huge number": Raw(replied(good.replace(b"11", b"9" * 400), kind, NAMED)),
        "a deep reply": Raw(replied(b"[" * 50_000, kind, NAMED)),
        "a byte order mark": Raw(replied(b"\xef\xbb\xbf" + good, kind, NAMED)),
        "packed": Raw(replied(packed, kind, NAMED, gz)),
        "packed as zlib": Raw(replied(zlib.compress(good), kind, NAMED, "content-encoding: deflate")),
        "packed raw": Raw(replied(zlib.compress(good)[2:-4], kind, NAMED, "content-encoding: deflate")),
        "packed by itself": Raw(replied(good, kind, NAMED, "content-encoding: identity")),
        "packed and not": Raw(replied(good, kind, NAMED, gz)),
        "packed and cut": Raw(replied(packed[:-12], kind, NAMED, gz)),
        "packed by nobody": Raw(replied(good, kind, NAMED, "content-encoding: lzma")),
        "a bomb": Raw(replied(BOMB, kind, NAMED, gz)),
        "a bomb of an error": Raw(replied(BOMB, kind, gz, status="500 No")),
        "too long": Raw(replied(good + b" " * BOUND, kind, NAMED)),
        "as long as may be": Raw(replied(good + b" " * (BOUND - len(good)), kind, NAMED)),
        "nothing to say": Raw(replied(b"", NAMED, status="204 No Content")),
        "a part": Raw(replied(good, kind, NAMED, status="206 Partial Content")),
        "a redirect": Raw(replied(b"", NAMED, "location: http://127.0.0.1:9/", status="307 Temporary Redirect")),
        "a redirect nowhere": Raw(replied(b"", NAMED, status="302 Found")),
        "another protocol": Raw(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n", "close"),
        "a status of its own": Raw(replied(error, JSON, NAMED, status="799 Odd")),
        "a wrong key": Raw(replied(error, JSON, NAMED, status="401 Unauthorized")),
        "an error in HTML": Raw(replied(b"<html>", "content-type: text/html", status="502 Bad Gateway")),
        "an error that is cut": Raw(replied(error[:20], JSON, status="500 No", length=99), "close"),
        "an error that is reset": Raw(replied(error[:20], JSON, status="500 No", length=99), "reset"),
        "an error that is packed": Raw(replied(gzip.compress(error), JSON, gz, status="400 No")),
        "an error, badly packed": Raw(replied(error, JSON, gz, status="400 No")),
        "a pause": Raw(replied(error, JSON, "retry-after: 7", status="429 Slow")),
        "two pauses": Raw(replied(error, JSON, "retry-after: 7", "retry-after: 9", status="429 Slow")),
        "no second try": Raw(replied(error, JSON, "x-should-retry: false", status="503 No")),
    }  # fmt: skip


def streams(good: bytes) -> Mapping[str, Raw]:
    """What only a stream can be."""
    half = good.index(b"\n\n") + 2
    pieces, begun = "transfer-encoding: chunked", chunked(good[: good.index(b"\n\n") + 2], end=b"")
    return {
        "lines that end otherwise": Raw(replied(good.replace(b"\n", b"\r\n"), EVENTS, NAMED)),
        "lines that end as on an old Macintosh": Raw(replied(good.replace(b"\n", b"\r"), EVENTS, NAMED)),
        "comments": Raw(replied(b": hm\n\n" + good.replace(b"data:", b": x\nid: 1\nretry: 5\ndata:"), EVENTS)),
        "an event on two lines": Raw(replied(good.replace(b"{", b"{\ndata: ", 1), EVENTS, NAMED)),
        "no blank behind the colon": Raw(replied(good.replace(b"data: ", b"data:"), EVENTS, NAMED)),
        "an event that is none": Raw(replied(good[:half] + b"data: {]\n\n", EVENTS, NAMED)),
        "an error in the middle": Raw(replied(good[:half] + b'data: {"error": {"code": "server_error"}}\n\n', EVENTS)),
        "an end too early": Raw(replied(good[:half], EVENTS, NAMED)),
        "a cut in the middle": Raw(framed([EVENTS, NAMED, pieces], begun), "close"),
        "a reset in the middle": Raw(framed([EVENTS, pieces], begun), "reset"),
        "no line's end": Raw(replied(good[:half] + b"data: " + b"x" * BOUND, EVENTS, NAMED)),
        "more behind the end": Raw(replied(good + good, EVENTS, NAMED)),
    }  # fmt: skip


WHOLE = {(wire, name): raw for wire in REPLIES for name, raw in cases(REPLIES[wire][0], JSON).items()}
STREAMED = {
    (wire, name): raw
    for wire in REPLIES
    for name, raw in {**cases(REPLIES[wire][1], EVENTS), **streams(REPLIES[wire][1])}.items()
}


async def came(connection: Connection, streaming: bool) -> tuple[object, str]:
    """What became of a call: everything that is known of a failure or the answer; and the failure's words."""
    told = ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            if not streaming:
                return await connection.complete("m", asked()), ""
            async with aclosing(connection.stream("m", asked())) as items:  # type: ignore[type-var]
                async for item in items:
                    if isinstance(item, Completion):
                        return (told, untimed(item)), ""
                    told += item.text
    except CallFailed as failed:
        partial = failed.completion and untimed(failed.completion)
        facts = (failed.failure, failed.retryable, failed.retry_after_s, failed.sent, failed.http_status)
        return (told, facts, failed.provider_request_id, partial), str(failed)
    pytest.fail("the stream ended without an answer")


def untimed(said: Completion) -> Completion:
    return replace(said, first_token_s=None)


async def alike(recorder: Recorder, wire: str, name: str, raw: Raw, streaming: bool) -> object:
    """What became of it, which is the same over both transports."""
    recorder.reply, recorder.then = raw.reply, raw.then
    (direct, words), (sdk, told) = [await over(recorder, wire, transport, streaming) for transport in ("direct", "sdk")]
    assert direct == sdk
    assert words == told or name in WORDED_OTHERWISE
    assert KEY not in words
    return direct


async def over(recorder: Recorder, wire: str, transport: str, streaming: bool) -> tuple[object, str]:
    async with provider(wire, recorder, transport=transport, max_body_bytes=BOUND).connect() as connection:
        return await came(connection, streaming)


@pytest.mark.parametrize(("wire", "name"), WHOLE)
async def test_whole_replies(recorder: Recorder, wire: str, name: str) -> None:
    came = await alike(recorder, wire, name, WHOLE[wire, name], streaming=False)
    if name.startswith("good") and name not in ("good of another type", "good of two types"):
        assert isinstance(came, Completion)


@pytest.mark.parametrize(("wire", "name"), STREAMED)
async def test_streams(recorder: Recorder, wire: str, name: str) -> None:
    await alike(recorder, wire, name, STREAMED[wire, name], streaming=True)


@pytest.mark.parametrize("wire", REPLIES)
async def test_a_reply_packed_in_two(recorder: Recorder, wire: str) -> None:
    """The one difference: the client under the SDKs drops all but the first part, which RFC 1952 does not allow."""
    good = REPLIES[wire][0]
    packed = gzip.compress(good[:50]) + gzip.compress(good[50:])
    recorder.reply = replied(packed, JSON, "content-encoding: gzip")
    assert isinstance((await over(recorder, wire, "direct", False))[0], Completion)
    assert not isinstance((await over(recorder, wire, "sdk", False))[0], Completion)
