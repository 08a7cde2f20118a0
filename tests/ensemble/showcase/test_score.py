"""Figures of routers on known truth, against a reckoning by hand."""

from collections.abc import Sequence

import pytest

from ensemble.showcase.score import lines, promises, truth, winner
from ensemble.showcase.traffic import Served
from ensemble.simulator.tasks import Task

KINDS = ("greeting", "critical", "logic", "units")
TASKS = [
    Task(id=f"t{n}", kind=kind, difficulty=0.5, prompt=kind, truth="4", checker="number")
    for n, kind in enumerate(KINDS)
]
COSTS = {"small": 1, "balanced": 4, "large": 20}
RIGHT = {"small": (1, 0, 0, 0), "balanced": (1, 1, 0, 0), "large": (1, 1, 1, 0)}


def rows(router: str, members: Sequence[str], *, extra: int = 0) -> list[Served]:
    """What ``router`` served of each task when it took ``members``, each call and ``extra`` paid."""
    return [
        Served(task=task, router=router, member=name, right=bool(RIGHT[name][at]), nano_usd=COSTS[name] + extra)
        for at, (task, name) in enumerate(zip(TASKS, members, strict=True))
    ]


def served(*chosen: tuple[str, Sequence[str]], extra: int = 0) -> dict[str, list[Served]]:
    alone = {name: rows(name, [name] * 4) for name in COSTS}
    return alone | {router: rows(router, members, extra=extra) for router, members in chosen}


GOOD = ("good", ("small", "balanced", "large", "small"))
POOR = ("poor", ("small", "small", "small", "small"))


def test_the_figures_are_those_of_a_reckoning_by_hand() -> None:
    good = lines(served(GOOD, extra=1), draws=50)[-1]
    assert good.quality.point == 0.75
    assert good.nano_usd.point == (2 + 5 + 21 + 2) / 4
    assert good.quality_ratio.point == 1
    assert good.cost_ratio.point == 30 / 80
    assert good.regret.point == 0
    assert good.taken == {"small": 0.5, "balanced": 0.25, "large": 0.25}
    # Nobody is right on the last task, so it counts in no reading; on the first all are.
    assert {name: (one.rows, one.value.point) for name, one in good.accuracy.items()} == {
        "ties_right": (3, 1),
        "informative": (2, 1),
        "cheapest_best": (3, 1),
    }
    poor = lines(served(POOR), draws=50)[-1]
    assert poor.regret.point == 0.5
    assert poor.accuracy["informative"].value.point == 0
    assert poor.accuracy["ties_right"].constant == "large"


def test_the_truth_is_what_the_members_alone_answered() -> None:
    table = truth(served())
    assert table.quality.tolist() == [[1, 1, 1], [0, 1, 1], [0, 0, 1], [0, 0, 0]]
    assert table.best.sum(axis=1).tolist() == [3, 2, 1, 0]


def test_the_winner_is_the_cheapest_that_keeps_the_quality() -> None:
    assert winner(lines(served(POOR, GOOD), draws=50)).router == "good"
    assert winner(lines(served(POOR), draws=50)).router == "large"


def test_an_unknown_cost_is_not_taken_for_none() -> None:
    known = served(GOOD)
    known["good"][2] = Served(task=TASKS[2], router="good", member="large", right=True, nano_usd=None)
    with pytest.raises(ValueError, match="good: what task t2 cost is unknown"):
        lines(known)


def test_promises_count_what_rules_and_llm_were_asked_for() -> None:
    known = served(("rules", ("small", "balanced", "large", "large")), ("llm", ("small", "small", "large", "large")))
    swayed = rows("llm", ("small", "large", "large", "large"))
    kept = promises(known, swayed)
    assert (kept.greetings_small, kept.critical_below, kept.unswayed) == (1.0, 1.0, 0.75)
