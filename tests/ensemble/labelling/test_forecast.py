from pathlib import Path

from ensemble.labelling.forecast import Forecast, Forecaster, sample
from ensemble.labelling.runner import Options
from ensemble.router import Context, Router
from ensemble.types import Plan, Request, Stage
from tests.ensemble.engine import panel
from tests.ensemble.labelling.workshop import MEMBERS, Workshop, a_workshop, asking, prompts, rows


async def foretold(shop: Workshop, trees: list[dict[str, str]], router: str = "judged") -> Forecast:
    return await Forecaster(shop.pipeline, Options(run="test", router=router)).look(rows(trees))


async def test_a_forecast_calls_nobody_and_the_run_does_as_foretold(tmp_path: Path) -> None:
    trees = [*prompts(70), {"prompt": "Question 3?"}, {"prompt": ""}]
    async with a_workshop(tmp_path) as shop:
        found = await foretold(shop, trees)
        assert sum(shop.asked().values()) == 0
        assert shop.select("SELECT count(*) FROM requests") == [(0,)]
        assert (found.rows, found.rejected, found.prompts, found.stored) == (72, 1, 70, 0)
        assert found.calls == {"small": 70, "large": 70}
        assert found.judge_calls == {"critic": 70}
        outcome = await shop.label(trees, router="judged")
        assert outcome.tally.members == found.calls + found.judge_calls
        assert found.most_nano_usd is not None
        assert outcome.tally.nano_usd < found.most_nano_usd
        again = await foretold(shop, trees)
        assert (again.stored, again.calls, again.judge_calls, again.expected_nano_usd) == (70, {}, {}, 0)


async def test_a_router_that_asks_a_model_plans_without(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, routers={"judged": asking()}) as shop:
        first = await foretold(shop, prompts(3))
        assert (first.calls, sum(shop.asked().values())) == ({"large": 3}, 0)
        await shop.label(prompts(3), router="judged")
        asked = shop.asked()
        assert asked["critic"] == 3
        assert ((await foretold(shop, prompts(3))).calls, shop.asked()) == ({}, asked)


class Choosing(Router):
    """Names another member where it may not ask anybody."""

    use = "choosing"

    async def plan(self, request: Request, context: Context) -> Plan:
        return Plan(router=self.digest, stages=(Stage(members=("small" if context.models else "large",)),))


async def test_what_is_filled_is_foretold_by_the_plan_that_it_was_filled_by(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, routers={"judged": Choosing()}) as shop:
        await shop.label(prompts(3), router="judged")
        found = await foretold(shop, prompts(4))
        assert (found.stored, found.calls) == (3, {"large": 1})


async def test_what_members_used_to_say_makes_the_expectation(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        before = (await foretold(shop, prompts(50))).expected_nano_usd
        await shop.label([{"prompt": "Old?"}], router="judged")
        found = await foretold(shop, prompts(50))
        assert found.basis["small"] == "1 call in the log"
        assert found.expected_nano_usd is not None
        assert before is not None
        assert found.expected_nano_usd < before
        cost = (await shop.label(prompts(50), router="judged")).tally.nano_usd
        assert 0.2 < found.expected_nano_usd / cost < 20  # scripted usage has nothing to do with the texts


async def test_a_knockout_of_four_asks_three_times(tmp_path: Path) -> None:
    script = {**MEMBERS, "huge": ("h",), "tiny": ("t",)}
    routers = {"judged": panel("small", "large", "huge", "tiny", judge="pairs")}
    async with a_workshop(tmp_path, script=script, routers=routers) as shop:
        assert (await foretold(shop, prompts(2))).judge_calls == {"critic": 6}


async def test_an_unknown_price_makes_an_unknown_cost(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, price=()) as shop:
        found = await foretold(shop, prompts(1))
        assert (found.expected_nano_usd, found.most_nano_usd) == (None, None)


async def test_a_run_in_batches_is_foretold_at_their_prices(tmp_path: Path) -> None:
    price = {"input": 2, "output": 4, "batch_input": 1, "batch_output": 2}
    async with a_workshop(tmp_path, price=price) as shop:
        online = await foretold(shop, prompts(3))
        options = Options(run="test", router="judged", via="batch")
        batch = await Forecaster(shop.pipeline, options).look(rows(prompts(3)))
        assert online.expected_nano_usd is not None
        assert online.most_nano_usd is not None
        assert (batch.expected_nano_usd, batch.most_nano_usd) == (
            online.expected_nano_usd / 2,
            online.most_nano_usd / 2,
        )


def test_a_sample_is_drawn_from_all_rows_and_counts_them() -> None:
    kept, count = sample(rows(prompts(500)), 100)
    assert (len(kept), count) == (100, 500)
    assert max(row.position for row in kept) > 400
    assert min(row.position for row in kept) < 100
