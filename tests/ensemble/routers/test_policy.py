"""One policy for every trained router: what it pins, what it cannot keep, and that serving asks accordingly."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.router import ROUTERS
from ensemble.routers._policy import MARGIN, Pinned, Point, cheapest_at
from ensemble.routers.cascade import Cascade
from ensemble.training.train import Order, train
from judges.errors import InvalidOptions
from tests.ensemble.routers.test_learned import a_folder, routers
from tests.ensemble.training.lessons import a_lesson
from tests.served import serving

HARD, EASY = "Prove that 541 is prime and compute 123 * 456 = ?", "Hello there, please say hi to Ann"
POINTS = [
    Point(at=float(at), quality=quality, error=0.01, mean=0.9 * quality, nano_usd=nano, nano_usd_error=1e3)
    for at, quality, nano in ((0, 1.02, 9e6), (10, 1.0, 5e6), (20, 0.97, 2e6), (30, 0.8, 1e6))
]


def learned(**policy: Any) -> Pinned:
    router = ROUTERS.build({"use": "learned", "path": "router", **policy})
    assert isinstance(router, Pinned)
    return router


def at(policy: dict[str, Any], points: list[Point] = POINTS) -> float | None:
    found = learned(**policy).pinned(points, "router", "ensemble train")
    return found.at if found else None


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, 10),
        ({"target_quality": 0.95}, 20),
        ({"target_quality": 1.0}, 0),
        ({"target_quality": 1.0, "margin": 0}, 10),
        ({"target_quality": 0.95, "margin": 3}, 10),
        ({"target_quality": 0.5}, 30),
        ({"target_quality": 1.2}, None),
        ({"max_cost": "0.01"}, 0),
        ({"max_cost": 0.005001}, 10),
        ({"max_cost": 0.005}, 20),
        ({"max_cost": 0.005, "margin": 0}, 10),
        ({"max_cost": "0.0011"}, 30),
        ({"lambda": 0}, 0),
        ({"lambda": 1e9}, 30),
        ({"lambda_per_usd": 20}, 20),
    ],
)
def test_each_policy_pins_its_point(policy: dict[str, Any], expected: float | None) -> None:
    assert at(policy) == expected


@given(st.lists(st.tuples(st.floats(0, 1.2), st.floats(0, 0.1)), max_size=8), st.floats(0.1, 1.2))
def test_a_target_is_kept_by_its_margin_at_the_least_cost_or_by_no_point(
    rows: list[tuple[float, float]], target: float
) -> None:
    points = [Point(at=float(place), quality=quality, error=error) for place, (quality, error) in enumerate(rows)]
    kept = [one for one in points if one.quality - MARGIN * one.error >= target]
    assert cheapest_at(points, target) == (kept[-1] if kept else None)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ({"max_cost": "0.0001"}, "max_cost: the cheapest point that router has measured costs up to 0.001001000 USD"),
        ({"max_cost": "0"}, "greater than 0"),
        ({"max_cost": "0.00000000001"}, "at most 9 decimals"),
        ({"max_cost": "0.1", "lambda": 2}, "max_cost: state one policy, not max_cost and lambda"),
        ({"target_quality": 0.9, "lambda": 2}, "target_quality: state one policy"),
        ({"lambda": -1}, "lambda_per_usd"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused_by_name(policy: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidOptions, match=told):
        at(policy)


def test_a_folder_without_costs_says_how_to_train_it_again() -> None:
    bare = [Point(at=0.0, quality=1.0, error=0.0)]
    with pytest.raises(InvalidOptions, match="router has measured no costs; train it again on labels with costs"):
        at({"max_cost": "1"}, bare)


@pytest.mark.parametrize(
    ("policy", "members"),
    [
        ({"max_cost": "0.000012"}, {HARD: "beta", EASY: "alpha"}),
        ({"max_cost": "0.000001"}, {HARD: "alpha", EASY: "alpha"}),
        ({"lambda": 0.0}, None),
        ({"lambda": 1e9}, {HARD: "alpha", EASY: "alpha"}),
    ],
)
async def test_a_mean_cost_decides_who_is_asked(
    policy: dict[str, Any], members: dict[str, str] | None, tmp_path: Path
) -> None:
    """In the lesson the small member costs 0.000001 USD an answer, the large one 0.00002, and half of it is hard."""
    async with serving(tmp_path, routers(a_folder(tmp_path), **policy)) as served:
        found = {}
        for text in (HARD, EASY):
            answer = await served.service.ask(text, model="panel")
            found[text] = answer.member
    assert found == members if members else found[HARD] == "beta"


async def test_a_mean_cost_below_every_point_keeps_the_service_from_starting(tmp_path: Path) -> None:
    from ensemble.errors import ConfigError

    path = a_folder(tmp_path)
    with pytest.raises(ConfigError, match=r"\[routers\.panel\] max_cost: the cheapest point"):
        async with serving(tmp_path, routers(path, max_cost="0.0000005")):
            pass


def test_a_cascade_passes_on_as_much_as_its_mean_cost_allows(tmp_path: Path) -> None:
    table = a_lesson()
    outputs = tuple(
        ("Sure, done." if good else "However, I assume 3 * 4 = 13.", "Done.") for good in table.quality[:, 0] > 0.5
    )
    order = Order(out=tmp_path / "scorer", kind="scorer", members=("small", "large"))
    train(replace(table, outputs=outputs), order)
    rows = json.loads((order.out / "manifest.json").read_text())["thresholds"]
    scores: dict[object, float] = {}
    for policy in ({"max_cost": "0.00003"}, {"max_cost": "0.00001"}, {"max_cost": "0.000002"}, {"lambda": 1e9}):
        options = {"judge": "x", "path": str(order.out), "tiers": ({"members": ["a"]}, {"members": ["b"]})}
        cascade = ROUTERS.build({"use": "cascade", **options, **policy})
        assert isinstance(cascade, Cascade)
        cascade.load()
        scores[next(iter(policy.values()))] = cascade._learned.threshold
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    at_most = {row["score"]: row["nano_usd"] + row["nano_usd_error"] for row in rows}
    quality = {row["score"]: row["mean"] for row in rows}
    middling = scores["0.00001"]
    assert at_most[middling] <= 10_000
    assert quality[middling] == max(quality[score] for score, cost in at_most.items() if cost <= 10_000)


def test_a_cascade_without_a_folder_has_no_costs_to_go_by() -> None:
    tiers = ({"members": ["a"], "accept_score": 0.5}, {"members": ["b"]})
    with pytest.raises(InvalidOptions, match="path: name the scorer folder"):
        ROUTERS.build({"use": "cascade", "judge": "x", "tiers": tiers, "max_cost": "0.1"})
