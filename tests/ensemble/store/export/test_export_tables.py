import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from ensemble.store import open_store
from ensemble.store.content import loads
from ensemble.store.export import Filters
from ensemble.store.feedback import Remark, Statement, add
from ensemble.store.label_rows import label_rows
from ensemble.store.opening import reading
from ensemble.training.held import hold
from ensemble.training.reading import examples_of
from ensemble.types import Call
from judges.types import Message, Prompt, Usage
from tests.ensemble.store.builders import a_call, a_late, a_plan, a_record, a_request, asked_anew, said, weighed
from tests.ensemble.store.export.conftest import Fill, exported

pytestmark = pytest.mark.both


async def test_routing_says_what_the_labels_of_the_log_say(fill: Fill) -> None:
    one, other = a_record(request=a_request("One?")), a_record(request=a_request("Two?"))
    failed = a_record(request=a_request("Three?"), verdict={"outcome": "failed", "winners": ()})
    log = await fill(one, other, failed, late=[a_late(one), a_late(other, wins=False)])
    rows = {row["request_id"]: row for row in exported(log, "routing")}
    store = await open_store(log)
    labels = list(store.labels(complete=False))
    await store.close()
    assert len(labels) == len(rows) == 3
    for label in labels:
        row = rows[label.request]
        scores = {model["model"]: model["score"] for model in row["models"] if model["score"] is not None}
        assert (row["kind"], row["usable"], row["confidence"]) == (label.kind, label.usable, label.confidence)
        assert set(row["winners"]) == set(label.best)
        assert scores == dict(label.scores)
        costs = {model["model"]: model["cost_usd"] for model in row["models"]}
        assert costs == {name: None if nano is None else nano / 1e9 for name, nano in label.nano_usd.items()}
        assert {m["model"]: m["latency_s"] for m in row["models"]} == label.total_s
    assert rows[one.request.id]["winner"] == "slow"
    assert rows[one.request.id]["prompt"] == "One?"


async def test_routing_says_so_too_of_what_was_weighed_or_asked_anew(fill: Fill) -> None:
    """The plain finding, and the money, time and samples of the settings that were judged."""
    served, other = weighed(a_record(request=a_request("One?"))), a_record(request=a_request("Two?"))
    log = await fill(served, other, late=[asked_anew(other, total_s=3.0, usage=Usage(nano_usd=7))[1]])
    rows = {row["request_id"]: row for row in exported(log, "routing", filters=Filters(min_confidence=0.7))}
    store = await open_store(log)
    for label in store.labels():
        row = rows[label.request]
        found = {m["model"]: (m["score"], m["cost_usd"], m["latency_s"], m["samples"]) for m in row["models"]}
        assert row["winners"] == list(label.best) == ["small"]
        assert found == {
            name: (label.scores[name], (label.nano_usd[name] or 0) / 1e9, label.total_s[name], 1) for name in found
        }
    await store.close()
    assert rows[other.request.id]["models"][-1]["cost_usd"] == 7e-9


async def test_routing_says_who_was_judged_and_who_was_set_aside(fill: Fill) -> None:
    """As the view does; of several samples of a member one may be judged, and another one set aside."""
    record, untold = a_record(request=a_request("One?")), a_record(request=a_request("Two?"))
    call = a_call(record.request.id, "large", sample=1, member_digest="m" * 64)
    assert call.candidate is not None
    small, _, large = record.authors
    aside = {large: "truncated", call.candidate: "refused"}
    ruling = replace(record.rulings[0], panel=(small, *aside), set_aside=aside)
    authors = {**record.authors, call.candidate: "large"}
    record = replace(record, calls=(*record.calls, call), authors=authors, rulings=(ruling,))
    log = await fill(record, untold)
    told = [{m["model"]: (m["judged"], m["set_aside"]) for m in row["models"]} for row in exported(log, "routing")]
    assert told == [
        {"large": (True, "refused"), "medium": (False, None), "small": (True, None)},
        {"large": (None, None), "medium": (None, None), "small": (None, None)},
    ]
    with reading(log) as db:
        rows = [(row["judged"], row["set_aside"]) for row in label_rows(db, complete=True, people="ignore")]
    assert [(one and loads(one), loads(other)) for one, other in rows] == [
        (["large", "small"], {"large": "refused"}),
        (None, {}),
    ]
    human = Filters(people="first")
    store = await open_store(log)
    await store.change(lambda db: add(db, _preferred(untold.request.id, "large")))
    await store.close()
    heard = exported(log, "routing", filters=human)[1]["models"]
    assert [(model["judged"], model["set_aside"]) for model in heard] == [(True, None)] * 3


