"""The floor under a log on PostgreSQL: the same rows by COPY into the same tables, and COMMIT, by bare asyncpg."""

import time
from collections.abc import Callable

import asyncpg

from ensemble.store.address import Address
from ensemble.store.rows import COLUMNS, Rows


async def raw(address: Address, count: int, made: Callable[[], Rows], at_once: int = 1000) -> float:
    """Logs per second of ``count`` logs, ``at_once`` per transaction, into the log's own tables, which are there."""
    connection = await asyncpg.connect(address.dsn, server_settings={"search_path": address.schema})
    spent = 0.0
    try:
        for _ in range(0, count, at_once):
            batch = [made() for _ in range(at_once)]
            tables = {table: [row for rows in batch for row in rows.tables[table]] for table in COLUMNS}
            begin = time.perf_counter()
            async with connection.transaction():
                for table, rows in tables.items():
                    await connection.copy_records_to_table(
                        table, schema_name=address.schema, records=rows, columns=COLUMNS[table]
                    )
            spent += time.perf_counter() - begin
    finally:
        await connection.close()
    return count / spent


async def drop(address: Address) -> None:
    """Take the log's schema away, which the benchmark made."""
    connection = await asyncpg.connect(address.dsn)
    try:
        await connection.execute(f'DROP SCHEMA IF EXISTS "{address.schema}" CASCADE')
    finally:
        await connection.close()
