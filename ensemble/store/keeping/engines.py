"""What upkeep asks of an engine that is in no SQL of both: pages, sizes, what is left of texts that went."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from ensemble.errors import StoreError
from ensemble.store.address import Where, address_of
from ensemble.store.database import Database, is_sqlite
from ensemble.store.describe import describe
from ensemble.store.opening import file_of
from ensemble.store.texts import BLANKS

if TYPE_CHECKING:
    from ensemble.store.postgres.database import PostgresDatabase

_SIZE = """
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c
WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND c.relkind = 'r'
"""
_INVALID = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND NOT (i.indisvalid AND i.indisready)
ORDER BY c.relname
"""
_SLEEPING = """
SELECT t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = CAST(current_schema() AS regnamespace) AND NOT t.tgisinternal AND t.tgenabled = 'D'
ORDER BY t.tgname
"""


def insert(db: Database, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert ``rows``, none of which is there, in the way that is the quickest for many."""
    if not is_sqlite(db):
        cast("PostgresDatabase", db).copy_rows(table, columns, rows)
        return
    marks = ", ".join("?" * len(columns))
    db.conn.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)  # noqa: S608 - own names


def count_on(db: Database) -> None:
    """Have numbers that the engine gives to rows go on behind those that were copied."""
    if is_sqlite(db):
        return  # it looks at the rows
    for table in describe():
        kinds = {column.name: column.type for column in table.columns}
        if [kinds[name] for name in table.key] == ["INTEGER"]:
            name, sequence = table.key[0], f"pg_get_serial_sequence('{table.name}', '{table.key[0]}')"
            most = f"(SELECT coalesce(max({name}), 0) FROM {table.name})"  # noqa: S608 - own names
            db.execute(f"SELECT setval({sequence}, greatest({most}, nextval({sequence})))")


def take_time(db: Database) -> None:
    """Have no statement of this connection ended because it takes long, as a server's are."""
    if not is_sqlite(db):
        cast("PostgresDatabase", db).be_patient()


def overwrite_what_goes(db: Database) -> None:
    """Have what is deleted on this connection overwritten at once, where the engine can; else ``tidy`` takes it."""
    if is_sqlite(db):
        db.conn.execute("PRAGMA secure_delete = ON")


def tidy(db: Database, where: Where) -> None:
    """Rebuild what holds the rows, so that nothing of what went is left in it, on a connection of ``writing``.

    SQLite's file and its write-ahead log, or the tables of texts on a server, each locked for as long as it takes.
    A server's own write-ahead log, replicas and archives are its operator's.

    Raises:
        StoreError: another connection reads, so that the write-ahead log cannot be emptied.
    """
    if not is_sqlite(db):
        take_time(db)
        for table in (*BLANKS, "search_requests", "search_candidates"):
            db.execute(f"VACUUM (FULL) {table}")
        return
    db.execute("VACUUM")
    (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise StoreError(
            f"{address_of(where)}: the texts are out of the tables, and its write-ahead log still holds them, since "
            "another connection reads; run this again when it has ended"
        )


def sizes(db: Database, where: Where) -> dict[str, int]:
    """Bytes of the log, and of the write-ahead log of a file."""
    if not is_sqlite(db):
        return {"bytes": int(db.execute(_SIZE).fetchone()[0]), "wal_bytes": 0}
    path = file_of(where)
    wal = path.with_name(f"{path.name}-wal")
    return {"bytes": path.stat().st_size, "wal_bytes": wal.stat().st_size if wal.exists() else 0}


def damage(db: Database, most: int) -> Iterator[str]:
    """What the engine itself finds wrong with pages, indexes and triggers, ``most`` of each at most."""
    if is_sqlite(db):
        said = [str(row[0]) for row in db.execute(f"PRAGMA integrity_check({int(most)})")]
        yield from (one for one in said if one != "ok")
        return
    for (name,) in db.execute(f"{_INVALID} LIMIT ?", [most]):
        yield f"the index {name} is not valid; `REINDEX INDEX {name}` makes it anew"
    for (name,) in db.execute(f"{_SLEEPING} LIMIT ?", [most]):
        yield f"the trigger {name} is disabled; `ALTER TABLE ... ENABLE TRIGGER {name}` has it work again"


def broken_references(db: Database) -> Iterator[tuple[str, str, int]]:
    """Table, table that it points to, and how many of its rows point to none there."""
    if is_sqlite(db):
        counts: dict[tuple[str, str], int] = {}
        for table, _, parent, _ in db.execute("PRAGMA foreign_key_check"):
            counts[table, parent] = counts.get((table, parent), 0) + 1
        yield from ((table, parent, count) for (table, parent), count in counts.items())
        return
    keys = {table.name: table.key[0] for table in describe()}
    for table in describe():
        for column in table.columns:
            if column.references is not None:
                name, parent = column.name, column.references
                missing = f"NOT EXISTS (SELECT 1 FROM {parent} p WHERE p.{keys[parent]} = t.{name})"  # noqa: S608
                sql = f"SELECT count(*) FROM {table.name} t WHERE t.{name} IS NOT NULL AND {missing}"  # noqa: S608
                if count := db.execute(sql).fetchone()[0]:
                    yield table.name, parent, int(count)
