"""What people said, and the labels that it makes."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from ensemble.store import Store
from ensemble.store.database import Database
from ensemble.store.export.people import heard
from ensemble.store.feedback import Kind, Noted, Remark, Statement, add
from ensemble.store.people import Word, opinion
from ensemble.types import Label, Record
from judges.types import CandidateId
from tests.ensemble.store.builders import a_plan, a_record

IDS = [CandidateId(name) for name in "abc"]
WORDS = st.one_of(
    st.sampled_from([Word("tie", None), Word("all_bad", None)]),
    st.sampled_from(IDS).map(lambda one: Word("preferred", one)),
)


@given(st.dictionaries(st.text(max_size=3), WORDS, max_size=7))
def test_an_opinion_is_that_of_most(told: dict[str, Word]) -> None:
    found = opinion(told, IDS)
    if not told:
        assert found is None
        return
    votes = list(told.values())
    top = max(map(votes.count, votes))
    said = {word for word in votes if votes.count(word) == top}
    if found is None:
        assert {word.kind for word in said} > {"all_bad"}
        return
    assert (found.people, len(found.by)) == (len(told), top * len(said))
    assert found.split == (len(said) > 1)
    assert {word.candidate for word in said if word.candidate} <= found.best
    assert (found.best == frozenset()) == (said == {Word("all_bad", None)})


async def stored(store: Store, *remarks: tuple[str, Kind, str | None], record: Record | None = None) -> Record:
    """A record on which people remarked: who, what, which member."""
    record = record or a_record()
    await store.record(record)
    ids = {member: one for one, member in record.authors.items()}
    for who, kind, member in remarks:
        remark = Remark(kind=kind, candidate=ids[member] if member else None)
        await store.change(said(record, who, remark))
    return record


def said(record: Record, who: str, *remarks: Remark) -> Callable[[Database], Noted]:
    statement = Statement(remarks=remarks, request=record.request.id, given_by=who, source="api")

    def change(db: Database) -> Noted:
        noted = add(db, statement)
        assert isinstance(noted, Noted), noted
        return noted

    return change


def labels(store: Store) -> list[Label]:
    return list(store.labels(people="first"))


async def test_people_outrank_the_judge_on_request(store: Store) -> None:
    record = await stored(store, ("ann", "preferred", "large"), ("bob", "preferred", "large"), ("cy", "tie", None))
    (label,) = labels(store)
    assert (label.best, label.source, label.by, label.kind) == (frozenset({"large"}), "human", "ann, bob", "full")
    assert (label.people, label.agreed, label.confidence, label.usable, label.complete) == (3, 2, None, True, True)
    assert (label.scores, label.nano_usd["large"]) == ({}, 20_000)
    (judged,) = store.labels()
    assert (judged.best, judged.source, judged.people) == (frozenset({"small"}), "judge", 0)
    assert judged.request == label.request == record.request.id


async def test_the_last_word_of_a_person_counts(store: Store) -> None:
    await stored(store, ("ann", "preferred", "large"), ("ann", "preferred", "medium"))
    (label,) = labels(store)
    assert (label.best, label.people) == (frozenset({"medium"}), 1)


async def test_a_draw_among_people_is_a_tie(store: Store) -> None:
    await stored(store, ("ann", "preferred", "large"), ("bob", "preferred", "medium"))
    (label,) = labels(store)
    assert (label.best, label.agreed) == (frozenset({"large", "medium"}), 2)


async def test_all_bad_teaches_no_winner(store: Store) -> None:
    await stored(store, ("ann", "all_bad", None))
    (label,) = labels(store)
    assert (label.kind, label.usable, label.best) == ("all_bad", False, frozenset())


async def test_who_cannot_tell_makes_no_label(store: Store) -> None:
    await stored(store, ("ann", "cannot_tell", None))
    (label,) = labels(store)
    assert (label.source, label.best) == ("judge", frozenset({"small"}))


async def test_people_label_what_no_judge_has_seen(store: Store) -> None:
    seen = a_record()
    await store.record(seen)
    plan = a_plan(propensities={"small": 0.5, "medium": 1.0, "large": 1.0})
    unseen = a_record(rulings=(), chosen=None, plan=plan)
    await stored(store, ("ann", "preferred", "medium"), record=unseen)
    assert [label.request for label in store.labels()] == [seen.request.id]
    _, label = labels(store)
    assert (label.request, label.best, label.kind) == (unseen.request.id, frozenset({"medium"}), "full")
    assert label.total_s == {"small": 0.5, "medium": 0.5, "large": 0.5}
    assert label.propensities == plan.propensities


async def test_ratings_are_the_scores_of_people(store: Store) -> None:
    record = await stored(store, ("ann", "preferred", "large"))
    large = next(one for one, member in record.authors.items() if member == "large")
    for who, value in (("bob", 0.0), ("cy", 0.5), ("bob", 1.0)):  # bob's last word is that it is good
        await store.change(said(record, who, Remark(kind="rating", candidate=large, value=value)))
    (label,) = labels(store)
    assert label.scores == {"large": 0.75}
    told = await store.read(lambda db: heard(db, record.request.id))
    assert told is not None
    assert told.ratings == {large: 0.75}
