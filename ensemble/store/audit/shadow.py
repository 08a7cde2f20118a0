"""Facts beside a log that they have not got into: for whoever reads a file that no service looks after. Blocking.

Temporary tables of the same names stand before those of the file, on one connection alone; the file stays as it is.
"""

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ensemble.store.audit.facts import facts_of, replace_facts, stale
from ensemble.store.content import stamp
from ensemble.store.database import Database

LATE = timedelta(minutes=2)
"""A service has made the facts of a request by then."""
SMALL = 20_000
"""Judged requests up to which each is to be seen; of more, a hundredth may be missing rather than all be copied."""
_STEP = 500
_TABLES = (
    "audit_cases", "audit_members", "audit_pairs", "audit_daily", "audit_daily_members", "audit_daily_pairs",
    "audit_stale",
)  # fmt: skip
_OLDEST = """
SELECT r.arrived_at FROM main.audit_stale s JOIN requests r ON r.id = s.request_id ORDER BY s.seq LIMIT 1
"""


class Shadow:
    """Keeps the facts that one connection sees up to date with its log; call ``refresh`` outside a transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._made_of: int | None = None

    def refresh(self) -> None:
        """Make the missing facts where nobody else does: of a large log that takes minutes, once.

        Raises:
            sqlite3.Error: the log cannot be read, or there is no room for temporary tables.
        """
        last = self._last()
        if self._made_of == last and last:
            return
        if self._made_of is not None:
            self._change(self._drop)
            self._made_of = None
        if last and self._late() and self._many():
            self._change(self._make)
            self._made_of = last

    def _last(self) -> int:
        """The highest number of a stale request; 0 where the file has all facts."""
        return int(self._db.execute("SELECT coalesce(max(seq), 0) FROM main.audit_stale").fetchone()[0])

    def _late(self) -> bool:
        oldest = self._db.execute(_OLDEST).fetchone()
        return oldest is not None and oldest[0] < stamp(datetime.now(UTC) - LATE)

    def _many(self) -> bool:
        stale, known = self._db.execute(
            "SELECT (SELECT count(*) FROM main.audit_stale), (SELECT coalesce(sum(cases), 0) FROM main.audit_daily)"
        ).fetchone()
        return bool(known <= SMALL or stale * 100 >= known)

    def _change(self, change: Callable[[sqlite3.Connection], None]) -> None:
        """Run ``change``, which touches temporary tables alone, on a connection that may not write otherwise."""
        conn = self._db.conn
        conn.execute("PRAGMA query_only = OFF")
        # References lead from these tables into the file, which SQLite does not follow.
        conn.execute("PRAGMA foreign_keys = OFF")
        conn.execute("BEGIN")
        try:
            change(conn)
            conn.execute("COMMIT")
        except BaseException:
            conn.execute("ROLLBACK")
            raise
        finally:
            conn.execute("PRAGMA foreign_keys = ON")
            conn.execute("PRAGMA query_only = ON")

    def _make(self, conn: sqlite3.Connection) -> None:
        for table in _TABLES:
            schema = conn.execute(
                "SELECT sql FROM main.sqlite_master WHERE tbl_name = ? AND type IN ('table', 'index') "
                "AND sql IS NOT NULL ORDER BY type DESC",
                [table],
            ).fetchall()
            for (sql,) in schema:
                beside = sql.replace("CREATE TABLE ", "CREATE TEMP TABLE ").replace(
                    "CREATE INDEX ", "CREATE INDEX temp."
                )
                conn.execute(beside)
            conn.execute(f"INSERT INTO temp.{table} SELECT * FROM main.{table}")  # noqa: S608 - an own name
        while done := stale(self._db, _STEP):
            replace_facts(self._db, facts_of(self._db, done.values()), done)

    def _drop(self, conn: sqlite3.Connection) -> None:
        for table in reversed(_TABLES):
            conn.execute(f"DROP TABLE temp.{table}")
