"""Drift of watched routers, held against the watch itself."""

from pathlib import Path

import pytest

from ensemble.audit.drift import drift
from ensemble.audit.shapes import Window
from ensemble.router import Shadow
from ensemble.store import open_store
from ensemble.store.audit.standing import standing
from ensemble.store.keeping.connect import reading
from ensemble.store.watched import Event, Seen, Watched, note, seen_since
from ensemble.watching.standing import Standing
from tests.ensemble.store.builders import a_record

ABOUT = Watched(router="routed", digest="d" * 64, judge="j" * 64)
OPTIONS = Shadow.model_validate({"share": 0.2, "panel": ["a", "b"], "judge": "house"})


async def _noted(path: Path, *events: tuple[Event, float], about: Watched = ABOUT) -> None:
    store = await open_store(path)
    record = a_record()
    await store.record(record)
    for event, value in events:
        seen = Seen(event=event, request=record.request.id if event in ("label", "anchor") else None, value=value)
        await store.change(lambda db, seen=seen: note(db, about, seen))  # type: ignore[misc]
    await store.close()


async def test_it_stands_as_the_watch_says(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    before: list[tuple[Event, float]] = [("label", 0.0), ("demoted", 0.0), ("promoted", 0.0)]
    after: list[tuple[Event, float]] = [("label", 1.0), ("label", 0.25), ("anchor", 1.0), ("judge_drift", 0.0)]
    await _noted(path, *before, *after)
    told = Standing(OPTIONS)
    with reading(path) as db:
        told.take(seen_since(db, ABOUT, 0))
        (row,) = drift(db, Window()).rows
    report = told.report()
    assert (row["router"], row["state"], row["since"]) == ("routed", report.state, report.since)
    assert (row["labels"], row["kept"], row["agreement"]) == (report.labels, report.kept, report.agreement)
    assert row["kept"] == pytest.approx(0.625)
    low, high = row["kept_low"], row["kept_high"]
    assert isinstance(low, float)
    assert isinstance(high, float)
    # Two values 0.375 from their mean: a standard error of 0.375.
    assert high - low == pytest.approx(2 * 1.96 * 0.375, rel=1e-3)


async def test_another_digest_begins_anew_and_other_routers_stay_out(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await _noted(path, ("label", 0.5))
    await _noted(path, ("label", 1.0), ("label", 1.0), about=Watched(router="routed", digest="e" * 64, judge="j" * 64))
    with reading(path) as db:
        assert [(one.digest[0], one.labels.n, one.state) for one in standing(db)] == [("e", 2, "watched")]
        assert drift(db, Window(router="other")).rows == []
        assert "[routers.NAME.shadow]" in drift(db, Window(router="other")).empty
        assert len(drift(db, Window(router="routed", since="2030-01-01")).rows) == 1


async def test_one_label_has_no_interval(tmp_path: Path) -> None:
    await _noted(tmp_path / "log.db", ("label", 0.5))
    with reading(tmp_path / "log.db") as db:
        (row,) = drift(db, Window()).rows
    assert (row["kept"], row["kept_low"], row["agreement"], row["anchors"]) == (0.5, None, None, 0)
