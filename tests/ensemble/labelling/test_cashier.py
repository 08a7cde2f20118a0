import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.fleet import Seen
from ensemble.labelling.asking import Online, Question
from ensemble.labelling.cashier import Cashier
from ensemble.labelling.checks import check
from ensemble.labelling.runner import Options
from ensemble.labelling.tally import Tally
from ensemble.ledger import Aim
from ensemble.types import Call
from judges.types import Usage
from tests.ensemble.doubles import a_request, failed, said
from tests.ensemble.labelling.workshop import MEMBERS, Workshop, a_workshop, prompts

COST = 2 * (10 * 1000 + 5 * 2000)  # nano-USD of one prompt: two calls of 10 tokens in and 5 out at 1 and 2 USD


def set_aside(shop: Workshop) -> int:
    return int(shop.select("SELECT coalesce(sum(nano_usd), 0) FROM reservations")[0][0])


def spent(shop: Workshop) -> int:
    return int(shop.select("SELECT coalesce(sum(nano_usd), 0) FROM calls")[0][0]) + set_aside(shop)


@pytest.mark.parametrize("delay_s", [0.0, 0.002])
async def test_a_run_stops_under_its_cap_over_all_its_invocations(tmp_path: Path, delay_s: float) -> None:
    cap = 10 * COST
    for _ in range(2):
        async with a_workshop(tmp_path) as shop:
            for wire in shop.wires.values():
                wire.delay_s = delay_s
            outcome = await shop.label(prompts(30), max_nano_usd=cap)
            assert "the cap" in str(outcome.stopped)
            assert outcome.spent_nano_usd == spent(shop) <= cap
            assert set_aside(shop) == 0
            # What is left has no room for what one more call may cost.
            assert spent(shop) > cap - 2 * 400_000


async def test_a_larger_cap_goes_on(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await shop.label(prompts(30), max_nano_usd=10 * COST)
        asked = shop.asked()["small"]
        outcome = await shop.label(prompts(30), max_nano_usd=1_000 * COST)
        assert outcome.stopped is None
        assert 0 < asked < shop.asked()["small"] == 30
        assert shop.select("SELECT count(*) FROM labels WHERE usable = 1") == [(30,)]


async def test_runs_of_other_names_have_money_of_their_own(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await shop.label(prompts(30), max_nano_usd=10 * COST)
        outcome = await shop.label([{"prompt": "Other?"}], max_nano_usd=30 * COST, run="other")
        assert outcome.stopped is None
        assert outcome.spent_nano_usd == COST


async def test_a_call_of_unknown_cost_counts_as_the_most_that_it_can_cost(tmp_path: Path) -> None:
    script = {**MEMBERS, "large": (failed("timeout", sent=True),)}
    async with a_workshop(tmp_path, script=script) as shop:
        outcome = await shop.label([{"prompt": "One?"}], max_nano_usd=100 * COST)
        assert shop.select("SELECT count(*) FROM calls WHERE nano_usd IS NULL") == [(1,)]
        assert set_aside(shop) > 50 * 2000
        assert outcome.spent_nano_usd == spent(shop)


async def test_what_a_crash_left_behind_counts_in_full(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        sql = "INSERT INTO reservations VALUES ('gone', 'test', ?, '2026-11-24T00:00:00.000000Z')"
        await shop.pipeline.store.change(lambda db: db.conn.execute(sql, [10 * COST]))
        outcome = await shop.label(prompts(1), max_nano_usd=10 * COST)
        assert outcome.stopped is not None
        assert shop.asked()["small"] == 0


async def test_money_is_set_aside_before_the_call_leaves(tmp_path: Path) -> None:
    seen = []
    async with a_workshop(tmp_path) as shop:
        wire = shop.wires["small"]
        complete = wire.complete

        async def looking(model: str, prompt: object) -> object:
            seen.append(shop.select("SELECT scope, nano_usd > 0 FROM reservations"))
            return await complete(model, prompt)  # type: ignore[arg-type]

        wire.complete = looking  # type: ignore[method-assign, assignment]
        await shop.label(prompts(1), max_nano_usd=100 * COST)
    assert ("test", 1) in seen[0]


async def test_the_judge_is_under_the_cap_too(tmp_path: Path) -> None:
    script = {**MEMBERS, "critic": (said("[[A]]", usage=Usage(input_tokens=300, output_tokens=1)),)}
    async with a_workshop(tmp_path, script=script) as shop:
        outcome = await shop.label(prompts(30), router="judged", max_nano_usd=8_000_000)
        assert outcome.stopped is not None
        assert spent(shop) <= 8_000_000
        assert set_aside(shop) == 0
        assert shop.select("SELECT count(*) FROM verdicts WHERE outcome = 'failed'") == [(0,)]


async def test_members_without_price_or_limit_are_refused_by_name(tmp_path: Path) -> None:
    options = Options(run="r", router="panel", max_nano_usd=1)
    async with a_workshop(tmp_path, price={"input": 1}) as shop:
        with pytest.raises(ConfigError, match=r"small: it has no price .*large: it has no price"):
            check(shop.pipeline, options)
    async with a_workshop(tmp_path, max_output_tokens=None) as shop:
        with pytest.raises(ConfigError, match="small: nothing limits its output"):
            check(shop.pipeline, options)
        check(shop.pipeline, Options(run="r", router="panel"))
        with pytest.raises(ConfigError, match="there is no router 'pannel'; try panel"):
            check(shop.pipeline, Options(run="r", router="pannel"))


async def test_a_prompt_with_an_image_has_no_bound(tmp_path: Path) -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    async with a_workshop(tmp_path) as shop:
        outcome = await shop.label([{"messages": [{"role": "user", "content": [part]}]}], max_nano_usd=10**9)
        assert sum(outcome.tally.problems.values()) == 1
        assert shop.asked()["small"] == 0


async def test_stopping_lets_calls_end_and_cancelling_writes_them_down(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        for wire in shop.wires.values():
            wire.delay_s = 30
        runner = shop.runner()
        await shop.label([])
        async with asyncio.TaskGroup() as group:
            task = group.create_task(shop.label(prompts(2)))
            while shop.asked()["large"] < 2:  # noqa: ASYNC110 - a scripted member tells nobody
                await asyncio.sleep(0)
            task.cancel()
        runner.stop("over")
        assert shop.select("SELECT failure, count(*) FROM calls GROUP BY 1") == [("cancelled", 4)]


class Waiting(Online):
    """Sends nothing for ever."""

    async def ask(self, question: Question, seen: Seen) -> Call:
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize("turns", [1, 2, 3, 100])
async def test_whenever_a_question_is_cancelled_no_money_stays_set_aside_for_nothing(
    tmp_path: Path, turns: int
) -> None:
    async with a_workshop(tmp_path) as shop:
        store, cap = shop.pipeline.store, 100 * COST
        await shop.label(prompts(1))
        ((id_,),) = shop.select("SELECT id FROM requests")
        request, member = replace(a_request(), id=id_), shop.pipeline.fleet["small"]
        question = Question(request=request, member=member, prompt=request.prompt, aim=Aim(purpose="judge", run="test"))
        cashier = Cashier(store, Waiting(), "test", Tally(), cap)
        asking = asyncio.get_running_loop().create_task(cashier.ask(question))
        for _ in range(turns):
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
        assert asking.cancelled()
        assert await cashier.spent() == COST
        assert set_aside(shop) == 0
