"""Who wins, from sums as the store has them."""

import math
from itertools import combinations

import pytest

from ensemble.audit.winning import DOMAINS, domains_table, members_table, strengths_table
from ensemble.store.queries import Tree


def _sums(member: str, cases: int, won: float, **changes: object) -> Tree:
    known: Tree = {"sole_wins": int(won), "served": 0, "score": 0.0, "scored": 0, "nano_usd": 0, "unpriced": 0}
    return {"member": member, "cases": cases, "won": won, **known, **changes}


def test_win_rates_have_wilsons_interval_and_unknown_cost_is_left_out() -> None:
    rows = members_table([
        _sums("small", 10, 2.5, nano_usd=40, unpriced=2, score=3.0, scored=6),
        _sums("large", 10, 7.5, unpriced=10),
        _sums("idle", 0, 0.0),
    ]).rows  # fmt: skip
    large, small, idle = rows
    assert (large["member"], large["won"], large["nano_usd"], large["score"]) == ("large", 0.75, None, None)
    assert (small["nano_usd"], small["score"]) == (5, 0.5)
    # The closed form for 2.5 of 10.
    z = 1.959964
    centre, half = (0.25 + z * z / 20) / (1 + z * z / 10), z / (1 + z * z / 10) * math.sqrt(0.01875 + z * z / 400)
    assert small["won_low"] == pytest.approx(centre - half)
    assert small["won_high"] == pytest.approx(centre + half)
    assert (idle["won"], idle["won_low"]) == (None, None)


def test_the_largest_domains_are_shown() -> None:
    rows = [_sums(member, size, 0.0, domain=f"d{size:02}") for size in range(1, 20) for member in ("b", "a")]
    table = domains_table([*rows, _sums("a", 99, 1.0, domain="")])
    assert [row["domain"] for row in table.rows][:4] == ["(none)", "d19", "d19", "d18"]
    assert [row["member"] for row in table.rows][1:3] == ["a", "b"]
    assert len({row["domain"] for row in table.rows}) == DOMAINS
    assert "12 largest of 20" in table.note


def test_strengths_are_those_of_bradley_and_terry() -> None:
    """Two members: the log-odds of their wins, half a tie more for each, the error by both."""
    pairs: list[Tree] = [{"a": "large", "b": "small", "a_wins": 30, "b_wins": 5, "ties": 10, "agree": 12, "cases": 45}]
    first, second = strengths_table(pairs, []).rows
    assert (first["member"], first["comparisons"], second["member"]) == ("large", 45, "small")
    gap = math.log((35 + 0.05) / (10 + 0.05))
    assert first["strength"] == pytest.approx(gap / 2)
    assert second["strength"] == pytest.approx(-gap / 2)
    assert first["strength_high"] == pytest.approx(gap / 2 + 1.959964 / 2 * math.sqrt(1 / 35.05 + 1 / 10.05), rel=1e-5)


def test_who_wins_against_all_at_once_is_less_certain_than_by_as_many_single_comparisons() -> None:
    names = ["a", "b", "c", "d", "e"]
    sample = [
        (f"case {case}", one, other, float(winner == one) + 0.5 * (winner not in (one, other)))
        for case in range(100)
        for winner in [names[case % 2]]
        for one, other in combinations(names, 2)
    ]
    pairs: list[Tree] = []
    for one, other in combinations(names, 2):
        won = [share for _, a, b, share in sample if (a, b) == (one, other)]
        counted = {"a_wins": won.count(1.0), "b_wins": won.count(0.0), "ties": won.count(0.5), "cases": len(won)}
        pairs.append({"a": one, "b": other, "agree": 0, **counted})
    plain = {row["member"]: row for row in strengths_table(pairs, []).rows}
    by_case = {row["member"]: row for row in strengths_table(pairs, sample).rows}
    assert by_case["a"]["strength"] == plain["a"]["strength"]
    assert float(str(by_case["a"]["strength_low"])) < float(str(plain["a"]["strength_low"]))
    assert strengths_table([], []).rows == []
