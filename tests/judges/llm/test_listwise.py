from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judges import JUDGES, CandidateId, Case, Completion, Judge, Model, ModelError, Verdict
from judges.llm._render import LABELS
from judges.testing import ScriptedModel, a_case, check_judge
from tests.judges.reader import Reader


def a_listwise(**options: object) -> Judge:
    return JUDGES.build({"use": "listwise", "model": "small", **options})


async def verdict_of(model: Model, case: Case, **options: object) -> Verdict:
    return await a_listwise(**options).judge(case, {"small": model})


async def test_one_page_ranks_all_and_scores_by_the_share_beaten() -> None:
    model = Reader()
    verdict = await verdict_of(model, a_case("a", "bbb", "bb", "bbb", "cccc"))
    assert (verdict.outcome, verdict.winners, len(model.pages)) == ("decided", ("c4",), 1)
    assert dict(verdict.scores) == {"c0": 0.0, "c1": 2 / 3, "c2": 1 / 3, "c3": 2 / 3, "c4": 1.0}
    assert verdict.exchanges[0].parsed == "ranking:only"
    assert len(verdict.exchanges[0].shown) == 4, "who says the same enters once"
    assert verdict.usage.nano_usd == 7


async def test_equals_share_their_places_and_the_win() -> None:
    verdict = await verdict_of(Reader(), a_case("aa", "bb", "c"))
    assert (verdict.outcome, verdict.winners) == ("tie", ("c0", "c1"))
    assert dict(verdict.scores) == {"c0": 0.75, "c1": 0.75, "c2": 0.0}


async def test_rotations_put_each_candidate_in_other_places() -> None:
    model = Reader()
    verdict = await verdict_of(model, a_case("a", "bb", "ccc", "dddd"), rotations=4)
    places = {one: {exchange.shown.index(one) for exchange in verdict.exchanges} for one in verdict.scores}
    assert set(map(len, places.values())) == {4}
    assert verdict.winners == ("c3",)
    few = await verdict_of(Reader(), a_case("a", "bb"), rotations=9)
    assert len(few.exchanges) == 2, "there are no more orders than candidates"


async def test_a_judge_bound_to_the_place_ties_all_under_full_rotation() -> None:
    model = ScriptedModel(["[[A > B > C]]"])
    verdict = await verdict_of(model, a_case("x", "y", "z"), rotations=3)
    assert (verdict.outcome, len(verdict.winners)) == ("tie", 3)
    assert set(verdict.scores.values()) == {0.5}


async def test_the_best_are_kept_for_screening() -> None:
    case = a_case("a", "bb", "ccc", "ddd ", "eeee e")
    assert (await verdict_of(Reader(), case, keep=2)).winners == ("c3", "c4")
    edge = a_case("a", "bb", "cc", "dddd")
    assert (await verdict_of(Reader(), edge, keep=2)).winners == ("c1", "c2", "c3"), "equals at the edge stay"
    model = Reader()
    assert ((await verdict_of(model, edge, keep=4)).winners, model.pages) == (("c0", "c1", "c2", "c3"), [])


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(1, 4), st.integers(2, 9), st.integers(0, 9))
async def test_dozens_are_ranked_in_groups_and_the_best_are_found(n: int, keep: int, per_page: int, seed: int) -> None:
    model = Reader()
    verdict = await verdict_of(model, a_case(*("x" * k for k in range(1, n + 1)), seed=seed), per_page=per_page)
    assert verdict.winners == (f"c{n - 1}",)
    assert all(len(page.candidates) <= per_page for page in model.pages)
    assert all(0 <= score <= 1 for score in verdict.scores.values())
    assert len(verdict.scores) == n
    assert verdict.scores[verdict.winners[0]] == max(verdict.scores.values()) == 1.0
    if keep < per_page:
        kept = await verdict_of(
            Reader(), a_case(*("x" * k for k in range(1, n + 1)), seed=seed), per_page=per_page, keep=keep
        )
        assert set(kept.winners) == {f"c{k}" for k in range(max(0, n - keep), n)}


@pytest.mark.parametrize(("times", "outcome"), [(1, "decided"), (2, "decided"), (20, "abstained")])
async def test_beyond_the_context_it_is_a_knockout_or_an_abstention(times: int, outcome: str) -> None:
    """Eight candidates that together take so many times the context; at 20 no two fit on a page."""
    model = Reader(context_tokens=4000)
    each = 4000 * 3 * times // 8
    texts = ["x" * (each - 8 + k) for k in range(8)]
    verdict = await verdict_of(model, a_case(*texts))
    assert verdict.outcome == outcome
    shown = [text for page in model.pages for text in page.candidates]
    assert set(shown) <= set(texts), "nothing is cut"
    if outcome == "decided":
        assert verdict.winners == ("c7",)
        assert len(model.pages) > 1
        assert "too_long" not in verdict.flags
    else:
        assert (verdict.flags[0], shown, verdict.usage.nano_usd) == ("too_long", [], 0)
        assert "fits on no page" in verdict.reason


