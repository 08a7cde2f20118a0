from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.verification._ballots import (
    Vote,
    arena_hard_on_claude,
    credit,
    interval,
    llmbar_by_prompt,
    majority,
)

VOTES = st.sampled_from(["one", "two", "tie", None])
MIRROR: Mapping[Vote, Vote] = {"one": "two", "two": "one", "tie": "tie", None: None}


def judgebench(pair: str, label: str, ab: str, ba: str, **other: object) -> dict[str, Any]:
    return {
        "pair_id": pair,
        "judge_name": "arena_hard",
        "judge_model": "j",
        "response_model": "claude-3",
        "label": label,
        "games": [{"order": "AB", "judgment_text": ab}, {"order": "BA", "judgment_text": ba}],
        **other,
    }


def test_a_game_is_read_as_the_candidate_that_won_wherever_it_stood() -> None:
    records = [
        judgebench("p", "A>B", "[[A>>B]]", "[[B>A]]"),
        judgebench("q", "B>A", "[[A=B]]", "no verdict"),
        judgebench("r", "A>B", "[[B>A]]", "[[B>A]]"),
        judgebench("s", "A>B", "[[A>B]]", "[[A>B]]", response_model="gpt-4o"),
        judgebench("t", "A>B", "[[A>B]]", "[[A>B]]", judge_name="reward_model"),
    ]
    field = arena_hard_on_claude(lambda _: iter(records))
    assert field.labels == {"p": "one", "q": "two", "r": "one"}
    assert field.games["j"] == {"p": ("one", "one"), "q": ("tie", None), "r": ("two", "one")}


def test_llmbar_is_grouped_by_prompt_and_ratings_count_by_their_order() -> None:
    def record(judge: str, subset: str = "LLMBar/Natural", **stage: object) -> dict[str, Any]:
        return {"id": "x", "subset": subset, "judge": judge, "label": 2, "stages": [stage]}

    games = [
        {"order": "12", "judgment_text": "Output (a)"},
        {"order": "21", "judgment_text": "Output (a) is better."},
    ]
    records = [
        record("A/Vanilla", kind="pairwise", games=games),
        record("B/Vanilla", kind="rating", score_1="3", score_2="5"),
        record("C/Vanilla", kind="rating", score_1="", score_2="5"),
        record("A/Alone", kind="rating", score_1="3", score_2="5"),
        record("A/Vanilla", subset="Processed/FairEval", kind="pairwise", games=games),
    ]

    def read(_name: str) -> Iterator[dict[str, Any]]:
        return iter(records)

    (field,) = llmbar_by_prompt(read)
    assert field.name == "LLMBar, Vanilla"
    assert {judge: games["x"] for judge, games in field.games.items()} == {
        "A/Vanilla": ("one", "two"),
        "B/Vanilla": ("two", "two"),
        "C/Vanilla": (None, None),
    }
    assert field.pairs == ("x",)


@given(st.lists(VOTES, min_size=1, max_size=5))
def test_a_majority_mirrors_ignores_silence_and_follows_those_who_agree(votes: list[Vote]) -> None:
    assert majority(*(MIRROR[vote] for vote in votes)) == MIRROR[majority(*votes)]
    assert majority(*votes, None) == majority(*votes)
    assert majority(*reversed(votes)) == majority(*votes)
    if len(set(votes)) == 1:
        assert majority(*votes) == votes[0]


@pytest.mark.parametrize(("vote", "worth"), [("one", 1.0), ("two", 0.0), ("tie", 0.5), (None, 0.5)])
def test_a_tie_and_silence_earn_half(vote: Vote, worth: float) -> None:
    assert credit(vote, "one") == worth


def test_an_interval_holds_the_mean_and_is_the_same_every_time() -> None:
    values = [0.0, 1.0, 1.0, 0.5] * 20
    low, high = interval(values, 3)
    assert low < sum(values) / len(values) < high
    assert interval(values, 3) == (low, high)
    assert interval([0.5] * 9, 3) == (0.5, 0.5)
