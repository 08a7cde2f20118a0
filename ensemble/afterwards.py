"""What happens once the answer has left: stragglers come in, shadow members are asked, the full panel is judged."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from uuid_utils import uuid4

from ensemble.errors import StoreError
from ensemble.events import LateDone
from ensemble.fanout import Seat, cancel, cancelled_by, fan_out
from ensemble.fleet import Fleet
from ensemble.means import Means, finding_of
from ensemble.money import total
from ensemble.ruling import Bench, candidates_of, overturning, rule
from ensemble.run import Run
from ensemble.store import Store
from ensemble.store.faults import Refused
from ensemble.types import Answer, Call, Late, Plan, Ruling, Stage
from judges.judge import Judge
from judges.types import CandidateId

log = logging.getLogger(__name__)

PATIENCE_S = 60.0
"""Most seconds for the shadow members together, again for the verdict on the full panel, and for the log to take it."""
AGAIN_S = 1.0
"""Seconds between two attempts to write to a log that does not take it."""


@dataclass(frozen=True, slots=True)
class Afterwards:
    """The rest of one request. Its work is owned by ``Stragglers`` and recorded in one late transaction."""

    fleet: Fleet
    judges: Mapping[str, Judge]
    store: Store
    run: Run
    plan: Plan
    means: Means

    @property
    def index(self) -> int:
        """Where in the plan the stage stands whose candidates were judged last. Another stage may be equal to it."""
        return self.run.rulings[-1].stage if self.run.rulings else len(self.plan.stages) - 1

    @property
    def stage(self) -> Stage:
        """That stage."""
        return self.plan.stages[self.index]

    def may_linger(self) -> bool:
        """Whether calls may go on beyond the answer: there is time for it, and the cost cap is not reached."""
        cap = self.stage.straggler_nano_usd
        spent = total(call.usage.nano_usd for call in self.run.calls).nano_usd
        return self.stage.straggler_s > 0 and (cap is None or spent < cap)

    async def lingering(self, *, room: bool) -> dict[asyncio.Task[Call], Seat]:
        """The calls that go on beyond the answer: all of them if there is ``room``, else those that will not end."""
        late = self.run.late
        if not late or (room and self.may_linger()):
            return late
        stubborn = await cancelled_by(set(late), self.run.request.deadline)
        return {task: seat for task, seat in late.items() if task in stubborn}

    async def part(self) -> None:
        """End what is at work for an answer that nobody waits for any more, and record what it was."""
        await cancel(self.run.at_work)
        await self._commit(self.run.authors, None, patience_s=0)

    async def finish(self, answer: Answer) -> None:
        """Wait for the stragglers, ask the shadow members, let the judge see all of them, and record it."""
        late = self.run.late
        authors = {seat.candidate: seat.member for seat in late.values()}
        try:
            came = [*await self._stragglers(set(late)), *await self._shadow(authors)]
            ruling = await self._full_ruling(answer, came)
        except asyncio.CancelledError:
            # Shutdown: no time for a verdict, but what was paid for is written down.
            await cancel(set(late))
            await self._commit(authors, None, patience_s=0)
            raise
        await self._commit(authors, ruling)

    async def follow(self, answer: Answer, behind: asyncio.Task[Ruling | None]) -> None:
        """Wait for the panel and the verdict behind a leader whose answer has gone out, and record them."""
        ruling: Ruling | None = None
        try:
            ruling = await behind
        finally:  # at a shutdown there is no verdict, but what was paid for is written down
            await cancel({behind})
            await self._commit(self.run.authors, overturning(ruling, answer.chosen.id) if ruling else None)

    async def _stragglers(self, pending: set[asyncio.Task[Call]]) -> list[Call]:
        clock = asyncio.get_running_loop().time
        end, came = clock() + self.stage.straggler_s, list[Call]()
        while pending and clock() < end and self.may_linger():
            ended, pending = await asyncio.wait(pending, timeout=end - clock(), return_when=asyncio.FIRST_COMPLETED)
            came += [task.result() for task in ended]
        await cancel(pending)
        return came

    async def _shadow(self, authors: dict[CandidateId, str]) -> tuple[Call, ...]:
        if not self.plan.shadow:
            return ()
        seats = [Seat(member=name, sample=0, candidate=CandidateId(str(uuid4()))) for name in self.plan.shadow]
        authors |= {seat.candidate: seat.member for seat in seats}
        request = replace(self.run.request, deadline=asyncio.get_running_loop().time() + PATIENCE_S)
        stage = Stage(members=self.plan.shadow, strict_params=self.stage.strict_params)
        fanned = await fan_out(
            request, stage, self.fleet, seats, index=self.index, seen=self.run.calls.append, purpose="shadow"
        )
        await cancel(set(fanned.late))
        return fanned.done

    async def _full_ruling(self, answer: Answer, came: Sequence[Call]) -> Ruling | None:
        if not answer.rulings or not candidates_of(came):
            return None
        served = answer.rulings[-1]
        ruling = await rule(
            self.run.request,
            [call for call in (*self.run.panel, *came) if call.stage == served.stage],
            Bench(name=served.judge, judge=self.judges[served.judge], fleet=self.fleet, means=self.means),
            self.plan,
            stage=served.stage,
            phase="full",
            until=asyncio.get_running_loop().time() + PATIENCE_S,
            seen=self.run.calls.append,
        )
        return overturning(ruling, answer.chosen.id)

    async def _commit(
        self, authors: Mapping[CandidateId, str], ruling: Ruling | None, patience_s: float = PATIENCE_S
    ) -> None:
        calls = tuple(replace(call, after_answer=True) for call in self.run.unrecorded())
        request = self.run.request
        late = Late(request=request.id, calls=calls, authors=authors, router=request.model, ruling=ruling)
        try:
            await self._recorded(late, patience_s)
        except StoreError:
            log.exception("request %s: what came after the answer could not be recorded", request.id)
            return
        if ruling is not None:
            self.means.learn(finding_of(request.id, ruling, {**self.run.authors, **authors}))
        self.run.tell(LateDone, calls=calls, ruling=ruling)

    async def _recorded(self, late: Late, patience_s: float) -> None:
        """Try again while the log does not take it: nobody else knows what these calls have cost.

        Raises:
            StoreError: it did not for ``patience_s`` seconds, or refuses these rows.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_s
        while True:
            try:
                return await self.store.record_late(late)
            except Refused:
                raise
            except StoreError as error:
                if loop.time() + AGAIN_S > end:
                    raise
                log.warning("request %s: what came after the answer waits for the log: %s", late.request, error)
            try:
                await asyncio.sleep(AGAIN_S)
            except asyncio.CancelledError:
                await self.store.record_late(late)
                raise
