"""The search indexes of a log in PostgreSQL: words of the texts as tsvectors, found by GIN.

Words are taken apart and queries are read as FTS5 does it, so that a search finds the same in either log. Rows of
several services come in no order, so triggers note in ``search_waiting`` which texts are to be put into an index.
"""

from collections.abc import Iterable

from ensemble.store.content import dumps
from ensemble.store.database import Database
from ensemble.store.keeping.searchable import Source, searchable
from ensemble.store.keeping.words import tsquery, vector, words_of

TABLES = """
CREATE TABLE search_requests (
    request_id TEXT COLLATE "C" PRIMARY KEY REFERENCES requests (id) ON DELETE CASCADE,
    words TSVECTOR NOT NULL
);
CREATE INDEX search_requests_words ON search_requests USING gin (words);
CREATE TABLE search_candidates (
    request_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL,
    words TSVECTOR NOT NULL,
    PRIMARY KEY (request_id, id),
    FOREIGN KEY (request_id, id) REFERENCES candidates (request_id, id) ON DELETE CASCADE
);
CREATE INDEX search_candidates_words ON search_candidates USING gin (words);
CREATE TABLE search_waiting (
    seq BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request_id TEXT COLLATE "C" NOT NULL,
    id TEXT COLLATE "C" NOT NULL
);
COMMENT ON TABLE search_requests IS 'Words of prompts, for searching.';
COMMENT ON TABLE search_candidates IS 'Words of answers, for searching.';
COMMENT ON TABLE search_waiting IS 'Texts that are to be put into the search indexes.';
COMMENT ON COLUMN search_waiting.id IS 'of the candidate; '''' for the prompt';
CREATE FUNCTION search_note_requests() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO search_waiting (request_id, id) SELECT id, '' FROM fresh;
    RETURN NULL;
END $$;
CREATE FUNCTION search_note_candidates() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO search_waiting (request_id, id) SELECT request_id, id FROM fresh;
    RETURN NULL;
END $$;
CREATE TRIGGER search_requests_came AFTER INSERT ON requests REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION search_note_requests();
CREATE TRIGGER search_candidates_came AFTER INSERT ON candidates REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION search_note_candidates();
"""
"""What step 7 of the schema is there."""
_ASKED = "CAST(CAST(:query AS TEXT) AS TSQUERY)"
_WAITING = """
SELECT w.seq, w.request_id, w.id, r.messages, c.text
FROM (SELECT seq, request_id, id FROM search_waiting ORDER BY seq LIMIT ? FOR UPDATE SKIP LOCKED) w
LEFT JOIN requests r ON w.id = '' AND r.id = w.request_id
LEFT JOIN candidates c ON w.id <> '' AND c.request_id = w.request_id AND c.id = w.id
"""
# Taken out and put in, and not ON CONFLICT, so that all rows go to the server at once.
_CLEAR = {
    "requests": "DELETE FROM search_requests WHERE request_id IN (SELECT value FROM json_each(?))",
    "candidates": "DELETE FROM search_candidates WHERE request_id IN (SELECT value FROM json_each(?)) "
    "AND id IN (SELECT value FROM json_each(?))",
}
_STORE = {
    "requests": "INSERT INTO search_requests (request_id, words) VALUES (?, CAST(CAST(? AS TEXT) AS TSVECTOR))",
    "candidates": "INSERT INTO search_candidates (request_id, id, words) "
    "VALUES (?, ?, CAST(CAST(? AS TEXT) AS TSVECTOR))",
}
_DONE = "DELETE FROM search_waiting WHERE seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"
_ALL = {
    "requests": "SELECT id, messages FROM requests WHERE id IN (SELECT value FROM json_each(?))",
    "candidates": "SELECT request_id, id, text FROM candidates WHERE request_id IN (SELECT value FROM json_each(?))",
}


class TextSearch:
    """Fulfils ``ensemble.store.keeping.search.Index``."""

    hits = f"""
    SELECT r.id, r.arrived_at, r.model, {{member}} AS member, {{text}} AS text
    FROM (
        SELECT * FROM search_{{source}} WHERE words @@ {_ASKED} ORDER BY request_id DESC LIMIT :most
    ) s JOIN {{source}} d ON {{joined}} JOIN requests r ON r.id = s.request_id
    ORDER BY s.request_id DESC, d.rowid DESC
    """  # noqa: S608 - own text
    requests = f"""
    SELECT request_id FROM (
        SELECT request_id FROM search_requests WHERE words @@ {_ASKED} ORDER BY request_id DESC LIMIT :found
    ) q
    UNION
    SELECT request_id FROM (
        SELECT request_id FROM search_candidates WHERE words @@ {_ASKED} ORDER BY request_id DESC LIMIT :found
    ) a
    """  # noqa: S608 - own text
    count = f"SELECT count(*) FROM (SELECT 1 FROM search_{{0}} WHERE words @@ {_ASKED} LIMIT :most) f"  # noqa: S608

    def query(self, text: str) -> str:
        """As a tsquery. Raises sqlite3.OperationalError where FTS5 does."""
        return tsquery(text)

    def behind(self, db: Database) -> int:
        """By what waits."""
        return int(db.execute("SELECT count(*) FROM search_waiting").fetchone()[0])

    def catch_up(self, db: Database, most: int) -> int:
        """What waits longest first, prompts or answers; what another process is at is left to it."""
        rows = db.execute(_WAITING, [2 * most]).fetchall()
        _store(db, "requests", [(id_, messages) for _, id_, _, messages, _ in rows if messages is not None])
        _store(db, "candidates", [(request, id_, text) for _, request, id_, _, text in rows if text is not None])
        done = dumps([seq for seq, *_ in rows]).decode()
        db.conn.execute(_DONE, [done])
        return len(rows)

    def forget(self, db: Database, ids: Iterable[str]) -> None:
        """Autovacuum takes what is left of them out of the pages."""
        wanted = dumps(sorted(ids)).decode()
        for table in ("search_requests", "search_candidates"):
            db.conn.execute(f"DELETE FROM {table} WHERE request_id IN (SELECT value FROM json_each(?))", [wanted])  # noqa: S608

    def remember(self, db: Database, ids: Iterable[str]) -> None:
        """Those that wait, too: to come once more changes nothing."""
        wanted = dumps(sorted(ids)).decode()
        _store(db, "requests", db.execute(_ALL["requests"], [wanted]).fetchall())
        _store(db, "candidates", db.execute(_ALL["candidates"], [wanted]).fetchall())

    def optimize(self, db: Database) -> None:
        """A vacuum does that, which cannot run within a transaction."""


def _store(db: Database, source: Source, rows: Iterable[tuple[str, ...]]) -> None:
    rows = sorted(dict.fromkeys(rows))
    if not rows:
        return
    found = words_of([searchable(source, text) for *_, text in rows])
    each = [(*key, vector(words)) for (*key, _), words in zip(rows, found, strict=True)]
    keys = (sorted(set(part)) for part in zip(*(row[:-1] for row in rows), strict=True))
    db.conn.execute(_CLEAR[source], [dumps(part).decode() for part in keys])
    db.conn.executemany(_STORE[source], each)
