"""Writes records to the log, and to the spill file while the log does not take them: no record is lost silently."""

import asyncio
import logging
import time
from contextlib import closing
from functools import partial

from ensemble.errors import StoreError
from ensemble.store.database import Database
from ensemble.store.faults import Refused
from ensemble.store.rows import Rows
from ensemble.store.spill import Spill, Taken, take
from ensemble.store.writer import Writer, write_rows

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""Most seconds that a record waits for the log before it is spilled. The log may take it yet: then it is in both, and
what is in the log already is passed over when the spill is taken in."""
AGAIN_S = 1.0
"""Least seconds between two attempts to take in what was spilled."""


class Overflow:
    """A writer and its spill file. While there is something in the file, what comes goes behind it, so order stays."""

    def __init__(self, spill: Spill, writer: Writer) -> None:
        self._spill, self._writer = spill, writer
        self._appending, self._settling = asyncio.Lock(), asyncio.Lock()
        self._next = 0.0
        self._nudged: asyncio.Task[None] | None = None

    async def write(self, rows: Rows) -> None:
        """Write ``rows`` durably, to the log or to the file. Raises StoreError where neither takes them."""
        if self._spill.pending:
            await self._nudge()
        if self._spill.pending:
            await self._append(rows)
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._writer.write(rows)
        except Refused:
            raise
        except (StoreError, TimeoutError) as error:
            why = str(error) or f"the log did not take it within {PATIENCE_S:g} s"
            log.error("request %s goes to %s: %s", rows.request, self._spill.path, why)
            await self._append(rows)

    async def prove(self) -> None:
        """Raise StoreError if the file does not take anything either."""
        async with self._appending:
            await asyncio.to_thread(self._spill.prove)

    async def settle(self, *, at_once: bool = False) -> None:
        """Take in what was spilled; where the log does not take it yet, leave it for later.

        Tried about once a second, unless ``at_once``.
        """
        if at_once and self._nudged is not None:
            await asyncio.wait({self._nudged})
        early = not at_once and time.monotonic() < self._next
        if early or self._settling.locked() or not self._spill.pending:
            return
        async with self._settling:
            try:
                await self._take_in()
            except (StoreError, OSError) as error:
                log.warning("%s waits to be taken in: %s", self._spill.path, error)
            self._next = time.monotonic() + AGAIN_S if self._spill.pending else 0.0

    async def _nudge(self) -> None:
        """Begin to take in what was spilled, and wait for it, but no longer than a record may wait for the log."""
        if self._nudged is None or self._nudged.done():
            self._nudged = asyncio.get_running_loop().create_task(self.settle())
            await asyncio.wait({self._nudged}, timeout=PATIENCE_S)

    async def _take_in(self) -> None:
        taken = Taken()
        # Closed at once, since it holds the lock of the file, and a traceback may keep it alive.
        with closing(self._spill.batches()) as batches:
            while (lines := await asyncio.to_thread(next, batches, None)) is not None:
                taken += await self._writer.change(partial(take, lines=lines, write=_write, spill=self._spill))
        log.warning(
            "%s: %d records were taken into the log, %d were in it already, %d are kept aside",
            self._spill.path, taken.written, taken.known, taken.aside,
        )  # fmt: skip

    async def _append(self, rows: Rows) -> None:
        async with self._appending:
            await asyncio.to_thread(self._spill.append, rows)


def _write(db: Database, rows: Rows) -> None:
    write_rows(db, [rows])