@pytest.mark.parametrize("reply", ["", "[[A]]", "[[A > B]]", "[[A > B > C]] [[C > B > A]]", "[[A > A > B > C]]"])
async def test_an_unreadable_ranking_is_an_abstention(reply: str) -> None:
    verdict = await verdict_of(ScriptedModel([reply]), a_case("x", "y", "z"))
    assert (verdict.outcome, dict(verdict.scores), verdict.flags) == ("abstained", {}, ("null_comparison",))


async def test_one_rotation_without_a_verdict_leaves_the_others_to_decide() -> None:
    model = ScriptedModel(["no idea", "[[B > A > C]]"])
    verdict = await verdict_of(model, a_case("x", "y", "z"), rotations=2)
    assert (verdict.outcome, verdict.flags) == ("decided", ("null_comparison",))
    assert verdict.winners == (verdict.exchanges[1].shown[1],)


async def test_a_group_without_a_verdict_does_not_lose() -> None:
    model = ScriptedModel(["[[A > B]]", "?"])
    verdict = await verdict_of(model, a_case("w", "x", "y", "z"), per_page=2)
    assert (verdict.outcome, verdict.scores) == ("abstained", {})


async def test_a_truncated_ranking_is_asked_for_once_more_with_more_room() -> None:
    model = ScriptedModel([Completion(text="[[A > B", finish_reason="length"), "[[A > B]]"])
    verdict = await verdict_of(model, a_case("x", "y"))
    assert (verdict.outcome, [one.attempt for one in verdict.exchanges]) == ("decided", [1, 2])


async def test_failures_and_small_fields() -> None:
    failed = await verdict_of(ScriptedModel([ModelError("gone")]), a_case("x", "y", "z"))
    assert (failed.outcome, "gone" in failed.reason) == ("failed", True)
    assert (await a_listwise().judge(a_case("x", "y"), {})).outcome == "failed"
    model = Reader()
    for case, outcome in ((a_case(), "abstained"), (a_case("x"), "decided"), (a_case("x", "x"), "tie")):
        assert (await verdict_of(model, case)).outcome == outcome
    assert model.pages == []


async def test_all_bad_and_references_as_in_the_other_judges() -> None:
    case = a_case("a", "bb", "ccc")
    bad = await verdict_of(Reader(enough=4), case, absolute=True)
    assert (bad.all_bad, bad.winners) == (True, ("c2",))
    assert not (await verdict_of(Reader(enough=3), case, absolute=True)).all_bad
    assert "unmarked" in (await verdict_of(ScriptedModel(["[[A > B > C]]"]), case, absolute=True)).flags
    model = Reader()
    await verdict_of(model, replace(case, reference="42"))
    own = await verdict_of(model, case, reference="own", rotations=2)
    assert [page.reference for page in model.pages] == ["42", None, "my own answer", "my own answer"]
    assert own.exchanges[1].prompt.startswith("listwise+own_reference@")


@given(st.lists(st.sampled_from(["[[A > B > C]]", "[[B>A]]", "[[", "C>", "]]", "\n"]) | st.text(max_size=5)))
async def test_no_reply_raises_or_fakes_a_ranking(pieces: list[str]) -> None:
    verdict = await verdict_of(ScriptedModel(["".join(pieces)]), a_case("x", "y", "z"), rotations=2)
    assert verdict.outcome in ("decided", "tie", "abstained")
    if not set("".join(pieces)) >= set(LABELS[:3]):
        assert verdict.outcome == "abstained"


@pytest.mark.parametrize("options", [{}, {"rotations": 3}, {"per_page": 2}, {"keep": 2}, {"reference": "own"}])
async def test_the_laws_hold(options: dict[str, object]) -> None:
    """Among them: permuting the candidates permutes the scores."""
    cases = [a_case("a", "bb", "ccc", "dddd", "e"), a_case("a", "b", seed=3), a_case("a", "a", "a"), a_case("x")]
    await check_judge(a_listwise(**options), cases, {"small": Reader()})


@pytest.mark.parametrize(
    "options",
    [
        {"use": "listwise", "rotations": 2},
        {"use": "listwise", "per_page": 2},
        {"use": "pairwise", "play": "round_robin"},
    ],
)
@given(st.lists(st.text("xyz", max_size=6), min_size=1, max_size=5), st.randoms(use_true_random=False))
async def test_permuting_candidates_permutes_scores(options: dict[str, object], texts: list[str], draw: Random) -> None:
    order = draw.sample(range(len(texts)), len(texts))
    judge = JUDGES.build({"model": "small", **options})
    scores = (await judge.judge(a_case(*texts), {"small": Reader()})).scores
    moved = await judge.judge(a_case(*[texts[place] for place in order]), {"small": Reader()})
    expected = {f"c{now}": scores[CandidateId(f"c{was}")] for now, was in enumerate(order) if f"c{was}" in scores}
    assert dict(moved.scores) == pytest.approx(expected)
