import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.brackets import Side, knockout
from judges.shrinkage import OVERRULED, SHRUNK, plain, shrink
from judges.testing import a_case, a_verdict, relabelled
from judges.types import CandidateId, Case, Preference, Verdict

SIDES: st.SearchStrategy[Side] = st.sampled_from(["first", "second", "tie", "none"])


def with_priors(case: Case, *priors: float) -> Case:
    return replace(case, priors={one.id: prior for one, prior in zip(case.candidates, priors, strict=True)})


def preferring(*pairs: tuple[int, int], winner: int, **changes: object) -> Verdict:
    """The first of each pair beat the second."""
    met = tuple(
        Preference(shown=(CandidateId(f"c{one}"), CandidateId(f"c{other}")), outcome="first") for one, other in pairs
    )
    return replace(a_verdict(f"c{winner}"), preferences=met, **changes)  # type: ignore[arg-type]  # named by tests


@pytest.mark.parametrize("accuracy", [0.6, 0.75, 0.9])
@pytest.mark.parametrize("odds", [0.2, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_of_two_candidates_the_one_wins_that_the_rule_of_bayes_favours(accuracy: float, odds: float) -> None:
    """The judge prefers c0, whose author is worse by ``odds`` in log-odds."""
    low, high = 1 / (1 + math.exp(odds / 2)), 1 / (1 + math.exp(-odds / 2))
    found = shrink(preferring((0, 1), winner=0), with_priors(a_case("one", "other"), low, high), accuracy=accuracy)
    outweighed = odds > math.log(accuracy / (1 - accuracy))
    assert found.winners == ("c1" if outweighed else "c0",)
    assert (OVERRULED in found.flags) is outweighed


def test_a_calibrated_confidence_on_two_counts_instead_of_the_accuracy_that_is_assumed() -> None:
    case = with_priors(a_case("one", "other"), 0.2, 0.6)
    assert shrink(preferring((0, 1), winner=0, confidence=0.6), case).winners == ("c1",)
    assert shrink(preferring((0, 1), winner=0, confidence=0.95), case).winners == ("c0",)


def test_both_orders_of_one_judge_count_once() -> None:
    case = with_priors(a_case("one", "other"), 0.3, 0.65)
    once = preferring((0, 1), winner=0)
    again = Preference(shown=(CandidateId("c1"), CandidateId("c0")), outcome="second")
    twice = replace(once, preferences=(*once.preferences, again))
    assert shrink(once, case).winners == shrink(twice, case).winners == ("c1",)


def test_the_seats_of_a_jury_add_up() -> None:
    case = with_priors(a_case("one", "other"), 0.3, 0.65)
    seat = preferring((0, 1), winner=0)
    jury = replace(a_verdict("c0"), ballots=(seat, seat, replace(seat, judge="another")))
    assert shrink(jury, case).winners == ("c0",)


def test_scores_are_regressed_towards_the_means() -> None:
    case = with_priors(a_case("one", "two", "three"), 0.5, 0.7, 0.5)
    found = shrink(a_verdict("c0", scores={"c0": 0.8, "c1": 0.75, "c2": 0.1}), case, accuracy=0.75)
    assert found.winners == ("c1",)
    assert found.scores == pytest.approx({"c0": 0.65, "c1": 0.725, "c2": 0.3})  # half of each, at 0.75


def test_both_findings_and_the_priors_are_in_the_verdict() -> None:
    case = with_priors(a_case("one", "other"), 0.1, 0.9)
    judged = preferring((0, 1), winner=0, confidence=0.7, weights="w", flags=("flipped",))
    found = shrink(judged, case)
    assert (found.winners, found.confidence) == (("c1",), None)
    assert found.flags == ("flipped", SHRUNK, OVERRULED)
    assert plain(found) == found.ballots[0] == judged
    assert found.ballots[1].scores == case.priors
    assert found.usage == judged.usage
    assert (found.judge, found.preferences) == (judged.judge, ())
    assert found.weights is not None
    assert found.weights.startswith("w+")
    assert found.weights != shrink(judged, case, accuracy=0.8).weights
    assert "0.900" in found.reason


@pytest.mark.parametrize(
    ("favourites", "told"),
    [
        (("c0", "c1"), "a logged mean of 0.900 breaks the judge's tie, against 0.300; "),
        (("c0",), "a logged mean of 0.900 outweighs the judge's choice, whose mean is 0.300; "),
    ],
)
def test_the_reason_holds_the_winner_against_who_lost_by_it(favourites: tuple[str, ...], told: str) -> None:
    between: Side = "tie" if len(favourites) == 2 else "first"
    met = Preference(shown=(CandidateId("c0"), CandidateId("c1")), outcome=between)
    verdict = replace(a_verdict(*favourites, reason="As good."), preferences=(met,))
    found = shrink(verdict, with_priors(a_case("one", "other"), 0.3, 0.9))
    assert (found.winners, found.reason) == (("c1",), f"{told}As good.")


def test_a_judge_that_the_means_agree_with_keeps_its_confidence() -> None:
    case = with_priors(a_case("one", "other"), 0.9, 0.1)
    found = shrink(preferring((0, 1), winner=0, confidence=0.7), case)
    assert (found.winners, found.confidence, found.flags) == (("c0",), 0.7, (SHRUNK,))


@pytest.mark.parametrize(
    "verdict",
    [
        a_verdict(),
        a_verdict("c0"),
        replace(a_verdict("c0"), ballots=(preferring((1, 0), winner=1), a_verdict("c0"))),
    ],
    ids=["nothing found", "found by a check", "found by a check after a judge was not sure"],
)
def test_what_rests_on_no_opinion_stands(verdict: Verdict) -> None:
    assert shrink(verdict, with_priors(a_case("one", "other"), 0.1, 0.9)) is verdict


def test_without_a_prior_for_every_contender_the_verdict_stands() -> None:
    case = a_case("one", "other")
    judged = preferring((0, 1), winner=0)
    assert shrink(judged, case) is judged
    assert shrink(judged, replace(case, priors={CandidateId("c1"): 0.9})) is judged


def test_who_was_kept_from_the_judge_by_a_check_does_not_come_back() -> None:
    case = with_priors(a_case("one", "two", "refused"), 0.2, 0.3, 0.99)
    staged = replace(a_verdict("c0"), ballots=(a_verdict("c0", "c1"), preferring((0, 1), winner=0)))
    assert "c2" not in shrink(staged, case).winners


@pytest.mark.parametrize(("one", "twin"), [("same", "same"), ('{"a": 1, "b": 2}', '{"b":2.0,"a":1}')])
def test_candidates_that_say_the_same_stay_tied(one: str, twin: str) -> None:
    case = with_priors(a_case(one, twin, "other"), 0.2, 0.8, 0.5)
    judged = replace(preferring((0, 2), winner=0), outcome="tie", winners=(CandidateId("c0"), CandidateId("c1")))
    tie = Preference(shown=(CandidateId("c0"), CandidateId("c1")), outcome="tie")
    judged = replace(judged, preferences=(*judged.preferences, tie))
    assert shrink(judged, case).winners == ("c0", "c1")


@pytest.mark.parametrize("accuracy", [0.4, 1.0, float("nan")])
def test_an_accuracy_that_is_none_is_refused(accuracy: float) -> None:
    with pytest.raises(ValueError, match="accuracy"):
        shrink(a_verdict("c0"), a_case("one"), accuracy=accuracy)


@st.composite
def judged_cases(draw: st.DrawFn) -> tuple[Case, Verdict]:
    case = a_case(*(f"text {n}" for n in range(draw(st.integers(2, 6)))))
    ids = [one.id for one in case.candidates]
    pairs = draw(st.lists(st.tuples(st.sampled_from(ids), st.sampled_from(ids), SIDES), max_size=12))
    met = tuple(Preference(shown=(one, other), outcome=side) for one, other, side in pairs if one != other)
    winners = draw(st.lists(st.sampled_from(ids), max_size=3, unique=True))
    scores: dict[str, float] = {one: draw(st.floats(0, 1)) for one in draw(st.lists(st.sampled_from(ids), unique=True))}
    return case, replace(a_verdict(*winners, scores=scores), preferences=met)


@given(judged_cases(), st.floats(0, 1), st.floats(0.5, 0.99))
def test_equal_priors_never_change_the_winner(made: tuple[Case, Verdict], prior: float, accuracy: float) -> None:
    case, verdict = made
    equal = with_priors(case, *[prior] * len(case.candidates))
    assert shrink(verdict, equal, accuracy=accuracy) is verdict


@given(judged_cases(), st.lists(st.floats(0, 1), min_size=6, max_size=6), st.randoms(use_true_random=False))
def test_neither_order_nor_names_matter_and_winners_are_candidates(
    made: tuple[Case, Verdict], priors: list[float], shuffled: random.Random
) -> None:
    case, verdict = made
    case = with_priors(case, *priors[: len(case.candidates)])
    found = shrink(verdict, case)
    order = list(case.candidates)
    shuffled.shuffle(order)
    assert set(shrink(verdict, replace(case, candidates=tuple(order))).winners) == set(found.winners)
    assert set(found.winners) <= {one.id for one in case.candidates}
    assert bool(found.winners) is bool(verdict.winners)
    assert shrink(verdict, relabelled(case, {one.id: one.id for one in case.candidates})) == found


MODELS, CASES = 14, 500


class Fleet:
    """Fourteen unequal models, and a judge that prefers the better of two answers in 82 of 100 pairs. Simulated."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.case = a_case(*(f"answer {n}" for n in range(MODELS)))

    def worths(self) -> Iterator[dict[CandidateId, float]]:
        """Quality of each answer to a prompt: log-odds that scatter by 0.8 around the model's own."""
        for _ in range(CASES):
            yield {
                one.id: 1 / (1 + math.exp(-self.random.gauss(4 * place / (MODELS - 1) - 2, 0.8)))
                for place, one in enumerate(self.case.candidates)
            }

    async def judged(self, worth: dict[CandidateId, float]) -> Verdict:
        met: list[Preference] = []

        async def compare(one: CandidateId, other: CandidateId) -> Side:
            errs = self.random.random() >= 0.82
            side: Side = "first" if (worth[one] > worth[other]) is not errs else "second"
            met.append(Preference(shown=(one, other), outcome=side))
            return side

        drawn: Sequence[CandidateId] = self.random.sample(list(worth), len(worth))
        bracket = await knockout(drawn, compare)
        return replace(a_verdict(bracket.champion), preferences=tuple(met))


@pytest.mark.parametrize("seed", [1, 2])
async def test_over_unequal_models_a_noisy_judge_beats_the_best_of_them_only_once_shrunk(seed: int) -> None:
    """The means are logged from the judge's own plain findings on other prompts. Figures are simulated."""
    fleet = Fleet(seed)
    won = dict.fromkeys((one.id for one in fleet.case.candidates), 0.5)
    for worth in fleet.worths():
        won[(await fleet.judged(worth)).winners[0]] += 1
    case = replace(fleet.case, priors={one: wins / (CASES + 1) for one, wins in won.items()})
    judged = [(worth, await fleet.judged(worth)) for worth in fleet.worths()]

    def mean(chosen: list[CandidateId]) -> float:
        return math.fsum(worth[one] for (worth, _), one in zip(judged, chosen, strict=True)) / CASES

    best = mean([case.candidates[-1].id] * CASES)
    plainly = mean([verdict.winners[0] for _, verdict in judged])
    shrunk = mean([shrink(verdict, case, accuracy=0.82).winners[0] for _, verdict in judged])
    assert plainly < best < shrunk, (plainly - best, shrunk - best)
