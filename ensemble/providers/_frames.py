"""The binary event stream of Amazon, as the JSON of the events inside it.

A frame is its length, the length of its headers, a checksum of both, headers, payload, and a checksum of all before it;
see "Event stream encoding" in the API reference of Amazon Transcribe.
"""

import base64
import binascii
import json
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress

from ensemble.providers._shapes import mapping
from ensemble.providers._text import NotJson, from_json

MEDIA_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE, _CHECKSUM = 12, 4
_LARGEST = 24 * 1024 * 1024
_STRING = 7
_SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Bytes of a header's value by its type, where that is fixed; bytes (6) and strings (7) tell their own length."""


class BrokenFrame(ValueError):
    """The bytes are no frame of an event stream."""


async def unframed(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """The events in ``chunks``, exceptions as events of type ``error``, without what the end of the stream cuts off.

    Raises:
        BrokenFrame: a checksum is wrong, or a frame holds no event.
    """
    buffer = bytearray()
    async for chunk in chunks:
        buffer += chunk
        while len(buffer) >= _PRELUDE:
            size = _size(buffer)
            if len(buffer) < size:
                break
            frame = bytes(buffer[:size])
            del buffer[:size]
            if (event := _event(frame)) is not None:
                yield event


def _size(buffer: bytearray) -> int:
    size, headers, checksum = struct.unpack_from(">III", buffer)
    if binascii.crc32(buffer[:8]) != checksum:
        raise BrokenFrame("the checksum of a frame's head is wrong")
    if not _PRELUDE + headers + _CHECKSUM <= size <= _LARGEST:
        raise BrokenFrame("the lengths of a frame do not fit")
    return int(size)


def _event(frame: bytes) -> bytes | None:
    if binascii.crc32(frame[:-_CHECKSUM]) != struct.unpack_from(">I", frame, len(frame) - _CHECKSUM)[0]:
        raise BrokenFrame("the checksum of a frame is wrong")
    end = _PRELUDE + struct.unpack_from(">I", frame, 4)[0]
    headers, payload = _headers(frame[_PRELUDE:end]), frame[end:-_CHECKSUM]
    kind = headers.get(":message-type")
    if kind == "event":
        return _chunk(payload)
    code = headers.get(":exception-type") or headers.get(":error-code") or str(kind)
    message = headers.get(":error-message") or payload.decode("utf-8", "replace")
    with suppress(NotJson):  # some have words alone
        message = str(mapping(from_json(payload)).get("message") or message)
    return json.dumps({"type": "error", "error": {"type": code, "message": message}}).encode()


def _chunk(payload: bytes) -> bytes | None:
    try:
        content = mapping(from_json(payload)).get("bytes")
        return base64.b64decode(content, validate=True) if isinstance(content, str) else None
    except (NotJson, binascii.Error) as error:
        raise BrokenFrame("a frame without an event") from error


def _headers(data: bytes) -> dict[str, str]:
    headers, at = {}, 0
    try:
        while at < len(data):
            name = data[at + 1 : at + 1 + data[at]].decode("utf-8", "replace")
            at += 1 + data[at]
            kind = data[at]
            at += 1
            size = _SIZES.get(kind)
            if size is None:
                size = struct.unpack_from(">H", data, at)[0]
                at += 2
            if kind == _STRING:
                headers[name] = data[at : at + size].decode("utf-8", "replace")
            at += size
    except (IndexError, struct.error) as error:
        raise BrokenFrame("the headers of a frame cannot be read") from error
    return headers
