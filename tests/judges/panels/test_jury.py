from dataclasses import replace

import pytest

from judges import JUDGES, ModelError
from judges.panels.jury import Jury
from judges.testing import ScriptedModel, a_case, check_judge
from tests.judges.reader import Reader

SEATS = ["longest", {"use": "pairwise", "model": "small"}, "refusal"]


async def test_the_majority_of_the_seats_decides_and_every_ballot_is_kept() -> None:
    jury = JUDGES.build({"use": "jury", "seats": SEATS})
    verdict = await jury.judge(a_case("short", "longer"), {"small": Reader()})
    assert (verdict.outcome, verdict.winners) == ("decided", ("c1",))
    assert [ballot.outcome for ballot in verdict.ballots] == ["decided", "decided", "abstained"]
    assert verdict.judge == jury.digest
    assert verdict.usage.nano_usd == 7


async def test_a_seat_that_fails_stops_nobody() -> None:
    jury = JUDGES.build({"use": "jury", "seats": SEATS})
    verdict = await jury.judge(a_case("short", "longer"), {"small": ScriptedModel([ModelError("gone")])})
    assert (verdict.outcome, verdict.winners) == ("decided", ("c1",))
    assert verdict.ballots[1].outcome == "failed"
    assert verdict.usage.nano_usd is None, "what the failed call cost is not known"


async def test_a_jury_that_fails_whole_has_failed() -> None:
    jury = JUDGES.build({"use": "jury", "seats": [SEATS[1], SEATS[1]]})
    assert (await jury.judge(a_case("short", "longer"), {})).outcome == "failed"


async def test_two_seats_in_opposite_orders_expose_a_place_bias() -> None:
    seats = [{"use": "pairwise", "model": "small", "order": order} for order in ("single", "opposite")]
    verdict = await JUDGES.build({"use": "jury", "seats": seats}).judge(
        a_case("one", "other"), {"small": ScriptedModel(["[[A]]"])}
    )
    assert verdict.outcome == "tie"


async def test_the_laws_hold() -> None:
    jury = JUDGES.build({"use": "jury", "seats": SEATS, "aggregate": "borda"})
    await check_judge(jury, [a_case("a", "bb", "ccc"), a_case("a", "b")], {"small": Reader()})


def test_seats_are_needed_and_an_error_names_the_seat() -> None:
    with pytest.raises(ValueError, match="seats"):
        JUDGES.build({"use": "jury", "seats": []})
    with pytest.raises(ValueError, match=r"seats.1.*model"):
        JUDGES.build({"use": "jury", "seats": ["longest", {"use": "pairwise"}]})


def test_the_models_of_all_seats_are_references() -> None:
    assert list(JUDGES.build({"use": "jury", "seats": SEATS}).references()) == [("seats.1.model", "small")]
    assert Jury(seats=("longest",)).digest != Jury(seats=("refusal",)).digest  # type: ignore[arg-type]


async def test_a_seat_whose_model_stands_aside_is_not_heard() -> None:
    seats = [{"use": "pairwise", "model": "own"}, {"use": "pairwise", "model": "other"}]
    own, other = Reader(), Reader(worth=lambda text: -len(text))
    case = replace(a_case("long text", "short"), recused=frozenset({"own"}))
    verdict = await JUDGES.build({"use": "jury", "seats": seats}).judge(case, {"own": own, "other": other})
    assert (verdict.winners, verdict.flags) == (("c1",), ("recused",))
    assert [one.outcome for one in verdict.ballots] == ["abstained", "decided"]
    assert own.pages == []
    assert verdict.usage.nano_usd == 7


@pytest.mark.parametrize(("bad", "said"), [(3, True), (2, True), (1, False), (0, False)])
async def test_all_are_bad_where_most_seats_say_so(bad: int, said: bool) -> None:
    marks = ["[[acceptable: none]]", "[[acceptable: A, B]]"]
    seats = [{"use": "pairwise", "model": f"m{k}", "absolute": True} for k in range(3)]
    models = {f"m{k}": ScriptedModel([f"{marks[k >= bad]}\n[[A]]"]) for k in range(3)}
    verdict = await JUDGES.build({"use": "jury", "seats": [*seats, "refusal"]}).judge(a_case("one", "other"), models)
    assert (len(verdict.winners), verdict.all_bad) == (1, said), "a seat that is silent has no say"
