"""Planted biases are seen, fair judges are cleared, and what is unknown stays blank."""

import random
from collections.abc import Callable, Mapping
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.agreement import Share, Tally, credit
from judges.testing import a_verdict
from judges.types import CandidateId, Preference, Verdict

A, B, C = (CandidateId(name) for name in "abc")
Side = Literal["first", "second", "tie", "none"]
LENGTHS = {A: 100, B: 50}


def paged(*pages: tuple[CandidateId, CandidateId, Side], winners: tuple[str, ...] = ("a",)) -> Verdict:
    verdict = a_verdict(*winners)
    shown = tuple(Preference(shown=(one, two), outcome=side, exchange=at) for at, (one, two, side) in enumerate(pages))
    return Verdict(judge="j", outcome=verdict.outcome, winners=verdict.winners, preferences=shown)


def tally(*verdicts: Verdict, best: tuple[CandidateId, ...] | None = None) -> Tally:
    made = Tally()
    for verdict in verdicts:
        made.add([verdict], LENGTHS, best=best)
    return made


def counted(share: Share) -> tuple[float, int]:
    return share.hits, share.n


@pytest.mark.parametrize(
    ("first", "second", "consistent", "flipped"),
    [
        ("first", "second", 1, 0),
        ("first", "first", 0, 1),
        ("second", "second", 0, 1),
        ("tie", "tie", 1, 0),
        ("first", "tie", 0, 0),
    ],
)
def test_both_orders(first: Side, second: Side, consistent: int, flipped: int) -> None:
    made = tally(paged((A, B, first), (B, A, second)))
    assert counted(made.consistency) == (consistent, 1)
    assert counted(made.flips) == (flipped, 1)


def test_an_order_without_a_verdict_says_nothing_of_consistency() -> None:
    made = tally(paged((A, B, "first"), (B, A, "none")), paged((A, B, "first")))
    assert counted(made.consistency) == (0, 0)
    assert counted(made.null_pages) == (1, 3)


def test_first_position_and_length_count_decided_pages_alone() -> None:
    made = tally(paged((A, B, "first"), (B, A, "first")), paged((A, B, "tie")), paged((B, A, "second")))
    assert counted(made.first) == (2, 3)
    assert counted(made.longer) == (2, 3)


def test_equal_texts_and_matches_of_a_tournament_stood_on_no_page() -> None:
    verdict = Verdict(
        judge="j", outcome="decided", winners=(A,), preferences=(Preference(shown=(B, A), outcome="second"),)
    )
    made = tally(verdict)
    assert counted(made.first) == (0, 0)
    assert counted(made.longer) == (1, 1)


def test_a_judge_without_pages_is_seen_by_its_winners() -> None:
    made = Tally()
    made.add([a_verdict("a")], {A: 3, B: 2, C: 9}, best={A})
    assert counted(made.longer) == (1, 2)
    assert counted(made.right_longer) == (1, 1)
    assert counted(made.right_shorter) == (1, 1)
    made.add([a_verdict("a", "c")], {A: 3, B: 2, C: 9}, best={A})
    assert counted(made.right_shorter) == (1.5, 2)


def test_a_page_that_got_no_verdict_is_wrong_where_the_right_answer_is_known() -> None:
    made = tally(paged((A, B, "none"), (B, A, "second")), best=(A,))
    assert counted(made.right_longer) == (1, 2)
    assert counted(made.right_shorter) == (0, 0)


def test_two_verdicts_on_one_case_show_both_orders() -> None:
    made = Tally()
    made.add([paged((A, B, "first")), paged((B, A, "first"), winners=("b",))], LENGTHS, best={A})
    assert counted(made.consistency) == (0, 1)
    assert counted(made.flips) == (1, 1)
    assert counted(made.accuracy) == (1, 2)
    assert made.accuracy.clusters == 1
    assert made.verdicts == 2


def test_marked_answers_are_counted_against_what_is_right() -> None:
    made = Tally()
    made.add([paged((A, B, "first"))], LENGTHS, marked={A}, best={B})
    made.add([paged((A, B, "second"))], LENGTHS, marked={A, B}, best={B})
    made.add([paged((A, B, "first"))], LENGTHS, marked={A})
    assert counted(made.own) == (2, 2)
    assert counted(made.own_right) == (0, 1)


