"""Agreement between judges, seats and people, on verdicts whose findings are planted."""

import random
from collections.abc import Iterable, Sequence

import pytest

from ensemble.judging.agreeing import PEOPLE, agreement
from ensemble.judging.seats import Seats
from ensemble.store.judged import Judged, Written
from ensemble.types import RequestId
from judges.agreement import cohen, fleiss, krippendorff
from judges.judge import JUDGES
from judges.types import CandidateId, Verdict

MEMBERS = ("small", "large")
JURY = JUDGES.build({"use": "jury", "seats": ["longest", "empty", "consensus"]})
SEATS = Seats.of({"panel": JURY})
DIGESTS = [digest for digest, name in SEATS.names.items() if name.startswith("panel.")]


def found(judge: str, winner: int | None, **more: object) -> Verdict:
    """A finding for the candidate of that member; None where there is none."""
    winners = () if winner is None else (CandidateId(str(winner)),)
    return Verdict(judge=judge, outcome="decided" if winners else "failed", winners=winners, **more)  # type: ignore[arg-type]


def case(n: int, name: str, verdict: Verdict, best: int | None = None) -> Judged:
    """A verdict on the two answers of request ``n``, of which a person found that of a member best."""
    return Judged(
        request=RequestId(f"r{n}"),
        judge=name,
        verdict=verdict,
        candidates={
            CandidateId(str(place)): Written(member=member, characters=9) for place, member in enumerate(MEMBERS)
        },
        best=None if best is None else frozenset({CandidateId(str(best))}),
    )


def alone(words: Iterable[tuple[int, int]]) -> list[Judged]:
    """Two judges, one after another on each case."""
    return [
        case(n, name, found(name, winner))
        for n, pair in enumerate(words)
        for name, winner in zip(("one", "two"), pair, strict=True)
    ]


def test_two_judges_agree_as_cohen_says() -> None:
    rng = random.Random(1)
    words = [(rng.randrange(2), rng.randrange(2)) for _ in range(60)]
    told = agreement(alone(words), Seats())
    (pair,) = told.pairs
    assert {pair.one, pair.other} == {"one", "two"}
    assert pair.kappa.value == pytest.approx(cohen(words).value)
    assert pair.same.value == pytest.approx(sum(one == two for one, two in words) / 60)
    assert told.alpha.value == pytest.approx(krippendorff(words).value)
    assert not told.juries
    assert not told.certainties


def test_the_latest_finding_counts_and_none_is_none() -> None:
    first = alone([(0, 1), (1, 0), (0, 0)])
    again = [case(0, "two", found("two", 0)), case(1, "one", found("one", 0)), case(2, "one", found("one", None))]
    (pair,) = agreement([*first, *again], Seats()).pairs
    assert (pair.same.value, pair.same.n) == (1.0, 3)


def test_people_are_one_to_agree_with() -> None:
    verdicts = [case(n, "one", found("one", n % 2), best=0 if n < 8 else None) for n in range(20)]
    (pair,) = agreement(verdicts, Seats()).pairs
    assert (pair.one, pair.other, pair.same.n, pair.same.value) == ("one", PEOPLE, 8, 0.5)


def jury(ballots: Sequence[int | None], winner: int | None) -> Verdict:
    return found(JURY.digest, winner, ballots=tuple(map(found, DIGESTS, ballots)))


def test_a_jury_is_told_seat_by_seat_and_not_held_against_its_seats() -> None:
    rng = random.Random(2)
    ballots = [[int(rng.random() < 0.7) for _ in range(3)] for _ in range(90)]
    told = agreement([case(n, "panel", jury(each, each[0]), best=1) for n, each in enumerate(ballots)], SEATS)
    (one,) = told.juries
    assert (one.name, one.seats, one.fleiss.n) == ("panel", 3, 90)
    assert one.fleiss.value == pytest.approx(fleiss(ballots).value)
    assert one.alpha.value == pytest.approx(krippendorff(ballots).value)
    assert one.votes.value is not None
    assert one.votes.value > 2  # they err apart
    named = {frozenset((pair.one, pair.other)) for pair in told.pairs}
    seats = [SEATS.names[digest] for digest in DIGESTS]
    assert len(named) == 3 + 3 + 1  # seats with each other; all four with people
    assert frozenset(("panel", seats[0])) not in named
    assert frozenset(("panel", PEOPLE)) in named


def test_a_silent_seat_counts_only_where_labels_may_be_missing() -> None:
    told = agreement([case(n, "panel", jury([0, 1, None if n else 1], 0)) for n in range(5)], SEATS)
    (one,) = told.juries
    assert (one.fleiss.n, one.alpha.n, one.votes.value) == (1, 5, None)


def test_seats_of_a_jury_that_nobody_configures_are_unknown() -> None:
    told = agreement([case(n, "panel", jury([0, 1, 1], 1), best=1) for n in range(5)], Seats())
    assert told.juries == ()
    assert [(pair.one, pair.other) for pair in told.pairs] == [("panel", PEOPLE)]


def test_confidence_is_held_against_people() -> None:
    verdicts = [case(n, "one", found("one", n % 2, confidence=0.75), best=0 if n < 40 else None) for n in range(60)]
    (sure,) = agreement(verdicts, Seats()).certainties
    (bin_,) = [one for one in sure.curve if one.n]
    assert (sure.name, sure.n, bin_.n, bin_.stated, bin_.right) == ("one", 40, 40, 0.75, 0.5)
    assert sure.error == pytest.approx(0.25)
