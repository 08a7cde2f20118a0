"""The money of one run, counted in the log itself, so that it holds over restarts and over processes."""

from datetime import UTC, datetime

from ensemble.store.content import stamp
from ensemble.store.database import Database


class Purse:
    """What the run called ``run`` has spent and set aside. Its methods are for ``Store.change``, but for ``forget``."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._row, self._spent = 0, 0
        self._undone = False

    def spent(self, db: Database) -> int:
        """Nano-USD: the known cost of the run's calls, and everything that is set aside for calls of unknown end."""
        (last,) = db.execute("SELECT coalesce(max(rowid), 0) FROM calls").fetchone()
        if self._undone or last < self._row:  # rows were erased and the file was tidied up: count anew
            self._undone = False
            self._row, self._spent = 0, 0
        # Only lines that are new since the last time: the whole run would be read for each of its calls. The first
        # time it is the whole run, which its index finds.
        way = "NOT INDEXED" if self._row else "INDEXED BY calls_run"
        (fresh,) = db.execute(
            f"SELECT coalesce(sum(nano_usd), 0) FROM calls {way} WHERE rowid > ? AND run = ?",  # noqa: S608
            [self._row, self._run],
        ).fetchone()
        self._row, self._spent = last, self._spent + fresh
        (aside,) = db.execute(
            "SELECT coalesce(sum(nano_usd), 0) FROM reservations WHERE scope = ?", [self._run]
        ).fetchone()
        return int(self._spent + aside)

    def forget(self) -> None:
        """Count from the first line next time: a transaction that was counted may have been undone.

        In any thread, and no more than a note: the writer's may be counting now, and would add to what is forgotten.
        """
        self._undone = True

    def reserve(self, db: Database, id_: str, nano_usd: int, cap: int) -> bool:
        """Set ``nano_usd`` aside under ``id_``, or return False where that would go beyond ``cap``."""
        if self.spent(db) + nano_usd > cap:
            return False
        db.conn.execute(
            "INSERT INTO reservations (id, scope, nano_usd, made_at) VALUES (?, ?, ?, ?)",
            [id_, self._run, nano_usd, stamp(datetime.now(UTC))],
        )
        return True


def shrink(db: Database, id_: str, nano_usd: int) -> None:
    """Keep only ``nano_usd`` of a reservation: what attempts of unknown cost may have come to."""
    db.conn.execute("UPDATE reservations SET nano_usd = ? WHERE id = ?", [nano_usd, id_])
