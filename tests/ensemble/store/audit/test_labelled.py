"""What is told of plain labels from rows is what the view ``labels`` tells; the others are left to the view."""

import random
from collections.abc import Mapping
from typing import Any

import pytest

from ensemble.store import Store
from ensemble.store.audit.labelled import CALLS, CANDIDATES, SCORES, Label, labels_of, plain_label
from ensemble.store.content import dumps
from ensemble.store.database import Database
from ensemble.types import Call, Record
from judges.types import Usage
from tests.ensemble.store.builders import a_call, a_late, a_record, a_request, asked_anew, said, weighed

pytestmark = pytest.mark.both
MEMBERS = ("alpha", "beta", "gamma")


def labels(db: Database) -> tuple[dict[str, Label | None], dict[str, Label]]:
    """Of each request: what is told from rows, and by the view."""
    found = dict(db.execute("SELECT request_id, finding FROM labels").fetchall())
    of_requests = {"ids": dumps(sorted(found)).decode()}
    of_verdicts = {"verdicts": dumps(sorted(found.values())).decode()}
    candidates, calls = (db.execute(sql, of_requests).fetchall() for sql in (CANDIDATES, CALLS))
    scores = db.execute(SCORES, of_verdicts).fetchall()
    told = {
        id_: plain_label(
            [row for row in candidates if row[0] == id_],
            [row for row in calls if row[0] == id_],
            [row for row in scores if row[0] == finding],
        )
        for id_, finding in found.items()
    }
    return told, labels_of(db, found)


def near(found: Mapping[str, float | None]) -> Any:
    """An engine may write fewer digits into its JSON than a float has."""
    return pytest.approx(found, rel=1e-12)


def same(one: Label, other: Label) -> bool:
    return (
        one.best == other.best
        and one.costs == other.costs
        and one.scores == near(other.scores)
        and one.seconds == near(other.seconds)
    )


def an_attempt(record: Record, draw: random.Random) -> Call:
    """One more call of a member that was asked already, or of one that was not."""
    member = draw.choice((*MEMBERS, "slow", "slow", "slow"))
    return draw.choice((
        lambda: a_call(record.request.id, member, failure="timeout", attempt=draw.randrange(3)),
        lambda: a_call(record.request.id, member, hedge=True, total_s=draw.random()),
        lambda: a_call(record.request.id, member, purpose="shadow", member_digest=draw.choice("mn") * 64),
        lambda: a_call(record.request.id, member, sample=1, total_s=draw.random()),
        lambda: a_call(record.request.id, "judge", purpose="judge", candidate=next(iter(record.authors))),
    ))()  # fmt: skip


def a_case(draw: random.Random) -> Record:
    """A request of one to three members, now and then with further calls, unknown costs and no scores."""
    request = a_request()
    calls = [
        a_call(
            request.id,
            member,
            completion=said(member, usage=Usage(nano_usd=draw.choice((None, 1000, 2000)))),
            total_s=draw.random(),
        )
        for member in MEMBERS[: draw.randrange(1, 4)]
    ]
    known = {call.candidate: call.member for call in calls if call.candidate}
    scores = {one: draw.random() for one in known if draw.random() < 0.8}
    winners = tuple(draw.sample(sorted(known), draw.randrange(1, len(known) + 1)))
    record = a_record(
        MEMBERS,
        request=request,
        calls=tuple(calls),
        authors=known,
        chosen=winners[0],
        verdict={
            "outcome": "decided" if len(winners) == 1 else "tie",
            "winners": winners,
            "scores": scores,
            "preferences": (),
            "exchanges": (),
        },
    )
    extra = [an_attempt(record, draw) for _ in range(draw.choice((0, 0, 1, 2)))]
    authors = known | {call.candidate: call.member for call in extra if call.candidate and call.purpose != "judge"}
    return a_record(
        MEMBERS,
        request=request,
        calls=(*calls, *extra),
        authors=authors,
        rulings=record.rulings,
        chosen=winners[0],
    )


async def test_what_is_told_from_rows_is_what_the_view_tells(store: Store) -> None:
    draw = random.Random(17)
    records = [a_case(draw) for _ in range(120)]
    for record in records:
        await store.record(weighed(record) if len(record.authors) > 1 and draw.random() < 0.2 else record)
        if draw.random() < 0.3:
            await store.record_late(a_late(record, draw.choice(("slow", "alpha")), wins=draw.random() < 0.5))
    told, viewed = await store.read(labels)
    assert told.keys() == viewed.keys() == {record.request.id for record in records}
    plain = {id_: label for id_, label in told.items() if label is not None}
    assert 20 < len(plain) < 100  # both are there to be seen
    assert [id_ for id_, label in plain.items() if not same(label, viewed[id_])] == []


async def test_one_call_of_each_member_is_plain(store: Store) -> None:
    record = a_record(MEMBERS)
    await store.record(record)
    await store.record_late(a_late(record, "slow"))
    told, _ = await store.read(labels)
    label = told[record.request.id]
    assert label is not None
    assert label.best == {"slow"}
    assert set(label.costs) == set(label.seconds) == {*MEMBERS, "slow"}


async def test_a_member_by_two_settings_is_left_to_the_view(store: Store) -> None:
    record = a_record(MEMBERS)
    await store.record(record)
    _, late = asked_anew(record)
    await store.record_late(late)
    told, _ = await store.read(labels)
    assert told == {record.request.id: None}
