from hypothesis import given
from hypothesis import strategies as st

from judges import JUDGES, ModelError
from judges.testing import ScriptedModel, a_case, check_judge
from tests.judges.reader import Reader

PAIRWISE = {"use": "tournament", "compare": {"use": "pairwise", "model": "small"}}


@given(st.lists(st.text(max_size=9), min_size=1, max_size=6, unique_by=lambda text: len(text.strip())))
async def test_a_consistent_judge_of_two_finds_the_best_of_many(texts: list[str]) -> None:
    verdict = await JUDGES.build({"use": "tournament", "compare": "longest"}).judge(a_case(*texts), {})
    best = max(range(len(texts)), key=lambda n: len(texts[n].strip()))
    assert verdict.winners == (f"c{best}",)
    assert len(verdict.ballots) == len(verdict.preferences) == len(texts) - 1
    assert verdict.usage.nano_usd == 0


async def test_ballots_and_costs_of_all_matches_are_kept() -> None:
    verdict = await JUDGES.build(PAIRWISE).judge(a_case("a", "bb", "ccc", "dddd"), {"small": Reader()})
    assert (verdict.winners, verdict.usage.nano_usd) == (("c3",), 21)
    assert all(ballot.exchanges for ballot in verdict.ballots)


async def test_failures_and_abstentions_name_no_winner() -> None:
    case = a_case("a", "b", "c")
    failed = await JUDGES.build(PAIRWISE).judge(case, {"small": ScriptedModel([ModelError("gone")])})
    silent = await JUDGES.build(PAIRWISE).judge(case, {"small": ScriptedModel(["?"])})
    assert (failed.outcome, silent.outcome) == ("failed", "abstained")


async def test_equals_share_the_first_place() -> None:
    verdict = await JUDGES.build(PAIRWISE).judge(a_case("a", "b", "c"), {"small": Reader()})
    assert (verdict.outcome, verdict.winners) == ("tie", ("c0", "c1", "c2"))
    assert "by_lot" not in verdict.flags


async def test_the_laws_hold() -> None:
    await check_judge(
        JUDGES.build(PAIRWISE), [a_case("a", "bb", "ccc"), a_case("x"), a_case("a", "b")], {"small": Reader()}
    )


async def test_a_round_robin_is_decided_by_strengths() -> None:
    judge = JUDGES.build({**PAIRWISE, "play": "round_robin"})
    verdict = await judge.judge(a_case("a", "bb", "ccc", "dddd"), {"small": Reader()})
    assert (verdict.winners, len(verdict.ballots)) == (("c3",), 6)
    assert verdict.reason.startswith("strength")
    await check_judge(judge, [a_case("a", "bb", "ccc")], {"small": Reader()})


async def test_an_own_answer_is_written_once_per_case() -> None:
    compare = {"use": "pairwise", "model": "small", "reference": "own", "order": "both"}
    for play in ("knockout", "round_robin"):
        model = Reader()
        judge = JUDGES.build({"use": "tournament", "compare": compare, "play": play})
        verdict = await judge.judge(a_case("a", "bb", "ccc", "dddd"), {"small": model})
        own = [page for page in model.pages if not page.candidates]
        assert (verdict.winners, len(own)) == (("c3",), 1)
        assert all(page.reference == model.own for page in model.pages if page.candidates)
        asked = [exchange for ballot in verdict.ballots for exchange in ballot.exchanges]
        assert len(asked) == len(model.pages), "one record for each question"
        assert verdict.usage.nano_usd == 7 * len(model.pages)
        await judge.judge(a_case("a", "bb"), {"small": model})
        assert len([page for page in model.pages if not page.candidates]) == 2, "another case, another answer"


async def test_an_own_answer_that_fails_is_not_asked_for_in_every_match() -> None:
    compare = {"use": "pairwise", "model": "small", "reference": "own"}
    model = Reader(own=" ")
    judge = JUDGES.build({"use": "tournament", "compare": compare})
    verdict = await judge.judge(a_case("a", "bb", "ccc"), {"small": model})
    assert all("no_reference" in ballot.flags for ballot in verdict.ballots)
    assert len([page for page in model.pages if not page.candidates]) == 2, "once, and once with more room"


async def test_a_slight_win_weighs_less_than_a_clear_one() -> None:
    """Of three: ``zzzzzzzzz`` is clearly better than ``a``, slightly better than ``yyyyyyyy``, which beats ``a``."""
    compare = {"use": "pairwise", "model": "small", "labels": 5}
    case = a_case("a", "yyyyyyyy", "zzzzzzzzz")
    gaps = {}
    for labels in (5, 3):
        judge = JUDGES.build({"use": "tournament", "compare": {**compare, "labels": labels}, "play": "round_robin"})
        verdict = await judge.judge(case, {"small": Reader()})
        assert verdict.winners == ("c2",)
        gaps[labels] = verdict.scores["c2"] - verdict.scores["c1"]  # type: ignore[index]
        slight = [preference.strength for preference in verdict.preferences if "c0" not in preference.shown]
        assert slight == [0.5 if labels == 5 else None]
    assert 0 < gaps[5] < gaps[3] / 1.5
