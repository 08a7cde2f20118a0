import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensemble.store import open_store
from ensemble.types import Ruling, VerdictId
from ensemble.watching.kept import kept, telling
from judges.brackets import Side, knockout
from judges.types import CandidateId, Preference, Verdict
from tests.ensemble.store.builders import a_record, weighed

A, B, C = map(CandidateId, "abc")
AUTHORS = {A: "small", B: "balanced", C: "large"}


def page(one: CandidateId, outcome: Literal["first", "second", "tie", "none"], other: CandidateId) -> Preference:
    return Preference(shown=(one, other), outcome=outcome)


def a_ruling(*winners: CandidateId, **changes: Any) -> Ruling:
    outcome: Any = "decided" if len(winners) == 1 else "tie" if winners else "abstained"
    verdict = Verdict(judge="j", outcome=outcome, winners=winners, **changes)
    return Ruling(
        id=VerdictId("v"),
        stage=0,
        judge="house",
        phase="full",
        verdict=verdict,
        chosen=winners[0] if winners else None,
        started_at=datetime.now(UTC),
        total_s=0.0,
        usable=True,
        panel=(A, B, C),
    )


@pytest.mark.parametrize(("served", "value"), [("small", 0.0), ("balanced", 1.0), ("large", 1.0), ("other", None)])
def test_without_scores_it_is_whether_the_answer_is_among_the_best(served: str, value: float | None) -> None:
    assert kept(a_ruling(B, C), AUTHORS, served) == value


def test_with_scores_it_is_what_is_lacking_to_the_best() -> None:
    assert kept(a_ruling(C, scores={A: 0.5, B: 0.75, C: 1.0}), AUTHORS, "small") == 0.5


def test_an_answer_that_was_set_aside_makes_no_other_worthless() -> None:
    ruling = replace(a_ruling(C, scores={A: 0.75, C: 1.0}), set_aside={B: "truncated"})
    assert kept(ruling, AUTHORS, "small") == 0.75
    assert kept(ruling, AUTHORS, "balanced") == 0.0
    assert kept(replace(a_ruling(A, C), set_aside={B: "truncated"}), AUTHORS, "small") == 1.0


def test_a_member_that_the_router_does_not_know_is_no_measure() -> None:
    ruling = a_ruling(C, scores={A: 0.5, B: 0.75, C: 1.0})
    assert kept(ruling, AUTHORS, "small", known={"small", "balanced"}) == 0.75
    assert kept(a_ruling(C), AUTHORS, "small", known={"small", "balanced"}) == 1.0


def test_what_is_not_usable_or_finds_nothing_says_nothing() -> None:
    assert kept(replace(a_ruling(C), usable=False), AUTHORS, "small") is None
    assert kept(a_ruling(), AUTHORS, "small") is None


def test_who_tied_with_somebody_that_lost_later_is_beaten_as_its_label_says() -> None:
    ruling = a_ruling(C, preferences=(page(A, "tie", B), page(C, "first", A)))
    assert kept(ruling, AUTHORS, "balanced") == 0.0
    assert telling(ruling)


def test_a_label_tells_good_from_bad_where_somebody_lost_and_not_by_lot() -> None:
    assert telling(a_ruling(C, preferences=(page(A, "second", C), page(C, "first", B))))
    assert not telling(a_ruling(A, B, C))
    assert not telling(a_ruling())
    assert not telling(a_ruling(C, flags=("by_lot",)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["first", "second", "tie", "none"]), min_size=3, max_size=3), st.booleans())
def test_the_watch_counts_as_beaten_whom_the_label_does(tmp_path: Path, sides: list[Side], overruled: bool) -> None:
    """Whatever the matches of a knockout end like, and whether or not logged means overruled the judge."""

    async def there_and_back() -> None:
        record = a_record(("small", "balanced", "large", "odd"))
        ends = iter(sides)

        async def meet(one: CandidateId, other: CandidateId) -> Side:
            return next(ends)

        played = await knockout([*record.authors], meet)
        pages = tuple(Preference(shown=(one.first, one.second), outcome=one.side) for one in played.matches)
        (ruling,) = record.rulings
        outcome: Any = ("abstained", "decided", "tie", "tie", "tie")[len(played.best)]
        finding = {"outcome": outcome, "winners": played.best, "scores": {}, "preferences": pages, "exchanges": ()}
        found = replace(ruling.verdict, **finding)
        record = replace(record, rulings=(replace(ruling, verdict=found, panel=tuple(record.authors)),))
        record = weighed(record) if overruled and played.best else record
        store = await open_store(tmp_path / "log.db")
        await store.record(record)
        (best,) = [label.best for label in store.labels() if label.request == record.request.id]
        await store.close()
        values = {member: kept(record.rulings[0], record.authors, member) for member in record.authors.values()}
        assert values == {member: float(member in best) if best else None for member in values}

    asyncio.run(there_and_back())
