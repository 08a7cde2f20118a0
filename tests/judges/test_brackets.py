import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.brackets import Side, coin, draw, knockout, round_robin
from tests.patience import PATIENCE_S


async def larger(one: int, other: int) -> Side:
    return "first" if one > other else "second"


@given(st.lists(st.integers(), min_size=1, max_size=20, unique=True))
def test_a_consistent_judge_finds_the_best_in_one_match_fewer_than_entrants(entrants: list[int]) -> None:
    bracket = asyncio.run(knockout(entrants, larger))
    assert bracket.champion == max(entrants)
    assert len(bracket.matches) == len(entrants) - 1
    assert (bracket.best, bracket.by_lot) == ((max(entrants),), False)


@given(st.lists(st.integers(), min_size=2, max_size=20, unique=True), st.sampled_from(["tie", "none"]))
def test_without_a_winner_the_earlier_drawn_goes_on(entrants: list[int], side: Side) -> None:
    async def undecided(one: int, other: int) -> Side:
        return side

    bracket = asyncio.run(knockout(entrants, undecided))
    assert bracket.champion == entrants[0]
    assert bracket.matches[-1].side == side
    assert set(bracket.best) == (set(entrants) if side == "tie" else set())
    assert not bracket.by_lot


@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_equals_are_best_together_whoever_was_drawn_first(qualities: list[int], random: Random) -> None:
    async def better(one: int, other: int) -> Side:
        gap = qualities[one] - qualities[other]
        return "tie" if gap == 0 else "first" if gap > 0 else "second"

    entrants = random.sample(range(len(qualities)), len(qualities))
    bracket = asyncio.run(knockout(entrants, better))
    assert sorted(bracket.best) == [one for one, quality in enumerate(qualities) if quality == max(qualities)]
    assert len(bracket.matches) == len(entrants) - 1


async def test_who_tied_with_a_loser_is_not_among_the_best() -> None:
    async def meet(one: int, other: int) -> Side:
        return "tie" if {one, other} == {2, 3} else "first"

    # The first rests, 2 and 3 tie, 2 goes on and loses.
    assert (await knockout([1, 2, 3], meet)).best == (1,)


async def test_a_match_without_a_verdict_on_the_way_of_the_best_shows() -> None:
    async def meet(one: int, other: int) -> Side:
        return "none" if {one, other} == {2, 3} else "second"

    bracket = await knockout([1, 2, 3], meet)
    assert (bracket.best, bracket.by_lot) == ((2,), True)


async def test_the_matches_of_a_round_run_at_the_same_time() -> None:
    started = asyncio.Barrier(2)

    async def meet(one: int, other: int) -> Side:
        if one + other != 4:  # the final has nobody to meet
            return "first"
        async with asyncio.timeout(PATIENCE_S):
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
