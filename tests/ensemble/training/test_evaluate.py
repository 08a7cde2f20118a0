"""Routers on held-out labels: every line, against figures worked out by hand or by construction."""

import numpy as np
import pytest

from ensemble.routers.single import Single
from ensemble.training.evaluate import TooFewLabels, evaluate, measurable
from ensemble.training.held import Held, hold
from ensemble.training.replay import Replayed, replay
from ensemble.training.report import Line, Report
from tests.ensemble.training.examples import MEMBERS, a_hold, an_example
from tests.ensemble.training.test_replay import FLEET, ByLength

BASELINES = ("random", "cheapest", "best single", "length only", "oracle")


async def measured(held: Held, *routers: tuple[str, ByLength | Single], draws: int = 200) -> Report:
    kept, frame = measurable(held, frozenset())
    found: list[Replayed] = [await replay(name, router, kept, FLEET) for name, router in routers]
    return evaluate(kept, frame, found, draws=draws)


def line(report: Report, name: str) -> Line:
    return next(line for line in report.lines if line.name == name and line.kind != "member")


async def test_every_router_and_baseline_has_every_figure() -> None:
    report = await measured(a_hold(200), ("length", ByLength()), ("dear", Single(member="large")))  # type: ignore[arg-type] # a name
    assert [line.name for line in report.lines] == ["length", "dear", *BASELINES, *MEMBERS]
    assert (report.cheapest, report.best_single, report.rows, report.groups) == ("small", "large", 200, 200)
    for one in report.lines:
        assert set(one.accuracy) == {"ties_right", "informative", "cheapest_best"}
        for figure in (one.quality, one.nano_usd, one.seconds, one.ratio, one.saved, one.regret):
            assert figure.low - 1e-9 <= figure.point <= figure.high + 1e-9


async def test_a_router_that_knows_saves_at_almost_the_same_quality() -> None:
    report = await measured(a_hold(300), ("length", ByLength()))
    router, dear, oracle = line(report, "length"), line(report, "best single"), line(report, "oracle")
    assert router.saved.point > 0.4
    assert router.ratio.point > 0.95
    assert (dear.saved.point, dear.ratio.point) == (0.0, 1.0)
    assert oracle.regret.point == 0.0
    assert oracle.ratio.point >= router.ratio.point
    assert oracle.accuracy["cheapest_best"].value.point == 1.0
    assert router.frontier is not None
    assert router.frontier.saved[0.95].point >= 0.4
    assert router.frontier.apgr.point > 0.6
    assert router.ece is not None
    assert router.ece < 0.1


async def test_length_alone_finds_what_length_tells() -> None:
    report = await measured(a_hold(400))
    length, random = line(report, "length only"), line(report, "random")
    assert length.regret.point < random.regret.point
    assert length.frontier is not None
    assert length.frontier.apgr.point > 0.6
    blind = hold([an_example(f"r{row}", {name: float(row % 2) for name in MEMBERS}) for row in range(40)])
    assert line(await measured(blind), "length only").regret.point == 0.0


async def test_confusion_and_misroutes_tell_where_it_went_wrong() -> None:
    held = hold(
        [
            an_example("easy", {"small": 1.0, "medium": 1.0, "large": 1.0}, "short"),
            an_example("trap", {"small": 0.0, "medium": 0.25, "large": 1.0}, "short <b>but</b> hard"),
        ],
        members=MEMBERS,
    )
    router = line(await measured(held, ("length", ByLength())), "length")
    assert router.confusion == ((1, 0, 0), (0, 0, 0), (1, 0, 0))
    (worst,) = router.misroutes
    assert (worst.id, worst.taken, worst.best, worst.lost) == ("trap", "small", "large", 1.0)


async def test_what_a_router_was_fitted_on_is_left_out() -> None:
    held = a_hold(50)
    kept, frame = measurable(held, frozenset({"r000", held.table.groups[1]}))
    assert (len(kept), frame.seen) == (48, 2)
    assert "r000" not in kept.table.ids
    with pytest.raises(TooFewLabels, match="50 were used to fit a router"):
        measurable(held, frozenset(held.table.ids))


def test_incomplete_labels_and_unknown_members_are_told() -> None:
    rows = [an_example(f"r{row}", {"small": 1.0, "large": 1.0}) for row in range(9)]
    rows.append(an_example("new", {"small": 1.0, "medium": 1.0}))
    kept, frame = measurable(hold(rows), frozenset())
    assert (kept.table.members, len(kept), frame.incomplete, frame.left_out) == (("large", "small"), 9, 1, ("medium",))
    with pytest.raises(TooFewLabels, match="1 of 1 members have a quality"):
        measurable(hold([an_example("1", {"small": 1.0})], members=("small",)), frozenset())


async def test_people_are_told_of_from_50_requests_on() -> None:
    few = await measured(a_hold(49, people=frozenset({"small"})), ("cheap", Single(member="small")))  # type: ignore[arg-type] # a name
    assert (few.people, few.routers[0].people) == (49, {})
    enough = await measured(a_hold(60, people=frozenset({"small"})), ("cheap", Single(member="small")))  # type: ignore[arg-type] # a name
    found = enough.routers[0].people["ties_right"]
    assert (found.rows, found.value.point, found.constant) == (60, 1.0, "small")


async def test_an_unknown_cost_leaves_the_saving_unknown() -> None:
    free = a_hold(60, nano_usd={"small": None, "medium": None, "large": None})
    router = line(await measured(free, ("length", ByLength())), "length")
    assert np.isnan(router.saved.point)
    assert np.isnan(router.nano_usd.point)
    assert router.frontier is None
    assert router.ratio.point > 0.9


async def test_requests_without_a_plan_count_for_nothing_and_are_told() -> None:
    held = hold(
        [*a_hold(20).examples, an_example("none", {"small": 0.0, "medium": 0.0, "large": 1.0}, "there is no plan")],
        members=MEMBERS,
    )
    router = line(await measured(held, ("length", ByLength())), "length")
    assert (router.rows, router.without_plan, router.problem) == (20, 1, "it says no")


async def test_the_order_of_labels_changes_nothing() -> None:
    held = a_hold(80)
    order = np.random.default_rng(2).permutation(80)
    one, other = [await measured(rows, ("length", ByLength())) for rows in (held, held.take(order))]
    for first, second in zip(one.lines, other.lines, strict=True):
        for name in ("quality", "nano_usd", "ratio", "saved", "regret"):
            for part in ("point", "low", "high"):
                assert getattr(getattr(first, name), part) == pytest.approx(
                    getattr(getattr(second, name), part), abs=1e-9
                )
        assert first.misroutes == second.misroutes
