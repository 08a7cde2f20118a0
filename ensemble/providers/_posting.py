"""Posts over the connections of an aiohttp session, without what its requests and replies are made of each time.

A request of ours is a head that is always the same and a body. ``ClientSession.post`` takes 60 us for it, 35 of them
for objects, tables of headers and a task that writes the body; over the same connections and the same parser it is 25
here, and an ensemble makes four calls a request. What is not plain takes the way through the session.
"""

import inspect
from asyncio import AbstractEventLoop
from collections.abc import Mapping
from functools import cached_property

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDictProxy
from yarl import URL

MOST_BYTES = 64 * 1024
"""A longer body is written with regard to how fast the server reads."""


def understood() -> bool:
    """Whether this aiohttp is one whose connections can be used directly: their methods are not documented."""
    try:
        inspect.signature(ResponseHandler.set_response_params).bind(None, read_until_eof=True, read_timeout=1.0)
        inspect.signature(aiohttp.BaseConnector.connect).bind(None, None, traces=[], timeout=None)
    except TypeError:
        return False
    return all(hasattr(ResponseHandler, name) for name in ("read", "start_timeout"))


class Way:
    """How a body gets to one address."""

    __slots__ = ("_connector", "_head", "_request", "_timeout")

    def __init__(
        self, connector: aiohttp.BaseConnector, request: aiohttp.ClientRequest, timeout: aiohttp.ClientTimeout
    ):
        head = f"POST {request.url.raw_path_qs} HTTP/1.1\r\n{_lines(request.headers)}Content-Length: "
        self._head = head.encode()
        self._connector = connector
        self._request = request
        self._timeout = timeout

    async def post(self, body: bytes, further: Mapping[str, str]) -> "Posted":
        """Send ``body`` with ``further`` headers, and wait for the head of the reply. Raises as a session does."""
        request, read_s = self._request, self._timeout.sock_read
        try:
            connection = await self._connector.connect(request, traces=[], timeout=self._timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError(f"Connection timeout to host {request.url}") from error
        try:
            protocol = connection.protocol
            if protocol is None or protocol.transport is None or protocol.transport.is_closing():
                raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")
            if protocol.should_close:
                raise aiohttp.ClientConnectionResetError("The server said something that it was not asked for")
            protocol.set_response_params(read_until_eof=True, read_timeout=read_s)
            lines = _lines(further).encode() if further else b""
            protocol.transport.write(b"%b%d\r\n%b\r\n%b" % (self._head, len(body), lines, body))
            protocol.start_timeout()
            message, payload = await protocol.read()
            while 100 <= message.code < 200 and message.code != 101:
                message, payload = await protocol.read()
        except HttpProcessingError as error:
            connection.close()
            raise aiohttp.ClientResponseError(
                request.request_info, (), status=error.code, message=error.message, headers=error.headers
            ) from error
        except BaseException:
            connection.close()
            raise
        return Posted(connection, message, payload)


class _Request(aiohttp.ClientRequest):
    """What a connector is asked for a connection with: always the same, so that its key is made once."""

    @cached_property
    def connection_key(self) -> ConnectionKey:
        return super().connection_key


class Posted:
    """The reply to a post: its head, and a body that has not been read."""

    __slots__ = ("_connection", "content", "headers", "status")

    def __init__(self, connection: Connection, message: RawResponseMessage, payload: StreamReader) -> None:
        self._connection = connection
        self.content = payload
        self.headers: CIMultiDictProxy[str] = message.headers
        self.status: int = message.code

    def release(self) -> None:
        """Give the connection back; where the body has not been read to its end, it is closed.

        One that is kept holds nothing of the reply: parser and body are half of what a connection at rest takes.
        """
        protocol = self._connection.protocol
        self._connection.release()
        if protocol is not None and protocol.transport is not None:
            protocol._parser = protocol._payload = None


def way_of(session: aiohttp.ClientSession, url: URL, headers: Mapping[str, str], loop: AbstractEventLoop) -> Way | None:
    """How to post to ``url`` with ``headers``, none of which holds a line break; None where only a session can."""
    if session.connector is None or url.scheme not in ("http", "https") or not url.raw_host or url.raw_user:
        return None
    request = _Request("POST", url, headers=headers, loop=loop, session=session)
    request.headers.pop("Content-Length", None)  # of no body; each has its own
    return Way(session.connector, request, session.timeout)


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
