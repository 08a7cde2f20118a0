"""Starts workers, starts those again that die, and replaces them one by one at SIGHUP.

The supervisor holds the sockets that listen and serves nothing itself. Since all workers accept from the same queue,
no connection is lost when one of them ends, however it does; with a socket for each (SO_REUSEPORT) those would be reset
that wait at the one that closes. gunicorn, which aiohttp has a worker for, is no match: it gives the whole service up
where a new configuration does not start, and replaces all workers at once.
"""

import asyncio
import fcntl
import logging
import os
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prometheus_client.multiprocess import mark_process_dead

from ensemble.errors import ConfigError
from ensemble.server.listening import Signals
from ensemble.server.workers.child import Child, NotReady
from ensemble.server.workers.terms import Post

log = logging.getLogger(__name__)

STEADY_S = 10.0
"""Who serves for so long before it dies has not died at once."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.25, 30.0
"""Seconds before a worker that died at once is started again; twice as many each time."""
MOST_DEATHS = 5
"""Deaths at once, one after the other, after which a service without any other worker gives up."""


@dataclass(slots=True)
class _Seat:
    """The place of one worker, whoever has it; ``changing`` is held by whoever puts another into it."""

    number: int
    child: Child | None = None
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder for what workers share, which ends with the context.

    Where there is one, it is in memory: counters are written to mapped files, and a process whose mapped file finds no
    room on a disk is killed (SIGBUS).
    """
    places = (os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0], "/dev/shm")  # noqa: S108 - for a folder of ours
    place = next((place for place in places if place and os.access(place, os.W_OK)), None)
    with TemporaryDirectory(prefix="ensemble-workers-", dir=place, ignore_cleanup_errors=True) as name:
        file = os.open(name, os.O_RDONLY)
        try:
            # What tidies temporary folders up respects this lock, see systemd-tmpfiles(8).
            fcntl.flock(file, fcntl.LOCK_SH)
            yield Path(name)
        finally:
            os.close(file)


class Supervisor:
    """Keeps ``count`` processes of ``command`` at work on ``sockets``.

    Args:
        command: what starts one, but for its post.
        folder: what they share; it must be this supervisor's own.
        sockets: they listen already.
    """

    def __init__(self, command: Sequence[str], count: int, sockets: Sequence[socket.socket], folder: Path) -> None:
        self._command, self._sockets, self._folder = command, sockets, folder
        self._seats = [_Seat(number) for number in range(1, count + 1)]
        self._slots: set[int] = set()
        self._children: set[Child] = set()
        self._hung_up = asyncio.Event()

    async def run(self, started: Callable[[], None]) -> None:
        """Serve until SIGINT or SIGTERM; ``started`` is told when every worker serves.

        Raises:
            ConfigError: the first worker did not start, or all of them died again and again.
        """
        with Signals(self._hung_up.set) as stop:
            loop = asyncio.get_running_loop()
            work, told = loop.create_task(self._work(started)), loop.create_task(stop.wait())
            try:
                await asyncio.wait([work, told], return_when=asyncio.FIRST_COMPLETED)
            finally:
                work.cancel()
                told.cancel()
                await asyncio.wait([work, told])
                await self._end()
        if not work.cancelled():
            try:
                work.result()
            except (NotReady, OSError) as error:
                raise ConfigError(str(error)) from error

    async def _work(self, started: Callable[[], None]) -> None:
        # One first: it brings the schema of the log up to date, and what is wrong with the configuration is told once.
        first, *rest = self._seats
        await self._fill(first)
        await _together(*(self._fill(seat) for seat in rest))
        started()
        await _together(self._rolling(), *(self._keep(seat) for seat in self._seats))

    async def _fill(self, seat: _Seat) -> None:
        async with seat.changing:
            seat.child = await self._begin(seat)
            seat.child.go()

    async def _begin(self, seat: _Seat) -> Child:
        """A worker that could serve. Raises NotReady."""
        try:
            child = await self._started(seat)
        except OSError as error:  # no process or descriptor is left, or the program is being installed anew
            raise NotReady(f"worker {seat.number} cannot be started: {error}") from error
        self._children.add(child)
        try:
            await child.ready()
        except BaseException:
            await self._bury(child)
            raise
        return child

    async def _started(self, seat: _Seat) -> Child:
        ours, theirs = socket.socketpair()
        slot = next(slot for slot in range(2 * len(self._seats) + 1) if slot not in self._slots)
        self._slots.add(slot)
        with theirs:
            files = tuple(one.fileno() for one in self._sockets)
            post = Post(
                number=seat.number,
                of=len(self._seats),
                slot=slot,
                channel=theirs.fileno(),
                sockets=files,
                folder=self._folder,
            )
            try:
                return await Child.start(self._command, post, ours)
            except BaseException:
                ours.close()
                self._slots.discard(slot)
                raise

    async def _bury(self, child: Child) -> None:
        """See a worker to its end; what it counted stays, how it stood does not."""
        await child.end()
        self._children.discard(child)
        self._slots.discard(child.slot)
        await asyncio.to_thread(mark_process_dead, child.slot, str(self._folder))

    async def _keep(self, seat: _Seat) -> None:
        """Start whoever has ``seat`` again when it dies."""
        deaths = 0
        while True:
            if (child := seat.child) is not None:
                await child.ended()
                async with seat.changing:
                    if seat.child is not child:
                        continue  # another one took its place
                    seat.child = None
                    await self._bury(child)
                deaths = 0 if child.age_s() >= STEADY_S else deaths + 1
                log.error("worker %d died: %s; it is started again", seat.number, child.told())
            if deaths >= MOST_DEATHS and all(seat.child is None for seat in self._seats):
                raise NotReady(f"every worker died at once, {deaths} times in turn; what they said is above")
            await asyncio.sleep(pause_s(deaths))
            try:
                if seat.child is None:
                    await self._fill(seat)
            except NotReady as error:
                deaths += 1
                log.error("%s", error)

    async def _rolling(self) -> None:
        while True:
            await self._hung_up.wait()
            self._hung_up.clear()
            log.info("the workers are replaced, one by one")
            try:
                for seat in self._seats:
                    await self._replace(seat)
            except NotReady as error:
                log.error("%s; those that were not replaced yet serve on", error)
            else:
                log.info("every worker has been replaced")

    async def _replace(self, seat: _Seat) -> None:
        """Put a new worker into ``seat``. Raises NotReady, and then the old one serves on.

        The new one serves when the old one has ended, so that both together never call a provider more often than its
        share of the limits allows; meanwhile the others take the connections, or they wait.
        """
        async with seat.changing:
            new, old = await self._begin(seat), seat.child
            seat.child = new
            if old is not None:
                old.retire()
                await self._bury(old)
            new.go()

    async def _end(self) -> None:
        await _together(*(self._bury(child) for child in self._children))


def pause_s(deaths: int) -> float:
    """Seconds before a worker is started again that died at once, or did not start, ``deaths`` times in turn."""
    # The exponent is bounded too: a worker that never starts is tried for days, and 2.0 ** 1024 overflows.
    return min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(deaths - 1, 63)) if deaths else 0.0


async def _together(*steps: Coroutine[Any, Any, None]) -> None:
    """Do all ``steps`` at once; raise what the first one does that fails, and cancel the others then."""
    try:
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(step)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