@pytest.mark.parametrize(
    ("winners", "best", "judged", "worth"),
    [
        ("a", "a", "abc", 1),
        ("b", "a", "abc", 0),
        ("ab", "a", "abc", 0.5),
        ("abc", "a", "abc", 1 / 3),
        ("a", "ab", "abc", 1),
        ("ab", "ab", "ab", 1),
        ("a", "ab", "ab", 0.5),
        ("", "a", "ab", 0),
        ("", "", "ab", 0),
    ],
)
def test_credit(winners: str, best: str, judged: str, worth: float) -> None:
    assert credit(a_verdict(*winners), set(map(CandidateId, best)), list(map(CandidateId, judged))) == pytest.approx(
        worth
    )


def test_where_all_are_bad_right_is_who_says_so() -> None:
    verdict = Verdict(judge="j", outcome="decided", winners=(A,), all_bad=True)
    assert credit(verdict, (), (A, B)) == 1
    assert credit(verdict, (A,), (A, B)) == 0


Rule = Callable[[CandidateId, CandidateId, Mapping[CandidateId, int], random.Random], bool]


def judged(rule: Rule, n: int = 600) -> Tally:
    """A judge that follows ``rule`` on every other case and is fair, and right, on the rest; A is right."""
    rng, made = random.Random(3), Tally()
    for _ in range(n):
        lengths = {A: rng.randrange(1, 500), B: rng.randrange(1, 500)}
        biased = rng.random() < 0.5
        pages: list[tuple[CandidateId, CandidateId, Side]] = []
        for one, two in ((A, B), (B, A)):
            wins = rule(one, two, lengths, rng) if biased else one == A
            pages.append((one, two, "first" if wins else "second"))
        made.add([paged(*pages)], lengths, best={A})
    return made


def test_a_planted_position_bias_is_seen() -> None:
    made = judged(lambda one, two, lengths, rng: True)
    assert made.first.rate.low is not None
    assert made.first.rate.low > 0.7
    assert made.consistency.rate.value == pytest.approx(0.5, abs=0.05)
    assert made.consistency.n == made.flips.hits + made.consistency.hits
    assert made.longer.rate.value == pytest.approx(0.5, abs=0.05)


def test_a_planted_length_bias_is_seen() -> None:
    made = judged(lambda one, two, lengths, rng: lengths[one] > lengths[two])
    assert made.first.rate.value == pytest.approx(0.5, abs=0.02)
    assert made.longer.rate.value == pytest.approx(0.75, abs=0.06)
    assert made.right_longer.rate.value == pytest.approx(1.0, abs=0.01)
    assert made.right_shorter.rate.value == pytest.approx(0.5, abs=0.07)


def test_a_fair_judge_is_cleared() -> None:
    made = judged(lambda one, two, lengths, rng: one == A)
    assert made.accuracy.rate.value == 1.0
    assert made.consistency.rate.value == 1.0
    assert (made.first.rate.low or 1) < 0.5 < (made.first.rate.high or 0)


sides: st.SearchStrategy[Side] = st.sampled_from(["first", "second", "tie", "none"])


@given(st.lists(st.tuples(st.sampled_from([(A, B), (B, A), (A, C), (C, A), (B, C)]), sides), max_size=8))
def test_swapping_page_and_outcome_mirrors_first_and_keeps_the_rest(
    pages: list[tuple[tuple[CandidateId, CandidateId], Side]],
) -> None:
    mirror: Mapping[Side, Side] = {"first": "second", "second": "first", "tie": "tie", "none": "none"}
    lengths = {A: 3, B: 2, C: 3}
    one, other = Tally(), Tally()
    one.add([paged(*[(*shown, side) for shown, side in pages])], lengths, best={A}, marked={B})
    other.add([paged(*[(*shown[::-1], mirror[side]) for shown, side in pages])], lengths, best={A}, marked={B})
    assert one.first.hits + other.first.hits == one.first.n if pages else True
    for name in ("consistency", "flips", "longer", "right_longer", "right_shorter", "own", "own_right", "null_pages"):
        if pages:
            assert counted(getattr(one, name)) == counted(getattr(other, name)), name
