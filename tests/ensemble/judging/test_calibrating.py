"""Calibration from labels and from the log: better than the raw signal on cases that it was not fit on."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from ensemble.bench import open_bench
from ensemble.judging.calibrating import LEAST, Sample, calibrate, from_labels, from_log, in_order, unlearned
from ensemble.judging.labelled import read
from ensemble.judging.seats import Seats
from ensemble.judging.trial import find
from ensemble.store.judged import Judged, Written, judged
from ensemble.types import RequestId
from judges.calibration import Calibration, apply, ece, reliability, signal, write
from judges.judge import JUDGES
from judges.testing import a_verdict
from judges.types import CandidateId
from tests.ensemble.judging.fleet import ask_all, opened, simulated, tasks, write_labels

A, B = CandidateId("a"), CandidateId("b")


def samples(n: int, rng: Random) -> list[Sample]:
    """A judge that looks surer than it is: right with half its signal's excess over one half."""
    raws = [rng.choice([0.5, 0.6, 0.7, 0.8, 0.9]) for _ in range(n)]
    return [
        Sample(case=str(at), raw=raw, right=float(rng.random() < 0.5 + (raw - 0.5) / 2)) for at, raw in enumerate(raws)
    ]


def test_a_calibrated_confidence_is_nearer_to_the_truth_than_the_raw_signal() -> None:
    rng = Random(1)
    learned = calibrate(samples(800, rng), "d", "house")
    assert learned.refused is None
    assert learned.ece_before is not None
    assert learned.ece_after is not None
    assert learned.ece_after < learned.ece_before / 2
    fresh = samples(4000, rng)
    right = [one.right for one in fresh]
    before = ece(reliability([one.raw or 0 for one in fresh], right))
    after = ece(reliability([apply(learned.fitted.knots, one.raw or 0) or 0 for one in fresh], right))
    assert before is not None
    assert after is not None
    # What cross-validation told holds on cases that had no part in it.
    assert before == pytest.approx(learned.ece_before, abs=0.04)
    assert after == pytest.approx(learned.ece_after, abs=0.04)
    assert after < before / 2
    assert (learned.fitted.n, learned.accuracy.n) == (800, 800)


def test_too_few_labels_are_refused_with_how_many_would_do() -> None:
    learned = calibrate(samples(LEAST - 7, Random(1)), "d", "house")
    assert learned.refused == f"43 labelled verdicts are too few for a calibration; 7 more, {LEAST} in all, would do"
    assert learned.fitted.knots == ()
    assert calibrate(samples(LEAST, Random(1)), "d", "house").refused is None


def test_a_judge_without_a_signal_has_its_accuracy_alone() -> None:
    mute = [replace(one, raw=None) for one in samples(LEAST, Random(1))]
    learned = calibrate(mute, "d", "longest")
    assert (learned.refused, learned.fitted.knots, learned.ece_after) == (None, (), None)
    assert learned.fitted.right == sum(one.right for one in mute)


def test_no_curve_is_judged_on_the_cases_that_it_was_fit_on() -> None:
    """Pure luck: every signal occurs once, so a curve that had seen its case would be nearly perfect."""
    rng = Random(2)
    noise = [Sample(case=str(at), raw=at / 200, right=float(rng.random() < 0.5)) for at in range(200)]
    seen = calibrate([replace(one, case="the same") for one in noise], "d", "x")
    unseen = calibrate(noise, "d", "x")
    assert unseen.ece_after is not None
    assert unseen.ece_after > 0.03
    assert seen.ece_after is not None  # one fold, so there is nothing to fit on, and one half is stated


JURY = JUDGES.build({"use": "jury", "seats": ["longest", "consensus", {"use": "pairwise", "model": "critic"}]})
SEATS = Seats.of({"panel": JURY})
LONGEST, CONSENSUS, PAIRWISE = (seat.digest for seat in JURY.seats)  # type: ignore[attr-defined]


def stored(*winners: str, best: frozenset[CandidateId] | None = None) -> Judged:
    ballots = tuple(
        replace(a_verdict(*one), judge=digest)
        for one, digest in zip(winners, (LONGEST, CONSENSUS, PAIRWISE), strict=True)
    )
    written = Written(member="m", characters=1)
    verdict = replace(a_verdict("a"), judge=JURY.digest, ballots=ballots)
    return Judged(
        request=RequestId("r"), judge="panel", verdict=verdict, candidates={A: written, B: written}, best=best
    )


