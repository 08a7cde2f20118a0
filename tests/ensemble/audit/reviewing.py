"""A log with drawn and decided cases."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from ensemble.audit.drawing import SETTLED, ReviewSettings, draw
from ensemble.store import Store, open_store
from ensemble.store.feedback import Noted, Remark, Statement
from ensemble.store.reviews import decide
from ensemble.types import Record
from judges.shrinkage import OVERRULED, SHRUNK
from judges.types import Verdict
from tests.ensemble.store.builders import NOON, a_record, a_request

LATER = NOON + SETTLED + timedelta(hours=1)


class ReviewedLog:
    """A log whose judge finds ``alpha`` best, in every case but those with ``beta`` in the prompt."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.records: dict[str, Record] = {}

    async def ask(self, router: str, count: int, *, confidence: float | None = 0.8, overruled: bool = False) -> None:
        """``overruled``: logged means make ``beta`` win."""
        for _ in range(count):
            record = a_record(("alpha", "beta"), request=a_request(model=router), verdict={"confidence": confidence})
            record = _overruled(record) if overruled else record
            await self.store.record(record)
            self.records[record.request.id] = record

    async def draw(self, cases: int, *, twice: float = 0, now: datetime = LATER) -> int:
        return await draw(self.store, ReviewSettings(twice=twice), now, cases)

    async def drawn(self) -> Mapping[str, str]:
        """Router of each drawn case."""
        rows = await self.store.read(
            lambda db: db.execute("SELECT request_id FROM reviews WHERE draw IS NOT NULL ORDER BY place").fetchall()
        )
        return {id_: self.records[id_].request.model for (id_,) in rows}

    async def decide(self, id_: str, said: Remark, by: str = "ann", *, now: datetime | None = None) -> None:
        statement = Statement(remarks=(said,), given_by=by, source="review", request=id_)
        noted = await self.store.change(partial(decide, statement=statement, now=now or datetime.now(UTC)))
        assert isinstance(noted, Noted), noted


def _overruled(record: Record) -> Record:
    (ruling,), (_, beta) = record.rulings, record.authors
    found = ruling.verdict
    means = Verdict(judge="logged means", outcome="decided", winners=(beta,))
    flags = (SHRUNK, OVERRULED)
    verdict = replace(found, winners=(beta,), confidence=None, ballots=(found, means), flags=flags, preferences=())
    return replace(record, rulings=(replace(ruling, verdict=replace(verdict, exchanges=()), chosen=beta),), chosen=beta)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[ReviewedLog]:
    store = await open_store(tmp_path / "log.db")
    yield ReviewedLog(store)
    await store.close()


ALPHA, BETA = Remark(kind="preferred", candidate="alpha"), Remark(kind="preferred", candidate="beta")
TIE, BAD, UNSURE = Remark(kind="tie"), Remark(kind="all_bad"), Remark(kind="cannot_tell")
