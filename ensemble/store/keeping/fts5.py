"""The search indexes of a SQLite log, by FTS5: they hold no texts, and their row numbers are those of the texts."""

from collections.abc import Iterable

from ensemble.store.database import Database
from ensemble.store.keeping.searchable import SOURCES, Source, searchable

_TEXT = {"requests": "messages", "candidates": "text"}


class Fts5:
    """Fulfils ``ensemble.store.keeping.search.Index``."""

    hits = """
    SELECT r.id, r.arrived_at, r.model, {member} AS member, {text} AS text
    FROM search_{source} s JOIN {source} d ON d.rowid = s.rowid JOIN requests r ON r.id = d.{key}
    WHERE search_{source} MATCH :query ORDER BY s.rowid DESC LIMIT :most
    """
    requests = """
    SELECT r.id AS request_id
    FROM (SELECT rowid FROM search_requests WHERE search_requests MATCH :query ORDER BY rowid DESC LIMIT :found) s
    CROSS JOIN requests r WHERE r.rowid = s.rowid
    UNION
    SELECT d.request_id
    FROM (SELECT rowid FROM search_candidates WHERE search_candidates MATCH :query ORDER BY rowid DESC LIMIT :found) s
    CROSS JOIN candidates d WHERE d.rowid = s.rowid
    """
    count = "SELECT count(*) FROM (SELECT 1 FROM search_{0} WHERE search_{0} MATCH :query LIMIT :most) f"

    def query(self, text: str) -> str:
        """As it is."""
        return text

    def behind(self, db: Database) -> int:
        """By row numbers."""
        return sum(_newest(db, source) - _last(db, source) for source in SOURCES)

    def catch_up(self, db: Database, most: int) -> int:
        """In the order in which they were stored."""
        done = 0
        for source in SOURCES:
            last = _last(db, source)
            rows = db.execute(
                f"SELECT rowid, {_TEXT[source]} FROM {source} WHERE rowid > ? ORDER BY rowid LIMIT ?",  # noqa: S608 - own
                [last, most],
            ).fetchall()
            if not rows:
                continue
            db.conn.executemany(
                f"INSERT INTO search_{source} (rowid, text) VALUES (?, ?)",  # noqa: S608 - own names
                ((row, searchable(source, text)) for row, text in rows),
            )
            db.conn.execute("UPDATE search_progress SET last = ? WHERE source = ?", [rows[-1][0], source])
            done += len(rows)
        return done

    def forget(self, db: Database, ids: Iterable[str]) -> None:
        """FTS5 has to be given the texts once more to take them out."""
        _each(db, ids, "INSERT INTO search_{0} (search_{0}, rowid, text) VALUES ('delete', ?, ?)")

    def remember(self, db: Database, ids: Iterable[str]) -> None:
        """Those that the index has come to."""
        _each(db, ids, "INSERT INTO search_{0} (rowid, text) VALUES (?, ?)")

    def optimize(self, db: Database) -> None:
        """Rewrite the indexes."""
        for source in SOURCES:
            db.conn.execute(f"INSERT INTO search_{source} (search_{source}) VALUES ('optimize')")  # noqa: S608 - own names


def _each(db: Database, ids: Iterable[str], statement: str) -> None:
    ids = list(ids)
    for source, key in (("requests", "id"), ("candidates", "request_id")):
        last = _last(db, source)  # type: ignore[arg-type]
        for id_ in ids:
            rows = db.execute(
                f"SELECT rowid, {_TEXT[source]} FROM {source} WHERE {key} = ? AND rowid <= ?",  # noqa: S608 - own
                [id_, last],
            ).fetchall()
            told = [(row, searchable(source, text)) for row, text in rows]  # type: ignore[arg-type]
            db.conn.executemany(statement.format(source), told)


def _last(db: Database, source: Source) -> int:
    return int(db.execute("SELECT last FROM search_progress WHERE source = ?", [source]).fetchone()[0])


def _newest(db: Database, source: Source) -> int:
    return int(db.execute(f"SELECT coalesce(max(rowid), 0) FROM {source}").fetchone()[0])  # noqa: S608 - own names
