"""Steps of keys, batches, reviews and the like say the same on either engine: each through its functions alone."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ensemble.allowance import Amount, Limit
from ensemble.keys.issuing import a_key, create
from ensemble.store import Store, anchors, batches, budgets, filling, idempotency, outbox, reviews, watched
from ensemble.store.api_keys import end_key, keys, touch_keys
from ensemble.store.audit.draws import Draw, Drawn, drawn_until, frame, queue_drawn
from ensemble.store.audit.queue import FIRST, counts, decided, waiting
from ensemble.store.audit.reviewed import anchor_sets, said
from ensemble.store.audit.standing import standing
from ensemble.store.audit.watched import days, decisions
from ensemble.store.audit.window import EVERYTHING
from ensemble.store.database import Database
from ensemble.store.feedback import Noted, Refused, Remark, Statement, add
from ensemble.store.people import words
from ensemble.store.purse import Purse
from ensemble.store.reused import find
from ensemble.types import CallId
from judges.types import Usage
from tests.ensemble.store.builders import NOON, a_call, a_record, a_request
from tests.ensemble.store.builders import said as an_answer

pytestmark = pytest.mark.both
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def do(store: Store, step: Callable[..., Any], *given: Any, **named: Any) -> Any:
    return await store.change(lambda db: step(db, *given, **named))


async def test_keys(store: Store) -> None:
    key = a_key("app", limits=(Limit.parse("usd=1/day"), Limit.parse("requests=2/total")))
    await do(store, create, key)
    await do(store, touch_keys, {key.id: NOW})
    await do(store, touch_keys, {key.id: NOW - HOUR})
    await do(store, end_key, key.id, NOW + HOUR)
    await do(store, end_key, key.id, NOW + 2 * HOUR)
    (found,) = await store.read(keys)
    assert (found.used_at, found.revoked_at, found.limits) == (NOW, NOW + HOUR, key.limits)


async def test_budgets(store: Store) -> None:
    key = a_key("app", limits=(Limit.parse("usd=0.000001/day"), Limit.parse("requests=2/total")))
    await do(store, create, key)
    record = a_record()
    await store.record(record)
    spending = budgets.Spending(request=record.request.id, key=key.id, begun=NOW, expires=NOW + HOUR)
    full = [(await do(store, budgets.begin, key.id, key.limits, NOW))[0] for _ in range(3)]
    assert [one and str(one.limit.what) for one in full] == [None, None, "requests"]
    assert await do(store, budgets.set_aside, spending, key.limits, Amount(nano_usd=700)) is None
    refused = await do(store, budgets.set_aside, spending, key.limits, Amount(nano_usd=700))
    assert (refused.limit.what, refused.left) == ("usd", 300)
    assert await do(store, budgets.sweep, NOW + 2 * HOUR) == 1
    ledger = sum(call.usage.nano_usd or 0 for call in record.calls)
    assert [one.used for one in await do(store, budgets.standings, key.id, key.limits, NOW)] == [ledger, 2]


async def test_idempotency_and_answers_taken_again(store: Store) -> None:
    wanted = idempotency.Claim(owner="", key="k", body_hash="b")
    record = a_record(request=a_request(idempotency_key="k", arrived_at=NOW))
    call = a_call(record.request.id, "small", key="key", started_at=NOW, completion=an_answer("Because."))
    record = a_record(("small",), request=record.request, calls=(call,), authors={call.candidate: "small"}, rulings=())
    given = (NOW, NOW + HOUR, NOW - HOUR)
    mine = await do(store, idempotency.claim, wanted, *given)
    assert mine.state == "mine"
    assert (await do(store, idempotency.claim, wanted, *given)).state == "busy"
    await do(store, idempotency.renew, wanted, NOW, "another moment")
    assert (await do(store, idempotency.claim, wanted, *given)).state == "busy"
    await do(store, idempotency.renew, wanted, NOW, mine.at)
    assert (await do(store, idempotency.claim, wanted, *given)).state == "mine"
    other = idempotency.Claim(owner="", key="k", body_hash="c")
    assert (await do(store, idempotency.claim, other, *given)).state == "conflict"
    await store.record(record)
    await do(store, idempotency.release, wanted, mine.at)
    found = await do(store, idempotency.claim, wanted, *given)
    assert (found.state, found.request) == ("answered", record.request.id)
    taken = await do(store, find, "key", 0, None, None, NOW - HOUR)
    assert taken is not None
    assert taken.text == "Because."
    assert await do(store, find, "key", 0, "another key", None, NOW - HOUR) is None
    assert await do(store, find, "key", 0, None, "tenant", NOW - HOUR) is None


async def test_feedback_reviews_and_draws(store: Store) -> None:
    records = [a_record(request=a_request(arrived_at=NOON + timedelta(minutes=n))) for n in range(3)]
    for record in records:
        await store.record(record)
    first, second, third = (record.request.id for record in records)
    remarks = (Remark(kind="rating", value=0.5), Remark(kind="tag", name="t"))
    told = Statement(remarks=remarks, given_by="ada", source="api", request=first, idempotency_key="once")
    noted = await do(store, add, told)
    assert isinstance(noted, Noted)
    again = await do(store, add, told)
    assert (again.id, again.created, again.rows) == (noted.id, False, 2)
    assert [row["kind"] for row in await store.read(lambda db: said(db, first))] == ["rating", "tag"]

    for _ in range(2):
        assert await do(store, reviews.flag, first, "ada", NOW) is None
    lot = Draw(
        id="d", seed="s", since="", until="9", strata={"all": (3, 2)},
        drawn=[Drawn(id=one, stratum="all", probability=0.5, place=at, blind=at == 1)
               for at, one in enumerate((second, third))],
    )  # fmt: skip
    assert {unit.id for unit in await store.read(lambda db: frame(db, "", "9"))} == {first, second, third}
    assert await do(store, queue_drawn, lot, NOW) == 2
    assert await do(store, queue_drawn, lot, NOW) == 0
    assert await store.read(drawn_until) == "9"
    rows = await store.read(lambda db: waiting(db, EVERYTHING, None, FIRST, 9, NOW))
    # What was not drawn has no place, and comes before what was.
    assert [(row["request_id"], row["place"], row["seats"] and row["seats"][0]) for row in rows] == [
        (first, -1, None), (second, 0, None), (third, 1, 0),
    ]  # fmt: skip
    assert await store.read(lambda db: counts(db, EVERYTHING)) == {
        "all": 3, "overturned": 0, "confidence": 0, "panel": 0, "flagged": 1, "drawn": 2, "blind": 1, "disputed": 0,
    }  # fmt: skip
    assert await store.read(lambda db: reviews.next_review(db, "ada", NOW, None)) == first
    assert await store.read(lambda db: reviews.next_review(db, "ada", NOW, None, first)) == second
    assert (await do(store, reviews.claim, first, "ada", NOW))["status"] == "claimed"
    assert isinstance(await do(store, reviews.claim, first, "bob", NOW), Refused)
    for id_, by in ((first, "ada"), (third, "ada"), (third, "bob")):
        remark = Remark(kind="tie" if by == "ada" else "all_bad")
        word = Statement(remarks=(remark,), given_by=by, source="review", request=id_)
        assert isinstance(await do(store, reviews.decide, word, NOW), Noted)
    assert await store.read(lambda db: reviews.next_review(db, "ada", NOW, None, adjudicators=("cat",))) == second
    assert await store.read(lambda db: reviews.next_review(db, "cat", NOW, None, second, ("cat",))) == third
    settled = Statement(remarks=(Remark(kind="all_bad"),), given_by="cat", source="review", request=third)
    assert isinstance(await do(store, reviews.decide, settled, NOW), Noted)
    found = await store.read(lambda db: decided(db, EVERYTHING, None, FIRST, 9))
    assert {row["request_id"]: len(row["words"]) for row in found} == {first: 1, third: 3}
    assert set((await store.read(words))[third]) == {"cat"}
    assert [row["outvoted"] for row in await store.read(lambda db: said(db, third))] == [1, 1, 0]
    events = await do(store, outbox.take, ("review.decided",), NOW, HOUR, 9)
    assert len(events) == 2
    assert not await store.read(lambda db: outbox.due(db, ("review.decided",), NOW))
    aged = await do(store, outbox.outlived, ("review.decided",), NOW + timedelta(days=4))
    assert aged == [(event.id, None) for event in events]


async def test_batches_prompts_and_purses(store: Store) -> None:
    record = a_record()
    await store.record(record)
    id_ = record.request.id
    item = batches.BatchItem(call=CallId("c"), request=id_, member="m", digest="d", purpose="candidate", key="k")
    one = batches.OpenBatch(id="b", run="r", provider="p", provider_id=None, made_at=NOW, items=(item,))
    await do(store, batches.make, one)
    await do(store, batches.took, "b", "theirs")
    await do(store, batches.polled, "b", "half")
    await do(store, batches.ended, "b", [("c", "done")])
    await do(store, batches.settle, "r")
    (held,) = await store.read(lambda db: batches.open_batches(db, "r"))
    assert (held.provider_id, held.items) == ("theirs", (item,))
    assert await store.read(lambda db: batches.known(db, "p")) == ["theirs"]

    row = filling.DatasetRow(dataset="f", row_id="1", request=id_, position=1)
    for _ in range(2):
        await do(store, filling.enter, [row])
    known = await store.read(lambda db: filling.found(db, id_))
    assert known is not None
    assert len(known.candidates) == 3
    assert await store.read(lambda db: filling.stored(db, "status = 'answered'", None, 9)) == [id_]
    assert (await store.read(lambda db: filling.history(db, "small", "m" * 64, judge=False)))[0] == 1

    purse = Purse("r")
    assert [await do(store, purse.reserve, name, 600, 1000) for name in ("x", "y")] == [True, False]


async def test_what_a_purse_has_counted_is_not_lost_where_it_is_told_to_forget_meanwhile(store: Store) -> None:
    """A failed reservation has it count anew, from the event loop; the writer may be at the next one by then."""
    purse = Purse("r")
    request = a_request()
    call = a_call(request.id, completion=an_answer(usage=Usage(nano_usd=700)), run="r")
    await store.record(a_record(request=request, calls=(call,), rulings=()))
    assert await do(store, purse.spent) == 700

    class Meanwhile:
        """A log whose owner hears of the failure while it is read."""

        def __init__(self, db: Database) -> None:
            self.db = db

        def execute(self, sql: str, given: Any = None) -> Any:
            if "FROM calls" in sql and given:
                purse.forget()
            return self.db.execute(sql, given)

    await store.change(lambda db: purse.spent(Meanwhile(db)))  # type: ignore[arg-type]  # all that it asks for
    assert await do(store, purse.spent) == 700
    assert not await do(store, purse.reserve, "x", 400, 1000)


async def test_anchors_and_the_watch(store: Store) -> None:
    record = a_record()
    await store.record(record)
    id_ = record.request.id
    made = await store.read(lambda db: anchors.candidates_for(db, [id_]))
    assert [await do(store, anchors.freeze, "set", made) for _ in range(2)] == [1, 0]
    assert await store.read(lambda db: anchor_sets(db, "another")) == {"set": False}
    assert await store.read(lambda db: anchor_sets(db, id_)) == {"set": True}
    check = anchors.Check(anchor_set="set", judge="j", digest="d", cases=1, agreed=1.0, low=0.2, high=1.0, drift=False,
                          nano_usd=None)  # fmt: skip
    await do(store, anchors.note_check, check)
    assert await store.read(lambda db: anchors.first_check(db, "set", "d")) == check

    router = watched.Watched(router="learned", digest="d", judge="j")
    for value in (0.5, 1.0):
        await do(store, watched.note, router, watched.Seen(event="label", request=id_, value=value))
    await do(store, watched.note, router, watched.Seen(event="demoted", why="worse"))
    assert [seen.event for seen in await store.read(lambda db: watched.seen_since(db, router, 0))] == [
        "label", "label", "demoted",
    ]  # fmt: skip
    (stands,) = await store.read(standing)
    assert (stands.state, stands.labels.n, stands.labels.mean) == ("demoted", 2, 0.75)
    (day,) = await store.read(days)
    assert (day.event, day.n) == ("label", 2)
    assert day.variance == pytest.approx(0.0625)
    assert [one.why for one in await store.read(lambda db: decisions(db, 9))] == ["worse"]
