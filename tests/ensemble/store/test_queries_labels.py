from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ensemble.store import Store
from ensemble.store.database import Database
from ensemble.store.examples import examples_of
from ensemble.store.findings import findings
from ensemble.store.rejudging import standing
from ensemble.training.held import hold
from ensemble.training.table import from_labels
from ensemble.types import CallId, Label, Late, Record, Stage, VerdictId
from judges.types import Usage
from tests.ensemble.store.builders import (
    a_call,
    a_late,
    a_plan,
    a_record,
    a_request,
    a_ruling,
    a_verdict,
    an_id,
    asked_anew,
    judge_calls,
    said,
    weighed,
)


async def label_of(store: Store, record: Record, *, complete: bool = True) -> Label:
    await store.record(record)
    (label,) = store.labels(complete=complete)
    return label


async def test_a_full_panel(store: Store) -> None:
    plan = a_plan(propensities={"small": 0.5, "medium": 1.0, "large": 1.0})
    record = a_record(request=a_request(conversation="c1", tags={"domain": "physics"}), plan=plan)
    label = await label_of(store, record)
    assert label == Label(
        request=record.request.id,
        messages=record.request.prompt.messages,
        best=frozenset({"small"}),
        scores={"small": 1.0, "medium": 0.25, "large": 0.25},
        nano_usd={"small": 20_000, "medium": 20_000, "large": 20_000},
        total_s={"small": 0.5, "medium": 0.5, "large": 0.5},
        kind="full",
        source="judge",
        by="j" * 64,
        confidence=0.8,
        complete=True,
        usable=True,
        conversation="c1",
        domain="physics",
        propensities=plan.propensities,
        arrived="2026-11-23T12:00:00.000000Z",
    )


@pytest.mark.parametrize(
    ("verdict", "ruling", "kind", "usable"),
    [
        ({}, {"complete": False}, "early", True),
        ({"own_family": True}, {}, "own_family", True),
        ({"all_bad": True, "own_family": True}, {}, "all_bad", True),
        ({}, {"usable": False}, "full", False),
        ({}, {"fallback": "member_order"}, "fallback", False),
        ({"outcome": "failed", "winners": ()}, {"chosen": None}, "fallback", False),
        ({"outcome": "abstained", "winners": (), "all_bad": True}, {}, "fallback", False),
    ],
)
async def test_every_kind(
    store: Store, verdict: dict[str, Any], ruling: dict[str, Any], kind: str, usable: bool
) -> None:
    label = await label_of(store, a_record(verdict=verdict, ruling=ruling), complete=False)
    assert (label.kind, label.usable) == (kind, usable)
    assert label.best == (frozenset({"small"}) if usable else frozenset())


async def test_an_incomplete_panel_is_left_out_unless_asked_for(store: Store) -> None:
    await store.record(a_record(ruling={"complete": False}))
    assert list(store.labels()) == []
    assert [label.complete for label in store.labels(complete=False)] == [False]


async def test_a_tie_names_every_winner(store: Store) -> None:
    request = a_request()
    calls = [a_call(request.id, member) for member in ("small", "large")]
    ids = [call.candidate for call in calls if call.candidate]
    tie = a_verdict(ids, preferences=(), exchanges=())
    record = replace(
        a_record(request=request),
        calls=tuple(calls),
        authors={call.candidate: call.member for call in calls if call.candidate},
        rulings=(a_ruling(tie),),
    )
    assert (await label_of(store, record)).best == frozenset({"small", "large"})


async def test_several_samples_of_a_member_are_one_entry(store: Store) -> None:
    """The mean of their scores, the sum of their costs, the slowest of their times with its retries."""
    request = a_request()
    failed = a_call(request.id, failure="overloaded", total_s=0.25)
    again = a_call(request.id, candidate=failed.candidate, attempt=2, total_s=0.25)
    beside = a_call(request.id, candidate=failed.candidate, attempt=3, total_s=9.0, hedge=True, failure="cancelled")
    other = a_call(request.id, sample=1, total_s=0.3)
    one, two = again.candidate, other.candidate
    assert one is not None
    assert two is not None
    verdict = a_verdict([one], [two], scores={one: 1.0, two: 0.5})
    record = replace(
        a_record(request=request),
        calls=(failed, again, beside, other),
        authors={one: "small", two: "small"},
        rulings=(a_ruling(verdict),),
    )
    label = await label_of(store, record)
    assert (label.best, label.scores) == (frozenset({"small"}), {"small": 0.75})
    assert (label.nano_usd, label.total_s) == ({"small": 40_000}, {"small": 0.5})


