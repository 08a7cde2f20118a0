import asyncio
import json
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from ensemble.errors import StoreError
from ensemble.money import Total
from ensemble.store import Store, open_store
from ensemble.store.address import Address
from ensemble.types import Record, RequestId, Stage
from judges.types import ToolCall, Usage
from tests.ensemble.store.builders import (
    a_call,
    a_late,
    a_plan,
    a_record,
    a_request,
    a_ruling,
    a_verdict,
    an_id,
    judge_calls,
    said,
)

Tree = dict[str, Any]


async def tree_of(store: Store, id_: RequestId) -> Tree:
    tree = await store.request(id_)
    assert tree is not None
    return cast("Tree", tree)


def engine(path: Path | Address) -> str:
    return "sqlite" if isinstance(path, Path) else "postgres"


async def rows(store: Store, *tables: str) -> Mapping[str, int]:
    counts = await store.counts()
    return {table: counts[table] for table in tables}


async def test_a_request_comes_back_whole(store: Store) -> None:
    record = a_record()
    await store.record(record)
    tree = await tree_of(store, record.request.id)
    assert tree["messages"] == [{"role": "user", "content": "Why is the sky blue?"}]
    assert tree["member"] == "small"
    assert [c["text"] for c in tree["candidates"]] == ["answer of small", "answer of medium", "answer of large"]
    assert tree["plan"]["stages"][0]["members"] == ["small", "medium", "large"]
    assert [call["purpose"] for call in tree["calls"]] == ["candidate"] * 3 + ["judge"] * 2
    (verdict,) = tree["verdicts"]
    assert (verdict["outcome"], verdict["winners"], verdict["usable"]) == ("decided", [record.chosen], True)
    assert {s["candidate_id"]: s["score"] for s in verdict["scores"]} == record.rulings[0].verdict.scores
    assert [p["shown_first"] for p in verdict["preferences"]] == [record.chosen] * 2
    assert [e["text"] for e in verdict["exchanges"]] == ["A", "A"]
    assert tree["cost"] == {"nano_usd": 3 * 20_000 + 2 * 700, "unpriced": 0}


async def test_the_tree_is_json(store: Store) -> None:
    record = a_record()
    await store.record(record)
    tree = await tree_of(store, record.request.id)
    assert json.loads(json.dumps(tree)) == tree


async def test_nobody_knows_an_unknown_id(store: Store) -> None:
    assert await store.request(RequestId(an_id())) is None


async def test_every_row_is_counted_once(store: Store) -> None:
    for _ in range(7):
        await store.record(a_record())
    tables = ("requests", "plans", "calls", "candidates", "verdicts", "scores", "preferences", "exchanges")
    assert await rows(store, *tables) == dict(zip(tables, (7, 7, 35, 21, 7, 21, 14, 14), strict=True))


async def test_two_hundred_records_at_once(store: Store) -> None:
    records = [a_record() for _ in range(200)]
    async with asyncio.TaskGroup() as group:
        for record in records:
            group.create_task(store.record(record))
    assert (await store.counts())["requests"] == 200
    assert all([await store.request(record.request.id) for record in records])


async def test_a_record_waits_where_no_room_is_left(path: Path) -> None:
    """More writers than the queue holds: all get through, none is lost."""
    store = await open_store(path)
    async with asyncio.TaskGroup() as group:
        for _ in range(1500):
            group.create_task(store.record(a_record(("small",))))
    assert (await store.counts())["requests"] == 1500
    await store.close()


async def test_a_bad_row_fails_alone(store: Store, path: Path) -> None:
    """Two bad ones among twenty: one at its first row, one in the midst of its rows."""
    good, twice, broken = [a_record() for _ in range(20)], a_record(), a_record()
    broken = replace(broken, calls=(*broken.calls, broken.calls[0]))
    await store.record(twice)
    refused: list[str] = []

    async def write(record: Record) -> None:
        try:
            await store.record(record)
        except StoreError as error:
            refused.append(str(error))

    async with asyncio.TaskGroup() as group:
        for record in (*good[:5], twice, *good[5:10], broken, *good[10:]):
            group.create_task(write(record))
    assert [told.removeprefix("the row was refused: ") for told in refused] == {
        "sqlite": [f"UNIQUE constraint failed: {what}" for what in ("requests.id", "calls.request_id, calls.id")],
        "postgres": [
            f'duplicate key value violates unique constraint "{name}": Key ({key}) already exists.'
            for name, key in (
                ("requests_pkey", f"id)=({twice.request.id}"),
                ("calls_pkey", f"request_id, id)=({broken.request.id}, {broken.calls[0].id}"),
            )
        ],
    }[engine(path)]
    assert await rows(store, "requests", "calls", "scores") == {"requests": 21, "calls": 105, "scores": 63}
    assert await store.ledger_total() == Total(21 * 61_400, 0)


