import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from unittest.mock import Mock

import aiohttp
import pytest

from ensemble.providers._silence import Handler
from tests.virtual import run_virtual

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


def run(main: Callable[[Handler], Awaitable[None]]) -> None:
    """``main`` with a connection on which a server may be silent for 2 seconds, on a virtual clock."""

    async def whole() -> None:
        handler = Handler(asyncio.get_running_loop())
        handler.connection_made(Mock(spec=asyncio.Transport, **{"is_closing.return_value": False}))
        asking(handler)
        await main(handler)

    run_virtual(whole())


def asking(handler: Handler, seconds: float | None = 2) -> None:
    handler.set_response_params(read_timeout=seconds)
    handler.start_timeout()


def test_it_counts_from_the_last_piece() -> None:
    async def main(handler: Handler) -> None:
        clock = asyncio.get_running_loop().time
        handler.data_received(HEAD)
        _, payload = await handler.read()
        for _ in range(5):
            await asyncio.sleep(1.5)
            handler.data_received(b"piece")
            assert await payload.readany() == b"piece"
        begin = clock()
        with pytest.raises(aiohttp.SocketTimeoutError):
            await payload.readany()
        assert clock() - begin == 2
        assert handler.should_close

    run(main)


def test_a_reply_that_never_begins_is_silence_too() -> None:
    async def main(handler: Handler) -> None:
        with pytest.raises(aiohttp.SocketTimeoutError):
            await handler.read()

    run(main)


def test_the_timer_keeps_nothing_of_the_request_that_set_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """It rings when that has long been answered, and its context would keep the body that a client sent."""
    whose: ContextVar[str] = ContextVar("whose", default="nobody")
    seen: list[str] = []
    monkeypatch.setattr(Handler, "_look", lambda handler: seen.append(whose.get()))

    async def main(handler: Handler) -> None:
        whose.set("somebody")
        asking(handler, 1)
        await asyncio.sleep(1)

    run(main)
    assert seen == ["nobody"]


def test_between_calls_there_may_be_silence() -> None:
    async def main(handler: Handler) -> None:
        clock = asyncio.get_running_loop().time
        handler.data_received(HEAD + b"x" * 1000)
        await handler.read()
        await asyncio.sleep(10)
        assert not handler.should_close
        asking(handler)
        await asyncio.sleep(1)
        asking(handler, 0.5)  # a shorter limit than the one that is being watched
        begin = clock()
        with pytest.raises(aiohttp.SocketTimeoutError):
            await handler.read()
        assert clock() - begin == 0.5

    run(main)


def test_without_a_limit_there_is_none() -> None:
    async def main(handler: Handler) -> None:
        asking(handler, None)
        await asyncio.sleep(1000)
        handler.data_received(HEAD)
        await handler.read()

    run(main)


def test_a_server_that_is_faster_than_its_reader_is_held_up_and_let_go_on() -> None:
    async def main(handler: Handler) -> None:
        transport = handler.transport
        assert isinstance(transport, Mock)
        size = 2**24
        handler.data_received(HEAD.replace(b"1000", str(2 * size).encode()))
        _, payload = await handler.read()
        handler.data_received(b"x")
        assert await payload.readany() == b"x"
        transport.resume_reading.assert_not_called()  # nothing was held up
        handler.data_received(b"x" * size)
        transport.pause_reading.assert_called_once()
        await asyncio.sleep(10)  # that nobody reads is no silence of the server
        assert len(await payload.readany()) == size
        transport.resume_reading.assert_called_once()
        with pytest.raises(aiohttp.SocketTimeoutError):
            await payload.readany()

    run(main)


def test_nothing_is_watched_when_the_connection_is_lost() -> None:
    async def main(handler: Handler) -> None:
        clock = asyncio.get_running_loop().time
        watch = handler._watch
        assert watch is not None
        handler.connection_lost(None)
        assert watch.cancelled()
        assert clock() == 1000

    run(main)
