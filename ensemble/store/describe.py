"""The schema as data, read from a fresh database, so that its documentation cannot lie."""

import re
from functools import cache
from typing import NamedTuple

from sqlite_utils import Database

from ensemble.store import schema_3, schema_4, schema_6, schema_10, schema_12, schema_15
from ensemble.store.migrations import MIGRATIONS


class Column(NamedTuple):
    """One column; ``references`` is the table that it points to, or None."""

    name: str
    type: str
    doc: str
    null: bool
    references: str | None


class Table(NamedTuple):
    """One table with its columns in order; ``key`` are those of its primary key, in the order of that."""

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]


@cache
def describe() -> tuple[Table, ...]:
    """Every table of the current schema, in the order in which they are made: what is pointed to comes first."""
    with Database(memory=True, execute_plugins=False) as db:
        MIGRATIONS.apply(db)
        return tuple(_table(db, name) for name in db.table_names() if not name.startswith(("_", "sqlite_", "search_")))


def _table(db: Database, name: str) -> Table:
    table = db.table(name)
    docs = dict(re.findall(r"^ +(\w+) [A-Z].*? -- (.*)$", table.schema, re.MULTILINE))
    added = schema_3.DOCS | schema_4.DOCS | schema_6.DOCS | schema_10.DOCS | schema_12.DOCS | schema_15.DOCS
    docs |= {column: doc for (of, column), doc in added.items() if of == name}
    head = re.match(r"CREATE TABLE \w+ \( -- (.*)", table.schema)
    to = {key.column: key.other_table for key in table.foreign_keys}
    columns = (
        Column(c.name, c.type, docs.get(c.name, ""), not c.notnull, to.get(c.name) if c.name else None)
        for c in table.columns
    )
    key = sorted((c for c in table.columns if c.is_pk), key=lambda c: c.is_pk)
    return Table(name, head[1] if head else "", tuple(columns), tuple(c.name for c in key))
