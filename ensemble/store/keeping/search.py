"""Full-text search over prompts and answers, in the syntax of FTS5.

The indexes are filled behind the writer's back: by a background step of the service, and by whoever searches.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Protocol

from ensemble.errors import StoreError
from ensemble.store.content import unbind
from ensemble.store.database import Database, is_sqlite
from ensemble.store.keeping.fts5 import Fts5
from ensemble.store.keeping.searchable import SOURCES, Source, searchable
from ensemble.store.keeping.tsearch import TextSearch
from ensemble.store.keeping.words import TOKENS
from ensemble.store.queries import Tree


class Index(Protocol):
    """The search indexes of an engine.

    Attributes:
        hits: SQL for the newest ``:most`` texts of a source that ``:query`` finds, as ``search`` tells them.
        requests: SQL for the requests of the newest ``:found`` prompts, and answers, that ``:query`` finds.
        count: SQL for how many texts of a source it finds, up to ``:most``.
    """

    hits: str
    requests: str
    count: str

    def query(self, text: str) -> str:
        """The parameter ``:query`` for a query in the syntax of FTS5."""
        ...

    def behind(self, db: Database) -> int:
        """How many texts are not in the indexes yet."""
        ...

    def catch_up(self, db: Database, most: int) -> int:
        """Put up to ``most`` texts of each source into the indexes, in a transaction; return how many."""
        ...

    def forget(self, db: Database, ids: Iterable[str]) -> None:
        """Take requests and their candidates out of the indexes, before their texts change."""
        ...

    def remember(self, db: Database, ids: Iterable[str]) -> None:
        """Put them back with the texts that they have now."""
        ...

    def optimize(self, db: Database) -> None:
        """See to it that nothing of what was taken out is left in the indexes."""
        ...


def index_of(db: Database) -> Index:
    """Those of the engine that keeps the log."""
    return Fts5() if is_sqlite(db) else TextSearch()


def behind(db: Database) -> int:
    """How many texts are not in the indexes yet."""
    return index_of(db).behind(db)


def catch_up(db: Database, most: int) -> int:
    """Put up to ``most`` requests and as many candidates into the indexes, in a transaction; return how many."""
    return index_of(db).catch_up(db, most)


def forget(db: Database, ids: Iterable[str]) -> None:
    """Take requests and their candidates out of the indexes, before their texts change."""
    index_of(db).forget(db, ids)


def remember(db: Database, ids: Iterable[str]) -> None:
    """Put them back with the texts that they have now."""
    index_of(db).remember(db, ids)


def optimize(db: Database) -> None:
    """Rewrite the indexes, so that nothing of what was taken out is left in them."""
    index_of(db).optimize(db)


@contextmanager
def searching(query: str) -> Iterator[None]:
    """Turns what FTS5 says of a ``query`` that it cannot read into a StoreError that says what to write."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "disk" in str(error) or "locked" in str(error):
            raise
        raise StoreError(
            f"{query!r} is no query ({str(error).removeprefix('fts5: ')}); put words with signs in double quotes, "
            "such as '\"gpt-4.1\" AND price*'"
        ) from error


def search(db: Database, query: str, most: int, sources: Sequence[Source] = SOURCES) -> list[Tree]:
    """The newest ``most`` texts that ``query`` (FTS5 syntax) finds: ``id`` of the request, ``where``, a ``snippet``.

    Raises:
        StoreError: ``query`` is no query; the sentence says what to write instead.
    """
    found: list[Tree] = []
    index = index_of(db)
    with searching(query):
        given = {"query": index.query(query), "most": most}
        for source in sources:
            for id_, arrived, model, member, text in db.execute(_hits(index, source), given):
                found.append({
                    "id": id_, "arrived_at": arrived, "model": unbind(model),
                    "where": "prompt" if source == "requests" else "answer",
                    "member": member and unbind(member), "text": searchable(source, text),
                })  # fmt: skip
        found.sort(key=lambda hit: str(hit["id"]), reverse=True)
        return _with_snippets(found[:most], query)


def _hits(index: Index, source: Source) -> str:
    requests = source == "requests"
    return index.hits.format(
        source=source,
        key="id" if requests else "request_id",
        member="NULL" if requests else "d.member",
        text="d.messages" if requests else "d.text",
        joined="d.id = s.request_id" if requests else "d.request_id = s.request_id AND d.id = s.id",
    )


def _with_snippets(hits: list[Tree], query: str) -> list[Tree]:
    """The hits with the place of their text that was found, marked with brackets, in the place of the whole text."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(f"CREATE VIRTUAL TABLE s USING fts5(text, tokenize='{TOKENS}')")
        db.executemany("INSERT INTO s (rowid, text) VALUES (?, ?)", [(n, hit["text"]) for n, hit in enumerate(hits)])
        told = dict(db.execute("SELECT rowid, snippet(s, 0, '[', ']', '...', 24) FROM s WHERE s MATCH ?", [query]))
    return [
        {name: value for name, value in hit.items() if name != "text"} | {"snippet": told.get(number, "")}
        for number, hit in enumerate(hits)
    ]
