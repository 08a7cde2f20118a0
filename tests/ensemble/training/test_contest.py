from dataclasses import replace

import numpy as np
import pytest

from ensemble.router import ROUTERS
from ensemble.routers._policy import Pinned
from ensemble.training.contest import LEAST, compare, contested, divide, names_of, price_of_quality
from ensemble.training.held import Held
from ensemble.training.replay import Replayed
from ensemble.training.table import hashed
from ensemble.training.train import CannotLearn
from tests.ensemble.training.examples import a_hold


def chose(held: Held, member: int, *, without: tuple[int, ...] = ()) -> Replayed:
    """A router that always takes one member, but has no plan for some rows."""
    n, m = held.table.quality.shape
    choice = np.zeros((n, m))
    choice[:, member] = 1.0
    choice[list(without)] = 0.0
    nano = held.table.nano_usd[:, member].copy()
    nano[list(without)] = np.nan
    unknown = np.full((n, m), np.nan)
    return Replayed(
        name="it",
        digest="",
        choice=choice,
        called=choice > 0,
        nano_usd=nano,
        seconds=np.zeros(n),
        predicted=unknown,
        problems=dict.fromkeys(without, "none"),
    )


def over_time(rows: int) -> Held:
    """Requests that came one per second."""
    held = a_hold(rows)
    arrived = tuple(f"2026-11-01T00:{row // 60:02}:{row % 60:02}Z" for row in range(rows))
    return replace(held, table=replace(held.table, arrived=arrived))


def test_what_is_compared_on_is_the_latest_and_taught_neither() -> None:
    whole = over_time(200)
    table = whole.table
    seen = frozenset({*table.ids[:40], *(hashed(text) for text in table.texts[40:80])})
    learn, contest = divide(whole, seen, table.members, 0.5)
    names = names_of(contest.table)
    assert names.isdisjoint(seen)
    assert names.isdisjoint(names_of(learn))
    assert set(table.ids[:80]) <= set(learn.ids)  # what was learned before is learned again
    assert min(contest.table.arrived) > max(learn.arrived)
    assert len(learn) + len(contest) == 200


def test_too_little_is_refused_with_how_much_would_do() -> None:
    whole = over_time(40)
    with pytest.raises(CannotLearn, match=f"{LEAST} would do, so label about 20 more"):
        divide(whole, frozenset(), whole.table.members, 0.5)
    assert len(contested(whole, whole.table.members)) == 40


@pytest.mark.parametrize("lam", [0.0, 1e4])
def test_the_gain_is_quality_less_its_price_paired_by_request(lam: float) -> None:
    held = a_hold(120)
    table = held.table
    match = compare(held, chose(held, 0), chose(held, 1), lam)
    worth = table.quality - lam / 1e9 * table.nano_usd
    assert match.gain.point == pytest.approx((worth[:, 1] - worth[:, 0]).mean())
    assert (match.rows, match.lambda_per_usd) == (120, lam)
    back = compare(held, chose(held, 1), chose(held, 0), lam)
    assert (back.gain.low, back.gain.high) == pytest.approx((-match.gain.high, -match.gain.low))
    assert back.better == match.worse


def test_equals_are_neither_better_nor_worse_and_no_plan_is_worth_nothing() -> None:
    held = a_hold(120)
    same = compare(held, chose(held, 1), chose(held, 1), 1.0)
    assert not same.better
    assert not same.worse
    silent = compare(held, chose(held, 1), chose(held, 1, without=tuple(range(60))), 0.0)
    assert silent.worse
    assert silent.quality[1] == pytest.approx(held.table.quality[60:, 1].sum() / 120)


def test_without_prices_quality_alone_counts() -> None:
    held = a_hold(60)
    held.table.nano_usd[:, 0] = np.nan
    assert compare(held, chose(held, 1), chose(held, 0), 1e6).lambda_per_usd == 0.0


def test_what_a_dollar_is_worth_is_read_off_the_policy_of_a_router() -> None:
    held = a_hold(60)
    frontier = [
        {
            "lambda": lam,
            "quality": 1 - lam / 100,
            "error": 0.0,
            "mean": 0.9,
            "nano_usd": 10 - lam,
            "nano_usd_error": 0.0,
        }
        for lam in (0.0, 1.0, 5.0)
    ]

    def money(**policy: object) -> float:
        router = ROUTERS.build({"use": "learned", "path": "r", **policy})
        assert isinstance(router, Pinned)
        return price_of_quality(router, {"frontier": frontier}, held)

    assert money(target_quality=0.98) == 1.0
    assert money(lambda_per_usd=7.0) == 7.0
    assert money(max_cost="0.000000006") == 5.0


def test_and_of_a_cascade_from_the_loss_that_is_accepted_for_what_is_saved() -> None:
    held = a_hold(60)
    names = held.table.members
    points = [
        {"score": 0.1, "quality": 0.9, "error": 0.0, "passed_on": 0.0},
        {"score": 0.5, "quality": 0.99, "error": 0.0, "passed_on": 0.25},
    ]
    tiers = [{"members": [names[0]]}, {"members": [names[1]]}]
    cascade = ROUTERS.build({"use": "cascade", "tiers": tiers, "judge": "j", "path": "s", "target_quality": 0.98})
    assert isinstance(cascade, Pinned)
    found = price_of_quality(cascade, {"members": [*names[:2]], "thresholds": points}, held)
    usd = 0.75 * float(held.table.nano_usd[:, 1].mean()) / 1e9
    assert found == pytest.approx(0.02 * float(held.table.quality[:, 1].mean()) / usd)
