"""The readers of each benchmark: what sets strict and robust apart, and that no text can break or fool them."""

import math
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judges.readers import alpaca_eval, arena_hard, llmbar, mt_bench, rubric
from judges.readers.labels import Reading

# Scraps of verdicts in every format, since plain random text would hold none.
SCRAPS = """[[A]]|[[B]]|[[A>B]]|[[B>>A]]|[[7]]|[[7|Output (a)|Output (b) is better|{"score": 0.5}|"score": 1|m|M|[[12]]
|Final verdict: |Rating: |```json
|```|{"score": "x"}|1e999| """
scraps = st.sampled_from(SCRAPS.split("|"))
texts = st.lists(st.one_of(scraps, st.text(max_size=20)), max_size=8).map("".join)


def side(reading: Reading | None) -> str | None:
    return reading.label.side if reading else None


@given(texts)
@example('{"score": 1e999}')
@example('{"score":' + "9" * 400 + "}")
@example("[" * 5000)
def test_no_text_raises_and_every_finding_is_sound(text: str) -> None:
    for read in (
        arena_hard.strict,
        arena_hard.robust,
        mt_bench.strict,
        mt_bench.robust,
        llmbar.robust,
        alpaca_eval.ranking,
    ):
        assert side(read(text)) in (None, "first", "second", "tie")
    for reasons_first in (True, False):
        assert side(llmbar.strict(text, reasons_first=reasons_first)) in (None, "first", "second")
    for rate in (mt_bench.rating_strict, mt_bench.rating_robust, rubric.robust):
        assert rate(text) is None or math.isfinite(rate(text) or 0.0)
    assert mt_bench.rating_robust(text) is None or 1 <= (mt_bench.rating_robust(text) or 0) <= 10
    # What is read strictly is read alike in the other mode.
    strictly = alpaca_eval.token_strict(text)
    assert side(alpaca_eval.token_robust(text)) in ((side(strictly),) if strictly else (None, "first", "second"))
    rubric.strict(text)


@given(st.text(alphabet=st.characters(exclude_characters='[]()ABC0123456789"mM')))
def test_a_text_without_a_verdict_yields_none(text: str) -> None:
    readers: list[Callable[[str], object]] = [
        arena_hard.strict,
        arena_hard.robust,
        mt_bench.strict,
        mt_bench.robust,
        mt_bench.rating_strict,
        mt_bench.rating_robust,
        llmbar.robust,
        alpaca_eval.token_strict,
        alpaca_eval.token_robust,
        alpaca_eval.ranking,
        rubric.strict,
        rubric.robust,
    ]
    assert [read(text) for read in readers] == [None] * len(readers)


def test_arena_hard_decides_strictly_only_if_all_labels_are_the_same() -> None:
    assert side(arena_hard.strict("[[A>>B]] and again [[A>>B]]")) == "first"
    assert side(arena_hard.strict("[[A>>B]] ... [[A>B]]")) is None
    assert side(arena_hard.robust("[[A>>B]] ... [[A>B]]")) == "first"
    assert arena_hard.names_itself("[[A>>A]]")
    assert not arena_hard.names_itself("[[A>>B]]")


def test_mt_bench_is_strictly_read_in_the_order_of_names() -> None:
    both = "Not [[B]] at all. My final verdict: [[B]], though [[A]] was tempting"
    assert side(mt_bench.strict(both)) == "first"
    assert side(mt_bench.robust(both)) == "second"


@pytest.mark.parametrize(
    ("text", "strictly", "robustly"),
    [
        ("Rating: [[7]]", 7.0, 7.0),
        ("Rating: [[7.5]]", 7.5, 7.5),
        ("It is [8] of 10", 8.0, None),
        ("I would say [[5]] at first.\nRating: [[7]]", 5.0, 7.0),
        ("[[5]] or [[7]], who knows", 5.0, None),
        ("Rating: [[70]]", 70.0, None),
        ("Rating: seven", None, None),
    ],
)
def test_ratings(text: str, strictly: float | None, robustly: float | None) -> None:
    assert (mt_bench.rating_strict(text), mt_bench.rating_robust(text)) == (strictly, robustly)


