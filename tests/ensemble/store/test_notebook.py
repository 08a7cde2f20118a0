"""The log as a notebook sees it."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pandas
import pytest

import ensemble
from ensemble.errors import StoreError
from ensemble.store import Store
from ensemble.store.feedback import Remark, Statement, add
from tests.ensemble.store.builders import NOON, a_plan, a_record, a_request, a_ruling, a_verdict
from tests.ensemble.store.engines import from_the_future


async def test_every_table_goes_into_a_data_frame(store: Store, path: Path) -> None:
    plan = a_plan(propensities={"small": 0.25, "medium": 1.0, "large": 1.0})
    record = a_record(request=a_request(conversation="c1\x00\ud800"), plan=plan)
    await store.record(record)
    await store.record(a_record())
    statement = Statement(
        remarks=(Remark(kind="rating", value=0.5), Remark(kind="tag", name="short")),
        given_by="ann",
        source="api",
        request=record.request.id,
    )
    await store.change(lambda db: add(db, statement))
    log = ensemble.read(path)
    labels = pandas.DataFrame(log.labels())
    assert labels.best.tolist() == [("small",), ("small",)]
    assert labels.scores[0] == {"small": 1.0, "medium": 0.25, "large": 0.25}
    assert labels.propensities.tolist() == [plan.propensities, {}]
    assert labels.messages[0] == ({"role": "user", "content": "Why is the sky blue?"},)
    assert labels.conversation[0] == "c1\x00\ufffd"
    assert labels.arrived_at[0] == pandas.Timestamp(NOON)
    assert labels.complete.tolist() == [True, True]
    candidates = pandas.DataFrame(log.candidates())
    assert candidates.groupby("member").nano_usd.sum().to_dict() == {"large": 40_000, "medium": 40_000, "small": 40_000}
    assert candidates[candidates.chosen].member.tolist() == ["small", "small"]
    verdicts = pandas.DataFrame(log.verdicts())
    assert verdicts.best.tolist() == [("small",), ("small",)]
    assert verdicts.started_at[0].tzinfo is not None
    calls = pandas.DataFrame(log.calls())
    assert calls.purpose.value_counts().to_dict() == {"candidate": 6, "judge": 4}
    assert calls.total_s.sum() == 5.0
    feedback = pandas.DataFrame(log.feedback())
    assert feedback[["kind", "value", "name"]].astype(object).where(feedback.notna(), None).values.tolist() == [
        ["rating", 0.5, None],
        ["tag", None, "short"],
    ]


async def test_rows_are_typed(store: Store, path: Path) -> None:
    await store.record(a_record())
    (label,) = ensemble.read(path).labels()
    assert isinstance(label.arrived_at, datetime)
    assert (label.arrived_at.tzinfo, label.complete, label.best) == (UTC, True, ("small",))
    verdict = next(ensemble.read(path).verdicts())
    assert (verdict.winners, verdict.flags, verdict.overturned) == (verdict.winners[:1], (), False)


async def test_labels_say_who_was_judged_and_who_was_set_aside(store: Store, path: Path) -> None:
    """Of old rows the former is unknown; who said what is best has seen every answer."""
    told, untold = a_record(), a_record()
    small, _, large = told.authors
    ruling = replace(told.rulings[0], panel=(small, large), set_aside={large: "truncated"})
    for record in (replace(told, rulings=(ruling,)), untold):
        await store.record(record)
    rows = list(ensemble.read(path).labels())
    assert [(row.judged, row.set_aside) for row in rows] == [
        (("large", "small"), {"large": "truncated"}),
        (None, {}),
    ]
    said = Statement(remarks=(Remark(kind="preferred", candidate="large"),), given_by="ann", source="api")
    for record in (told, untold):
        await store.change(partial(add, statement=replace(said, request=record.request.id)))
    rows = list(ensemble.read(path).labels(people="first"))
    assert [(row.judged, row.set_aside) for row in rows] == [(("large", "medium", "small"), {})] * 2


async def test_ballots_come_on_request(store: Store, path: Path) -> None:
    record = a_record()
    ids = list(record.authors)
    ballot = a_verdict(ids[:1], ids[1:], exchanges=(), preferences=())
    await store.record(replace(record, rulings=(a_ruling(replace(ballot, ballots=(ballot, ballot))),)))
    log = ensemble.read(path)
    assert len(list(log.verdicts())) == 1
    assert [row.parent is None for row in log.verdicts(ballots=True)] == [True, False, False]


async def test_the_service_writes_meanwhile(store: Store, path: Path) -> None:
    await store.record(a_record())
    await store.record(a_record())
    rows = ensemble.read(path).labels()
    next(rows)
    await store.record(a_record())
    assert len(list(rows)) == 1  # one snapshot
    assert len(list(ensemble.read(path).labels())) == 3


async def test_a_newer_log_is_refused(store: Store, path: Path) -> None:
    from_the_future(path, "9999_from_the_future")
    with pytest.raises(StoreError, match=r"a newer version of this program wrote it .*9999_from_the_future"):
        ensemble.read(path)


def test_a_log_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"none\.db: there is no log"):
        ensemble.read(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()
