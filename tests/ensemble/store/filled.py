"""A log with rows in every table, whatever the schema holds, for what goes through all of them."""

from ensemble.store.address import Where
from ensemble.store.content import ESCAPE
from ensemble.store.describe import Column, Table, describe
from ensemble.store.keeping.connect import transaction, writing

ODD = (f"a\tb\n{ESCAPE}0", "ünï 🙂 \u2028", "'; --", "\x1b[31m", "")


def fill(where: Where, rows: int = 5) -> None:
    """Put ``rows`` rows into every table of the log at ``where``: odd texts, large and small numbers, NULLs."""
    tables = {table.name: table for table in describe()}
    with writing(where) as db, transaction(db):
        for table in tables.values():
            names = [column.name for column in table.columns]
            db.execute(f"DELETE FROM {table.name}")  # noqa: S608 - what a trigger has put there
            db.conn.executemany(
                f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",  # noqa: S608
                [tuple(_value(tables, table, column, n) for column in table.columns) for n in range(rows)],
            )


def _value(tables: dict[str, Table], table: Table, column: Column, n: int) -> object:
    if column.references is not None and not (column.null and n % 2):
        other = tables[column.references]
        return _value(tables, other, next(one for one in other.columns if one.name == other.key[0]), n)
    if column.null and column.name not in table.key and (n % 2 or column.references):
        return None
    if column.type == "TEXT":
        odd = "" if column.name in table.key else ODD[n % len(ODD)]
        return f"{table.name}.{column.name} {n:06d}{odd}"
    if column.type == "INTEGER":
        return n + 1 if column.name in table.key else (2**62 + n if n % 2 else -n)
    return n / 7
