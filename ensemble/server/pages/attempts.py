"""How often somebody may try a wrong key at the sign-in form: by address, and all together. In memory, bounded."""

import ipaddress
import time
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from ensemble.errors import LimitExceeded, Unauthenticated

WINDOW_S = 60.0
"""Seconds for which a wrong key is remembered."""
EACH = 10
"""Wrong keys of one address in that time."""
ALL = 100
"""Wrong keys of all together, for whoever has many addresses."""
ADDRESSES = 1000
"""Addresses that are remembered; the one that tried longest ago makes room."""


class Attempts:
    """The wrong keys of the last minute."""

    def __init__(self) -> None:
        self._all: deque[float] = deque()
        self._by: OrderedDict[str, deque[float]] = OrderedDict()

    @contextmanager
    def counted(self, address: str) -> Iterator[None]:
        """Within it a key is tried; what does not end in ``Unauthenticated`` was no wrong key, and is not counted.

        It counts from the beginning, so that no burst gets past while the log is asked.

        Raises:
            LimitExceeded: there were too many; no key is looked at, right or wrong.
        """
        now = time.monotonic()
        own = self._by.setdefault(address, deque())
        self._by.move_to_end(address)
        if len(self._by) > ADDRESSES:
            self._by.popitem(last=False)
        _require_room(own, EACH, now, "your address")
        _require_room(self._all, ALL, now, "everywhere")
        own.append(now)
        self._all.append(now)
        wrong = False
        try:
            yield
        except Unauthenticated:
            wrong = True
            raise
        finally:
            for times in () if wrong else (own, self._all):
                if now in times:
                    times.remove(now)


def _require_room(times: deque[float], most: int, now: float, whence: str) -> None:
    while times and times[0] <= now - WINDOW_S:
        times.popleft()
    if len(times) >= most:
        wait = times[0] + WINDOW_S - now
        said = f"too many wrong keys came from {whence}: try again in {max(1, round(wait))} s"
        raise LimitExceeded(said, retry_after_s=wait)


def address_of(request: web.Request) -> str:
    """Who tries: behind a proxy of this machine or network the last that ``X-Forwarded-For`` names.

    That one the proxy has seen itself. Of IPv6 it is the network, since whoever has one address there has 2**64.
    """
    peer = _parsed(request.remote or "")
    if peer is None or peer.is_private:
        named = ",".join(request.headers.getall("X-Forwarded-For", [])).rpartition(",")[2]
        peer = _parsed(named) or peer
    if isinstance(peer, ipaddress.IPv6Address):
        peer = peer.ipv4_mapped or ipaddress.IPv6Address(int(peer) >> 64 << 64)
    return str(peer)


def _parsed(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text.strip())
    except ValueError:
        return None


ATTEMPTS = web.AppKey("attempts", Attempts)
