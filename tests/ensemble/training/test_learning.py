import numpy as np
import pytest

from ensemble.training.learning import SHARES, learning_curve
from ensemble.training.splits import by_group
from tests.ensemble.training.examples import MEMBERS, a_hold

MANIFEST = {"kind": "linear", "members": MEMBERS, "seed": 0}


def test_more_labels_of_what_can_be_learnt_do_better_than_chance() -> None:
    seen, held = a_hold(480, seed=1).table, a_hold(200, seed=2)
    points = learning_curve(seen, held, MANIFEST)
    assert [labels for labels, _ in points] == sorted(labels for labels, _ in points)
    assert points[-1][0] == 480
    assert len(points) >= 3
    assert points[-1][1] > held.table.quality.mean() + 0.1
    order = np.random.default_rng(0).permutation(480)
    assert learning_curve(seen.take(order), held, MANIFEST) == points


def test_shares_are_shares_of_what_a_router_learned_from() -> None:
    whole, held = a_hold(600, seed=1).table, a_hold(50, seed=2)
    seen = whole.take(by_group(whole)[0])  # as ``train`` divides labels without times, by the same seed
    points = learning_curve(seen, held, MANIFEST)
    assert [labels / len(seen) for labels, _ in points] == pytest.approx(SHARES, abs=0.05)


def test_too_few_labels_or_another_fleet_have_no_curve() -> None:
    seen, held = a_hold(30, seed=1).table, a_hold(20, seed=2)
    assert learning_curve(seen, held, MANIFEST) == ()
    assert learning_curve(a_hold(100).table, held, {**MANIFEST, "members": ["small", "huge"]}) == ()
    assert learning_curve(a_hold(100).table, held, {**MANIFEST, "kind": "scorer"}) == ()
