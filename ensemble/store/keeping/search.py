"""Full-text search over prompts and answers, with FTS5.

The indexes are filled behind the writer's back: by a background step of the service, and by whoever searches.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Literal

from ensemble.errors import StoreError
from ensemble.store.content import messages_of, unbind
from ensemble.store.database import Database
from ensemble.store.queries import Tree
from judges.types import Message, TextPart

Source = Literal["requests", "candidates"]
SOURCES: tuple[Source, ...] = ("requests", "candidates")
_TEXT = {"requests": "messages", "candidates": "text"}


def text_of(message: Message) -> str:
    """The text of one turn, parts that are no text left out."""
    if isinstance(message.content, str):
        return message.content
    return "\n".join(part.text for part in message.content if isinstance(part, TextPart))


def searchable(source: Source, stored: str) -> str:
    """What is searched of a stored text: the turns of a conversation, or the answer as it came."""
    text = unbind(stored) if source == "candidates" else "\n".join(map(text_of, messages_of(stored)))
    return text.encode(errors="replace").decode().replace("\0", " ")


def behind(db: Database) -> int:
    """How many rows are not in the indexes yet."""
    return sum(_newest(db, source) - _last(db, source) for source in SOURCES)


def catch_up(db: Database, most: int) -> int:
    """Put up to ``most`` requests and as many candidates into the indexes, in a transaction; return how many."""
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


def forget(db: Database, ids: Iterable[str]) -> None:
    """Take requests and their candidates out of the indexes, before their texts change."""
    _each(db, ids, "INSERT INTO search_{0} (search_{0}, rowid, text) VALUES ('delete', ?, ?)")


def remember(db: Database, ids: Iterable[str]) -> None:
    """Put them back with the texts that they have now."""
    _each(db, ids, "INSERT INTO search_{0} (rowid, text) VALUES (?, ?)")


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


def optimize(db: Database) -> None:
    """Rewrite the indexes, so that nothing of what was taken out is left in them."""
    for source in SOURCES:
        db.conn.execute(f"INSERT INTO search_{source} (search_{source}) VALUES ('optimize')")  # noqa: S608 - own names


_HITS = """
SELECT r.id, r.arrived_at, r.model, {member} AS member, {text} AS text
FROM search_{source} s JOIN {source} d ON d.rowid = s.rowid JOIN requests r ON r.id = d.{key}
WHERE search_{source} MATCH ? ORDER BY s.rowid DESC LIMIT ?
"""


def search(db: Database, query: str, most: int, sources: Sequence[Source] = SOURCES) -> list[Tree]:
    """The newest ``most`` texts that ``query`` (FTS5 syntax) finds: ``id`` of the request, ``where``, a ``snippet``.

    Raises:
        StoreError: ``query`` is no query; the sentence says what to write instead.
    """
    found: list[Tree] = []
    try:
        for source in sources:
            requests = source == "requests"
            sql = _HITS.format(
                source=source,
                key="id" if requests else "request_id",
                member="NULL" if requests else "d.member",
                text="d.messages" if requests else "d.text",
            )
            for id_, arrived, model, member, text in db.execute(sql, [query, most]):
                found.append({
                    "id": id_, "arrived_at": arrived, "model": unbind(model),
                    "where": "prompt" if requests else "answer",
                    "member": member and unbind(member), "text": searchable(source, text),
                })  # fmt: skip
    except sqlite3.OperationalError as error:
        if "disk" in str(error) or "locked" in str(error):
            raise
        raise StoreError(
            f"{query!r} is no query ({str(error).removeprefix('fts5: ')}); put words with signs in double quotes, "
            "such as '\"gpt-4.1\" AND price*'"
        ) from error
    found.sort(key=lambda hit: str(hit["id"]), reverse=True)
    return _with_snippets(found[:most], query)


def _with_snippets(hits: list[Tree], query: str) -> list[Tree]:
    """The hits with the place of their text that was found, marked with brackets, in the place of the whole text."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE s USING fts5(text, tokenize='unicode61 remove_diacritics 2')")
        db.executemany("INSERT INTO s (rowid, text) VALUES (?, ?)", [(n, hit["text"]) for n, hit in enumerate(hits)])
        told = dict(db.execute("SELECT rowid, snippet(s, 0, '[', ']', '...', 24) FROM s WHERE s MATCH ?", [query]))
    return [
        {name: value for name, value in hit.items() if name != "text"} | {"snippet": told.get(number, "")}
        for number, hit in enumerate(hits)
    ]


def _last(db: Database, source: Source) -> int:
    return int(db.execute("SELECT last FROM search_progress WHERE source = ?", [source]).fetchone()[0])


def _newest(db: Database, source: Source) -> int:
    return int(db.execute(f"SELECT coalesce(max(rowid), 0) FROM {source}").fetchone()[0])  # noqa: S608 - own names
