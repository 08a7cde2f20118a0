"""Whether the search indexes are sound, and hold what they should."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

from ensemble.plurals import counted
from ensemble.store.address import Where
from ensemble.store.database import Database, is_sqlite
from ensemble.store.keeping.searchable import SOURCES, Source
from ensemble.store.opening import file_of
from ensemble.store.texts import KEPT

_SHADOWS = ("data", "idx", "docsize")
"""Tables in which FTS5 keeps an index that holds no texts."""
_MEND = (
    "nothing else is touched by it; to have it made anew: `INSERT INTO search_{0} (search_{0}) VALUES ('delete-all'); "
    "UPDATE search_progress SET last = 0 WHERE source = '{0}';`"
)


_NOWHERE = {
    "requests": """
        SELECT count(*) FROM requests d WHERE d.content IN (?, ?)
            AND NOT EXISTS (SELECT 1 FROM search_requests s WHERE s.request_id = d.id)
            AND NOT EXISTS (SELECT 1 FROM search_waiting w WHERE w.request_id = d.id AND w.id = '')""",
    "candidates": """
        SELECT count(*) FROM candidates d JOIN requests r ON r.id = d.request_id WHERE r.content IN (?, ?)
            AND NOT EXISTS (SELECT 1 FROM search_candidates s WHERE s.request_id = d.request_id AND s.id = d.id)
            AND NOT EXISTS (SELECT 1 FROM search_waiting w WHERE w.request_id = d.request_id AND w.id = d.id)""",
}
_WAIT = {"requests": "SELECT id, '' FROM requests", "candidates": "SELECT request_id, id FROM candidates"}


def index_faults(db: Database, where: Where) -> Iterator[str]:
    """What is wrong with the search indexes of the log at ``where``, of which ``db`` is a snapshot."""
    if not is_sqlite(db):
        yield from _unsearched(db)
        return
    for source in SOURCES:
        if said := _broken(where, source):
            yield f"search_{source}: {said}; {_MEND.format(source)}"
        elif lost := _lost(db, source):
            yield f"search_{source} lacks {counted(lost, 'row')} that it should hold; {_MEND.format(source)}"


def _broken(where: Where, source: Source) -> str | None:
    """What FTS5's own check says, None where it finds nothing.

    It is a command that needs the right to write, and would keep a service from writing for as long as it reads. So it
    runs on a copy of the index, in a file that SQLite makes and removes from its folder before anything is in it.
    """
    with closing(sqlite3.connect("", uri=True, isolation_level=None)) as copy:
        copy.execute("ATTACH ? AS log", [f"{file_of(where).absolute().as_uri()}?mode=ro"])
        copy.execute("CREATE VIRTUAL TABLE main.copy USING fts5(text, content='')")
        copy.execute("BEGIN")
        for shadow in _SHADOWS:
            copy.execute(f"DELETE FROM main.copy_{shadow}")  # noqa: S608 - own names
            copy.execute(f"INSERT INTO main.copy_{shadow} SELECT * FROM log.search_{source}_{shadow}")  # noqa: S608
        copy.execute("COMMIT")
        try:
            copy.execute("INSERT INTO main.copy (copy) VALUES ('integrity-check')")
        except sqlite3.DatabaseError as error:
            return str(error)
    return None


def _lost(db: Database, source: Source) -> int:
    """How many rows with texts are not in the index, although it has come that far."""
    request = "id" if source == "requests" else "request_id"
    sql = f"""
        SELECT count(*) FROM {source} d
        WHERE d.rowid <= (SELECT last FROM search_progress WHERE source = ?)
            AND d.rowid NOT IN (SELECT id FROM search_{source}_docsize)
            AND (SELECT content FROM requests WHERE id = d.{request}) IN ({", ".join("?" * len(KEPT))})
    """  # noqa: S608 - own names
    return int(db.execute(sql, [source, *KEPT]).fetchone()[0])


def _unsearched(db: Database) -> Iterator[str]:
    """On a server: texts that are in no index and do not wait for one either."""
    for source, sql in _NOWHERE.items():
        if lost := db.execute(sql, list(KEPT)).fetchone()[0]:
            mend = f"`INSERT INTO search_waiting (request_id, id) {_WAIT[source]};`"
            yield f"search_{source} lacks {counted(lost, 'row')} that it should hold; to have it made anew: {mend}"
