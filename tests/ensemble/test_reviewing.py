"""What reviewers say of any answer, and cases kept for tests."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from ensemble.errors import Conflict, InvalidRequest, NotFound
from ensemble.feedback import Feedback
from ensemble.reviewing import keep_as_test, overrule
from ensemble.store import Store, open_store
from ensemble.store.anchors import anchors
from ensemble.store.audit.reviewed import said
from ensemble.store.queries import Tree
from ensemble.store.reviews import Review, claim, review
from ensemble.types import Record
from tests.ensemble.store.builders import a_record, a_request


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(tmp_path / "ensemble.db")
    yield opened
    await opened.close()


async def recorded(store: Store, waits: str | None = None) -> Record:
    """A record of now, which waits for a person where ``waits`` says why."""
    record = a_record(("alpha", "beta"), request=a_request(arrived_at=datetime.now(UTC)), review=waits)
    await store.record(record)
    return record


async def words(store: Store, record: Record) -> list[Tree]:
    return await store.read(partial(said, request=record.request.id))


async def row(store: Store, record: Record) -> Review | None:
    return await store.read(partial(review, id_=record.request.id, now=datetime.now(UTC)))


async def test_an_answer_that_nobody_waits_for_may_be_overruled(store: Store) -> None:
    record = await recorded(store)
    await overrule(store, Feedback(request_id=record.request.id, preferred="beta", given_by="ann"), key_id="k1")
    (word,) = await words(store, record)
    assert (word["kind"], word["given_by"], word["source"]) == ("preferred", "ann", "review")
    assert word["candidate_id"] == next(id_ for id_, member in record.authors.items() if member == "beta")
    assert await row(store, record) is None


async def test_a_finding_decides_the_review_that_waits_and_a_second_one_is_a_word_more(store: Store) -> None:
    record = await recorded(store, waits="min_confidence")
    await overrule(store, Feedback(request_id=record.request.id, tie=True, given_by="ann"))
    found = await row(store, record)
    assert found is not None
    assert (found["status"], found["decided_by"]) == ("decided", "ann")
    await overrule(store, Feedback(request_id=record.request.id, all_bad=True, given_by="bob"))
    assert [word["kind"] for word in await words(store, record)] == ["tie", "all_bad"]


async def test_tags_decide_nothing_and_carry_the_comment(store: Store) -> None:
    record = await recorded(store, waits="min_confidence")
    await overrule(store, Feedback(request_id=record.request.id, tags=("legal", "odd"), comment="see clause 3"))
    assert [(word["name"], word["text"]) for word in await words(store, record)] == [
        ("legal", "see clause 3"),
        ("odd", None),
    ]
    found = await row(store, record)
    assert found is not None
    assert found["status"] == "waiting"


async def test_what_somebody_else_is_at_is_his(store: Store) -> None:
    record = await recorded(store, waits="min_confidence")
    await store.change(partial(claim, id_=record.request.id, by="bob", now=datetime.now(UTC)))
    with pytest.raises(Conflict, match="claimed"):
        await overrule(store, Feedback(request_id=record.request.id, tie=True, given_by="ann"))
    assert await words(store, record) == []


@pytest.mark.parametrize("waits", [None, "min_confidence"])
async def test_what_a_reviewer_does_not_see_is_not_there(store: Store, waits: str | None) -> None:
    record = await recorded(store, waits)
    with pytest.raises(NotFound):
        await overrule(store, Feedback(request_id=record.request.id, tie=True), sees=lambda _: False)
    assert await words(store, record) == []


async def test_a_case_is_kept_for_tests_once_by_what_people_say(store: Store) -> None:
    record = await recorded(store)
    await overrule(store, Feedback(request_id=record.request.id, preferred="beta", given_by="ann"))
    assert await keep_as_test(store, record.request.id, "hard")
    assert not await keep_as_test(store, record.request.id, "hard")
    (kept,) = await store.read(partial(anchors, anchor_set="hard"))
    assert kept.judged_by == "ann"
    assert {record.authors[winner] for winner in kept.winners} == {"beta"}


async def test_where_nothing_stands_nothing_can_be_kept(store: Store) -> None:
    record = await recorded(store)
    await overrule(store, Feedback(request_id=record.request.id, all_bad=True, given_by="ann"))
    with pytest.raises(InvalidRequest, match="nothing to freeze"):
        await keep_as_test(store, record.request.id, "hard")
    with pytest.raises(InvalidRequest, match="name the test set"):
        await keep_as_test(store, record.request.id, "")
