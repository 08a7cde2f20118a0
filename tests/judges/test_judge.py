"""What every judge does with its calibration."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from judges import JUDGES, CandidateId, InvalidOptions, Judge
from judges.calibration import Calibration, Fitted, write
from judges.testing import a_case
from tests.judges.reader import Reader

CURVE = ((0.5, 0.55), (0.8, 0.9))
PAIR = {"use": "pairwise", "model": "small", "order": "both"}
CASE = a_case("short", "longer")


def book(*judges: Judge) -> Calibration:
    return Calibration(judges={one.digest: Fitted(n=9, right=7, knots=CURVE) for one in judges})


def calibrated(tmp_path: Path, spec: Mapping[str, object], *known: Judge) -> Judge:
    write(tmp_path / "cal.json", book(*known))
    judge = JUDGES.build({**spec, "calibration": tmp_path / "cal.json"})
    judge.load()
    return judge


async def test_a_calibrated_judge_says_how_sure_it_is(tmp_path: Path) -> None:
    judge = calibrated(tmp_path, PAIR, JUDGES.build(PAIR))
    verdict = await judge.decide(CASE, {"small": Reader()})
    assert verdict.confidence == pytest.approx(0.9), "two orders that agree have a signal of 0.8"
    assert verdict.weights == book(judge).hash
    assert list(judge.misfits()) == []
    assert (await judge.judge(CASE, {"small": Reader()})).confidence is None


async def test_a_file_for_another_judge_leaves_the_confidence_unknown_and_says_so(tmp_path: Path) -> None:
    judge = calibrated(tmp_path, PAIR, JUDGES.build("longest"))
    verdict = await judge.decide(CASE, {"small": Reader()})
    assert (verdict.winners, verdict.confidence, verdict.weights) == ((CandidateId("c1"),), None, None)
    ((place, told),) = judge.misfits()
    assert place == "calibration"
    assert "holds nothing on this judge" in told


async def test_a_file_that_fits_a_stage_alone_does_not_speak_for_the_whole(tmp_path: Path) -> None:
    staged = {"use": "staged", "stages": [PAIR]}
    judge = calibrated(tmp_path, staged, JUDGES.build(PAIR))
    verdict = await judge.decide(CASE, {"small": Reader()})
    assert verdict.confidence is None
    assert verdict.ballots[0].confidence == pytest.approx(0.9)
    assert [place for place, _ in judge.misfits()] == ["calibration"]
    fitting = calibrated(tmp_path, staged, JUDGES.build(staged))
    assert (await fitting.decide(CASE, {"small": Reader()})).confidence == pytest.approx(0.9)


async def test_no_finding_has_no_confidence(tmp_path: Path) -> None:
    judge = calibrated(tmp_path, PAIR, JUDGES.build(PAIR))
    assert (await judge.decide(CASE, {})).confidence is None


async def test_one_file_of_a_jury_holds_for_its_seats(tmp_path: Path) -> None:
    jury = {"use": "jury", "seats": [PAIR, "longest"]}
    judge = calibrated(tmp_path, jury, JUDGES.build(PAIR), JUDGES.build(jury))
    verdict = await judge.decide(CASE, {"small": Reader()})
    assert [ballot.confidence for ballot in verdict.ballots] == [pytest.approx(0.9), None]
    assert verdict.confidence is not None


def test_what_was_learned_of_a_judge_does_not_make_it_another(tmp_path: Path) -> None:
    for spec in (PAIR, {"use": "jury", "seats": [PAIR]}):
        assert JUDGES.build({**spec, "calibration": "cal.json"}).digest == JUDGES.build(spec).digest
    loaded = calibrated(tmp_path, PAIR)
    assert loaded == JUDGES.build(loaded.model_dump())


def test_the_digests_of_judges_are_as_they_were_before_there_were_calibrations() -> None:
    assert JUDGES.build("longest").digest == "15dca83c04868748fba16b9d750665d37492e4739e53b9d20145e49a100fba64"


def test_a_missing_file_is_an_error_of_the_start() -> None:
    with pytest.raises(OSError, match=r"nowhere\.json"):
        JUDGES.build({**PAIR, "calibration": "nowhere.json"}).load()


def test_loading_a_panel_loads_what_is_in_it(tmp_path: Path) -> None:
    bad = {**PAIR, "calibration": str(tmp_path / "none.json")}
    for panel in (
        {"use": "jury", "seats": ["longest", bad]},
        {"use": "staged", "stages": [{"use": "jury", "seats": [bad]}]},
    ):
        with pytest.raises(InvalidOptions, match=r"none\.json"):
            JUDGES.build(panel).load()
