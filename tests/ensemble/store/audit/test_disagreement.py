"""Every filter, alone and with others, lets through what a plain look at all facts does, in the same order."""

import asyncio
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise
from typing import Any, get_args

import pytest

from ensemble.errors import StoreError
from ensemble.store import open_store
from ensemble.store.address import Address, Where, address_of
from ensemble.store.audit import disagreement
from ensemble.store.audit.disagreement import After, Filters, Number, cases, widespread
from ensemble.store.audit.window import Window
from ensemble.store.content import loads
from ensemble.store.database import Database, is_sqlite
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.search import catch_up
from ensemble.upkeep import derive
from scripts.bench._audit_log import requests
from tests.services import postgres_schema

MANY = 150
FILTERS: Mapping[str, Filters] = {
    "none": Filters(),
    "window": Filters(window=Window(since="2020-01-01", router="panel")),
    "past": Filters(window=Window(until="2020-01-01")),
    "member": Filters(members=("small",)),
    "members": Filters(members=("small", "other")),
    "nobody": Filters(members=("nobody",)),
    "part of a name": Filters(members=("sma",)),
    "between names": Filters(members=(",",)),
    "agree": Filters(pair=("large", "small", "agree")),
    "differ": Filters(pair=("large", "small", "differ")),
    "a": Filters(pair=("large", "small", "a")),
    "domain": Filters(domain="law"),
    "no domain": Filters(domain=""),
    "judge": Filters(judge="jury"),
    "confidence": Filters(between={"confidence": (0.2, 0.6)}),
    "cost": Filters(between={"nano_usd": (250_000, None)}),
    "index": Filters(between={"index": (None, 0.6)}),
    "mark": Filters(marks=("overturned",)),
    "text": Filters(text="multiply"),
}


async def fill(where: Where) -> None:
    """The log of the benchmark, small."""
    store = await open_store(where)
    for record in requests(MANY, seed=3):
        await store.record(record)
    await derive(store)
    await store.change(lambda db: catch_up(db, 1000))
    await store.close()


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def facts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    """A log on either engine; it is not written to."""
    if request.param == "sqlite":
        where = address_of(tmp_path_factory.mktemp("facts") / "log.db")
        asyncio.run(fill(where))
        yield where
        return
    with asyncio.Runner() as runner:
        schema = postgres_schema()
        where = address_of(runner.run(schema.__aenter__()).url)
        try:
            runner.run(fill(where))
            yield where
        finally:
            runner.run(schema.__aexit__(None, None, None))


def plainly(db: Database, filters: Filters) -> list[str]:
    """The same by looking at every case."""
    pairs: dict[str, list[dict[str, Any]]] = {}
    for row in db.query("SELECT * FROM audit_pairs"):
        pairs.setdefault(row["request_id"], []).append(row)
    found = [
        row for row in db.query("SELECT * FROM audit_cases") if _passes(row, pairs.get(row["request_id"], []), filters)
    ]
    return [row["request_id"] for row in sorted(found, key=lambda row: (-row["disagreement"], _down(row)))]


def _down(row: Mapping[str, Any]) -> tuple[int, ...]:
    return tuple(-ord(sign) for sign in row["request_id"])


def _passes(row: Mapping[str, Any], pairs: list[dict[str, Any]], filters: Filters) -> bool:
    columns = {"index": "disagreement", "seconds": "answered_s"}
    inside = all(
        (least is None or row[columns.get(name, name)] >= least)
        and (most is None or row[columns.get(name, name)] <= most)
        for name, (least, most) in filters.between.items()
    )
    paired = filters.pair is None or any(
        (one["a"], one["b"]) == filters.pair[:2]
        and {"agree": one["agree"] == 1, "differ": one["agree"] == 0}.get(
            filters.pair[2], one["outcome"] == filters.pair[2]
        )
        for one in pairs
    )
    members = loads(row["members"])
    assert isinstance(members, list)
    return (
        inside
        and paired
        and set(filters.members) <= set(members)
        and filters.domain in (None, row["domain"])
        and filters.judge in (None, row["judge"])
        and filters.window.router in (None, row["router"])
        and row["day"] >= filters.window.since
        and (not filters.window.until or row["day"] <= filters.window.until)
        and all(row[mark] for mark in filters.marks)
    )