async def test_a_member_that_failed_has_a_cost_and_no_time(store: Store) -> None:
    record = a_record()
    gone = a_call(record.request.id, "gone", failure="timeout", total_s=60.0)
    label = await label_of(store, replace(record, calls=(*record.calls, gone)))
    assert label.nano_usd["gone"] == 0
    assert "gone" not in label.total_s


async def test_the_full_verdict_takes_the_place_of_the_served_one(store: Store) -> None:
    record = a_record(ruling={"complete": False})
    await store.record(record)
    await store.record_late(a_late(record))
    (label,) = store.labels()
    assert (label.best, label.kind) == (frozenset({"slow"}), "full")
    assert set(label.scores) == {"small", "medium", "large", "slow"}


@pytest.mark.parametrize("undecided", [{"outcome": "failed", "winners": ()}, {}])
async def test_a_full_verdict_that_decides_nothing_does_not(store: Store, undecided: dict[str, Any]) -> None:
    """No winner, or one that nobody could serve."""
    record = a_record(ruling={"complete": False})
    await store.record(record)
    late = a_late(record)
    assert late.ruling is not None
    verdict = replace(late.ruling.verdict, **undecided)
    nothing = a_ruling(verdict, phase="full", fallback="member_order" if not undecided else None)
    await store.record_late(replace(late, ruling=nothing))
    (label,) = store.labels(complete=False)
    assert (label.best, label.kind) == (frozenset({"small"}), "early")


async def test_of_a_cascade_the_last_stage_counts(store: Store) -> None:
    record = a_record()
    first, second = a_ruling(a_verdict([])), a_ruling(record.rulings[0].verdict, stage=1)
    assert (await label_of(store, replace(record, rulings=(first, second)))).best == frozenset({"small"})


async def test_who_answered_an_earlier_stage_of_a_cascade_lost_to_nobody(store: Store, db: Database) -> None:
    """It was passed on for its own score, and the judge of the later stage never saw it."""
    request = a_request()
    stages = (
        Stage(members=("small",), judge="score", accept_score=0.8),
        Stage(members=("medium", "large"), judge="house"),
    )
    small, medium, large = (
        a_call(request.id, name, stage=int(name != "small")) for name in ("small", "medium", "large")
    )
    ids = [call.candidate for call in (small, medium, large) if call.candidate]
    alone = a_ruling(a_verdict(ids[:1], scores={ids[0]: 0.5}), panel=tuple(ids[:1]), usable=False)
    later = a_ruling(a_verdict(ids[1:2], ids[2:], scores={}, exchanges=()), stage=1, panel=tuple(ids[1:]))
    record = a_record(request=request, plan=a_plan(stages=stages), calls=(small, medium, large), rulings=(alone, later))
    await store.record(
        replace(record, authors=dict(zip(ids, ("small", "medium", "large"), strict=True)), chosen=ids[1])
    )
    table = hold(examples_of(db, [request.id]), members=("small", "medium", "large")).table
    assert np.nan_to_num(table.quality, nan=-1.0).tolist() == [[-1.0, 1.0, 0.0]]


async def test_what_judging_again_costs_is_no_cost_of_the_label(store: Store, db: Database) -> None:
    """An anchor is judged again and again, and panels are reckoned by what judging costs once."""
    record = a_record()
    await store.record(record)
    once = 2 * 700
    stored = tuple(call for call in record.calls if call.purpose == "judge")
    for replayed in (False, True, False):
        asked = () if replayed else judge_calls(record.request.id, record.rulings[0].verdict)
        ruling = replace(record.rulings[0], id=VerdictId(an_id()), phase="rejudged")
        again = Late(request=record.request.id, calls=asked, authors={}, ruling=ruling, asked=stored * replayed)
        await store.record_late(again)
        (example,) = examples_of(db, [record.request.id])
        assert example.judge_nano_usd == once


async def test_a_request_that_nobody_judged_has_no_label(store: Store) -> None:
    await store.record(replace(a_record(), rulings=()))
    assert list(store.labels(complete=False)) == []


async def test_labels_are_read_in_one_snapshot(store: Store) -> None:
    for _ in range(3):
        await store.record(a_record())
    labels = store.labels()
    first = next(labels)
    await store.record(a_record())
    assert 1 + sum(1 for _ in labels) == 3
    assert len(list(store.labels())) == 4
    assert first.request == next(iter(store.labels())).request


async def test_a_refusal_is_a_candidate(store: Store) -> None:
    request = a_request()
    call = a_call(request.id, completion=said("I cannot help.", finish_reason="refusal"))
    assert call.candidate is not None
    record = replace(
        a_record(request=request),
        calls=(call,),
        authors={call.candidate: "small"},
        rulings=(a_ruling(a_verdict([call.candidate])),),
    )
    assert (await label_of(store, record)).best == frozenset({"small"})


