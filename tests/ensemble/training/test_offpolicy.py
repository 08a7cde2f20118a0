"""Estimates against a simulated world in which the truth is known."""

from typing import Any

import numpy as np
import pytest

from ensemble.training.offpolicy import Logged, NoOverlap, doubly_robust, snips
from ensemble.training.table import FloatArray

MEMBERS = ("small", "medium", "large")


class World:
    """Requests of one feature; how good each member is depends on it, and so does whom the old router called."""

    def __init__(self, rows: int, seed: int, *, explore: float = 0.1) -> None:
        random = np.random.default_rng(seed)
        self.x = random.random(rows)
        self.truth = np.column_stack([0.95 - 0.9 * self.x, 0.7 - 0.2 * self.x, 0.95 - 0.3 * self.x])
        greedy = np.where(self.x < 0.5, 0, 1)
        self.propensity = np.full((rows, 3), explore)
        self.propensity[np.arange(rows), greedy] = 1 - 2 * explore
        cumulated = self.propensity.cumsum(axis=1)
        drawn = (random.random(rows)[:, None] > cumulated).sum(axis=1).clip(0, 2)
        self.quality = np.full((rows, 3), np.nan)
        got = (random.random(rows) < self.truth[np.arange(rows), drawn]).astype(float)
        self.quality[np.arange(rows), drawn] = got
        self.target = np.zeros((rows, 3))
        self.target[np.arange(rows), np.where(self.x < 0.3, 0, 2)] = 1.0

    @property
    def value(self) -> float:
        return float((self.target * self.truth).sum(axis=1).mean())

    def logged(self, **changes: Any) -> Logged:
        known: dict[str, Any] = {
            "target": self.target,
            "propensity": self.propensity,
            "quality": self.quality,
            "groups": [str(row) for row in range(len(self.x))],
            "members": MEMBERS,
        }
        return Logged(**{**known, **changes})


def means_over(worlds: int, **options: Any) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Errors of SNIPS, DR, and of the mean of what was served; whether SNIPS' interval holds the truth."""
    errors = []
    for seed in range(worlds):
        world = World(800, seed, **options)
        plain = snips(world.logged(), draws=200)
        robust = doubly_robust(world.logged(), world.truth + 0.1, draws=2)
        served = np.nanmean(world.quality)
        covered = plain.value.low <= world.value <= plain.value.high
        errors.append(
            (plain.value.point - world.value, robust.value.point - world.value, served - world.value, covered)
        )
    one, two, three, four = (np.array(column, dtype=np.float64) for column in zip(*errors, strict=True))
    return one, two, three, four


def test_both_find_the_truth_that_the_mean_of_what_was_served_misses() -> None:
    plain, robust, served, covered = means_over(100)
    assert abs(plain.mean()) < 0.01
    assert abs(robust.mean()) < 0.01
    assert abs(served.mean()) > 0.05
    assert 0.88 <= covered.mean() <= 1.0


def test_predictions_that_know_the_world_make_it_narrower() -> None:
    world = World(800, 1)
    sure = world.logged(quality=np.where(np.isnan(world.quality), np.nan, world.truth))
    plain, robust = snips(sure), doubly_robust(sure, world.truth)
    assert robust.value.high - robust.value.low < 0.8 * (plain.value.high - plain.value.low)
    assert robust.value.point == pytest.approx(world.value)


def test_a_log_of_everything_is_the_plain_mean() -> None:
    world = World(400, 2)
    whole = world.logged(propensity=np.ones((400, 3)), quality=world.truth)
    found = snips(whole)
    assert found.value.point == pytest.approx(world.value)
    assert found.effective == pytest.approx(400)


@pytest.mark.parametrize("certain", [0.0, 0.4], ids=["by lot", "some for certain"])
def test_labels_that_a_shadow_drew_need_no_predictions_that_are_right(certain: float) -> None:
    """Rows are what the lot of a shadow drew, with its whole panel; some plans had the panel judged in any case."""
    world = World(20_000, 9)
    chance = np.where(world.x < certain, 1.0, 0.1)
    drawn = np.random.default_rng(90).random(20_000) < chance
    logged = Logged(
        target=world.target[drawn],
        propensity=np.repeat(chance[drawn, None], 3, axis=1),
        quality=world.truth[drawn],
        groups=[str(row) for row in np.flatnonzero(drawn)],
        members=MEMBERS,
    )
    found = doubly_robust(logged, np.full((drawn.sum(), 3), 0.5), draws=200)
    assert found.value.point == pytest.approx(world.value, abs=0.02)
    assert found.value.low <= world.value <= found.value.high
    assert snips(logged, draws=2).value.point == pytest.approx(world.value, abs=0.02)


def test_a_member_that_is_mostly_asked_without_a_judge_is_refused() -> None:
    """A split of ``large`` alone and, on a tenth, the panel: only there are labels, whatever was called elsewhere."""
    world = World(4000, 10)
    drawn = np.random.default_rng(100).random(4000) < 0.1
    split = Logged(
        target=world.target[drawn],
        propensity=np.tile([0.1, 0.1, 1.0], (drawn.sum(), 1)),
        quality=world.truth[drawn],
        groups=[str(row) for row in np.flatnonzero(drawn)],
        members=MEMBERS,
    )
    for estimate in (snips, lambda logged: doubly_robust(logged, logged.quality)):
        with pytest.raises(NoOverlap, match="large was called where its answer was not judged"):
            estimate(split)


def test_labels_that_are_missing_here_and_there_are_no_reason_to_refuse() -> None:
    world = World(4000, 11)
    failed = np.random.default_rng(110).random(world.quality.shape) < [0.0, 0.0, 0.2]
    found = snips(world.logged(quality=np.where(failed, np.nan, world.quality)))
    assert found.value.point == pytest.approx(world.value, abs=0.06)


def test_what_could_not_be_called_is_refused_by_name() -> None:
    world = World(400, 3)
    propensity = world.propensity.copy()
    propensity[:, 2] = 0.0
    with pytest.raises(NoOverlap, match="the router takes large, which had no chance"):
        snips(world.logged(propensity=propensity))


def test_traffic_that_was_not_drawn_is_refused() -> None:
    world = World(400, 4)
    with pytest.raises(NoOverlap, match="400 of 400 requests were routed without chance"):
        doubly_robust(world.logged(propensity=np.full((400, 3), np.nan)), world.truth)


def test_a_log_without_labels_is_told_how_to_get_some() -> None:
    nothing = np.zeros((0, 3))
    empty = Logged(target=nothing, propensity=nothing, quality=nothing, groups=[], members=MEMBERS)
    with pytest.raises(NoOverlap, match="have a share judged by lot"):
        snips(empty)


def test_too_few_effective_observations_are_refused() -> None:
    world = World(100, 5, explore=0.02)
    with pytest.raises(NoOverlap, match="effective observations carry the estimate, 30 are needed"):
        snips(world.logged())


def test_the_effective_number_falls_as_weights_grow_apart() -> None:
    even, uneven = World(4000, 6, explore=0.3), World(4000, 6, explore=0.05)
    assert snips(even.logged(), draws=2).effective > 2 * snips(uneven.logged(), draws=2).effective


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"quality": np.zeros((1, 3))}, "shape"), ({"propensity": np.full((50, 3), 1.5)}, r"must lie in \[0, 1\]")],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        World(50, 7).logged(**changes)


def test_a_prediction_that_is_missing_is_refused() -> None:
    world = World(400, 8)
    with pytest.raises(ValueError, match="predicted: a number is needed"):
        doubly_robust(world.logged(), np.full((400, 3), np.nan))
