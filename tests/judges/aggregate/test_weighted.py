from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import AGGREGATORS, JUDGES, Aggregator, Verdict
from judges.calibration import Calibration, Fitted, write
from judges.testing import a_case, a_verdict

CASE = a_case("a", "bb")
RIGHT = {"strong": 92, "fair": 70, "poor": 55}
"""Of 100 labelled verdicts."""


def weighted(right: Mapping[str, float] = RIGHT, **options: object) -> Aggregator:
    aggregator = AGGREGATORS.build({"use": "weighted", **options})
    aggregator.calibrate(book(right))  # type: ignore[attr-defined]
    return aggregator


def book(right: Mapping[str, float]) -> Calibration:
    return Calibration(judges={judge: Fitted(n=100, right=share) for judge, share in right.items()})


def by(judge: str, *winners: str) -> Verdict:
    return replace(a_verdict(*winners), judge=judge)


def test_a_strong_seat_outweighs_two_fair_ones_but_not_three() -> None:
    fair = [by("fair", "c0")] * 3
    assert weighted().combine([by("strong", "c1"), *fair[:2]], CASE).winners == ("c1",)
    assert weighted().combine([by("strong", "c1"), *fair], CASE).winners == ("c0",)


def test_below_the_gate_and_without_labels_there_is_no_vote() -> None:
    crowd = [by("poor", "c0")] * 9 + [by("stranger", "c0")] * 9
    verdict = weighted().combine([by("fair", "c1"), *crowd], CASE)
    assert verdict.winners == ("c1",)
    assert "1 seats with a vote" in verdict.reason


def test_only_who_has_a_vote_has_a_say_in_all_being_bad() -> None:
    ballots = [by("strong", "c0"), by("poor", "c0"), by("stranger", "c1"), by("fair")]
    assert [one.judge for one in weighted().voting(ballots)] == ["strong"]
    assert [one.judge for one in AGGREGATORS.build("majority").voting(ballots)] == ["strong", "poor", "stranger"]


def test_what_the_best_seat_cannot_tell_apart_a_lesser_one_does_not_decide() -> None:
    torn = by("strong", "c0", "c1")
    assert weighted().combine([torn, by("fair", "c1")], CASE).outcome == "tie"
    assert weighted().combine([torn, *[by("fair", "c1")] * 3], CASE).winners == ("c1",)
    assert weighted().combine([torn, by("poor", "c1")], CASE).outcome == "tie"


def test_a_jury_without_a_proven_seat_abstains_and_says_so() -> None:
    verdict = weighted().combine([by("poor", "c0"), by("stranger", "c1")], CASE)
    assert (verdict.outcome, verdict.flags) == ("abstained", ("gated_out",))
    assert "below the gate" in verdict.reason
    unfit = AGGREGATORS.build("weighted").combine([by("strong", "c0")], CASE)
    assert (unfit.outcome, unfit.flags) == ("abstained", ("gated_out",))
    assert "lacks a calibration" in unfit.reason


def test_the_version_of_the_weights_is_stored_and_follows_them() -> None:
    ballots = [by("strong", "c0")]
    first = weighted().combine(ballots, CASE).weights
    assert first is not None
    assert weighted().combine(ballots, CASE).weights == first
    assert weighted({"strong": 80}).combine(ballots, CASE).weights != first


@given(right=st.dictionaries(st.sampled_from("abc"), st.floats(0, 100)), names=st.text("abc", max_size=8))
def test_arbitrary_accuracies_never_make_a_verdict_that_is_none(right: dict[str, float], names: str) -> None:
    ballots = [by(name, f"c{place % 2}") for place, name in enumerate(names)]
    verdict = weighted(right).combine(ballots, CASE)
    assert verdict.outcome in ("decided", "tie", "abstained")


@pytest.mark.parametrize(("key", "value"), [("gate", 0.4), ("gate", 1.0), ("prior", 0), ("prior", float("inf"))])
def test_options_that_make_no_sense_are_refused_by_name(key: str, value: float) -> None:
    with pytest.raises(ValueError, match=key):
        AGGREGATORS.build({"use": "weighted", key: value})


async def test_a_jury_weighs_its_seats_by_a_file(tmp_path: Path) -> None:
    seats: list[str | dict[str, object]] = ["longest", {"use": "regex", "pattern": "a"}]
    digests = [JUDGES.build(seat).digest for seat in seats]
    write(tmp_path / "cal.json", book({digests[0]: 65, digests[1]: 90}))
    aggregate = {"use": "weighted", "calibration": str(tmp_path / "cal.json")}
    jury = JUDGES.build({"use": "jury", "seats": seats, "aggregate": aggregate})
    jury.load()
    verdict = await jury.decide(CASE, {})
    assert verdict.winners == ("c0",), "the seat that is more often right wins"
    assert list(jury.misfits()) == []
    inherits = JUDGES.build(
        {"use": "jury", "seats": seats, "aggregate": "weighted", "calibration": tmp_path / "cal.json"}
    )
    inherits.load()
    assert (await inherits.decide(CASE, {})).winners == ("c0",)


def test_the_doctor_hears_which_seats_have_no_vote(tmp_path: Path) -> None:
    seats = ["longest", "empty", "refusal"]
    digests = [JUDGES.build(seat).digest for seat in seats]
    write(tmp_path / "cal.json", book({digests[0]: 90, digests[1]: 50}))
    aggregate: dict[str, object] = {"use": "weighted", "calibration": str(tmp_path / "cal.json")}
    jury = JUDGES.build({"use": "jury", "seats": seats, "aggregate": aggregate})
    jury.load()
    told = list(jury.misfits())
    assert [place for place, _ in told] == ["aggregate.calibration"] * 2
    assert "seat 1 (empty) has no vote: it is right in 50%" in told[0][1]
    assert "seat 2 (refusal) has no vote: nothing is known" in told[1][1]
    without = JUDGES.build({"use": "jury", "seats": seats, "aggregate": "weighted"})
    assert "always abstains" in next(iter(without.misfits()))[1]
