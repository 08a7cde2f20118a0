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


async def test_a_tied_final_names_both_and_a_lot_shows() -> None:
    verdict = await JUDGES.build(PAIRWISE).judge(a_case("a", "b", "c"), {"small": Reader()})
    assert verdict.outcome == "tie"
    assert len(verdict.winners) == 2
    assert "by_lot" in verdict.flags


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
