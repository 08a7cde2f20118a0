"""Judges on labelled cases, over the simulated fleet with its known truth."""

from pathlib import Path
from typing import Any

from ensemble.bench import open_bench
from ensemble.judging.labelled import read
from ensemble.judging.trial import Found, Trials, find, trials
from ensemble.simulator import status
from tests.ensemble.judging.fleet import opened, write_labels


async def tried(folder: Path, *judges: str, n: int = 40, both_orders: bool = True, **settings: Any) -> Trials:
    labels = write_labels(folder / "labels.jsonl", n)
    heard: list[Found] = []
    async with opened(folder, **settings) as (config, _):
        wanted = {name: config.judges[name] for name in judges}
        async with open_bench(config, wanted) as fleet:
            found = {
                name: (judge, await find(name, judge, read(labels), fleet, both_orders=both_orders, told=heard.append))
                for name, judge in wanted.items()
            }
    assert len(heard) == n * len(judges)
    return trials(found)


async def test_a_fair_judge_is_right_and_length_is_not(tmp_path: Path) -> None:
    told = await tried(tmp_path, "once", "longest")
    once, longest = told.judges
    assert once.rates["accuracy"].value == 1.0
    assert once.rates["consistency"].value == 1.0
    assert once.kappa.value == 1.0
    assert longest.rates["accuracy"].value is not None
    assert longest.rates["accuracy"].value < 0.8
    assert longest.rates["consistency"].n == 0
    assert longest.rates["longer"].value == 1.0
    assert (longest.cost.nano_usd, longest.cost.unpriced) == (0, 0)
    ((one, other, kappa),) = told.kappas
    assert (one, other, kappa.n) == ("once", "longest", 40)
    assert told.alpha is not None


async def test_a_judge_of_one_order_is_asked_in_the_other_as_well(tmp_path: Path) -> None:
    (once,) = (await tried(tmp_path, "once", position_bias=0.5)).judges
    assert once.rates["consistency"].n == 40
    assert once.rates["first"].low is not None
    assert once.rates["first"].low > 0.55
    assert once.rates["flips"].value is not None
    assert 0.3 < once.rates["flips"].value < 0.7
    assert once.rates["accuracy"].n == 80
    assert once.nano_usd.n == 80
    assert once.nano_usd.value is not None
    assert once.cost.nano_usd == round(80 * once.nano_usd.value)


async def test_one_order_costs_half(tmp_path: Path) -> None:
    (once,) = (await tried(tmp_path, "once", n=10, both_orders=False)).judges
    assert once.rates["consistency"].n == 0
    assert once.nano_usd.n == 10


async def test_a_judge_that_does_not_answer_has_no_finding_and_is_not_right(tmp_path: Path) -> None:
    labels = read(write_labels(tmp_path / "labels.jsonl", 6))
    async with opened(tmp_path) as (config, simulator):
        simulator.always("judge", status(400))
        wanted = {"once": config.judges["once"]}
        async with open_bench(config, wanted) as fleet:
            found = await find("once", wanted["once"], labels, fleet, both_orders=False, told=lambda one: None)
    (once,) = trials({"once": (wanted["once"], found)}).judges
    assert once.rates["null"].value == 1.0
    assert once.rates["accuracy"].value == 0.0
    assert once.kappa.n == 0
