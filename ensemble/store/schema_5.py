"""Step 5 of the schema: the latency of a call that was imported may be unknown. Never edited once released."""

from sqlite_utils import Database

_BEFORE = "total_s REAL NOT NULL, -- seconds, waiting for the limiter included"
_AFTER = "total_s REAL, -- seconds, waiting for the limiter included; NULL is unknown"


def allow_unknown_latency(db: Database) -> None:
    """Take NOT NULL from ``calls.total_s`` as https://www.sqlite.org/lang_altertable.html (section 7) has it.

    The rows stay where they are, so a log of any size takes no time. Every value that was allowed still is.
    """
    execute = db.conn.execute
    (version,) = execute("PRAGMA schema_version").fetchone()
    execute("PRAGMA writable_schema = ON")
    try:
        changed = execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ?, ?) WHERE type = 'table' AND name = 'calls'",
            [_BEFORE, _AFTER],
        ).rowcount
        assert changed == 1  # noqa: S101 - the first step has made the table
        execute(f"PRAGMA schema_version = {version + 1}")
    finally:
        execute("PRAGMA writable_schema = OFF")
