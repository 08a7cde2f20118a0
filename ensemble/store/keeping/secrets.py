"""Looks for secrets in the log byte by byte, and tells places, never values."""

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ensemble.errors import StoreError
from ensemble.store.address import Where
from ensemble.store.content import bind
from ensemble.store.database import Database, is_sqlite
from ensemble.store.keeping.checks import Finding, files_of
from ensemble.store.keeping.engines import take_time
from ensemble.store.spill import Spill

_CHUNK = 1 << 22
_PLACES = 5
"""Places of one secret in one file or column that are told."""


def secret_places(
    db: Database, where: Where, secrets: Mapping[str, str], spills: Iterable[Spill] = ()
) -> Iterator[Finding]:
    """Every place in the log at ``where``, and in the files beside it, that holds one of ``secrets`` (by name).

    Every column of every table is searched, since a long text is torn over several pages; then the bytes of every
    file, for what only indexes, free pages, the write-ahead log and spill files (``spills`` too) still hold.

    Raises:
        StoreError: a secret is so short that it would be found everywhere.
    """
    for name, value in secrets.items():
        if len(value) < 8:
            raise StoreError(f"{name} has fewer than 8 characters: too few to look for")
    take_time(db)
    if is_sqlite(db):
        for table in db.table_names():
            yield from _in_table(db, table, secrets)
        yield from _in_search(db, secrets)
    else:
        yield from _on_server(db, secrets)
    for file in files_of(where, spills):
        yield from _in_file(file, secrets)


def spellings(value: str) -> set[str]:
    """A text as it may stand in a column: plain, as stored, and within JSON once and twice over."""
    once = json.dumps(value)[1:-1]
    plain = json.dumps(value, ensure_ascii=False)[1:-1]
    return {value, bind(value), once, plain, json.dumps(once)[1:-1], json.dumps(plain)[1:-1]}


def _in_table(db: Database, table: str, secrets: Mapping[str, str]) -> Iterator[Finding]:
    quoted = table.replace('"', '""')
    try:
        columns = [row[1] for row in db.execute(f'PRAGMA table_info("{quoted}")')]
    except sqlite3.OperationalError:
        return
    for column in columns:
        name = column.replace('"', '""')
        for label, value in secrets.items():
            for spelling in spellings(value):
                # As bytes: `instr` on a blob finds what stands behind a NUL as well.
                held = f'"{name}" IS NOT NULL AND instr(CAST("{name}" AS BLOB), CAST(? AS BLOB)) > 0'
                sql = f'SELECT rowid FROM "{quoted}" WHERE {held}'  # noqa: S608 - names of the file's own schema
                yield from _rows(db, sql, spelling, f"{label} stands in {table}.{column}")


def _in_search(db: Database, secrets: Mapping[str, str]) -> Iterator[Finding]:
    """The indexes hold words, not texts, so a key is looked for as a phrase of its words."""
    for source in ("requests", "candidates"):
        for label, value in secrets.items():
            phrase = '"' + value.replace('"', " ") + '"'
            sql = f"SELECT rowid FROM search_{source} WHERE search_{source} MATCH ?"  # noqa: S608 - own names
            yield from _rows(db, sql, phrase, f"{label} stands in search_{source}")


_COLUMNS = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind = 'r' AND a.attnum > 0
    AND a.atttypid IN (CAST('text' AS regtype), CAST('tsvector' AS regtype)) ORDER BY c.relname, a.attnum
"""


def _on_server(db: Database, secrets: Mapping[str, str]) -> Iterator[Finding]:
    """Rows by their place in the table, since a key may hold what is looked for."""
    for table, column in db.execute(_COLUMNS).fetchall():
        is_index = table.startswith("search_") and column == "words"
        for label, value in secrets.items():
            # An index holds words in small letters, so one that holds the longest word of a secret is told.
            words = set(_longest_word(value)) if is_index else spellings(value)
            for spelling in words:
                sql = f'SELECT CAST(ctid AS TEXT) FROM "{table}" WHERE position(? IN CAST("{column}" AS TEXT)) > 0'  # noqa: S608
                yield from _rows(db, sql, spelling, f"{label} stands in {table}.{column}")


def _longest_word(value: str) -> list[str]:
    return sorted(re.findall(r"\w+", value.lower()), key=len)[-1:]


def _rows(db: Database, sql: str, value: str, what: str) -> Iterator[Finding]:
    try:
        rows = [row[0] for row in db.execute(f"{sql} LIMIT {_PLACES + 1}", [value])]
    except sqlite3.OperationalError as error:
        if "no such column: rowid" in str(error):
            rows = [row[0] for row in db.execute(f"{sql} LIMIT {_PLACES + 1}".replace("rowid", "1", 1), [value])]
        else:
            return
    if rows:
        more = " and more" if len(rows) > _PLACES else ""
        yield Finding("secrets", f"{what}, rows {', '.join(map(str, rows[:_PLACES]))}{more}")


def _in_file(file: Path, secrets: Mapping[str, str]) -> Iterator[Finding]:
    wanted = [(label, spelling.encode()) for label, value in secrets.items() for spelling in spellings(value)]
    longest = max((len(spelling) for _, spelling in wanted), default=0)
    found: dict[str, set[int]] = {}
    with file.open("rb") as stream:
        offset, tail = 0, b""
        while chunk := stream.read(_CHUNK):
            window = tail + chunk
            for label, spelling in wanted:
                at = window.find(spelling)
                while at >= 0:
                    found.setdefault(label, set()).add(offset - len(tail) + at)
                    at = window.find(spelling, at + 1)
            offset += len(chunk)
            tail = window[-(longest - 1) :] if longest > 1 else b""
    for label, places in found.items():
        told = ", ".join(map(str, sorted(places)[:_PLACES]))
        more = " and more" if len(places) > _PLACES else ""
        yield Finding("secrets", f"{label} stands in {file}, at byte {told}{more}")
