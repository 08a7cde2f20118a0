"""The list of what waits and the trail of what was decided, page by page."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from ensemble.audit.queue import Asked, decided_list, waiting_list, why_counts
from ensemble.audit.shapes import Window
from ensemble.store.audit.queue import FIRST, After, decided_count
from ensemble.store.database import Database
from ensemble.store.export.people import heard
from ensemble.store.feedback import Refused, Statement, add
from ensemble.store.people import words
from ensemble.store.reviews import claim, flag, next_review
from tests.ensemble.audit.reviewing import ALPHA, BAD, BETA, TIE, UNSURE, ReviewedLog
from tests.ensemble.audit.reviewing import log as log

NOW = datetime(2026, 11, 24, tzinfo=UTC)


async def queued(log: ReviewedLog, **reasons: str) -> list[str]:
    """One answer for each name, in order; ``over`` in a name says that it was overturned."""
    await log.ask("panel", len(reasons))
    ids = [*log.records]

    def put(db: Database) -> None:
        for at, (id_, (name, why)) in enumerate(zip(ids, reasons.items(), strict=True)):
            db.execute(
                "INSERT INTO reviews (status, request_id, created_at, reason, overturned) VALUES (?, ?, ?, ?, ?)",
                ["waiting", id_, f"2026-11-23T12:0{at}:00.000000Z", why, int("over" in name)],
            )

    await log.store.change(put)
    return ids


async def waiting(log: ReviewedLog, **asked: Any) -> list[Any]:
    listed = await log.store.read(partial(waiting_list, asked=Asked(window=Window(), **asked), now=NOW))
    return [row["request"] for row in listed.table.rows]


async def test_overturned_first_then_the_oldest_page_by_page(log: ReviewedLog) -> None:
    a, b, c, d, e = await queued(log, a="min_score", b="min_panel", over_c="overturned", d="min_score", over_e="later")
    order = [c, e, a, b, d]
    assert await waiting(log) == order
    found: list[Any] = []
    after: After | None = FIRST
    while after is not None:
        asked = Asked(window=Window(), limit=2, after=after)
        page = await log.store.read(partial(waiting_list, asked=asked, now=NOW))
        found += [row["request"] for row in page.table.rows]
        after = page.after
    assert found == order


async def test_why_it_waits_is_a_filter(log: ReviewedLog) -> None:
    a, b, c = await queued(log, a="min_confidence 0.9: ...", b="min_panel 3: 2 answered", over_c="overturned")
    assert await waiting(log, why="confidence") == [a]
    assert await waiting(log, why="panel") == [b]
    assert await waiting(log, why="overturned") == [c]
    assert await log.store.change(partial(flag, id_=a, by="ann", now=NOW)) is None  # it waits as it did
    await log.ask("panel", 1)
    last = [*log.records][-1]
    assert await log.store.change(partial(flag, id_=last, by="ann", now=NOW)) is None
    assert await waiting(log, why="flagged") == [last]
    counted = await log.store.read(partial(why_counts, asked=Asked(window=Window())))
    assert {why: count for why, _, count in counted} == {
        "": 4, "overturned": 1, "confidence": 1, "panel": 1, "flagged": 1, "drawn": 0, "blind": 0, "disputed": 0,
    }  # fmt: skip
    refused = await log.store.change(partial(flag, id_="nobody", by="ann", now=NOW))
    assert refused is not None
    assert refused.why == "unknown"


async def test_who_is_at_it_is_told(log: ReviewedLog) -> None:
    a, b = await queued(log, a="min_score", b="min_score")
    await log.store.change(partial(claim, id_=a, by="ann", now=NOW))
    ask = Asked(window=Window())
    listed = await log.store.read(partial(waiting_list, asked=ask, now=NOW))
    assert [row["state"] for row in listed.table.rows] == ["claimed by ann", "free"]
    late = await log.store.read(partial(waiting_list, asked=ask, now=NOW + timedelta(hours=2)))
    assert [row["state"] for row in late.table.rows] == ["free", "free"]
    step = partial(next_review, now=NOW, sight=None)
    assert await log.store.read(partial(step, by="bob")) == b
    assert await log.store.read(partial(step, by="ann")) == a
    assert await log.store.read(partial(step, by="ann", here=a)) == b
    await log.decide(b, TIE)
    assert await log.store.read(partial(step, by="bob")) is None


async def test_nobody_gets_a_blind_one_twice(log: ReviewedLog) -> None:
    await log.ask("panel", 1)
    await log.draw(1, twice=1)
    (id_,) = await log.drawn()
    await log.decide(id_, ALPHA, "ann")
    step = partial(next_review, now=datetime.now(UTC), sight=None)
    assert await log.store.read(partial(step, by="ann")) is None
    assert await log.store.read(partial(step, by="bob")) == id_
    ask = Asked(window=Window())
    listed = await log.store.read(partial(waiting_list, asked=ask, now=datetime.now(UTC)))
    (row,) = listed.table.rows
    assert (row["state"], row["blind"], row["drawn"]) == ("1 of 2 decided", True, True)
    assert (await log.store.read(partial(decided_list, asked=ask))).table.rows == []
    await log.decide(id_, ALPHA, "bob")
    (row,) = (await log.store.read(partial(decided_list, asked=ask))).table.rows
    assert (row["by"], row["found"]) == ("ann, bob", "best: alpha, best: alpha")


async def test_what_two_find_differently_waits_for_a_third(log: ReviewedLog) -> None:
    await log.ask("panel", 2)
    await log.draw(2, twice=1)
    id_, other = await log.drawn()
    await log.decide(id_, BETA, "ann")
    await log.decide(id_, TIE, "bob")
    ask = Asked(window=Window())
    listed = partial(waiting_list, asked=replace(ask, why="disputed"), now=NOW)
    (row,) = (await log.store.read(listed)).table.rows
    assert (row["request"], row["state"]) == (id_, "two differ, a third is to settle it")
    assert (await log.store.read(partial(decided_list, asked=ask))).table.rows == []
    step = partial(next_review, now=datetime.now(UTC), sight=None)
    free = {by: await log.store.read(partial(step, by=by)) for by in ("ann", "bob", "cat")}
    assert free == {"ann": other, "bob": other, "cat": id_}
    assert not isinstance(await log.store.change(partial(claim, id_=id_, by="cat", now=NOW)), Refused)
    (row,) = (await log.store.read(listed)).table.rows
    assert row["state"] == "two differ, a third is at it"
    before = await log.store.read(words)
    assert set(before[id_]) == {"ann", "bob"}
    await log.decide(id_, ALPHA, "cat")
    (row,) = (await log.store.read(partial(decided_list, asked=ask))).table.rows
    assert (row["by"], row["found"]) == ("ann, bob; settled by cat", "best: beta, tie; settled as best: alpha")
    assert (row["best"], row["agrees"]) == ("alpha", 1.0)
    told = await log.store.read(words)
    assert {by: word.kind for by, word in told[id_].items()} == {"cat": "preferred"}
    found = await log.store.read(partial(heard, request=id_))
    assert found is not None
    assert (found.opinion.by, len(found.opinion.best)) == (("cat",), 1)
    again = Statement(remarks=(TIE,), given_by="ann", source="api", request=id_)
    await log.store.change(partial(add, statement=again))
    assert set((await log.store.read(words))[id_]) == {"ann", "cat"}  # what she says later is a word of its own


async def test_whoever_is_named_settles_what_two_find_differently(log: ReviewedLog) -> None:
    await log.ask("panel", 1)
    await log.draw(1, twice=1)
    (id_,) = await log.drawn()
    step = partial(next_review, now=NOW, sight=None, adjudicators=("dan",))
    take = partial(claim, id_=id_, now=NOW, adjudicators=("dan",))
    assert await log.store.read(partial(step, by="dan")) is None
    refused = await log.store.change(partial(take, by="dan"))
    assert isinstance(refused, Refused)
    assert "you are among those who settle it" in refused.message
    for by, word in (("ann", ALPHA), ("bob", BETA)):
        assert await log.store.read(partial(step, by=by)) == id_
        await log.decide(id_, word, by)
    assert [await log.store.read(partial(step, by=by)) for by in ("ann", "cat", "dan")] == [None, None, id_]
    refused = await log.store.change(partial(take, by="cat"))
    assert isinstance(refused, Refused)
    assert "those settle it whom `[reviews] adjudicators` names" in refused.message
    assert not isinstance(await log.store.change(partial(take, by="dan")), Refused)


async def test_the_trail_has_the_latest_first(log: ReviewedLog) -> None:
    a, b, c = await queued(log, a="min_score", b="min_score", c="min_score")
    for at, id_ in enumerate((b, a, c)):
        await log.decide(id_, TIE, now=NOW + timedelta(minutes=at))
    first = await log.store.read(partial(decided_list, asked=Asked(window=Window(), limit=2)))
    assert [row["request"] for row in first.table.rows] == [c, a]
    assert first.after is not None
    rest = await log.store.read(partial(decided_list, asked=Asked(window=Window(), limit=2, after=first.after)))
    assert ([row["request"] for row in rest.table.rows], rest.after) == ([b], None)
    (row,) = rest.table.rows
    assert (row["by"], row["found"], row["decided_at"]) == ("ann", "tie", "2026-11-24T00:00:00.000000Z")


async def test_the_trail_says_how_far_the_judge_agrees(log: ReviewedLog) -> None:
    said = {"a": ALPHA, "b": BETA, "c": TIE, "d": BAD, "e": UNSURE}
    ids = await queued(log, **dict.fromkeys(said, "min_score"))
    for id_, word in zip(ids, said.values(), strict=True):
        await log.decide(id_, word, now=NOW)
    table = (await log.store.read(partial(decided_list, asked=Asked(window=Window())))).table
    found = {row["request"]: (row["best"], row["agrees"]) for row in table.rows}
    assert [found[id_] for id_ in ids] == [
        ("alpha", 1.0),
        ("alpha", 0.0),
        ("alpha", 0.5),
        ("alpha", 0.0),
        ("alpha", None),
    ]
    assert await log.store.read(partial(decided_count, window=Window())) == 5
    assert await log.store.read(partial(decided_count, window=Window(router="other"))) == 0
