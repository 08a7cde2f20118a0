from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from ensemble.types import Ruling, VerdictId
from ensemble.watching.kept import kept, telling, unbeaten
from judges.types import CandidateId, Preference, Verdict

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


def test_a_member_that_the_router_does_not_know_is_no_measure() -> None:
    ruling = a_ruling(C, scores={A: 0.5, B: 0.75, C: 1.0})
    assert kept(ruling, AUTHORS, "small", known={"small", "balanced"}) == 0.75
    assert kept(a_ruling(C), AUTHORS, "small", known={"small", "balanced"}) == 1.0


def test_what_is_not_usable_or_finds_nothing_says_nothing() -> None:
    assert kept(replace(a_ruling(C), usable=False), AUTHORS, "small") is None
    assert kept(a_ruling(), AUTHORS, "small") is None


def test_who_went_out_of_a_knockout_in_a_tie_is_not_beaten() -> None:
    ruling = a_ruling(B, C, preferences=(page(A, "tie", B), page(B, "tie", C)))
    assert unbeaten(ruling.verdict) == {A, B, C}
    assert kept(ruling, AUTHORS, "small") == 1.0
    assert not telling(ruling)


def test_who_lost_in_one_order_and_won_in_the_other_is_not_beaten() -> None:
    ruling = a_ruling(B, preferences=(page(A, "first", B), page(B, "first", A), page(B, "first", C)))
    assert unbeaten(ruling.verdict) == {A, B}


def test_a_label_tells_good_from_bad_where_all_the_best_won_and_somebody_lost() -> None:
    assert telling(a_ruling(C, preferences=(page(A, "second", C), page(C, "first", B))))
    assert not telling(a_ruling(A, B, C))