def test_the_weight_of_a_token_is_its_share_of_both() -> None:
    assert alpaca_eval.second_preferred({"m": math.log(0.2), "M": math.log(0.6), "x": -9.0}) == pytest.approx(0.75)
    assert alpaca_eval.second_preferred({"M": -0.1}) == 1.0
    assert alpaca_eval.second_preferred({"m": -0.1}) == pytest.approx(0)
    assert alpaca_eval.second_preferred({"x": -0.1}) is None
    assert alpaca_eval.second_preferred({}) is None
    assert alpaca_eval.second_preferred({"m": math.nan, "M": -1.0}) is None


@given(st.floats(-1e6, 0), st.floats(-1e6, 0))
def test_swapped_logprobs_mirror_the_weight(first: float, second: float) -> None:
    one = alpaca_eval.second_preferred({"m": first, "M": second})
    other = alpaca_eval.second_preferred({"m": second, "M": first})
    assert one is not None
    assert other is not None
    assert one + other == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "strictly", "robustly"),
    [
        (" m\n", "first", "first"),
        ("M", "second", "second"),
        ("**M**", None, "second"),
        ("Output (m)", None, "first"),
        ("Both are fine, M is terser.\n\nThe best model is m.", None, "first"),
        ("M\n\nIt is terser than m.", None, "second"),
        ("m\nNo: \nM", None, None),
        ("It is between m and M", None, None),
        ("Mm", None, None),
        ("I'm", None, None),
        ("", None, None),
    ],
)
def test_the_token_is_read_in_either_mode(text: str, strictly: str | None, robustly: str | None) -> None:
    assert (side(alpaca_eval.token_strict(text)), side(alpaca_eval.token_robust(text))) == (strictly, robustly)


def test_a_ranking_is_read_by_its_ranks() -> None:
    def ranked(first: object, second: object) -> dict[str, object]:
        return {"ordered_models": [{"model": "M", "rank": second}, {"model": "m", "rank": first}]}

    assert side(alpaca_eval.ranking(ranked(2, 1))) == "second"
    assert (
        side(alpaca_eval.ranking('{"ordered_models": [{"model": "m", "rank": 1}, {"model": "M", "rank": 2}]}'))
        == "first"
    )
    assert side(alpaca_eval.ranking(ranked(1, 1))) == "tie"
    for odd in (ranked("1", 2), {"ordered_models": [{"model": "m", "rank": 1}]}, {"ordered_models": "m"}, {}, None, 3):
        assert alpaca_eval.ranking(odd) is None


def test_llmbar_looks_for_the_first_before_the_second() -> None:
    text = "Output (b) is better. Indeed\n Output (a) is not."
    assert side(llmbar.strict(text, reasons_first=False)) == "first"
    assert side(llmbar.strict(text, reasons_first=True)) == "second"
    assert side(llmbar.robust(text)) == "second"
    assert side(llmbar.robust("**Output (a)**")) == "first"
    assert side(llmbar.robust("Output (a) is better ... no, Output (b) is better")) is None


@pytest.mark.parametrize(
    ("text", "strictly", "robustly"),
    [
        ('{"reasoning": "fine", "score": 0.9}', 0.9, 0.9),
        ('Here:\n```json\n{"score": 0.4}\n```', 0.4, 0.4),
        ('{"reasoning": "a \\latex", "score": 0.7\n}', 0.7, 0.7),
        ('{"score": 0.3 + 0.4 = 0.7\n}', 0.3, None),
        ('{"score": 0.3} or rather {"score": 0.5}', 0.3, None),
        ('{"score": 0.3, "score": 0.5}', 0.3, None),
        ('{"score": true}', None, None),
        ("", None, None),
    ],
)
def test_rubric_scores(text: str, strictly: float | None, robustly: float | None) -> None:
    assert (rubric.strict(text), rubric.robust(text)) == (strictly, robustly)
