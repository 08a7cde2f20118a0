"""Weighted figures: right on average where plain ones are not, with intervals that hold what they promise."""

from random import Random

import pytest

from ensemble.audit.sampling import sample
from ensemble.audit.weighted import Seen, mean, pi, share, weights
from ensemble.store.audit.draws import Unit
from judges.agreement.rates import Share


def told(number: float | None) -> float:
    assert number is not None
    return number


def a_world(size: int = 1000) -> tuple[list[Unit], dict[str, float]]:
    """A simulated population: the judge errs more often where members disagree, most where the case was queued."""
    lot = Random(7)
    frame, wrong = list[Unit](), dict[str, float]()
    for at in range(size):
        disagreement = lot.random() ** 2
        queued = lot.random() < 0.4 * disagreement
        unit = Unit(id=f"r{at}", router=lot.choice(("panel", "cheap")), disagreement=disagreement, queued=queued)
        frame.append(unit)
        wrong[unit.id] = float(lot.random() < 0.03 + 0.35 * disagreement + 0.3 * queued)
    return frame, wrong


def test_the_weighted_error_rate_is_unbiased_where_the_plain_one_is_not() -> None:
    """Over 200 simulated draws of a population whose error rate is known."""
    frame, wrong = a_world()
    truth = sum(wrong.values()) / len(wrong)
    queued = {unit.id for unit in frame if unit.queued}
    found, plain, covered = list[float](), list[float](), 0
    for seed in range(200):
        drawn = sample(frame, 100, blind=0.1, seed=str(seed))
        ids = [one.id for one in drawn.drawn]
        strata = [one.stratum for one in drawn.drawn]
        cases = {name: count for name, (count, _) in drawn.strata.items()}
        seen = [
            Seen(stratum=stratum, weight=weight, value=wrong[id_])
            for id_, stratum, weight in zip(ids, strata, weights(cases, strata), strict=True)
        ]
        rate = share(seen)
        found.append(told(rate.value))
        covered += told(rate.low) <= truth <= told(rate.high)
        looked_at = queued | set(ids)
        plain.append(sum(wrong[id_] for id_ in looked_at) / len(looked_at))
    assert sum(found) / 200 == pytest.approx(truth, abs=0.008)  # three standard errors of this simulation
    assert min(plain) > truth + 0.1  # what was queued is harder: every plain figure is far off
    assert covered / 200 > 0.93


def test_who_stops_half_way_is_still_unbiased() -> None:
    frame, wrong = a_world()
    truth = sum(wrong.values()) / len(wrong)
    found = []
    for seed in range(200):
        drawn = sample(frame, 120, blind=0, seed=str(seed))
        reached = drawn.drawn[:60]
        strata = [one.stratum for one in reached]
        by = weights({name: count for name, (count, _) in drawn.strata.items()}, strata)
        seen = [
            Seen(stratum=one.stratum, weight=weight, value=wrong[one.id])
            for one, weight in zip(reached, by, strict=True)
        ]
        found.append(told(share(seen).value))
    assert sum(found) / 200 == pytest.approx(truth, abs=0.01)


def test_equal_weights_give_the_plain_figure() -> None:
    values = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    plain = Share()
    for value in values:
        plain.add(value)
    found = share([Seen(stratum="all", weight=5, value=value) for value in values])
    assert (found.value, found.n) == (plain.rate.value, 8)
    assert found.low == pytest.approx(plain.rate.low, abs=0.03)
    assert found.high == pytest.approx(plain.rate.high, abs=0.03)


def test_one_case_and_none() -> None:
    assert share([]).value is None
    assert mean([]).n == 0
    one = Seen(stratum="all", weight=3, value=1.0)
    assert (share([one]).value, mean([one]).value, mean([one]).low) == (1.0, 1.0, None)
    assert told(share([one]).low) < 0.3  # one case tells next to nothing


def test_no_error_seen_is_not_no_error() -> None:
    found = share([Seen(stratum=at % 2, weight=10 + at % 2, value=0.0) for at in range(20)])
    assert found.value == 0
    assert found.high == pytest.approx(0.16, abs=0.01)


def test_a_mean_may_be_negative() -> None:
    found = mean([Seen(stratum="s", weight=1, value=value) for value in (-0.2, -0.1, -0.3, -0.2)])
    assert found.value == pytest.approx(-0.2)
    assert told(found.low) < -0.2 < told(found.high) < 0


def test_agreement_beyond_chance() -> None:
    pairs = [("a", "a"), ("b", "b"), ("a", "b"), ("b", "b")] * 5
    seen = [Seen(stratum=at % 2, weight=1, value=0) for at in range(20)]
    found = pi(pairs, seen)
    assert found.value == pytest.approx((0.75 - (0.375**2 + 0.625**2)) / (1 - (0.375**2 + 0.625**2)))
    assert told(found.low) < told(found.value) < told(found.high)
    assert pi([("a", "a")] * 3, seen[:3]).value is None  # chance explains it all
    assert pi([], []).value is None
    heavy = [Seen(stratum=0, weight=100 if one != other else 1, value=0) for one, other in pairs]
    assert told(pi(pairs, heavy).value) < 0


def test_a_case_stands_for_its_part_of_the_stratum() -> None:
    assert weights({"s": 10, "t": 3, "u": 7}, ["s", "t", "s"]) == [5, 3, 5]