def right(found: Judged) -> dict[str, float]:
    made, _ = from_log([found], SEATS)
    return {digest: one.right for digest, (one,) in made.items()}


def test_a_seat_is_held_against_the_other_seats_and_never_against_itself() -> None:
    assert right(stored("a", "a", "b")) == {PAIRWISE: 0.0}  # a and b draw where a seat of two is left out
    assert right(stored("a", "a", "a")) == {LONGEST: 1.0, CONSENSUS: 1.0, PAIRWISE: 1.0}
    assert right(stored("a", "a", "")) == {}


def test_what_people_say_goes_before_the_jury() -> None:
    told = right(stored("a", "a", "b", best=frozenset({B})))
    assert told == {JURY.digest: 0.0, LONGEST: 0.0, CONSENSUS: 0.0, PAIRWISE: 1.0}
    another = replace(stored("a", "a", "a"), request=RequestId("s"))
    _, by = from_log([stored("a", "a", "b", best=frozenset({B})), another], SEATS)
    assert by == {"people": 4, "jury": 3}
    assert from_log([stored("a", "a", "a")], SEATS, ["another"])[0] == {}


def test_an_anchor_that_is_judged_every_day_is_one_case() -> None:
    """Else a watch that judges 20 anchors again and again would soon have calibrated its judge on those alone."""
    daily = [stored("b", "b", "b", best=frozenset({B})), *[stored("a", "a", "a", best=frozenset({B}))] * 60]
    made, by = from_log(daily, SEATS)
    assert {digest: [one.right for one in of_one] for digest, of_one in made.items()} == {
        digest: [0.0] for digest in (JURY.digest, LONGEST, CONSENSUS, PAIRWISE)
    }
    assert by == {"people": 4}


def test_a_judge_can_be_fit_before_its_calibration_is_there(tmp_path: Path) -> None:
    out = tmp_path / "calibration.json"
    judge = JUDGES.build({"use": "pairwise", "model": "critic", "calibration": str(out)})
    blank = unlearned(judge, out)
    assert blank.calibration is None
    assert blank.digest == judge.digest
    assert unlearned(judge, tmp_path / "other.json") is judge


async def test_the_file_makes_a_simulated_judge_state_how_sure_it_is(tmp_path: Path) -> None:
    """Simulated: two pages in five name the worse answer, in both orders alike, so it looks surer than it is."""
    out = tmp_path / "calibration.json"
    labels = read(write_labels(tmp_path / "labels.jsonl", 160))
    async with opened(tmp_path, evaluator_noise=0.4) as (config, _):
        judges = {"house": config.judges["house"]}
        async with open_bench(config, judges) as fleet:
            found = await find("house", judges["house"], labels[:100], fleet, both_orders=False, told=lambda one: None)
            seats = Seats.of(judges)
            ((digest, name, of_one),) = in_order(from_labels(found, seats), seats)
            learned = calibrate(of_one, digest, name)
            write(out, Calibration(judges={digest: learned.fitted}))
        fitted = JUDGES.build({**judges["house"].model_dump(), "calibration": str(out)})
        async with open_bench(config, {"house": fitted}) as fleet:
            fresh = await find("house", fitted, labels[100:], fleet, both_orders=False, told=lambda one: None)
    right = [float(one.verdicts[0].winners == tuple(one.labelled.best)) for one in fresh]
    stated = [one.verdicts[0].confidence or 0.0 for one in fresh]
    raw = [signal(one.verdicts[0]) or 0.0 for one in fresh]
    before, after = ece(reliability(raw, right)), ece(reliability(stated, right))
    assert learned.accuracy.value is not None
    assert 0.45 < learned.accuracy.value < 0.75
    assert min(stated) > 0
    assert before is not None
    assert after is not None
    assert after < before


async def test_people_in_a_real_log_are_enough(tmp_path: Path) -> None:
    async with simulated(tmp_path, judge="house") as service:
        await ask_all(service, tasks(8))
        judges = service.settings.judges
    with closing(sqlite3.connect(tmp_path / "ensemble.db")) as db:
        db.execute(
            "INSERT INTO feedback (id, request_id, kind, candidate_id, given_by, source, created_at) "
            "SELECT id, id, 'preferred', chosen, 'ann', 'api', '' FROM requests"
        )
        db.commit()
    with judged(tmp_path / "ensemble.db") as verdicts:
        made, by = from_log(verdicts, Seats.of(judges))
    assert by["people"] == len(made[judges["house"].digest])
    assert by["people"] > 0
