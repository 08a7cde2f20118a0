"""Facts follow what they are derived from, and daily sums always are the sums of the facts."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from ensemble.store import Store, open_store
from ensemble.store.audit.facts import facts_of, make, missing, replace_facts, stale, store_facts
from ensemble.store.keeping.connect import reading, transaction
from ensemble.store.migrations import MIGRATIONS
from ensemble.store.rows import late_rows_of, rows_of
from ensemble.store.writer import write_rows
from ensemble.types import Late, Record
from ensemble.upkeep import derive
from judges.types import Usage
from tests.ensemble.store.builders import NOON, a_call, a_late, a_record, a_request, asked_anew, said, weighed

pytestmark = pytest.mark.both
SAID = {"alpha": "The answer is 408.", "beta": "The answer is 408.", "gamma": "The answer is 12."}


def asked(
    members: tuple[str, ...] = ("alpha", "beta", "gamma"),
    *,
    best: int = 0,
    tied: bool = False,
    unpriced: bool = False,
    **changes: Any,
) -> Record:
    """A request that members answered as ``SAID`` tells; their costs rise with their places.

    All are best where they are ``tied``; nobody knows what the first cost where it is ``unpriced``.
    """
    request = changes.pop("request", None) or a_request("What is 17 x 24?")
    costs = [None if unpriced and not at else 1000 * (at + 1) for at in range(len(members))]
    calls = tuple(
        a_call(request.id, name, completion=said(SAID[name], usage=Usage(nano_usd=cost)))
        for name, cost in zip(members, costs, strict=True)
    )
    ids = [call.candidate for call in calls if call.candidate]
    verdict = changes.pop("verdict", {})
    winners = tuple(ids) if tied else (ids[best],)
    outcome = "tie" if tied else "decided"
    known = {
        "outcome": outcome,
        "winners": winners,
        "scores": {one: 0.9 if at == best else 0.4 for at, one in enumerate(ids)},
    }
    return a_record(
        members,
        request=request,
        calls=calls,
        authors=dict(zip(ids, members, strict=True)),
        chosen=ids[best],
        verdict={**known, "preferences": (), "exchanges": (), **verdict},
        **changes,
    )


async def rows(store: Store, sql: str) -> list[dict[str, Any]]:
    return await store.read(lambda db: list(db.query(sql)))


async def test_facts_of_a_case(store: Store) -> None:
    record = asked(best=1, ruling={"complete": True})
    await store.record(record)
    assert await store.read(missing) == 1
    await derive(store)
    assert await store.read(missing) == 0
    (case,) = await rows(store, "SELECT * FROM audit_cases")
    assert (case["request_id"], case["day"], case["router"], case["judge"]) == (
        record.request.id, "2026-11-23", "panel", "house",
    )  # fmt: skip
    assert (case["members"], case["winners"], case["served"]) == ('["alpha","beta","gamma"]', '["beta"]', "beta")
    assert case["spread"] == pytest.approx(2 / 3)  # two of three pairs differ
    assert case["margin"] == pytest.approx(0.5)
    assert case["disagreement"] == pytest.approx((2 * 2 / 3 + 0.5) / 3)
    assert (case["flips"], case["conflicts"], case["cheapest_best"]) == (None, None, 0)
    assert (case["nano_usd"], case["panel_nano_usd"], case["judge_nano_usd"]) == (6000, 6000, 0)
    members = {row["member"]: row for row in await rows(store, "SELECT * FROM audit_members")}
    assert {name: row["won"] for name, row in members.items()} == {"alpha": 0, "beta": 1, "gamma": 0}
    assert (members["gamma"]["nano_usd"], members["beta"]["score"]) == (3000, 0.9)
    pairs = {
        (row["a"], row["b"]): (row["outcome"], row["agree"]) for row in await rows(store, "SELECT * FROM audit_pairs")
    }
    assert pairs == {("alpha", "beta"): ("b", 1), ("alpha", "gamma"): ("tie", 0), ("beta", "gamma"): ("a", 0)}


async def test_what_comes_late_takes_the_place_of_what_was_known(store: Store) -> None:
    record = asked()
    await store.record(record)
    await derive(store)
    assert (await rows(store, "SELECT winners FROM audit_cases"))[0]["winners"] == '["alpha"]'
    await store.record_late(a_late(record, "slow", wins=True))
    assert await store.read(missing) == 1
    await derive(store)
    (case,) = await rows(store, "SELECT * FROM audit_cases")
    assert (case["winners"], case["overturned"], case["candidates"]) == ('["slow"]', 1, 4)
    assert case["straggler_nano_usd"] == 20_000
    (day,) = await rows(store, "SELECT * FROM audit_daily")
    assert (day["cases"], day["overturned"], day["straggler_nano_usd"]) == (1, 1, 20_000)
    wins = {row["member"]: row["won"] for row in await rows(store, "SELECT * FROM audit_daily_members")}
    assert wins == {"alpha": 0, "beta": 0, "gamma": 0, "slow": 1}


COSTS = ("panel", "judge", "straggler", "retry")
STRAIGHT = {
    "audit_daily": (
        "day, router, domain",
        {
            "cases": "1",
            "ties": "json_array_length(c.winners) > 1",
            **{name: f"c.{name}" for name in ("all_bad", "fallback", "overturned", "cheapest_best")},
            "cheapest_known": "c.cheapest_best IS NOT NULL",
            **{f"{name}_nano_usd": f"c.{name}_nano_usd" for name in COSTS},
            **{f"{name}_unknown": f"c.{name}_nano_usd IS NULL" for name in COSTS},
            "disagreement": "c.disagreement",
            "ranked": "c.disagreement IS NOT NULL",
        },
        "audit_cases c",
    ),
    "audit_daily_members": (
        "day, router, domain, member",
        {
            "cases": "1",
            "won": "m.won",
            "sole_wins": "m.won = 1",
            "score": "m.score",
            "scored": "m.score IS NOT NULL",
            "nano_usd": "m.nano_usd",
            "unpriced": "m.nano_usd IS NULL",
            "served": "m.member = c.served",
        },
        "audit_cases c JOIN audit_members m USING (request_id) WHERE m.won IS NOT NULL",
    ),
    "audit_daily_pairs": (
        "day, router, domain, a, b",
        {
            "cases": "1",
            "agree": "p.agree",
            **{name: f"p.outcome = '{one}'" for name, one in (("a_wins", "a"), ("b_wins", "b"), ("ties", "tie"))},
        },
        "audit_cases c JOIN audit_pairs p USING (request_id)",
    ),
}


async def test_sums_are_the_sums_of_the_facts_whatever_happens(store: Store) -> None:
    records = []
    for at in range(12):
        request = a_request("What is 17 x 24?", model="ab"[at % 2], arrived_at=NOON + timedelta(days=at % 4))
        records.append(asked(best=at % 3, request=request, tied=at % 5 == 1, unpriced=at % 5 == 2))
        await store.record(records[at])
        if at % 3 == 0:
            await derive(store)
        if at % 2:
            await store.record_late(a_late(records[at - 1], "slow", wins=at % 4 == 1))
    await derive(store)
    before = await sums(store)
    for record in records:  # to make them once more changes nothing
        done = {0: record.request.id}
        await store.change(lambda db, done=done: replace_facts(db, facts_of(db, done.values()), done))  # type: ignore[misc]
    assert await sums(store) == [[pytest.approx(row) for row in part] for part in before]


async def sums(store: Store) -> list[Any]:
    """What the tables of sums hold, which is checked against the facts."""
    found: list[Any] = []
    for table, (keys, figures, source) in STRAIGHT.items():
        kept = await rows(
            store,
            f"SELECT {keys}, {', '.join(figures)} FROM {table} WHERE cases > 0 ORDER BY {keys}",  # noqa: S608
        )
        straight = ", ".join(f"coalesce(sum({figure}), 0) AS {name}" for name, figure in figures.items())
        of = await rows(store, f"SELECT {keys}, {straight} FROM {source} GROUP BY {keys} ORDER BY {keys}")  # noqa: S608
        assert kept == [pytest.approx(row) for row in of]
        found.append(kept)
    return found


@pytest.mark.sqlite("no release kept an older log on a server")
async def test_an_older_log_is_caught_up_with(path: Path) -> None:
    with Database(path) as db:
        MIGRATIONS.apply(db, stop_before="0016_audit")
        with transaction(db):
            write_rows(db, [rows_of(asked()), rows_of(asked(best=2))])
    store = await open_store(path)
    assert await store.read(missing) == 2
    await derive(store)
    assert await store.read(missing) == 0
    assert len(await rows(store, "SELECT * FROM audit_cases")) == 2
    await store.close()
    with reading(path) as db:
        assert stale(db, 10) == {}


@pytest.mark.sqlite("the release before is another one's on a server")
async def test_facts_of_labels_that_a_release_makes_anew_are_made_anew(path: Path) -> None:
    """Those of a finding that was weighed, and of a member that was called by two settings; the others stay."""
    records = [asked(), weighed(asked()), asked()]
    call, late = asked_anew(records[2])
    with Database(path) as db:
        MIGRATIONS.apply(db, stop_before="0017_members")
        with transaction(db):
            write_rows(db, [rows_of(one) for one in records])
            write_rows(db, [late_rows_of(late)])
            db.execute("DELETE FROM audit_stale")
    store = await open_store(path)
    assert set((await store.read(lambda db: stale(db, 9))).values()) == {one.request.id for one in records[1:]}
    await store.close()
    assert call.member == "alpha"


async def test_facts_are_of_what_the_judge_found_and_not_of_what_was_served(store: Store) -> None:
    record = asked()
    await store.record(record)
    await store.record(weighed(asked()))
    await derive(store)
    plainly, found = await rows(
        store, "SELECT winners, margin, confidence, disagreement FROM audit_cases ORDER BY request_id"
    )
    assert found == plainly
    assert (found["winners"], found["margin"]) == ('["alpha"]', pytest.approx(0.5))


async def test_texts_that_have_gone_say_nothing(store: Store) -> None:
    record = asked()
    await store.record(record)
    await store.change(lambda db: db.execute("UPDATE requests SET content = 'erased'"))
    await store.change(lambda db: db.execute("UPDATE candidates SET text = ''"))
    await derive(store)
    (case,) = await rows(store, "SELECT disagreement, similarity, margin FROM audit_cases")
    assert (case["disagreement"], case["similarity"], case["margin"]) == (None, None, pytest.approx(0.5))
    assert [row["agree"] for row in await rows(store, "SELECT agree FROM audit_pairs")] == [0, 0, 0]


async def test_a_domain_that_is_named_later_counts_there(store: Store) -> None:
    await store.record(asked())
    await derive(store)
    await store.change(lambda db: db.conn.execute("UPDATE requests SET domain = 'sums'"))
    await derive(store)
    found = await rows(store, "SELECT domain, cases FROM audit_daily ORDER BY domain")
    assert {row["domain"]: row["cases"] for row in found} == {"": 0, "sums": 1}


async def test_who_was_not_judged_neither_won_nor_lost(store: Store) -> None:
    """A straggler that no verdict is about; and of two who lost without scores nobody says which is better."""
    record = asked(verdict={"scores": {}}, ruling={"complete": False})
    await store.record(record)
    late = replace(a_late(record, "slow"), ruling=None)
    await store.record_late(replace(late, calls=late.calls[:1]))
    await derive(store)
    members = {row["member"]: row["won"] for row in await rows(store, "SELECT * FROM audit_members")}
    assert members == {"alpha": 1, "beta": 0, "gamma": 0, "slow": None}
    pairs = {(row["a"], row["b"]): row["outcome"] for row in await rows(store, "SELECT * FROM audit_pairs")}
    assert pairs == {
        ("alpha", "beta"): "a",
        ("alpha", "gamma"): "a",
        ("beta", "gamma"): "none",
        **dict.fromkeys((("alpha", "slow"), ("beta", "slow"), ("gamma", "slow")), "none"),
    }
    sums = {row["member"]: row["cases"] for row in await rows(store, "SELECT * FROM audit_daily_members")}
    assert sums == {"alpha": 1, "beta": 1, "gamma": 1}
    (case,) = await rows(store, "SELECT * FROM audit_cases")
    assert case["straggler_nano_usd"] == 20_000


async def test_scores_that_differ_by_rounding_alone_are_a_tie(store: Store) -> None:
    await store.record(asked())
    sql = "UPDATE scores SET score = ? WHERE candidate_id IN (SELECT id FROM candidates WHERE member = ?)"
    for given in ((0.3, "beta"), (0.1 + 0.2, "gamma")):
        await store.change(lambda db, given=given: db.conn.execute(sql, given))  # type: ignore[misc]
    await derive(store)
    assert await rows(store, "SELECT outcome FROM audit_pairs WHERE a = 'beta'") == [{"outcome": "tie"}]


async def test_what_was_called_for_labels_alone_is_no_straggler(store: Store) -> None:
    record = asked()
    await store.record(record)
    shadow = a_call(record.request.id, "slow", purpose="shadow", after_answer=True)
    assert shadow.candidate is not None
    await store.record_late(Late(request=record.request.id, calls=(shadow,), authors={shadow.candidate: "slow"}))
    await derive(store)
    (case,) = await rows(store, "SELECT * FROM audit_cases")
    assert (case["straggler_nano_usd"], case["panel_nano_usd"], case["nano_usd"]) == (0, 6000, 26_000)


async def test_a_fallback_decides_nothing(store: Store) -> None:
    await store.record(asked(ruling={"fallback": "member_order", "usable": False}))
    await derive(store)
    assert {row["won"] for row in await rows(store, "SELECT won FROM audit_members")} == {None}
    assert {row["outcome"] for row in await rows(store, "SELECT outcome FROM audit_pairs")} == {"none"}
    assert await rows(store, "SELECT * FROM audit_daily_members") == []


async def test_facts_that_were_overtaken_are_not_stored(store: Store) -> None:
    record = asked()
    await store.record(record)
    early = await store.read(lambda db: make(db, 10))
    await store.record_late(a_late(record, "slow", wins=True))
    later = await store.read(lambda db: make(db, 10))
    assert await store.change(lambda db: store_facts(db, later)) == len(later.done) > len(early.done)
    assert await store.change(lambda db: store_facts(db, early)) == 0  # it knows nothing of what came late
    (case,) = await rows(store, "SELECT winners, candidates FROM audit_cases")
    assert (case["winners"], case["candidates"]) == ('["slow"]', 4)
    assert await store.read(missing) == 0
    await sums(store)


async def test_facts_that_are_out_of_date_stay_stale(store: Store) -> None:
    record = asked()
    await store.record(record)
    early = await store.read(lambda db: make(db, 10))
    await store.record_late(a_late(record, "slow", wins=True))
    assert await store.change(lambda db: store_facts(db, early)) == 0
    assert await store.read(missing) == 1
    await derive(store)
    assert (await rows(store, "SELECT winners FROM audit_cases"))[0]["winners"] == '["slow"]'


async def test_several_fill_at_once(path: Path, store: Store) -> None:
    for number in range(250):
        await store.record(asked(best=number % 3, request=a_request("What is 17 x 24?", model="ab"[number % 2])))
    several = [await open_store(path) for _ in range(3)]
    try:
        async with asyncio.TaskGroup() as group:
            for one in several:
                group.create_task(derive(one))
    finally:
        for one in several:
            await one.close()
    assert await store.read(missing) == 0
    assert await rows(store, "SELECT sum(cases) AS cases FROM audit_daily") == [{"cases": 250}]
    await sums(store)
