"""The laws of every aggregator, and what sets each apart."""

from dataclasses import replace
from functools import cache
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import AGGREGATORS, Aggregator, Candidate, CandidateId, Case, Preference, Verdict
from judges.calibration import Calibration, Fitted
from judges.judge import Calibrated
from judges.testing import a_case, a_verdict, finding, relabelled

NAMES = AGGREGATORS.names()
IDS = ("c0", "c1", "c2")
CASE = a_case("a", "b", "c")


# Made once: within a composite they would be made, and checked, anew for each ballot, which takes longer than the rest.
preferred = st.lists(st.sampled_from(IDS), unique=True, max_size=3)
scored = st.none() | st.fixed_dictionaries({one: st.floats(0, 1) for one in IDS})
unheard: st.SearchStrategy[Literal["abstained", "failed"]] = st.sampled_from(("abstained", "failed"))


@st.composite
def ballots_of(draw: st.DrawFn) -> Verdict:
    winners = draw(preferred)
    scores = draw(scored)
    if not winners:
        return a_verdict(outcome=draw(unheard))
    return a_verdict(*sorted(winners), scores=scores)


many = st.lists(ballots_of(), max_size=6)


@cache
def ready(name: str) -> Aggregator:
    """The aggregator ``name``, which knows the judge of all these ballots where it has to know its judges."""
    needs = {"dawid_skene": {"history_file": "of/no/matter.jsonl"}}
    aggregator = AGGREGATORS.build({"use": name, **needs.get(name, {})})
    if isinstance(aggregator, Calibrated):
        aggregator.calibrate(Calibration(judges={"a judge": Fitted(n=50, right=45)}))
    return aggregator


def renamed(ballot: Verdict, names: dict[CandidateId, CandidateId]) -> Verdict:
    return replace(
        ballot,
        winners=tuple(names[one] for one in ballot.winners),
        scores={names[one]: score for one, score in ballot.scores.items()},
    )


@pytest.mark.parametrize("name", NAMES)
@given(ballots=many, order=st.randoms(use_true_random=False))
def test_the_order_of_ballots_and_candidates_does_not_matter(name: str, ballots: list[Verdict], order: object) -> None:
    counted = ready(name).combine(ballots, CASE)
    shuffled = list(ballots)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    turned = replace(CASE, candidates=tuple(reversed(CASE.candidates)))
    assert finding(ready(name).combine(shuffled, turned)) == finding(counted)


@pytest.mark.parametrize("name", NAMES)
@given(ballots=many)
def test_relabelled_candidates_relabel_the_verdict(name: str, ballots: list[Verdict]) -> None:
    names = {CandidateId(one): CandidateId(f"n-{one}") for one in IDS}
    counted = ready(name).combine(ballots, CASE)
    other = ready(name).combine([renamed(one, names) for one in ballots], relabelled(CASE, names))
    assert finding(other) == finding(renamed(counted, names))


@pytest.mark.parametrize("name", NAMES)
@given(ballots=many, silent=st.integers(1, 4))
def test_abstentions_change_nothing(name: str, ballots: list[Verdict], silent: int) -> None:
    counted = ready(name).combine(ballots, CASE)
    more = ready(name).combine([*ballots, *[a_verdict()] * silent], CASE)
    assert (more.winners, more.scores) == (counted.winners, counted.scores)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("winner", IDS)
@pytest.mark.parametrize("seats", [1, 2, 5])
def test_a_unanimous_jury_is_followed(name: str, winner: str, seats: int) -> None:
    ballot = a_verdict(winner, scores={one: 0.9 if one == winner else 0.3 for one in IDS})
    verdict = ready(name).combine([ballot] * seats, CASE)
    assert (verdict.outcome, verdict.winners) == ("decided", (winner,))


@pytest.mark.parametrize("name", NAMES)
def test_nobody_heard_names_nobody(name: str) -> None:
    build = ready(name)
    assert build.combine([], CASE).outcome == "abstained"
    assert build.combine([a_verdict(), a_verdict(outcome="failed")], CASE).outcome == "abstained"
    failed = build.combine([a_verdict(outcome="failed", reason="no answer")] * 2, CASE)
    assert failed.outcome == "failed"
    assert "no answer" in failed.reason


