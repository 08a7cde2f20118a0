"""Labels with degrees, second models, second orders where it is close, marks and references of pairwise judges."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import JUDGES, Case, Completion, InvalidOptions, Judge, Model, ModelError, TokenLogprob, Verdict
from judges.llm._compare import ComparingJudge
from judges.llm._field import rules
from judges.llm._prompts import load
from judges.testing import ScriptedModel, a_case, check_judge
from tests.judges.reader import Reader


def a_pairwise(**options: object) -> Judge:
    return JUDGES.build({"use": "pairwise", "model": "small", **options})


async def verdict_of(models: Model | Mapping[str, Model], case: Case, **options: object) -> Verdict:
    known = models if isinstance(models, Mapping) else {"small": models}
    return await a_pairwise(**options).judge(case, known)


@pytest.mark.parametrize(
    ("texts", "outcome", "strength"),
    [(("a", "bbbbbb"), "decided", 1.0), (("a", "bb"), "decided", 0.5), (("a", "b"), "tie", None)],
)
async def test_five_labels_say_by_how_much(texts: tuple[str, str], outcome: str, strength: float | None) -> None:
    verdict = await verdict_of(Reader(), a_case(*texts), labels=5)
    assert (verdict.outcome, verdict.preferences[0].strength) == (outcome, strength)
    assert verdict.exchanges[0].prompt.startswith("pairwise_five@")
    assert a_pairwise(labels=5).digest != a_pairwise().digest


@given(st.text(max_size=9), st.text(max_size=9), st.integers(), st.sampled_from([3, 5]))
async def test_swapping_both_candidates_and_order_mirrors_the_outcome(
    one: str, other: str, seed: int, labels: int
) -> None:
    """What stood first then stands second, and whatever it got there it gets here; a place-bound judge is mirrored."""
    mirrored = {"first": "second", "second": "first", "tie": "tie"}
    case, swapped = a_case(one, other, seed=seed), a_case(other, one, seed=seed)
    there = await verdict_of(Reader(), case, labels=labels)
    back = await verdict_of(Reader(), swapped, labels=labels, order="opposite")
    if one != other:
        ours, theirs = there.preferences[0], back.preferences[0]
        assert mirrored[ours.outcome] == theirs.outcome
        assert ours.strength == theirs.strength
    names = {"c0": "c1", "c1": "c0"}
    assert sorted(names[winner] for winner in there.winners) == sorted(back.winners)


@given(st.lists(st.sampled_from(["[[A]]", "[[B]]", "[[C]]", "[[A>>A]]", "[[", "final verdict: ", "\n"]) | st.text()))
async def test_no_reply_raises_or_fakes_a_label(pieces: list[str]) -> None:
    reply = "".join(pieces)
    for options in ({}, {"labels": 5, "absolute": True, "order": "both"}):
        verdict = await verdict_of(ScriptedModel([reply]), a_case("one", "other"), **options)
        if not any(sign in reply for sign in "ABC"):
            assert verdict.outcome == "abstained"


async def test_conflicting_final_labels_and_self_comparison_are_no_verdict() -> None:
    for reply in ("Final verdict: [[A>B]]\nFinal verdict: [[B>A]]", "Good.\n[[A>>A]]", "[[B=B]]"):
        verdict = await verdict_of(ScriptedModel([reply]), a_case("one", "other"), labels=5)
        assert (verdict.outcome, [one.outcome for one in verdict.preferences]) == ("abstained", ["none"])


async def test_two_models_in_opposite_orders() -> None:
    small, large = Reader(), Reader()
    judge = a_pairwise(second_model="large")
    assert [str(name) for _, name in judge.references()] == ["small", "large"]
    verdict = await judge.judge(a_case("short", "longer"), {"small": small, "large": large})
    assert verdict.winners == ("c1",)
    assert [one.model for one in verdict.exchanges] == ["small", "large"]
    assert verdict.exchanges[0].shown == verdict.exchanges[1].shown[::-1]
    assert [one.exchange for one in verdict.preferences] == [0, 1]
    await check_judge(judge, [a_case("a", "bb", "ccc")], {"small": Reader(), "large": Reader()})


async def test_two_models_that_disagree_are_a_tie_and_flagged() -> None:
    models: dict[str, Model] = {"small": Reader(), "large": Reader(worth=lambda text: -len(text))}
    verdict = await verdict_of(models, a_case("short", "longer"), second_model="large")
    assert (verdict.outcome, verdict.flags) == ("tie", ("disagreed",))
    both = await verdict_of(models, a_case("short", "longer"), second_model="large", order="both")
    assert (both.outcome, both.flags, len(both.exchanges)) == ("tie", ("disagreed",), 4)


async def test_a_second_model_that_contradicts_itself_is_flipped_and_outvoted_by_nobody() -> None:
    models: dict[str, Model] = {"small": Reader(), "large": ScriptedModel(["[[A]]"])}
    verdict = await verdict_of(models, a_case("short", "longer"), second_model="large", order="both")
    assert (verdict.winners, verdict.flags) == (("c1",), ("flipped",))


async def test_a_second_model_that_fails_leaves_the_first_to_decide() -> None:
    models: dict[str, Model] = {"small": Reader(), "large": ScriptedModel([ModelError("gone")])}
    verdict = await verdict_of(models, a_case("short", "longer"), second_model="large")
    assert verdict.winners == ("c1",)
    assert "gone" in (verdict.exchanges[1].error or "")


@pytest.mark.parametrize(("texts", "pages"), [(("a", "bbbbbb"), 1), (("a", "bb"), 2), (("a", "b"), 2)])
async def test_the_second_order_is_asked_only_where_it_is_close(texts: tuple[str, str], pages: int) -> None:
    model = Reader()
    verdict = await verdict_of(model, a_case(*texts), order="if_close", labels=5)
    assert len(model.pages) == len(verdict.preferences) == pages
    assert len({one.shown for one in verdict.preferences}) == pages


async def test_a_close_knockout_pays_for_the_close_matches_alone() -> None:
    model = Reader()
    verdict = await verdict_of(model, a_case("a", "bb", "c" * 9, "d" * 15), order="if_close", labels=5)
    swapped = {frozenset(one.shown) for one in verdict.preferences}
    assert verdict.winners == ("c3",)
    assert 3 == len(swapped) <= len(model.pages) < 6


async def test_a_second_model_takes_the_second_page_where_it_is_close() -> None:
    models = {"small": Reader(), "large": Reader()}
    close = await verdict_of(models, a_case("a", "bb"), order="if_close", labels=5, second_model="large")
    assert [one.model for one in close.exchanges] == ["small", "large"]
    assert close.exchanges[0].shown == close.exchanges[1].shown[::-1]


def a_reply(label: str, odds: Mapping[str, float]) -> Completion:
    top = tuple((token, math.log(odd)) for token, odd in odds.items())
    tokens = ("Good. ", "[[", label, "]]")
    logprobs = tuple(
        TokenLogprob(token=one, logprob=math.log(odds[one]) if one == label else 0.0, top=top if one == label else ())
        for one in tokens
    )
    return Completion(text="".join(tokens), finish_reason="stop", logprobs=logprobs)


@pytest.mark.parametrize(
    ("label", "odds", "strength"),
    [
        ("A", {"A": 0.7, "B": 0.2, "C": 0.1}, 0.5),
        ("B", {"A": 0.25, "B": 0.5}, 1 / 3),
        ("A", {"A": 0.2, "B": 0.7, "x": 0.1}, 1e-6),
        ("A", {"A": 0.9, "x": 0.1}, 1.0),
        ("C", {"A": 0.1, "C": 0.9}, None),
    ],
)
async def test_the_strength_of_a_label_is_read_off_its_token(
    label: str, odds: Mapping[str, float], strength: float | None
) -> None:
    model = ScriptedModel([a_reply(label, odds)])
    verdict = await verdict_of(model, a_case("one", "other"), top_logprobs=5)
    assert verdict.preferences[0].strength == (strength if strength is None else pytest.approx(strength))
    assert model.asked[0].top_logprobs == 5


@pytest.mark.parametrize(("odds", "asked"), [({"A": 0.95, "B": 0.05}, 1), ({"A": 0.6, "B": 0.4}, 2)])
async def test_a_sure_token_needs_no_second_order(odds: Mapping[str, float], asked: int) -> None:
    model = ScriptedModel([a_reply("A", odds)])
    await verdict_of(model, a_case("one", "other"), order="if_close", top_logprobs=5)
    assert len(model.asked) == asked


async def test_where_no_logprobs_come_it_is_close() -> None:
    model = ScriptedModel(["[[A]]"])
    verdict = await verdict_of(model, a_case("one", "other"), order="if_close", top_logprobs=5)
    assert (len(model.asked), verdict.flags) == (2, ("flipped",))


async def test_all_bad_needs_every_answer_marked_as_bad() -> None:
    case = a_case("a", "bb", "ccc")
    verdict = await verdict_of(Reader(enough=4), case, absolute=True)
    assert (verdict.all_bad, verdict.winners) == (True, ("c2",)), "the least bad is named"
    assert verdict.exchanges[0].prompt.startswith("pairwise+absolute@")
    assert not (await verdict_of(Reader(enough=3), case, absolute=True)).all_bad
    assert not (await verdict_of(Reader(enough=4), case)).all_bad
    unmarked = await verdict_of(ScriptedModel(["[[A]]"]), case, absolute=True)
    assert (unmarked.all_bad, unmarked.flags) == (False, ("unmarked",))


async def test_a_tournament_of_verdicts_that_all_are_bad_says_so() -> None:
    compare = a_pairwise(absolute=True)
    judge = JUDGES.build({"use": "tournament", "compare": compare})
    assert (await judge.judge(a_case("a", "bb", "ccc"), {"small": Reader(enough=4)})).all_bad
    assert not (await judge.judge(a_case("a", "bb", "ccc"), {"small": Reader(enough=3)})).all_bad


async def test_a_given_reference_stands_on_the_page_as_data() -> None:
    model = Reader()
    case = replace(a_case("one", "other"), reference="[[A]] 42")
    await verdict_of(model, case)
    assert model.pages[0].reference == "[[A]] 42"
    model.pages.clear()
    await verdict_of(model, case, reference="none")
    assert model.pages[0].reference is None


async def test_the_judge_writes_its_own_reference_once_for_all_pages() -> None:
    model = Reader()
    verdict = await verdict_of(model, a_case("a", "bb", "ccc"), reference="own", order="both")
    assert [page.reference for page in model.pages] == [None] + ["my own answer"] * 4
    assert (verdict.winners, verdict.flags) == (("c2",), ())
    assert verdict.exchanges[0].prompt.startswith("own_answer@")
    assert (verdict.exchanges[0].shown, verdict.exchanges[0].text) == ((), "my own answer")
    assert verdict.exchanges[1].prompt.startswith("pairwise+own_reference@")
    for preference in verdict.preferences:
        assert verdict.exchanges[preference.exchange or 0].shown == preference.shown
    assert verdict.usage.nano_usd == 7 * 5
    await check_judge(a_pairwise(reference="own"), [a_case("a", "bb"), a_case("x")], {"small": Reader()})


async def test_no_own_reference_is_written_for_nothing() -> None:
    model = Reader()
    await verdict_of(model, a_case("same", "same"), reference="own")
    assert model.pages == []
    await verdict_of(model, replace(a_case("one", "other"), reference="42"), reference="own")
    assert [page.reference for page in model.pages] == ["42"]


async def test_without_its_own_reference_the_judge_goes_on_and_says_so() -> None:
    model = ScriptedModel([ModelError("gone"), "[[A]]"])
    verdict = await verdict_of(model, a_case("one", "other"), reference="own")
    assert (verdict.outcome, verdict.flags) == ("decided", ("no_reference",))
    assert verdict.preferences[0].exchange == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"order": "if_close"}, "labels = 5 or top_logprobs"),
        ({"labels": 5, "top_logprobs": 5}, "top_logprobs: only with labels = 3"),
        ({"second_model": "small"}, "second_model: it is the same as model"),
        ({"labels": 4}, "labels"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidOptions, match=told):
        a_pairwise(**options)


def test_every_prompt_that_can_be_asked_is_part_of_the_digest() -> None:
    judge = a_pairwise(reference="own", absolute=True)
    assert isinstance(judge, ComparingJudge)
    assert set(judge.ingredients().values()) == {
        *rules("knockout").values(),
        load("pairwise", "absolute").reference,
        load("pairwise", "absolute", "own_reference").reference,
        load("own_answer").reference,
    }


async def test_a_round_robin_shows_every_strength_with_its_error() -> None:
    verdict = await verdict_of(Reader(), a_case("a", "bb", "ccc"), play="round_robin")
    assert verdict.reason.count("±") == 4
    scores = list(verdict.scores.values())
    assert scores == sorted(set(scores))
    assert scores[-1] < 1
    twins = await verdict_of(Reader(), a_case("a", "bb", "bb"), play="round_robin")
    assert len(set(twins.scores.values())) == 2
