"""Takes what was given into the log: an answer that is there already is not taken in again."""

import asyncio
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import islice

from uuid_utils import uuid4, uuid7

from ensemble.importing.finding import MARK, Found, ruling_of
from ensemble.importing.given import Answer, Given
from ensemble.labelling.rejects import Rejects
from ensemble.labelling.rows import Reject
from ensemble.store import Store
from ensemble.store.filling import DatasetRow, Held, complete_request, enter, held
from ensemble.store.importing import extend_plan, imported
from ensemble.store.rows import prompt_hash
from ensemble.types import Call, CallId, Late, Plan, Record, Request, RequestId, Ruling, Stage
from judges.types import CandidateId

CHUNK = 64
"""Rows that are read, looked up and written together."""
TRANSPORT = "import"
"""In the ledger: a call that somebody else made."""


@dataclass(slots=True)
class Taken:
    """What an import came to.

    Attributes:
        rows: rows read, rejects included.
        rejected: rows that could not be used.
        requests: prompts that are new in the log.
        candidates: answers that are new in the log.
        known: answers that were there already.
        verdicts: findings that were made of scores and best answers.
    """

    rows: int = 0
    rejected: int = 0
    requests: int = 0
    candidates: int = 0
    known: int = 0
    verdicts: int = 0

    def plain(self) -> dict[str, int]:
        """As JSON."""
        return asdict(self)


class Importer:
    """Takes in rows as the data set ``name``; findings are those of the judge ``imported:NAME``.

    With ``own_sets``, a row that says of which data set it is goes into that one.

    A prompt that is in the log gets the answers that it lacks; one that is not is recorded with source ``import``. Two
    imports of one name must not run at once.
    """

    def __init__(self, store: Store, name: str, *, own_sets: bool = False) -> None:
        self.taken = Taken()
        self._store, self._name, self._own_sets = store, name, own_sets
        self._judge = f"{MARK}{name}"

    async def take(self, source: Iterator[Given | Reject], rejects: Rejects) -> Taken:
        """Take in every row of ``source``, which is read in a worker thread, a chunk at a time.

        Raises:
            StoreError: the log cannot be read or written; running it again goes on.
            InvalidRequest: the source cannot be read.
        """
        while chunk := await asyncio.to_thread(lambda: list(islice(source, CHUNK))):
            same: dict[str, list[Given]] = {}
            for one in chunk:
                self.taken.rows += 1
                if isinstance(one, Reject):
                    self.taken.rejected += 1
                    rejects.add(one)
                else:
                    same.setdefault(prompt_hash(one.row.prompt), []).append(one)
            try:
                async with asyncio.TaskGroup() as group:
                    for hash_, several in same.items():
                        # Before they race each other, so that the log has the order of the file.
                        place = RequestId(str(uuid7())), several[0].at or datetime.now(UTC)
                        group.create_task(self._prompt(hash_, several, *place))
            except ExceptionGroup as several_errors:
                raise several_errors.exceptions[0] from None
        return self.taken

    async def _prompt(self, hash_: str, given: list[Given], fresh: RequestId, at: datetime) -> None:
        """The rows of one prompt, one after another, so that each finds what the last has left."""
        for one in given:
            known = (await self._store.read(partial(held, hashes=[hash_]))).get(hash_)
            id_ = await self._new(one, fresh, at) if known is None else await self._more(one, known)
            row = one.row
            dataset = (one.dataset if self._own_sets else None) or self._name
            entry = DatasetRow(
                dataset=dataset, row_id=row.row_id, request=id_, position=row.position, metadata=row.metadata
            )
            await self._store.change(partial(enter, rows=[entry]))

    async def _new(self, given: Given, id_: RequestId, at: datetime) -> RequestId:
        row = given.row
        request = Request(
            id=id_,
            model=self._judge,
            prompt=row.prompt,
            arrived_at=at,
            deadline=0.0,
            dialect=TRANSPORT,
            conversation=row.conversation,
            source="import",
            reference=row.reference,
            domain=row.domain,
        )
        seats = Seats(id_, (), at=at)
        calls = [seats.take(answer) for answer in given.answers]
        ruling = ruling_of(request, given, calls, self._judge, whole=True)
        samples = {member: number for member, number in seats.samples.items() if number > 1}
        stage = Stage(members=tuple(seats.samples), samples=samples)
        await self._store.record(
            Record(
                request=request,
                status="stored",
                plan=Plan(router=self._judge, stages=(stage,), reason="imported"),
                calls=tuple(calls),
                authors=_authors(calls),
                rulings=(ruling,) if ruling else (),
                chosen=None,
                fallback=None,
                answered_s=0.0,
                config=self._judge,
            )
        )
        self.taken.requests += 1
        self._count(seats, ruling)
        return id_

    async def _more(self, given: Given, known: Held) -> RequestId:
        row = given.row
        news = replace(
            known,
            reference=known.reference or row.reference,
            conversation=known.conversation or row.conversation,
            domain=known.domain or row.domain,
        )
        if news != known:
            await self._store.change(partial(complete_request, held=news))
        request = Request(
            id=known.request,
            model=self._judge,
            prompt=known.prompt,
            arrived_at=datetime.now(UTC),
            deadline=0.0,
            source="import",
            reference=news.reference,
        )
        seats = Seats(known.request, known.candidates, at=given.at or datetime.now(UTC), held=known)
        calls = [seats.take(answer) for answer in given.answers]
        before = await self._store.read(partial(imported, request=known.request, judge=self._judge))
        everything = {call.candidate for call in (*known.candidates, *calls)}
        ruling = ruling_of(
            request,
            given,
            calls,
            self._judge,
            before=Found(before, known.candidates) if before else None,
            beside=known.ruled is not None and known.ruled.judge != self._judge,
            stage=_stage(known),
            panel=everything,
        )
        if seats.fresh or ruling:
            fresh = tuple(seats.fresh)
            await self._store.record_late(
                Late(request=known.request, calls=fresh, authors=_authors(seats.fresh), ruling=ruling)
            )
        if known.plan is not None and known.plan.router.startswith(MARK):
            # Also where nothing is new: the program may have ended between the two writes.
            await self._store.change(partial(extend_plan, request=known.request, samples=seats.samples))
        self._count(seats, ruling)
        return known.request

    def _count(self, seats: "Seats", ruling: Ruling | None) -> None:
        self.taken.candidates += len(seats.fresh)
        self.taken.known += seats.known
        self.taken.verdicts += ruling is not None


