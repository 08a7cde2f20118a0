"""How often somebody may try a wrong key at the sign-in form: by address, and all together.

Who tried is kept in memory, or in a folder that several workers share and that ends with them.
"""

import asyncio
import ipaddress
import secrets
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from ensemble.errors import LimitExceeded, Unauthenticated

WINDOW_S = 60.0
"""Seconds for which a wrong key is remembered."""
EACH = 10
"""Wrong keys of one address in that time."""
ALL = 100
"""Wrong keys of all together, for whoever has many addresses; so no more than these are ever kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One key that somebody tries; ``at`` is on the machine's clock, so it is the same for every process."""

    id: str
    at: float
    address: str

    @property
    def fresh(self) -> bool:
        """Whether it still counts."""
        return self.at > time.monotonic() - WINDOW_S


class Attempts:
    """The wrong keys that one process was sent in the last minute."""

    def __init__(self) -> None:
        self._kept: list[Attempt] = []

    @asynccontextmanager
    async def counted(self, address: str) -> AsyncIterator[None]:
        """Within it a key is tried; what does not end in ``Unauthenticated`` was no wrong key, and is not counted.

        It counts from the beginning, so that no burst gets past while the log is asked.

        Raises:
            LimitExceeded: there were too many; no key is looked at, right or wrong.
        """
        attempt = Attempt(id=secrets.token_hex(8), at=time.monotonic(), address=address)
        await self._begin(attempt)
        wrong = False
        try:
            yield
        except Unauthenticated:
            wrong = True
            raise
        finally:
            if not wrong:
                await self._forget(attempt)

    async def _begin(self, attempt: Attempt) -> None:
        self._kept = [one for one in self._kept if one.fresh]
        _require_room(self._kept, attempt)
        self._kept.append(attempt)

    async def _forget(self, attempt: Attempt) -> None:
        with suppress(ValueError):
            self._kept.remove(attempt)


class SharedAttempts(Attempts):
    """Those of all workers that share ``folder``: an empty file for each, whose name tells all of it."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder / "attempts"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    async def _begin(self, attempt: Attempt) -> None:
        await asyncio.to_thread(self._write, attempt)

    async def _forget(self, attempt: Attempt) -> None:
        await asyncio.to_thread(self._file(attempt).unlink, missing_ok=True)

    def _file(self, attempt: Attempt) -> Path:
        return self._folder / f"{attempt.id} {attempt.at} {attempt.address}"

    def _write(self, attempt: Attempt) -> None:
        # There before the others are counted: two at the same moment may both be refused, but never both get past.
        own = self._file(attempt)
        own.touch()
        others = list[Attempt]()
        for file in self._folder.iterdir():
            id_, at, address = file.name.split(" ")
            one = Attempt(id=id_, at=float(at), address=address)
            if not one.fresh:
                file.unlink(missing_ok=True)
            elif one != attempt:
                others.append(one)
        try:
            _require_room(others, attempt)
        except LimitExceeded:
            own.unlink()
            raise


def _require_room(others: Iterable[Attempt], attempt: Attempt) -> None:
    times = sorted((one.at, one.address) for one in others)
    own = [at for at, address in times if address == attempt.address]
    for before, most, whence in ((own, EACH, "your address"), ([at for at, _ in times], ALL, "everywhere")):
        if len(before) >= most:
            wait = before[-most] + WINDOW_S - attempt.at
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
