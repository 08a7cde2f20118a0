"""The log of the audit bench in PostgreSQL: made by the product, then copied by the server; and the plans of its pages.

Copies need a user who may leave out the triggers and references of other rows (``session_replication_role``), such as
``postgres``: the facts and the words of a copy are copied with it.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from aiohttp.test_utils import TestClient, TestServer

from ensemble.server.auditing import make_auditing
from ensemble.store.address import Address
from ensemble.store.database import Cursor, Database, Values
from ensemble.store.postgres.dialect import translate
from ensemble.store.reading import LogReader

FACTS = ("audit_cases", "audit_members", "audit_pairs", "audit_daily", "audit_daily_members", "audit_daily_pairs")
TABLES = (
    "requests", "plans", "calls", "candidates", "verdicts", "scores", "preferences", "exchanges", "daily_requests",
    "daily_calls", *FACTS, "search_requests", "search_candidates",
)  # fmt: skip
_ID = "lpad(to_hex({{base}} - {{copy}}), 8, '0') || substr({0}, 9)"
_MOMENT = "to_char(to_date(substr({0}, 1, 10), 'YYYY-MM-DD') - {{copy}}, 'YYYY-MM-DD') || substr({0}, 11)"
_SHIFTED = {
    **{name: _ID.format(name) for name in ("id", "request_id", "verdict_id")},
    **{name: _MOMENT.format(name) for name in ("arrived_at", "started_at", "day")},
}
"""Columns that are others in a copy of the log as it was some days ago."""
_OWN = {"calls", "candidates", "search_candidates"}
"""Tables whose rows are unique within their request: they keep their ids in JSON."""
_NUMBERED = ("rowid", "seq")
MINUTES = 600.0
"""Seconds that a statement over the whole log may take."""
LARGE = 10_000.0
"""Cost from which on a scan is one of a large table; a page that is read costs 1."""


async def copied(where: Address, copies: int) -> None:
    """Put ``copies`` of everything in the log beside it, one per day, the oldest first."""
    server = await connected(where)
    try:
        await _copy(server, copies)
        await server.execute(f"VACUUM ANALYZE {', '.join(TABLES)}", timeout=MINUTES)
    finally:
        await server.close()


async def connected(where: Address) -> "asyncpg.Connection[Any]":
    """A plain connection to the server, in the schema of the log."""
    # Settings of the planner as the log has them.
    settings = {"search_path": f"{where.schema},pg_catalog", "random_page_cost": "1.1", "jit": "off"}
    return await asyncpg.connect(where.dsn, server_settings=settings)


async def _copy(server: "asyncpg.Connection[Any]", copies: int) -> None:
    base = int((await server.fetchval("SELECT min(id) FROM requests"))[:8], 16)
    columns = {table: await _columns(server, table) for table in TABLES}
    for table in TABLES:
        await server.execute(f"CREATE TEMP TABLE first_{table} AS SELECT * FROM {table}")  # noqa: S608 - own names
    await server.execute("SET session_replication_role = replica")
    for copy in range(copies, 0, -1):
        async with server.transaction():
            for table, names in columns.items():
                fixed = {"id"} if table in _OWN else set()
                values = [
                    _SHIFTED[name].format(base=base, copy=copy) if name in _SHIFTED and name not in fixed else name
                    for name in names
                ]
                await server.execute(
                    f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM first_{table}",  # noqa: S608
                    timeout=MINUTES,
                )
        sys.stderr.write(f"\r{copies - copy + 1} of {copies} copies ")
    sys.stderr.write("\n")
    await server.execute("SET session_replication_role = DEFAULT")


async def _columns(server: "asyncpg.Connection[Any]", table: str) -> list[str]:
    rows = await server.fetch(
        "SELECT attname FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped "
        "ORDER BY attnum",
        table,
    )
    return [name for (name,) in rows if name not in _NUMBERED]


@dataclass
class Recorder:
    """A database that remembers what it was asked."""

    db: Database
    asked: dict[str, Values] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.db, name)

    def execute(self, sql: str, parameters: Values | None = None) -> Cursor:
        self.asked.setdefault(sql, parameters or ())
        return self.db.execute(sql, parameters)

    def query(self, sql: str, params: Values | None = None) -> Iterator[dict[str, Any]]:
        self.asked.setdefault(sql, params or ())
        return self.db.query(sql, params)


@dataclass
class Recording:
    """A log whose questions are remembered."""

    log: LogReader
    asked: dict[str, Values] = field(default_factory=dict)

    async def read(self, question: Any) -> Any:
        return await self.log.read(lambda db: question(Recorder(db, self.asked)))


@dataclass(frozen=True)
class Planned:
    """The plan of one statement: its nodes from the top, and the tables that it reads from end to end."""

    page: str
    sql: str
    nodes: Sequence[str]
    whole: frozenset[str]
    cost: float


async def plans(where: Address, addresses: Iterable[tuple[str, str]], size: int) -> list[Planned]:
    """How the server would answer each statement behind the pages ``addresses`` in a log of ``size`` requests.

    The statistics of the log are multiplied in a transaction that is undone: tables and indexes claim to have as many
    rows as such a log has; daily sums stay, since their number does not rise with that of requests. Their pages the
    planner counts itself, so reading a table from end to end looks cheaper to it than it would be: a plan that does
    without here, does without there.
    """
    log = LogReader(where)
    server = await connected(where)
    found: list[Planned] = []
    try:
        factor = size / await server.fetchval("SELECT count(*) FROM requests")
        for name, address in addresses:
            recording = Recording(log)
            app = make_auditing(recording, about=where.name)
            async with TestClient(TestServer(app)) as client:
                await (await client.get(address)).read()
            for sql, values in recording.asked.items():
                found.append(await _planned(server, name, sql, values, factor))
    finally:
        await server.close()
        await log.close()
    return found


async def _planned(server: "asyncpg.Connection[Any]", page: str, sql: str, values: Values, factor: float) -> Planned:
    statement = translate(sql)
    transaction = server.transaction()
    await transaction.start()
    try:
        await server.execute(
            "UPDATE pg_class SET reltuples = (reltuples * $1)::real "
            "WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i') "
            "AND reltuples > 0 AND relname NOT LIKE '%daily%'",
            factor,
        )
        (told,) = await server.fetchrow(f"EXPLAIN (FORMAT JSON) {statement.text}", *statement.values(values))
    finally:
        await transaction.rollback()
    (plan,) = json.loads(told)
    nodes, whole = list[str](), set[str]()
    _walk(plan["Plan"], 0, nodes, whole, plan["Plan"]["Total Cost"])
    return Planned(page, " ".join(sql.split()), nodes, frozenset(whole), plan["Plan"]["Total Cost"])


def _walk(node: dict[str, Any], depth: int, nodes: list[str], whole: set[str], cost: float) -> None:
    """Take in a node and those below it; ``cost`` is that of the whole plan, less than a scan that ends early."""
    at = node.get("Index Name") or node.get("Relation Name") or node.get("Function Name") or node.get("CTE Name") or ""
    nodes.append(f"{'  ' * depth}{node['Node Type']} {at} ({node['Plan Rows']:,.0f} rows)")
    large = node["Total Cost"] > LARGE and node["Total Cost"] <= cost
    if node["Node Type"] == "Seq Scan" and large:
        whole.add(node["Relation Name"])
    for below in node.get("Plans", ()):
        _walk(below, depth + 1, nodes, whole, cost)
