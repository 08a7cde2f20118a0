"""A TCP proxy on loopback that spoils what flows back: late, cut, reset, by the byte, with wrong bytes, or never."""

import asyncio
import socket
import struct
from types import TracebackType
from typing import Literal, Self

Mode = Literal["pass", "delay", "cut", "reset", "stall", "trickle", "corrupt", "refuse", "blackhole", "hang up"]
"""What becomes of replies. ``stall`` passes the beginning and no more, ``refuse`` resets each new connection,
``hang up`` ends it once a request has come."""
SPOILT: tuple[Mode, ...] = (
    "delay", "cut", "reset", "stall", "trickle", "corrupt", "refuse", "blackhole", "hang up",
)  # fmt: skip

BEFORE = 350
"""Bytes of a reply that pass before it is cut, where nothing else is said: its head, and a little of its body."""
DELAY_S = 0.25
TRICKLE_S = 0.01
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST instead of FIN."""


class Proxy:
    """Between one member and its provider; an async context manager. ``mode`` holds from the next reply on."""

    def __init__(self, port: int) -> None:
        """``port`` is the provider's, on loopback."""
        self.mode: Mode = "pass"
        self.before = BEFORE
        self.opened = 0
        self._target = port
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
            for writer in set(self._open):
                writer.transport.abort()
            await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None:
            raise RuntimeError("the proxy is not open: use `async with Proxy(...)`")
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Connections of clients that are open now."""
        return len(self._open)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self._open.add(writer)
        try:
            if self.mode == "refuse":
                _reset(writer)
                return
            upstream, out = await asyncio.open_connection("127.0.0.1", self._target)
            back = asyncio.get_running_loop().create_task(self._replies(upstream, writer))
            try:
                await self._questions(reader, out, writer)
            finally:
                out.transport.abort()
                back.cancel()
                await asyncio.wait([back])
        except OSError:
            pass  # one of the two ends is gone, and so is the other one then
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _questions(
        self, reader: asyncio.StreamReader, out: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self.mode == "hang up":
                back.close()
                return
            out.write(data)
            await out.drain()

    async def _replies(self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass replies on as ``mode`` says; the other direction notices the end by itself."""
        passed = 0
        try:
            while data := await upstream.read(65536):
                if self.mode == "pass":
                    passed = 0
                    writer.write(data)
                elif self.mode == "blackhole":
                    continue
                elif self.mode == "delay":
                    await asyncio.sleep(DELAY_S)
                    writer.write(data)
                elif self.mode == "trickle":
                    await _trickle(data, writer)
                elif self.mode == "corrupt":
                    writer.write(_corrupted(data))
                else:
                    writer.write(data[: max(0, self.before - passed)])
                    passed += len(data)
                    if passed >= self.before and self.mode != "stall":
                        await writer.drain()
                        await asyncio.sleep(0)
                        _reset(writer) if self.mode == "reset" else writer.close()
                        return
                await writer.drain()
            writer.close()
        except OSError:
            pass  # the client has gone


async def _trickle(data: bytes, writer: asyncio.StreamWriter) -> None:
    for at in range(len(data)):
        writer.write(data[at : at + 1])
        await writer.drain()
        await asyncio.sleep(TRICKLE_S)


def _corrupted(data: bytes) -> bytes:
    """Every seventh byte behind the head of the reply is none of UTF-8."""
    head = data.find(b"\r\n\r\n")
    spoilt = bytearray(data)
    for at in range(head + 4 if head >= 0 else 0, len(data), 7):
        spoilt[at] = 0xFF
    return bytes(spoilt)


def _reset(writer: asyncio.StreamWriter) -> None:
    held = writer.get_extra_info("socket")
    if held is not None:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
