"""Judges on labelled cases, over the simulated fleet with its known truth."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensemble.bench import open_bench
from ensemble.judging.labelled import Labelled, read
from ensemble.judging.trial import Found, Trials, find, trials
from ensemble.simulator import status
from judges.testing import a_candidate, a_case, a_verdict
from judges.types import CandidateId
from tests.ensemble.engine import Picky
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


def said(number: int, best: str, winners: str, *, all_bad: bool = False) -> Found:
    """What is right and what a judge found, of two candidates whose ids are of this case alone."""
    case = a_case(*(a_candidate(letter, id=f"{letter}{number}") for letter in "ab"))
    labelled = Labelled(line=number, case=case, best=frozenset(CandidateId(f"{letter}{number}") for letter in best))
    verdict = replace(a_verdict(*(f"{letter}{number}" for letter in winners)), all_bad=all_bad)
    return Found(labelled=labelled, verdicts=(verdict,), calls=())


@pytest.mark.parametrize(
    ("found", "kappa"),
    [
        ([("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")], 0.0),  # who guesses
        ([("a", "a"), ("b", "b"), ("a", "b"), ("b", "b")], 0.5),
        ([("a", "a"), ("b", "b"), ("a", "ab"), ("b", "ab")], 0.5),  # a tie is half right
        ([("ab", "ab"), ("b", "b"), ("a", "a"), ("ab", "ab")], 1.0),
    ],
)
def test_kappa_is_over_whether_each_candidate_is_among_the_best(found: list[tuple[str, str]], kappa: float) -> None:
    cases = [said(number, best, winners) for number, (best, winners) in enumerate(found * 10)]
    ideal = [said(number, best, best) for number, (best, _) in enumerate(found * 10)]
    told = trials({"it": (Picky(), cases), "ideal": (Picky(), ideal)})
    assert [one.kappa.value for one in told.judges] == pytest.approx([kappa, 1.0])
    assert [each.value for _, _, each in told.kappas] == pytest.approx([kappa])
    assert told.judges[0].kappa.n == 40
    assert told.alpha is not None
    assert told.alpha.value == pytest.approx(kappa, abs=0.1)


def test_that_all_are_bad_is_a_finding_and_none_is_none() -> None:
    found = [said(0, "", "a", all_bad=True), said(1, "a", "a"), said(2, "a", "")]
    (one,) = trials({"it": (Picky(), found)}).judges
    assert (one.kappa.value, one.kappa.n) == (1.0, 2)