async def test_a_refused_record_leaves_no_row(store: Store) -> None:
    record = a_record()
    clash = replace(record, calls=(record.calls[0], record.calls[0]))
    with pytest.raises(StoreError, match=r"UNIQUE|duplicate key"):
        await store.record(clash)
    assert set((await store.counts()).values()) == {0}
    await store.record(record)
    assert (await store.counts())["calls"] == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
async def test_a_number_that_is_none_is_refused(store: Store, value: float) -> None:
    with pytest.raises(StoreError, match=r"disagreement is (nan|inf)"):
        await store.record(a_record(ruling={"disagreement": value}))
    assert (await store.counts())["requests"] == 0


async def test_an_integer_beyond_64_bits_fails_alone(store: Store) -> None:
    huge = a_record()
    huge = replace(huge, calls=(replace(huge.calls[0], usage=Usage(nano_usd=2**64)), *huge.calls[1:]))
    with pytest.raises(StoreError, match=r"too large|out of int64 range"):
        await store.record(huge)
    await store.record(a_record())
    assert (await store.counts())["requests"] == 1


async def test_unknown_cost_stays_unknown(store: Store) -> None:
    request = a_request()
    calls = (
        a_call(request.id, "priced"),
        a_call(request.id, "unpriced", completion=said(usage=Usage(input_tokens=10, output_tokens=5))),
        a_call(request.id, "free", completion=said(usage=Usage(nano_usd=0))),
    )
    ids = [call.candidate for call in calls if call.candidate]
    verdict = a_verdict(ids[:1], ids[1:])
    authors = {call.candidate: call.member for call in calls if call.candidate}
    record = replace(a_record(request=request), calls=calls, authors=authors, rulings=(a_ruling(verdict),))
    await store.record(record)
    tree = await tree_of(store, request.id)
    assert [call["nano_usd"] for call in tree["calls"]] == [20_000, None, 0]
    assert await store.ledger_total() == Total(20_000, 1)
    (label,) = store.labels()
    assert label.nano_usd == {"priced": 20_000, "unpriced": None, "free": 0}


async def test_the_total_of_an_empty_log_is_zero(store: Store) -> None:
    assert await store.ledger_total() == Total(0, 0)


async def test_late_rows_stand_beside_the_served_ones(store: Store) -> None:
    record = a_record()
    await store.record(record)
    late = a_late(record)
    await store.record_late(late)
    tree = await tree_of(store, record.request.id)
    served, full = tree["verdicts"]
    assert (served["phase"], served["overturned"]) == ("served", False)
    assert (full["phase"], full["overturned"], full["winners"]) == ("full", True, [*late.authors])
    assert [c["member"] for c in tree["candidates"] if c["after_answer"]] == ["slow"]
    assert sum(call["after_answer"] for call in tree["calls"]) == 1
    assert tree["chosen"] == record.chosen


async def test_late_rows_in_the_same_batch_as_their_request(store: Store) -> None:
    records = [a_record() for _ in range(50)]
    async with asyncio.TaskGroup() as group:
        for record in records:
            group.create_task(store.record(record))
            group.create_task(store.record_late(a_late(record)))
    assert await rows(store, "requests", "verdicts") == {"requests": 50, "verdicts": 100}


async def test_late_rows_of_an_unknown_request_are_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="refused"):
        await store.record_late(a_late(a_record()))
    with pytest.raises(StoreError, match="there is no request"):
        await store.record_late(replace(a_late(a_record()), calls=(), authors={}, ruling=None))
    assert set((await store.counts()).values()) == {0}


