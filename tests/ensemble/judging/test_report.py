"""What a report sees of judges whose biases are planted, over the simulated fleet and a real log."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from ensemble.config import load
from ensemble.judging.report import JudgeReport, report
from ensemble.rejudging.anchors import Checker, freeze_set
from ensemble.service import open_service
from ensemble.simulator import reply
from ensemble.store.judged import Judged, Written, judged
from ensemble.types import RequestId
from judges.agreement import Rate
from judges.judge import JUDGES
from judges.panels.jury import Jury
from judges.types import CandidateId, Usage, Verdict
from tests.ensemble.judging.fleet import ask_all, label, opened, simulated, tasks
from tests.ensemble.labelling.workshop import MEMBERS, a_workshop, prompts


async def reported(folder: Path, n: int = 70, **settings: object) -> list[JudgeReport]:
    """The report on ``n`` tasks; the truth of the simulator stands in the log as what a person said."""
    made = tasks(n)
    async with simulated(folder, **settings) as service:  # type: ignore[arg-type]
        await ask_all(service, made)
    label(folder / "ensemble.db", made)
    config = load(folder / "ensemble.toml")
    with judged(folder / "ensemble.db") as verdicts:
        return report(verdicts, config.judges, {name: one.family for name, one in config.members.items()})


def within(rate: Rate, low: float, high: float) -> bool:
    return rate.value is not None and low <= rate.value <= high


async def test_a_fair_judge_is_cleared(tmp_path: Path) -> None:
    (house,) = await reported(tmp_path)
    assert (house.judge, house.seat, house.verdicts) == ("house", "", 70)
    assert house.rates["consistency"].value == 1.0
    assert house.rates["first"].value == 0.5
    assert house.rates["right_longer"].value == house.rates["right_shorter"].value == 1.0
    assert house.rates["null"].value == 0.0
    assert house.nano_usd.value is not None
    assert house.cost.nano_usd == round(house.nano_usd.value * house.nano_usd.n)
    assert house.cost.unpriced == 0


async def test_a_planted_position_bias_is_seen(tmp_path: Path) -> None:
    (house,) = await reported(tmp_path, position_bias=0.5)
    first = house.rates["first"]
    assert first.low is not None
    assert first.low > 0.55
    assert within(house.rates["consistency"], 0.35, 0.65)


async def test_a_planted_length_bias_is_seen(tmp_path: Path) -> None:
    (house,) = await reported(tmp_path, length_bias=0.6)
    # Not one: of two texts of one length, this judge takes the first.
    assert within(house.rates["consistency"], 0.85, 1.0)
    assert within(house.rates["first"], 0.45, 0.6)
    assert house.rates["longer"].low is not None
    assert house.rates["longer"].low > 0.5
    longer, shorter = house.rates["right_longer"], house.rates["right_shorter"]
    assert longer.value is not None
    assert shorter.high is not None
    assert longer.value > shorter.high


def test_a_seat_that_stood_aside_is_neither_wrong_nor_silent() -> None:
    a, b = CandidateId("a"), CandidateId("b")
    aside = Verdict(judge="0" * 64, outcome="abstained", flags=("recused",), usage=Usage(nano_usd=0))
    mute = Verdict(judge="1" * 64, outcome="abstained", usage=Usage(nano_usd=5))
    jury = Verdict(judge="2" * 64, outcome="decided", winners=(a,), ballots=(aside, mute), flags=("recused",))
    texts = {one: Written(member=one, characters=1) for one in (a, b)}
    settings = Jury.model_validate({"seats": [{"use": "longest"}] * 2})
    known = {"house": settings}
    told = Judged(
        request=RequestId("r"),
        judge="house",
        verdict=replace(jury, judge=settings.digest),
        candidates=texts,
        best=frozenset({a}),
    )
    _, first, second = report([told], known)
    assert [(one.verdicts, one.rates["null"].value, one.rates["accuracy"].value) for one in (first, second)] == [
        (1, None, None),
        (1, 1.0, 0.0),
    ]
    assert (first.cost.nano_usd, second.cost.nano_usd) == (0, 5)


async def test_seats_of_a_jury_are_reported_below_it(tmp_path: Path) -> None:
    panel, longest, pairwise = await reported(tmp_path, n=20, judge="panel")
    assert (panel.judge, panel.seat, panel.rates["first"].value) == ("panel", "", None)
    assert longest.seat == "longest"
    assert within(longest.rates["longer"], 1.0, 1.0)
    assert longest.cost.nano_usd == 0
    # The seats are judges of their own too, so that is what they are called.
    assert pairwise.seat == "once"
    assert pairwise.rates["first"].n > 0
    assert pairwise.cost == panel.cost
    assert longest.rates["accuracy"].n > 0


async def test_a_judge_of_a_members_family_is_held_against_the_truth(tmp_path: Path) -> None:
    (house,) = await reported(tmp_path, n=40, family="birch")
    own, right = house.rates["own"], house.rates["own_right"]
    assert own.n > 0
    assert own.value is not None
    assert right.value is not None
    assert right.n <= own.n
    assert own.value > 0.5  # birch-large is the better model, which is no bias
    assert right.value == own.value or right.n < own.n


async def test_a_case_that_is_judged_again_counts_once_and_its_cost_each_time(tmp_path: Path) -> None:
    one_order = JUDGES.build({"use": "pairwise", "model": "critic", "order": "single"})
    async with a_workshop(tmp_path, script={**MEMBERS, "critic": ("[[A]]",)}, judges={"one": one_order}) as shop:
        await shop.label(prompts(2), judge="one")
        with judged(shop.path) as verdicts:
            (before,) = report(verdicts)
        await freeze_set(shop.pipeline.store, "gold", "1")
        for _ in range(2):
            await Checker(shop.pipeline, "one", "gold").run()
    with judged(shop.path) as verdicts:
        (after,) = report(verdicts)
    assert (before.verdicts, before.again, after.verdicts, after.again) == (2, 0, 6, 4)
    assert after.rates == before.rates
    assert after.rates["first"].n == 2
    assert after.cost.nano_usd == 3 * before.cost.nano_usd > 0


async def test_what_the_log_cannot_tell_is_left_out(tmp_path: Path) -> None:
    async with simulated(tmp_path, judge="once") as service:
        await ask_all(service, tasks(4))
    with judged(tmp_path / "ensemble.db") as verdicts:
        (once,) = report(verdicts)
    blank = Rate(value=None, low=None, high=None, n=0)
    for name in ("consistency", "accuracy", "right_longer", "right_shorter", "own", "own_right"):
        assert once.rates[name] == blank, name
    assert once.verdicts == 4
    assert once.rates["first"].n > 0


async def test_what_an_audit_needs_is_stored_of_every_question(tmp_path: Path) -> None:
    """Prompt hash and version, order, raw text, parse path, retries and cost, of a judge that really asked."""
    async with opened(tmp_path) as (config, simulator), open_service(config) as service:
        simulator.script("judge", [reply("")])
        await ask_all(service, tasks(1))
        (request,) = {one.request for one in stored(tmp_path)}
        tree: Any = await service.store.request(request)
    (verdict,) = tree["verdicts"]
    exchanges = verdict["exchanges"]
    assert len(exchanges) == 3
    assert [one["attempt"] for one in exchanges].count(2) == 1
    assert {one["prompt"].partition("@")[0] for one in exchanges} == {"pairwise"}
    assert all(re.fullmatch(r"pairwise@[0-9a-f]{64}", one["prompt"]) for one in exchanges)
    assert len({tuple(one["shown"]) for one in exchanges}) == 2
    empty = [one for one in exchanges if not one["text"]]
    assert [(one["attempt"], one["parsed"], one["error"]) for one in empty] == [(1, None, "the reply is empty")]
    assert all("[[" in one["text"] and one["parsed"] for one in exchanges if one["text"])
    assert all(one["call_id"] and one["nano_usd"] is not None for one in exchanges)
    assert verdict["nano_usd"] == sum(one["nano_usd"] for one in exchanges)
    assert verdict["judge_digest"] == config.judges["house"].digest


def stored(folder: Path) -> list[Judged]:
    with judged(folder / "ensemble.db") as verdicts:
        return list(verdicts)