async def test_a_file_tells_the_chances_of_members_that_were_not_called(fill: Fill, tmp_path: Path) -> None:
    """Else whoever was not drawn could not have been, and nothing could be told of a router that takes it."""
    plan = a_plan(("small", "large"), propensities={"small": 0.75, "large": 0.5, "medium": 0.25})
    log = await fill(a_record(("small", "large"), plan=plan), a_record(("small", "large")))
    drawn, plain = exported(log, "routing")
    assert [model["model"] for model in drawn["models"]] == ["large", "small"]
    assert plain["propensities"] == []
    file = tmp_path / "labels.jsonl"
    file.write_text(f"{json.dumps(drawn)}\n{json.dumps(plain)}\n")
    here, there = (hold(examples_of(one), members=("small", "medium", "large")).propensity for one in (log, file))
    assert np.array_equal(here, there, equal_nan=True)
    assert there[0].tolist() == [0.75, 0.25, 0.5]


async def test_matrix_has_routerbenchs_columns_for_every_member_of_the_selection(fill: Fill) -> None:
    first = a_record(("small", "large"), request=a_request("One?", domain="math"))
    talk = Prompt(messages=(Message(role="user", content="Hi"), Message(role="assistant", content="Yes?")))
    second = a_record(("small", "tiny"), request=a_request(prompt=talk))
    log = await fill(first, second)
    one, two = exported(log, "matrix", all_texts=True)
    models = ("large", "small", "tiny")
    columns = [column for m in models for column in (m, f"{m}|model_response", f"{m}|total_cost")]
    assert list(one) == ["sample_id", "prompt", "eval_name", *columns, "oracle_model_to_route_to"]
    assert (one["prompt"], one["eval_name"], one["oracle_model_to_route_to"]) == ("One?", "math", "small")
    assert (one["small"], one["small|model_response"], one["small|total_cost"]) == (1.0, "answer of small", 0.00002)
    assert (one["tiny"], one["tiny|model_response"], one["tiny|total_cost"]) == (None, None, None)
    assert two["prompt"] == '[{"content":"Hi","role":"user"},{"content":"Yes?","role":"assistant"}]'


async def test_matrix_gives_0_to_what_was_set_aside_beside_scores(fill: Fill) -> None:
    """As training takes it; what was not judged has no score."""
    record = a_record()
    small, _, large = record.authors
    verdict = replace(record.rulings[0].verdict, scores={small: 0.75}, preferences=(), exchanges=())
    ruling = replace(record.rulings[0], verdict=verdict, panel=(small, large), set_aside={large: "truncated"})
    (row,) = exported(await fill(replace(record, rulings=(ruling,))), "matrix")
    assert (row["small"], row["medium"], row["large"]) == (0.75, None, 0.0)
    assert row["oracle_model_to_route_to"] == "small"


async def test_in_matrix_nothing_is_right_where_the_judge_finds_all_bad(fill: Fill) -> None:
    """A judge without scores names the least bad one as winner, which is no answer to send anybody to."""
    record = a_record(verdict={"all_bad": True, "scores": {}})
    (row,) = exported(await fill(record), "matrix")
    assert (row["small"], row["medium"], row["large"]) == (0.0, 0.0, 0.0)
    assert row["oracle_model_to_route_to"] == "no_model_correct"


async def test_an_unknown_cost_stays_unknown(fill: Fill) -> None:
    request = a_request()
    calls: tuple[Call, ...] = (
        a_call(request.id, "small", completion=said(usage=Usage())),
        a_call(request.id, "large"),
    )
    ids = [call.candidate for call in calls if call.candidate]
    record = a_record(
        ("small", "large"),
        request=request,
        calls=calls,
        authors=dict(zip(ids, ("small", "large"), strict=True)),
        rulings=(),
        chosen=ids[0],
        plan=a_plan(("small", "large")),
    )
    log = await fill(record, change=lambda db: add(db, _preferred(request.id, "large")))
    assert exported(log, "routing") == []
    (row,) = exported(log, "matrix", filters=Filters(people="first"))
    assert (row["small|total_cost"], row["large|total_cost"]) == (None, 0.00002)


def _preferred(request: str, member: str, by: str = "ann") -> Statement:
    remarks = (Remark(kind="preferred", candidate=member),)
    return Statement(remarks=remarks, given_by=by, source="cli", request=request, at=datetime(2026, 11, 24, tzinfo=UTC))


async def test_people_outrank_the_judge_only_on_request(fill: Fill, tmp_path: Path) -> None:
    record = a_record()
    log = await fill(record, change=lambda db: add(db, _preferred(record.request.id, "large")))
    assert [row["winner"] for row in exported(log, "routing")] == ["small"]
    (row,) = exported(log, "routing", filters=Filters(people="first", min_confidence=0.99))
    assert (row["winner"], row["source"], row["judged_by"], row["people"]) == ("large", "human", "ann", 1)
    (wide,) = exported(log, "matrix", filters=Filters(people="first"))
    assert (wide["large"], wide["small"], wide["oracle_model_to_route_to"]) == (1.0, 0.0, "large")