async def test_texts_that_no_candidate_holds_are_kept_with_their_call(store: Store) -> None:
    """What a failed attempt had brought, and what a judge said that nobody read."""
    request = a_request()
    cut = a_call(request.id, failure="cut_stream", completion=said("half an ans", partial=True, finish_reason="other"))
    good = a_call(request.id, candidate=cut.candidate, attempt=2)
    unread = a_call(request.id, "referee", purpose="judge", completion=said("too late to count"))
    assert cut.candidate is not None
    record = replace(a_record(request=request), calls=(cut, good, unread), authors={cut.candidate: "small"}, rulings=())
    await store.record(record)
    tree = await tree_of(store, request.id)
    assert [call["text"] for call in tree["calls"]] == ["half an ans", None, "too late to count"]
    assert [(c["text"], c["call_id"]) for c in tree["candidates"]] == [("answer of small", good.id)]


async def test_a_member_that_only_failed_has_calls_and_no_candidate(store: Store) -> None:
    request = a_request()
    call = a_call(request.id, failure="timeout", usage=Usage(), detail="no answer within 3.0 s")
    assert call.candidate is not None
    changes: dict[str, Any] = {"status": "failed", "chosen": None, "error": "no_candidate"}
    record = replace(
        a_record(request=request), calls=(call,), authors={call.candidate: "small"}, rulings=(), plan=None, **changes
    )
    await store.record(record)
    tree = await tree_of(store, request.id)
    assert (tree["status"], tree["error"], tree["plan"], tree["candidates"]) == ("failed", "no_candidate", None, [])
    assert tree["calls"][0]["failure"] == "timeout"
    assert tree["cost"] == {"nano_usd": 0, "unpriced": 1}


async def test_of_two_good_attempts_at_one_candidate_the_first_is_kept(store: Store) -> None:
    request = a_request()
    first = a_call(request.id)
    second = a_call(request.id, candidate=first.candidate, hedge=True, completion=said("the hedge"))
    assert first.candidate is not None
    record = replace(a_record(request=request), calls=(first, second), authors={first.candidate: "small"}, rulings=())
    await store.record(record)
    tree = await tree_of(store, request.id)
    assert [c["text"] for c in tree["candidates"]] == ["answer of small"]
    assert [call["text"] for call in tree["calls"]] == [None, "the hedge"]


async def test_an_exchange_knows_its_line_of_the_ledger(store: Store) -> None:
    record = a_record()
    await store.record(record)
    tree = await tree_of(store, record.request.id)
    judged = [call["id"] for call in tree["calls"] if call["purpose"] == "judge"]
    assert [e["call_id"] for e in tree["verdicts"][0]["exchanges"]] == judged


async def test_equal_answers_of_a_judge_have_a_line_each(store: Store) -> None:
    record = a_record()
    await store.record(replace(record, calls=record.calls[:4]))
    tree = await tree_of(store, record.request.id)
    assert [e["call_id"] for e in tree["verdicts"][0]["exchanges"]] == [record.calls[3].id, None]


async def test_ballots_hang_below_the_verdict_of_their_jury(store: Store) -> None:
    request = a_request()
    calls = tuple(a_call(request.id, member) for member in ("small", "large"))
    one, two = (call.candidate for call in calls if call.candidate)
    inner = a_verdict([two], [one])
    ballots = tuple(a_verdict([one], [two]) for _ in range(11))
    jury = a_verdict([one], preferences=(), exchanges=(), ballots=(*ballots, replace(inner, ballots=(inner,))))
    record = replace(
        a_record(request=request),
        calls=(*calls, *judge_calls(request.id, ballots[0])),
        authors={one: "small", two: "large"},
        rulings=(a_ruling(jury),),
    )
    await store.record(record)
    (top,) = (await tree_of(store, request.id))["verdicts"]
    assert [b["winners"] for b in top["ballots"]] == [[one]] * 11 + [[two]]
    assert top["ballots"][11]["ballots"][0]["winners"] == [two]
    assert not any(ballot["usable"] for ballot in top["ballots"])
    assert len(list(store.labels())) == 1


