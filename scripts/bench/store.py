"""Durable request logs per second, and what reading costs, against raw sqlite3 in the same run.

One log is a request with 3 candidates of 200 bytes, a judge's verdict on them, 2 preferences with their exchanges and
the 5 calls behind all that. "Raw" is the floor: the same rows, made beforehand, by ``executemany`` into the same
schema, 1,000 logs per transaction, with the same durability (WAL, synchronous=FULL) and without foreign keys. With
--url the log is on PostgreSQL, in schemas that are dropped at the end, and the floor is COPY by bare asyncpg.
"""

import argparse
import asyncio
import gc
import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from uuid_utils import uuid4, uuid7

from ensemble.store import Store, open_store
from ensemble.store.address import address_of
from ensemble.store.keeping.browse import page, stats
from ensemble.store.keeping.search import catch_up, search
from ensemble.store.rows import COLUMNS, rows_of
from ensemble.types import Call, CallId, Plan, Record, Request, RequestId, Ruling, Stage, VerdictId
from judges.types import CandidateId, Completion, Exchange, Message, Preference, Prompt, Usage, Verdict
from scripts.bench import _copied

MEMBERS = ("small", "medium", "large")
PROMPT = "Why is the sky blue, and why is it red in the evening? " * 4
SPENT = Usage(input_tokens=60, output_tokens=50, nano_usd=45_000)


def a_log() -> Record:
    """One request as a panel of three with a pairwise judge leaves it behind."""
    now, request = datetime.now(UTC), RequestId(str(uuid7()))
    ids = [CandidateId(str(uuid4())) for _ in MEMBERS]

    def call(member: str, purpose: str, text: str, candidate: CandidateId | None) -> Call:
        return Call(
            id=CallId(str(uuid7())),
            request=request,
            member=member,
            purpose="candidate" if candidate else "judge",
            attempt=1,
            started_at=now,
            total_s=0.8,
            candidate=candidate,
            seat=None if candidate else purpose,
            completion=Completion(text=text, finish_reason="stop", usage=SPENT, model=f"{member}-2026-01"),
            usage=SPENT,
            price="0" * 64,
            http_status=200,
        )

    made = [call(m, "candidate", random.randbytes(100).hex(), i) for m, i in zip(MEMBERS, ids, strict=True)]  # noqa: S311
    asked = [call("referee", "house", f"[[A]] because {n}", None) for n in range(2)]
    verdict = Verdict(
        judge="1" * 64,
        outcome="decided",
        winners=(ids[0],),
        scores={ids[0]: 1.0, ids[1]: 0.5, ids[2]: 0.0},
        preferences=tuple(
            Preference(shown=(ids[0], other), outcome="first", exchange=n) for n, other in enumerate(ids[1:])
        ),
        exchanges=tuple(
            Exchange(
                prompt="pairwise@2" * 4, model="referee", shown=(ids[0], other), text=f"[[A]] because {n}", usage=SPENT
            )
            for n, other in enumerate(ids[1:])
        ),
        reason="the first answer is right",
        usage=SPENT,
    )
    ruling = Ruling(
        id=VerdictId(str(uuid7())), stage=0, judge="house", phase="served", verdict=verdict, chosen=ids[0],
        started_at=now, total_s=0.4, complete=True, usable=True,
    )  # fmt: skip
    return Record(
        request=Request(
            id=request,
            model="panel",
            prompt=Prompt(messages=(Message(role="user", content=PROMPT),)),
            arrived_at=now,
            deadline=0.0,
        ),
        status="answered",
        plan=Plan(router="3" * 64, stages=(Stage(members=MEMBERS, judge="house"),)),
        calls=(*made, *asked),
        authors=dict(zip(ids, MEMBERS, strict=True)),
        rulings=(ruling,),
        chosen=ids[0],
        fallback=None,
        answered_s=1.2,
        config="4" * 64,
    )


def raw(path: Path, count: int) -> float:
    """Logs per second of plain ``executemany`` into the file, whose schema is there already."""
    inserts = {t: f"INSERT INTO {t} ({', '.join(c)}) VALUES ({', '.join('?' * len(c))})" for t, c in COLUMNS.items()}  # noqa: S608 - own names
    spent = 0.0
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = FULL")
        for _ in range(0, count, 1000):
            batch = [rows_of(a_log()) for _ in range(1000)]
            tables = {table: [row for rows in batch for row in rows.tables[table]] for table in COLUMNS}
            begin = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            for table, rows in tables.items():
                db.executemany(inserts[table], rows)
            db.execute("COMMIT")
            spent += time.perf_counter() - begin
    return count / spent


