from itertools import combinations

import numpy as np
import pytest

from ensemble.training.held import hold
from ensemble.training.panels import panels
from tests.ensemble.training.examples import MEMBERS, a_hold, an_example

SCORES = [
    {"small": 1.0, "medium": 1.0, "large": 1.0},
    {"small": 0.0, "medium": 1.0, "large": 1.0},
    {"small": 0.0, "medium": 0.0, "large": 1.0},
    {"small": 1.0, "medium": 0.0, "large": 0.0},
]


def test_every_panel_and_quorum_is_replayed() -> None:
    held = hold([an_example(str(n), scores, judge_nano_usd=30) for n, scores in enumerate(SCORES)], members=MEMBERS)
    found = panels(held, draws=50)
    assert (found.tried, found.possible) == (12, 12)
    by_plan = {(panel.members, panel.quorum): panel for panel in found.all}
    assert set(by_plan) == {
        (chosen, quorum)
        for size in (1, 2, 3)
        for chosen in combinations(MEMBERS, size)
        for quorum in range(1, size + 1)
    }


def test_figures_of_one_panel() -> None:
    held = hold([an_example(str(n), scores, judge_nano_usd=30) for n, scores in enumerate(SCORES)], members=MEMBERS)
    found = {(panel.members, panel.quorum): panel for panel in panels(held, draws=50).all}
    both, first = found[("small", "large"), 2], found[("small", "large"), 1]
    assert (both.quality, both.nano_usd, both.judging, both.seconds) == (1.0, 121.0, 20.0, 3.0)
    assert (first.quality, first.nano_usd, first.judging, first.seconds) == (0.5, 101.0, 0.0, 1.0)
    alone = found[("large",), 1]
    assert (alone.quality, alone.nano_usd) == (0.75, 100.0)


def test_the_smallest_panel_and_what_each_member_is_worth() -> None:
    held = hold([an_example(str(n), scores, judge_nano_usd=30) for n, scores in enumerate(SCORES)], members=MEMBERS)
    found = panels(held, draws=50)
    assert (found.smallest.members, found.smallest.quorum, found.smallest_ratio.point) == (("small", "large"), 2, 1.0)
    gains = {gain.name: gain for gain in found.members}
    assert gains["medium"].quality.point == 0.0
    assert gains["medium"].nano_usd.point == pytest.approx(20.0)  # its own answer, and a third of the judging
    assert gains["small"].quality.point == 0.25
    assert found.judge.quality.point == 0.25  # against always large
    assert found.best[0].members == ("small",)
    assert [panel.quality for panel in found.best] == sorted(panel.quality for panel in found.best)


@pytest.mark.parametrize(
    ("judging", "each"),
    [
        pytest.param([30, None, 60, None], 45.0, id="as the mean of those that are known"),
        pytest.param([None] * 4, np.nan, id="unknown where none is"),
    ],
)
def test_judging_of_unknown_cost_is_never_free(judging: list[int | None], each: float) -> None:
    rows = zip(SCORES, judging, strict=True)
    held = hold([an_example(str(n), one, judge_nano_usd=cost) for n, (one, cost) in enumerate(rows)], members=MEMBERS)
    found = panels(held, draws=50)
    alone = {panel.members: panel.nano_usd for panel in found.all if len(panel.members) == 1}
    assert found.full.judging == pytest.approx(each, nan_ok=True)
    assert found.full.nano_usd == pytest.approx(sum(alone.values()) + each, nan_ok=True)
    assert alone["large",] == 100.0  # nobody judges one answer


def test_unknown_times_leave_quorums_out_and_unknown_costs_unknown() -> None:
    held = hold(
        [an_example(str(n), scores, total_s={}, nano_usd={"small": None}) for n, scores in enumerate(SCORES)],
        members=MEMBERS,
    )
    found = panels(held, draws=50)
    assert {panel.quorum == len(panel.members) for panel in found.all} == {True}
    assert np.isnan(found.full.nano_usd)
    assert np.isnan(found.full.seconds)
    assert found.full.quality == 1.0


def test_many_members_are_bounded_and_the_largest_panels_are_still_there() -> None:
    names = [f"m{place:02}" for place in range(14)]
    random = np.random.default_rng(1)
    scores = [{name: float(random.random() < 0.5) for name in names} for _ in range(10)]
    held = hold([an_example(str(n), one, nano_usd={}, total_s={}) for n, one in enumerate(scores)])
    found = panels(held, draws=10)
    assert found.tried < 5000 < found.possible
    assert {len(panel.members) for panel in found.all} >= {1, 2, 3, 13, 14}


def test_there_must_be_labels() -> None:
    with pytest.raises(ValueError, match="no full-panel label"):
        panels(a_hold(3).take(np.zeros(3, dtype=np.bool_)))
