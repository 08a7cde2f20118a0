"""The ballots of a log as a history: what becomes a row, and that a jury learns from it."""

from dataclasses import replace

import pytest

from ensemble.judging.history import rows
from ensemble.judging.seats import Seats
from ensemble.store.judged import Judged, Written
from ensemble.types import RequestId
from judges.aggregate._history import Row
from judges.judge import JUDGES
from judges.testing import a_verdict
from judges.types import CandidateId, Verdict

A, B, C = (CandidateId(name) for name in "abc")
JURY = JUDGES.build({"use": "jury", "seats": ["longest", "consensus", {"use": "pairwise", "model": "critic"}]})
LONGEST, CONSENSUS, PAIRWISE = (seat.digest for seat in JURY.seats)  # type: ignore[attr-defined]
SEATS = Seats.of({"panel": JURY})


def by(judge: str, *winners: str) -> Verdict:
    return replace(a_verdict(*winners), judge=judge)


def of_jury(*winners: str) -> Verdict:
    """The verdict of the jury; an empty name abstains."""
    digests = (LONGEST, CONSENSUS, PAIRWISE)
    ballots = tuple(by(judge, *([one] if one else [])) for judge, one in zip(digests, winners, strict=True))
    return replace(by(JURY.digest, "a"), ballots=ballots)


def stored(verdict: Verdict, *, best: frozenset[CandidateId] | None = None, request: str = "r") -> Judged:
    written = Written(member="m", characters=1)
    shown = dict.fromkeys((A, B, C), written)
    return Judged(request=RequestId(request), judge="panel", verdict=verdict, candidates=shown, best=best)


def made(*found: Judged, judges: tuple[str, ...] = ()) -> list[Row]:
    return list(rows(found, SEATS, judges))


def test_the_ballots_of_a_jury_are_one_row() -> None:
    (row,) = made(stored(of_jury("a", "b", "")))
    assert row == Row(candidates=("a", "b", "c"), ballots={LONGEST: ("a",), CONSENSUS: ("b",)})
    assert made(stored(of_jury("a", "b", "")), judges=("another",)) == []


@pytest.mark.parametrize(
    ("best", "told"), [({A}, ("a",)), ({A, B}, ("a", "b")), ({A, B, C}, ()), (set(), ()), (None, ())]
)
def test_what_people_found_best_is_known(best: set[CandidateId] | None, told: tuple[str, ...]) -> None:
    (row,) = made(stored(of_jury("a", "b", "a"), best=None if best is None else frozenset(best)))
    assert row.best == told


def test_a_lone_ballot_counts_only_beside_a_label() -> None:
    assert made(stored(by(LONGEST, "a"))) == []
    (row,) = made(stored(by(LONGEST, "a"), best=frozenset({B})))
    assert (row.ballots, row.best) == ({LONGEST: ("a",)}, ("b",))


def test_judges_of_one_request_meet_in_one_row_and_the_latest_word_counts() -> None:
    (row,) = made(stored(by(LONGEST, "a")), stored(by(PAIRWISE, "b")), stored(by(PAIRWISE, "c")))
    assert row.ballots == {LONGEST: ("a",), PAIRWISE: ("c",)}
    assert made(stored(by(LONGEST, "a")), stored(by(PAIRWISE, "b"), request="s")) == []