@pytest.mark.parametrize("how", ["truncated", ""], ids=["set aside", "beaten in an earlier stage"])
async def test_who_lost_before_it_had_a_score_is_worth_nothing_beside_others(
    store: Store, db: Database, how: str
) -> None:
    """Else only whole answers of a member would count: a label would know nothing of a refusal."""
    record = a_record()
    *judged, aside = record.authors
    (ruling,) = record.rulings
    found = replace(ruling.verdict, scores={judged[0]: 1.0, judged[1]: 0.75}, preferences=(), exchanges=())
    ruling = replace(ruling, verdict=found, set_aside={aside: how} if how else {}, panel=tuple(record.authors))
    for one in (replace(record, rulings=(ruling,)), weighed(replace(record, rulings=(ruling,)))):
        here = replace(one, request=a_request())
        fresh = replace(
            here,
            calls=tuple(
                replace(call, request=here.request.id, id=CallId(an_id()))
                for call in one.calls
                if call.purpose == "candidate"
            ),
        )
        fresh = replace(fresh, rulings=tuple(replace(each, id=VerdictId(an_id())) for each in one.rulings))
        await store.record(fresh)
        (example,) = examples_of(db, [here.request.id])
        worth = {"small": 1.0, "medium": 0.75, "large": 0.0}
        assert example.label.scores == worth
        assert from_labels([example.label]).quality.tolist() == [[worth[name] for name in sorted(worth)]]
        assert findings(db, 1)[0].quality == worth


async def test_a_label_is_what_the_judge_found_whatever_was_served(store: Store, db: Database) -> None:
    """Labelling runs do not weigh findings against logged means, and routers learn from both."""
    record = a_record()
    await store.record(record)
    served = weighed(a_record())
    await store.record(served)
    plainly, label = store.labels()
    assert replace(label, request=plainly.request) == plainly
    assert (label.best, label.confidence) == (frozenset({"small"}), 0.8)
    stands = standing(db, [record.request.id, served.request.id])
    found = {id_: ({*one.finding.winners}, one.finding.confidence) for id_, one in stands.items()}
    assert found == {one.request.id: ({next(iter(one.authors))}, 0.8) for one in (record, served)}


async def test_what_is_weighed_without_its_plain_finding_is_a_label_still(store: Store) -> None:
    record = weighed(a_record())
    (ruling,) = record.rulings
    bare = replace(record, rulings=(replace(ruling, verdict=replace(ruling.verdict, ballots=())),))
    assert (await label_of(store, bare)).best == frozenset({"large"})


async def test_a_member_that_was_asked_anew_costs_what_its_judged_answer_cost(store: Store, db: Database) -> None:
    """Money and time of the answers by its settings of before are another label's."""
    record = a_record()
    call, late = asked_anew(record, total_s=3.0, completion=said("Anew.", usage=Usage(nano_usd=7)))
    failed = a_call(record.request.id, "small", failure="overloaded", candidate=call.candidate, member_digest="n" * 64,
                    usage=Usage(nano_usd=2), total_s=1.0)  # fmt: skip
    await store.record(record)
    await store.record_late(replace(late, calls=(failed, call)))
    (label,) = store.labels()
    assert label.nano_usd == {"small": 9, "medium": 20_000, "large": 20_000}
    assert label.total_s == {"small": 4.0, "medium": 0.5, "large": 0.5}
    (example,) = examples_of(db, [record.request.id])
    assert (example.answers["small"], example.digests["small"]) == ("Anew.", "n" * 64)
    assert example.digests["large"] == "m" * 64


async def test_until_the_new_answer_is_judged_the_old_one_is_the_label(store: Store, db: Database) -> None:
    judged = a_record(ruling={"panel": ()})
    judged = replace(judged, rulings=(replace(judged.rulings[0], panel=tuple(judged.authors)),))
    _, late = asked_anew(judged, judged=False, total_s=3.0)
    await store.record(judged)
    await store.record_late(late)
    (label,) = store.labels()
    assert (label.nano_usd["small"], label.total_s["small"]) == (20_000, 0.5)
    (example,) = examples_of(db, [judged.request.id])
    assert example.digests["small"] == "m" * 64


async def test_of_a_member_that_was_not_judged_the_latest_settings_count(store: Store) -> None:
    record = a_record()
    tries = [
        a_call(record.request.id, "gone", failure="timeout", member_digest=digest * 64, usage=Usage(nano_usd=cost))
        for digest, cost in (("m", 5), ("n", 7))
    ]
    unknown = a_call(record.request.id, "odd", failure="timeout", member_digest=None, usage=Usage(nano_usd=3))
    label = await label_of(store, replace(record, calls=(*record.calls, *tries, unknown)))
    assert (label.nano_usd["gone"], label.nano_usd["odd"]) == (7, 3)