@pytest.mark.parametrize("name", ["majority", "borda", "bradley_terry", "weighted", "dawid_skene"])
def test_an_even_split_is_a_tie(name: str) -> None:
    two = a_case("a", "b")
    verdict = ready(name).combine([a_verdict("c0"), a_verdict("c1")], two)
    assert (verdict.outcome, verdict.winners) == ("tie", ("c0", "c1"))


def test_a_tied_ballot_splits_its_vote() -> None:
    verdict = AGGREGATORS.build("majority").combine([a_verdict("c0", "c1"), a_verdict("c1")], CASE)
    assert verdict.winners == ("c1",)


def test_a_majority_below_its_quorum_abstains() -> None:
    careful = AGGREGATORS.build({"use": "majority", "quorum": 0.5})
    assert careful.combine([a_verdict("c0"), a_verdict(), a_verdict()], CASE).outcome == "abstained"
    assert careful.combine([a_verdict("c0"), a_verdict()], CASE).winners == ("c0",)
    more = AGGREGATORS.build({"use": "majority", "quorum": 0.55})
    assert more.combine([a_verdict("c0")] * 11 + [a_verdict()] * 9, CASE).winners == ("c0",)


def test_the_mean_counts_only_candidates_that_every_seat_scored() -> None:
    ballots = [a_verdict("c0", scores={"c0": 1.0, "c1": 0.6}), a_verdict("c1", scores={"c1": 0.7})]
    verdict = AGGREGATORS.build("mean").combine(ballots, CASE)
    assert verdict.winners == ("c1",)
    assert verdict.scores == {"c1": pytest.approx(0.65)}


def test_borda_prefers_the_candidate_that_all_place_well() -> None:
    def ranked(*order: str) -> Verdict:
        return a_verdict(order[0], scores={one: 1 - place / 4 for place, one in enumerate(order)})

    ballots = [ranked("c0", "c1", "c2"), ranked("c2", "c1", "c0"), ranked("c1", "c0", "c2"), ranked("c0", "c1", "c2")]
    ballots.append(ranked("c2", "c1", "c0"))
    assert AGGREGATORS.build("borda").combine(ballots, CASE).winners == ("c1",)


def test_the_case_may_hold_candidates_that_nobody_named() -> None:
    lone = Case(messages=(), candidates=(Candidate(id=CandidateId("x"), completion=CASE.candidates[0].completion),))
    assert AGGREGATORS.build("majority").combine([a_verdict("c0")], lone).winners == ()


def test_bradley_terry_weighs_all_comparisons() -> None:
    def compared(*pairs: tuple[str, str]) -> Verdict:
        shown = [(CandidateId(one), CandidateId(other)) for one, other in pairs]
        return replace(a_verdict("c0"), preferences=tuple(Preference(shown=pair, outcome="first") for pair in shown))

    ballots = [compared(("c1", "c0"), ("c1", "c2")), compared(("c0", "c2"), ("c1", "c2")), compared(("c0", "c1"))]
    assert AGGREGATORS.build("bradley_terry").combine(ballots, CASE).winners == ("c1",)


def test_bradley_terry_lets_nobody_win_who_was_not_compared() -> None:
    pair = (CandidateId("c0"), CandidateId("c1"))
    ballot = replace(a_verdict("c0"), preferences=(Preference(shown=pair, outcome="first"),))
    assert AGGREGATORS.build("bradley_terry").combine([ballot], CASE).winners == ("c0",)
    unheard = replace(ballot, preferences=(Preference(shown=pair, outcome="none"),))
    assert AGGREGATORS.build("bradley_terry").combine([unheard], CASE).outcome == "abstained"


def test_bradley_terry_lets_a_clear_win_outweigh_a_slight_loss() -> None:
    pair = (CandidateId("c0"), CandidateId("c1"))
    clear = Preference(shown=pair, outcome="first", strength=1.0)
    slight = Preference(shown=pair, outcome="second", strength=0.5)
    ballots = [replace(a_verdict("c0"), preferences=(clear, slight))]
    assert AGGREGATORS.build("bradley_terry").combine(ballots, CASE).winners == ("c0",)
    even = [replace(a_verdict("c0"), preferences=(clear, replace(slight, strength=None)))]
    assert AGGREGATORS.build("bradley_terry").combine(even, CASE).winners == ("c0", "c1")