async def test_prompts_are_equal_where_their_hashes_are(store: Store) -> None:
    same, also, other = a_request(), a_request(), a_request()
    other = replace(other, prompt=replace(other.prompt, options={"temperature": 0.5}))
    for request in (same, also, other):
        await store.record(a_record(request=request))
    hashes = [(await tree_of(store, r.id))["prompt_hash"] for r in (same, also, other)]
    assert hashes[0] == hashes[1] != hashes[2]


async def test_the_circumstances_of_a_request_have_columns(store: Store) -> None:
    given: dict[str, Any] = {
        "conversation": "c1",
        "key_id": "k1",
        "tenant": "t1",
        "data_class": "internal",
        "idempotency_key": "i1",
        "tags": {"domain": "physics", "team": "red"},
        "metadata": {"note": "x"},
    }
    record = a_record(request=a_request(**given, user="u1", stream=True))
    plan = a_plan(
        propensities={"small": 0.25}, predicted={"small": 0.5}, shadow=("ghost",), stages=(Stage(members=()),)
    )
    await store.record(replace(record, plan=plan))
    tree = await tree_of(store, record.request.id)
    assert {name: tree[name] for name in given} == given
    assert (tree["end_user"], tree["domain"], tree["stream"]) == ("u1", "physics", True)
    stored = tree["plan"]
    assert (stored["propensities"], stored["predicted"], stored["shadow"]) == (
        {"small": 0.25},
        {"small": 0.5},
        ["ghost"],
    )


async def test_the_rules_of_a_stage_are_kept_as_they_were_given(store: Store) -> None:
    stages = [
        Stage(members=("small",), grace_s=grace, samples=samples)
        for grace in (0, 0.0)
        for samples in ({}, {"small": 2})
    ]
    record = a_record()
    await store.record(replace(record, plan=a_plan(stages=(*stages, *stages))))
    tree = await tree_of(store, record.request.id)
    told = [(repr(stage["grace_s"]), stage["samples"]) for stage in tree["plan"]["stages"]]
    assert told == 2 * [("0", {}), ("0", {"small": 2}), ("0.0", {}), ("0.0", {"small": 2})]


async def test_tool_calls_and_set_aside_candidates_are_kept(store: Store) -> None:
    request = a_request()
    tool = ToolCall(id="t", name="search", arguments='{"q": ')
    call = a_call(request.id, completion=said("", tool_calls=(tool,), finish_reason="tool_calls"))
    assert call.candidate is not None
    ruling = a_ruling(
        a_verdict([]), chosen=call.candidate, set_aside={call.candidate: "empty"}, fallback="member_order"
    )
    record = replace(
        a_record(request=request), calls=(call,), authors={call.candidate: "small"}, rulings=(ruling,), chosen=None
    )
    await store.record(record)
    tree = await tree_of(store, request.id)
    assert tree["candidates"][0]["tool_calls"] == [{"id": "t", "name": "search", "arguments": '{"q": '}]
    score = {"candidate_id": call.candidate, "score": None, "winner": False, "set_aside": "empty"}
    assert tree["verdicts"][0]["scores"] == [score]


@pytest.mark.sqlite("about rights to a file")
async def test_the_file_is_its_owners_alone(store: Store, path: Path) -> None:
    await store.record(a_record())
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


async def test_nothing_is_recorded_after_closing(path: Path) -> None:
    store = await open_store(path)
    waiting = [asyncio.ensure_future(store.record(a_record())) for _ in range(20)]  # noqa: TID251 - awaited below
    await asyncio.sleep(0)
    await store.close()
    assert all(task.done() and task.exception() is None for task in waiting)
    for late in (store.record(a_record()), store.ping(), store.counts()):
        with pytest.raises(StoreError, match="has been closed"):
            await late
    await store.close()
    again = await open_store(path)
    assert (await again.counts())["requests"] == 20
    await again.close()


async def test_a_caller_who_gives_up_does_not_stop_the_writer(store: Store) -> None:
    record = a_record()
    task = asyncio.ensure_future(store.record(record))  # noqa: TID251 - awaited below
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.ping()
    assert (await tree_of(store, record.request.id))["status"] == "answered"