async def durable(store: Store, logs: Sequence[Record], writers: int) -> tuple[float, list[float]]:
    """Logs per second that ``writers`` get acknowledged, and the seconds of each, sorted."""
    # The logs were made beforehand by the thousand; in a service they come one by one and nobody walks over them all.
    gc.collect()
    gc.freeze()
    took: list[float] = []
    queue = iter(logs)

    async def write() -> None:
        for log in queue:
            begin = time.perf_counter()
            await store.record(log)
            took.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(writers):
            group.create_task(write())
    rate = len(logs) / (time.perf_counter() - begin)
    gc.unfreeze()
    return rate, sorted(took)


def percentile(values: Sequence[float], share: float) -> float:
    """Milliseconds at ``share`` of the sorted ``values``, which are seconds."""
    return values[min(len(values) - 1, int(len(values) * share))] * 1000


async def writing(folder: Path, count: int, url: str | None) -> float:
    """Print the table of writing; return the ratio at 64 writers."""
    print("| writers | logs/s | raw logs/s | ratio | p50 ms | p99 ms |\n|---|---|---|---|---|---|")
    at_64 = 0.0
    for writers in (1, 16, 64, 256):
        where = address_of(folder / f"{writers}.db" if url is None else f"{url}?schema=bench_{os.getpid()}_{writers}")
        store = await open_store(where)
        logs = [a_log() for _ in range(count if writers > 1 else count // 5)]
        try:
            rate, took = await durable(store, logs, writers)
        finally:
            await store.close()
        # The floor is measured right afterwards, in the same state of the machine.
        if where.file is None:
            floor = await _copied.raw(where, count, lambda: rows_of(a_log()))
            await _copied.drop(where)
        else:
            floor = await asyncio.to_thread(raw, where.file, count)
        at_64 = rate / floor if writers == 64 else at_64
        p50, p99 = percentile(took, 0.5), percentile(took, 0.99)
        print(f"| {writers} | {rate:,.0f} | {floor:,.0f} | {rate / floor:.2f} | {p50:.1f} | {p99:.1f} |", flush=True)
    return at_64


_SHIFTED = {
    "id": "printf('%08x', {base} - {copy}) || substr(id, 9)",
    "request_id": "printf('%08x', {base} - {copy}) || substr(request_id, 9)",
    "verdict_id": "printf('%08x', {base} - {copy}) || substr(verdict_id, 9)",
    "arrived_at": "date(substr(arrived_at, 1, 10), '-{copy} days') || substr(arrived_at, 11)",
    "started_at": "date(substr(started_at, 1, 10), '-{copy} days') || substr(started_at, 11)",
    "day": "date(day, '-{copy} days')",
}
"""Columns that are others in a copy of the log as it was some days ago."""


def fill(path: Path, copies: int, more: Sequence[str] = ()) -> None:
    """Put ``copies`` of everything in the file before it, one per day, the oldest first, without going over Python.

    ``more`` names tables beside those that a request is written to.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        base = int(db.execute("SELECT min(id) FROM requests").fetchone()[0][:8], 16)
        newest = [*COLUMNS.items()]
        for table in ("daily_requests", "daily_calls", *more):
            newest.append((table, tuple(row[1] for row in db.execute(f"PRAGMA table_info({table})"))))
        for table, _ in newest:
            db.execute(f"CREATE TEMP TABLE first_{table} AS SELECT * FROM {table}")  # noqa: S608 - own names
        for copy in range(copies, 0, -1):
            db.execute("BEGIN IMMEDIATE")
            for table, columns in newest:
                # A call and a candidate are unique within their request, so they keep their names in JSON.
                fixed = {"id"} if table in ("calls", "candidates") else set()
                values = [
                    _SHIFTED[name].format(base=base, copy=copy) if name in _SHIFTED and name not in fixed else name
                    for name in columns
                ]
                names = ", ".join(columns)
                db.execute(f"INSERT INTO {table} ({names}) SELECT {', '.join(values)} FROM first_{table}")  # noqa: S608
            db.execute("COMMIT")
            sys.stderr.write(f"\r{copies - copy + 1} of {copies} copies ")
        sys.stderr.write("\n")


async def timed(question: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Seconds of each time that ``question`` was asked, sorted."""
    took = []
    for _ in range(times):
        begin = time.perf_counter()
        await question()
        took.append(time.perf_counter() - begin)
    return sorted(took)


_SOME = "SELECT id FROM requests WHERE rowid % 9973 = 0"


async def reading(path: Path, size: int) -> None:
    """Fill a log with ``size`` requests and print what writing and reading cost in it."""
    store = await open_store(path)
    await durable(store, [a_log() for _ in range(10_000)], 64)
    await asyncio.to_thread(fill, path, max(0, size // 10_000 - 2))
    logs = [a_log() for _ in range(10_000)]
    rate, took = await durable(store, logs, 64)
    kept = [log.request.id for log in logs[::100]]
    kept += await store.read(lambda db: [RequestId(row[0]) for row in db.execute(_SOME)])
    kept_text = next(call.completion.text for call in logs[0].calls if call.completion)
    floor = await asyncio.to_thread(raw, path, 10_000)
    shown = await timed(lambda: store.request(random.choice(kept)), 200)  # noqa: S311
    totals = await timed(store.ledger_total, 3)
    newest = await timed(lambda: store.read(lambda db: page(db, 50)), 20)
    figures = await timed(lambda: store.read(lambda db: stats(db, path)), 5)
    began, indexed = time.perf_counter(), 1
    while indexed:
        indexed = await store.change(lambda db: catch_up(db, 2000))
    indexing = (time.perf_counter() - began) / size
    rare = await timed(lambda: store.read(lambda db: search(db, kept_text[:12] + "*", 20)), 5)
    common = await timed(lambda: store.read(lambda db: search(db, "evening", 20)), 5)
    counts = await timed(store.counts, 3)
    began, labels = time.perf_counter(), 0
    for labels, _ in zip(range(1, 20_001), store.labels(), strict=False):  # noqa: B007 - the last number is used
        pass
    per_label = (time.perf_counter() - began) / labels
    await store.close()
    print(f"\n{size:,} requests in the file, {os.stat(path).st_size / 1e9:.2f} GB; 64 writers")
    print("| what | figure |\n|---|---|")
    print(f"| insert, 64 writers, logs/s | {rate:,.0f} |")
    print(f"| raw logs/s at that size | {floor:,.0f} |\n| ratio | {rate / floor:.2f} |")
    print(f"| p99 of the last commits, ms | {percentile(took, 0.99):.1f} |")
    print(f"| one request whole, p50 / p99 ms | {percentile(shown, 0.5):.1f} / {percentile(shown, 0.99):.1f} |")
    print(f"| newest page of 50, p50 / p99 ms | {percentile(newest, 0.5):.1f} / {percentile(newest, 0.99):.1f} |")
    print(f"| stats, ms | {percentile(figures, 0.5):.1f} |")
    print(f"| search of a rare, a common word, ms | {percentile(rare, 0.5):.1f}, {percentile(common, 0.5):.1f} |")
    print(f"| putting one request into the search indexes, us | {indexing * 1e6:.0f} |")
    print(f"| total of the ledger, ms | {percentile(totals, 0.5):.0f} |")
    print(f"| counts of every table, ms | {percentile(counts, 0.5):.0f} |")
    print(f"| one label, us | {per_label * 1e6:.0f} |")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench/store", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--logs", type=int, default=5000, help="logs per row of the table (default: %(default)s)")
    parser.add_argument("--size", type=int, default=0, help="then fill a log with that many requests and read in it")
    parser.add_argument("--url", help="of a PostgreSQL database, such as postgresql://127.0.0.1:5432/test")
    parser.add_argument("--folder", type=Path, help="where the files go, on the disk in question (default: temporary)")
    return parser.parse_args()


def main() -> None:
    """Run it."""
    given = arguments()
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        ratio = asyncio.run(writing(Path(name), given.logs, given.url))
        if given.size and given.url is None:
            asyncio.run(reading(Path(name) / "full.db", given.size))
    floor = "COPY" if given.url else "raw sqlite3"
    print(f"scripts/bench/store: at 64 writers the log takes {ratio:.0%} of what {floor} takes")


if __name__ == "__main__":
    main()