class Seats:
    """Finds for each answer the candidate that is there already, or makes one.

    Attributes:
        fresh: calls that are new.
        known: answers that were there.
        samples: number of samples by member, in the order in which they came.
    """

    def __init__(self, request: RequestId, stored: tuple[Call, ...], *, at: datetime, held: Held | None = None) -> None:
        self.fresh: list[Call] = []
        self.known = 0
        self.samples: dict[str, int] = {}
        self._request, self._at, self._held = request, at, held
        self._free = list(stored)
        for call in stored:
            self._seat(call.member, call.sample)

    def take(self, answer: Answer) -> Call:
        """The call behind ``answer``: the stored one of the same member with the same words, or a new one."""
        said = answer.completion
        for call in self._free:
            old = call.completion
            if call.member == answer.member and old and (old.text, old.tool_calls) == (said.text, said.tool_calls):
                self._free.remove(call)
                self.known += 1
                return call
        served = self._held is not None and self._held.served is not None
        sample = self.samples.get(answer.member, 0)
        call = Call(
            id=CallId(str(uuid7())),
            request=self._request,
            member=answer.member,
            purpose="shadow" if served else "candidate",
            attempt=1,
            started_at=self._at,
            total_s=answer.total_s,
            candidate=CandidateId(str(uuid4())),
            sample=sample,
            stage=_stage(self._held) if self._held else 0,
            completion=said,
            usage=said.usage,
            transport=TRANSPORT,
            after_answer=served,
        )
        self._seat(answer.member, sample)
        self.fresh.append(call)
        return call

    def _seat(self, member: str, sample: int) -> None:
        self.samples[member] = max(self.samples.get(member, 0), sample + 1)


def _authors(calls: list[Call]) -> dict[CandidateId, str]:
    return {call.candidate: call.member for call in calls if call.candidate is not None}


def _stage(known: Held) -> int:
    """The stage under which labels come in: the last that the stored plan has, so that the view takes them first."""
    return len(known.plan.stages) - 1 if known.plan else 0
