"""What drawn cases say of the judge, weighted by hand here."""

from typing import Any

import pytest

from ensemble.audit.reviewed import reviewed_tables
from ensemble.audit.shapes import Table, Window
from ensemble.judging.report import report
from ensemble.store.judged import judged_of
from ensemble.upkeep import derive
from tests.ensemble.audit.reviewing import ALPHA, BAD, BETA, TIE, UNSURE, ReviewedLog
from tests.ensemble.audit.reviewing import log as log


async def tables(log: ReviewedLog, **window: Any) -> dict[str, Table]:
    return await log.store.read(lambda db: reviewed_tables(db, Window(**window)))


async def test_a_rare_stratum_counts_for_its_size(log: ReviewedLog) -> None:
    await log.ask("common", 40)
    await log.ask("rare", 5)
    assert await log.draw(10) == 10
    drawn = await log.drawn()
    assert 2 <= [*drawn.values()].count("rare") <= 5  # far more than one in nine
    for id_, router in drawn.items():
        await log.decide(id_, ALPHA if router == "common" else BETA)
    told = await tables(log)
    (row,) = told["trust"].rows
    assert row["agrees"] == pytest.approx(40 / 45)
    assert row["errs"] == pytest.approx(5 / 45)
    assert row["gap"] == pytest.approx(0.8 - 40 / 45)
    assert (row["agrees_n"], row["judge"]) == (10, "house")
    assert row["agrees_low"] < 40 / 45 < row["agrees_high"]  # type: ignore[operator]
    assert "10 decided in this window, of 10 drawn from 45 judged requests" in told["trust"].note
    (bin_,) = told["calibration"].rows
    assert (bin_["from"], bin_["to"]) == (0.8, 1.0)
    assert bin_["stated"] == pytest.approx(0.8)
    assert bin_["agrees"] == pytest.approx(40 / 45)
    (one,) = told["draws"].rows
    assert (one["cases"], one["drawn"], one["decided"], one["since"]) == (45, 10, 10, None)
    strata = {row["stratum"]: row for row in told["strata"].rows}
    assert strata["rare: unknown disagreement"]["cases"] == 5
    assert sum(row["decided"] for row in strata.values()) == 10  # type: ignore[misc]


async def test_a_window_is_a_part_with_the_weights_of_the_whole(log: ReviewedLog) -> None:
    await log.ask("common", 40)
    await log.ask("rare", 5)
    await log.draw(10)
    for id_, router in (await log.drawn()).items():
        await log.decide(id_, ALPHA if router == "common" else BETA)
    (row,) = (await tables(log, router="rare"))["trust"].rows
    assert (row["agrees"], row["errs"]) == (0, 1)
    assert (await tables(log, since="2027-01-01"))["trust"].rows == []


async def test_what_is_not_decided_yet_is_told(log: ReviewedLog) -> None:
    await log.ask("common", 30)
    await log.ask("rare", 10)
    await log.draw(8)
    drawn = await log.drawn()
    for id_ in [id_ for id_, router in drawn.items() if router == "common"]:
        await log.decide(id_, ALPHA)
    note = (await tables(log))["trust"].note
    assert "whose strata hold 75% of it" in note


async def test_findings_that_say_nothing_of_a_judge_do_not_count(log: ReviewedLog) -> None:
    await log.ask("panel", 4, confidence=None)
    await log.draw(4)
    for id_, said in zip(await log.drawn(), (ALPHA, UNSURE, TIE, BAD), strict=True):
        await log.decide(id_, said)
    told = await tables(log)
    (row,) = told["trust"].rows
    assert row["agrees_n"] == 3
    assert row["agrees"] == pytest.approx(1.5 / 3)  # a winner where all are as good: half
    assert row["errs"] == pytest.approx(1 / 3)
    assert (row["gap"], row["gap_n"]) == (None, 0)
    assert told["calibration"].rows == []


async def test_a_judge_is_held_to_its_own_finding_not_to_what_logged_means_made_of_it(log: ReviewedLog) -> None:
    await log.ask("panel", 4, overruled=True)
    await log.draw(4)
    for id_ in await log.drawn():
        await log.decide(id_, ALPHA)
    told = await tables(log)
    (row,) = told["trust"].rows
    assert (row["agrees"], row["errs"]) == (1, 0)
    assert row["gap"] == pytest.approx(0.8 - 1)  # it was sure of that, too
    (own,) = report(
        await log.store.read(lambda db: list(judged_of(db, [one.request.id for one in log.records.values()])))
    )
    assert own.rates["accuracy"].value == row["agrees"]  # as the page on judges has it


async def test_two_who_decide_alone(log: ReviewedLog) -> None:
    await log.ask("panel", 4)
    await log.draw(4, twice=1)
    first, second, third, fourth = await log.drawn()
    for id_, said in ((first, (ALPHA, ALPHA)), (second, (BETA, BETA)), (third, (ALPHA, TIE))):
        for by, word in zip(("ann", "bob"), said, strict=True):
            await log.decide(id_, word, by)
    await log.decide(fourth, BETA)
    told = await tables(log)
    (row,) = told["reviewers"].rows
    assert row["same_n"] == 3  # half a finding is none
    assert row["same"] == pytest.approx(2 / 3)
    assert row["pi"] == pytest.approx((2 / 3 - 14 / 36) / (1 - 14 / 36))
    (judge,) = told["trust"].rows
    assert judge["agrees_n"] == 3
    assert judge["agrees"] == pytest.approx((1 + 0 + 0.75) / 3)
    await log.decide(third, BETA, "cat")
    settled = await tables(log)  # who settles it has seen what both found, so these figures stay what they were
    assert [settled[name].rows for name in ("reviewers", "trust")] == [
        told[name].rows for name in ("reviewers", "trust")
    ]


async def test_an_empty_log_says_what_to_do(log: ReviewedLog) -> None:
    told = await tables(log)
    assert all(not table.rows and table.empty for table in told.values())
    assert told["trust"].note.startswith("Nothing was drawn yet.")


async def test_strata_follow_the_disagreement(log: ReviewedLog) -> None:
    await log.ask("panel", 12)  # "answer of alpha" against "answer of beta", and a judge that is clear
    await derive(log.store)
    await log.draw(6)
    strata = {row["stratum"]: row["drawn"] for row in (await tables(log))["strata"].rows}
    assert strata == {"panel: high disagreement": 6}
