"""Stored cases before another judge."""

from pathlib import Path
from typing import Any

import pytest

from ensemble.errors import StoreError
from ensemble.rejudging.again import Options
from ensemble.rejudging.runner import TOO_FEW, Outcome, Rejudger
from judges.judge import JUDGES
from tests.ensemble.doubles import failed
from tests.ensemble.labelling.workshop import MEMBERS, Workshop, a_workshop, prompts
from tests.ensemble.rejudging.benches import Shy, labelled, verdicts

ONE_ORDER = JUDGES.build({"use": "pairwise", "model": "critic", "order": "single"})


async def rejudge(shop: Workshop, judge: str = "shy", **options: Any) -> Outcome:
    return await Rejudger(shop.pipeline, Options(**{"judge": judge, "run": "again", **options})).run()


async def test_new_findings_stand_beside_the_old_ones(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"shy": Shy()}) as shop:
        await labelled(shop)
        before = list(shop.pipeline.store.labels())
        churn = (await rejudge(shop)).churn
        assert (churn.cases, churn.changed.value, churn.changed.n, churn.reused) == (6, 1.0, 6, 0)
        (moved,) = churn.moved()
        assert (moved.before, moved.after, moved.cases) == (("large",), ("small",), 6)
        assert (moved.confidence_before, moved.confidence) == (None, 0.75)
        assert verdicts(shop) == [("picky", "full")] * 6 + [("shy", "rejudged")] * 6
        assert list(shop.pipeline.store.labels()) == before


async def test_what_this_judge_found_before_is_not_judged_again(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"shy": Shy()}) as shop:
        await labelled(shop)
        first = (await rejudge(shop)).churn
        again = (await rejudge(shop)).churn
        assert (again.reused, again.moved(), len(verdicts(shop))) == (6, first.moved(), 12)
        own = (await rejudge(shop, "picky")).churn
        assert (own.reused, own.changed.value, own.moved()) == (6, 0.0, [])


async def test_where_picks_the_cases(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"shy": Shy(loud_on=("Question 1",))}) as shop:
        await labelled(shop)
        outcome = await rejudge(shop, where="messages LIKE '%Question 1?%' OR messages LIKE '%Question 2?%'")
        assert (outcome.churn.cases, outcome.churn.changed.value) == (2, 0.5)
        assert outcome.churn.confidence_unchanged == 0.75
        with pytest.raises(StoreError, match="condition on the columns of requests"):
            await rejudge(shop, where="nonsense = 1")


async def test_calls_of_the_judge_stand_in_the_ledger(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"one": ONE_ORDER}) as shop:
        await labelled(shop)
        outcome = await rejudge(shop, "one")
        calls = shop.select("SELECT run, seat, nano_usd, key IS NOT NULL FROM calls WHERE purpose = 'judge'")
        assert calls == [("again", "one", 20_000, 1)] * 6
        assert (outcome.tally.nano_usd, outcome.tally.calls) == (120_000, {"judge": 6})
        assert (await rejudge(shop, "one")).tally.calls == {}


async def test_a_cap_holds_and_nothing_is_paid_twice(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"one": ONE_ORDER}, max_output_tokens=10) as shop:
        await labelled(shop)
        capped = await rejudge(shop, "one", max_nano_usd=1_800_000, concurrency=1)
        stored = shop.select("SELECT count(*), sum(nano_usd) FROM calls WHERE purpose = 'judge'")[0]
        assert capped.stopped is not None
        assert 0 < stored[0] < 6
        assert stored[1] <= 1_800_000
        rest = await rejudge(shop, "one")
        assert (rest.churn.reused, rest.tally.calls["judge"]) == (stored[0], 6 - stored[0])


async def test_one_candidate_is_nothing_to_compare(tmp_path: Path) -> None:
    script = {**MEMBERS, "small": (failed("rejected"),)}
    async with a_workshop(tmp_path, script=script, judges={"shy": Shy()}) as shop:
        await shop.label(prompts(2))
        churn = (await rejudge(shop)).churn
        assert (churn.skipped, churn.cases) == ({TOO_FEW: 2}, 0)


async def test_a_judge_without_a_finding(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"shy": Shy(outcome="failed")}) as shop:
        await labelled(shop, 2)
        churn = (await rejudge(shop)).churn
        assert (churn.undecided, churn.changed.n) == (2, 0)
        assert (await rejudge(shop)).churn.reused == 0  # a failure is no finding to keep
