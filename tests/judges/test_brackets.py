import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.brackets import Side, coin, draw, knockout, round_robin


async def larger(one: int, other: int) -> Side:
    return "first" if one > other else "second"


@given(st.lists(st.integers(), min_size=1, max_size=20, unique=True))
def test_a_consistent_judge_finds_the_best_in_one_match_fewer_than_entrants(entrants: list[int]) -> None:
    bracket = asyncio.run(knockout(entrants, larger))
    assert bracket.champion == max(entrants)
    assert len(bracket.matches) == len(entrants) - 1
    assert not bracket.by_lot(*entrants)


@given(st.lists(st.integers(), min_size=2, max_size=20, unique=True), st.sampled_from(["tie", "none"]))
def test_without_a_winner_the_earlier_drawn_goes_on_and_it_shows(entrants: list[int], side: Side) -> None:
    async def undecided(one: int, other: int) -> Side:
        return side

    bracket = asyncio.run(knockout(entrants, undecided))
    assert bracket.champion == entrants[0]
    assert bracket.matches[-1].side == side
    assert bracket.by_lot(*entrants) == (len(entrants) > 2)


async def test_the_matches_of_a_round_run_at_the_same_time() -> None:
    started = asyncio.Barrier(2)

    async def meet(one: int, other: int) -> Side:
        if one + other != 4:  # the final has nobody to meet
            return "first"
        async with asyncio.timeout(5):
            await started.wait()
        return "first" if one > other else "second"

    assert (await knockout([1, 3, 4, 0], meet)).matches[0].side == "second"


async def test_nobody_makes_no_tournament() -> None:
    with pytest.raises(ValueError, match="at least one"):
        await knockout([], larger)


@given(st.integers(), st.text(), st.text())
def test_the_coin_does_not_see_who_is_named_first(seed: int, one: str, other: str) -> None:
    assert coin(seed, one, other) == coin(seed, other, one)


def test_the_coin_is_fair_and_the_draw_keeps_texts_apart() -> None:
    heads = sum(coin(seed, "a", "b") for seed in range(2000))
    assert 900 < heads < 1100
    assert draw(1, "ab", "c") != draw(1, "a", "bc")


async def test_in_a_round_robin_everybody_meets_once() -> None:
    matches = await round_robin([3, 1, 2], larger)
    assert [(match.first, match.second, match.went_on) for match in matches] == [(3, 1, 3), (3, 2, 3), (1, 2, 2)]
    assert await round_robin([1], larger) == ()
