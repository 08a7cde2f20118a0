"""A part of the log, drawn evenly and the same each time."""

from datetime import timedelta
from pathlib import Path

import pytest

from ensemble.store import Store
from ensemble.store.audit.drawn import Drawn, drawn
from ensemble.store.audit.window import Window
from ensemble.store.keeping.connect import reading
from tests.ensemble.store.builders import NOON, a_record, a_request

pytestmark = pytest.mark.both


async def test_all_are_taken_where_they_are_few_and_some_where_they_are_many(store: Store, path: Path) -> None:
    records = [a_record(request=a_request(model="panel" if n % 3 else "o")) for n in range(30)]
    unjudged = a_record(rulings=())
    for record in (*records, unjudged):
        await store.record(record)
    with reading(path) as db:
        everything = drawn(db, 30)
        assert everything == Drawn(tuple(one.request.id for one in records), 30)
        assert everything.note == "All 30 judged requests."
        some, more = drawn(db, 8), drawn(db, 12)
        assert set(some.ids) < set(more.ids) < set(everything.ids)
        assert (len(some.ids), some.of) == (8, 30)
        assert list(some.ids) == sorted(some.ids)
        assert drawn(db, 8) == some
        assert some.note == "8 of 30 judged requests, drawn evenly by their random ids."
        assert drawn(db, 8, Window(router="o")).of == 10
        assert drawn(db, 8, Window(router="nobody")) == Drawn((), 0)


async def test_the_last_day_of_a_window_is_in_it(store: Store, path: Path) -> None:
    for days in range(3):
        for at in (NOON, NOON.replace(hour=0), NOON.replace(hour=23, minute=59, second=59, microsecond=999999)):
            await store.record(a_record(request=a_request(arrived_at=at + timedelta(days=days))))
    with reading(path) as db:
        assert drawn(db, 99, Window(since="2026-11-24")).of == 6
        assert drawn(db, 99, Window(until="2026-11-24")).of == 6
        assert drawn(db, 99, Window(since="2026-11-24", until="2026-11-24")).of == 3