def both(one: Filters, other: Filters) -> Filters:
    """What passes either filter's conditions at once, where they are about different things."""
    empty = Filters()
    changed = {name: getattr(one, name) for name in Filters.__slots__ if getattr(one, name) != getattr(empty, name)}
    rest = {name: getattr(other, name) for name in Filters.__slots__ if getattr(other, name) != getattr(empty, name)}
    return Filters(**(rest | changed))


def test_each_filter_and_every_two_let_through_what_they_must(facts: Address) -> None:
    every = [*FILTERS.items(), *((f"{a} + {b}", both(FILTERS[a], FILTERS[b])) for a, b in combinations(FILTERS, 2))]
    sizes: dict[str, int] = {}
    with reading(facts) as db:
        for name, filters in every:
            found = [str(row["request_id"]) for row in cases(db, filters, None, MANY)]
            assert found == plainly(db, filters), name
            sizes[name] = len(found)
    assert sizes["none"] == sizes["text"] == MANY
    some = {"member", "members", "agree", "differ", "a", "domain", "no domain", "judge", "confidence", "cost", "index"}
    assert all(0 < sizes[name] < MANY for name in some)
    assert sizes["part of a name"] == sizes["between names"] == sizes["nobody"] == 0


@pytest.mark.parametrize("name", ["none", "agree", "text", "confidence"])
def test_pages_follow_one_another_without_a_gap(facts: Address, name: str) -> None:
    with reading(facts) as db:
        whole = [(row["disagreement"], row["request_id"]) for row in cases(db, FILTERS[name], None, MANY)]
        parts: list[tuple[float, str]] = []
        while page := cases(db, FILTERS[name], After(*parts[-1]) if parts else None, 7):
            parts += [(row["disagreement"], row["request_id"]) for row in page]
    assert parts == whole
    assert all(one > other for one, other in pairwise(whole))


def test_a_word_that_many_texts_hold_is_told_from_one_that_few_do(
    facts: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disagreement, "FOUND", 50)
    with reading(facts) as db:
        assert widespread(db, "multiply")
        assert not widespread(db, "marmalade")
        assert 0 < len(cases(db, Filters(text="multiply"), None, MANY)) <= 100
        for query in ('"', "multiply AND"):
            with pytest.raises(StoreError, match="is no query"):
                cases(db, Filters(text=query), None, 5)
            with pytest.raises(StoreError, match="is no query"):
                widespread(db, query)


def test_a_scan_for_cases_reads_an_index_alone(facts: Address) -> None:
    """With a million requests the table itself would take seconds."""
    every = Filters(
        window=Window(since="2020-01-01", until="2099-01-01", router="panel"),
        members=("small",),
        domain="law",
        judge="jury",
        flag="suspicious",
        marks=("fallback", "own_family", "incomplete"),
        between=dict.fromkeys(get_args(Number), (0.0, 1.0)),
    )
    statements: list[str] = []
    with reading(facts) as db:
        if not is_sqlite(db):
            pytest.skip("scripts/bench/audit --explain looks at the plans of PostgreSQL, on a large log")
        db.conn.set_trace_callback(statements.append)
        cases(db, every, None, 5)
        cases(db, FILTERS["agree"], None, 5)
        db.conn.set_trace_callback(None)
        ranked, paired = [sql for sql in statements if "audit_cases c" in sql]
        plans = [" ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")) for sql in (ranked, paired)]
    assert "c USING COVERING INDEX audit_cases_ranked" in plans[0]
    assert "p USING COVERING INDEX audit_pairs_ranked" in plans[1]
