"""One stored case before a judge once more."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ensemble.labelling.asking import PATIENCE_S, Consulted
from ensemble.labelling.cashier import Cashier
from ensemble.labelling.panel import whole_panel
from ensemble.ledger import Aim
from ensemble.pipeline import Pipeline
from ensemble.ruling import Bench, case_key, case_of, rule
from ensemble.store.filling import Held
from ensemble.store.rejudging import Finding, reusable
from ensemble.types import Call, Late, Plan, Request, Stage
from judges.types import CandidateId


class Again:
    """Judges stored panels by the judge called ``name``; what it asks is paid through ``cashier``.

    ``fresh`` takes nothing that is stored for an answer: neither verdicts nor replies of the judge's models.
    """

    def __init__(self, pipeline: Pipeline, name: str, cashier: Cashier, run: str, *, fresh: bool = False) -> None:
        self._pipeline, self._cashier, self._run, self._fresh = pipeline, cashier, run, fresh
        # What is found again is what the judge finds. Shrunk, it would depend on what was judged in between.
        judge, means = pipeline.judges[name], pipeline.means.none
        self._bench = Bench(name=name, judge=judge, fleet=pipeline.fleet, means=means)

    @property
    def digest(self) -> str:
        """That of the judge."""
        return self._bench.judge.digest

    async def judge(self, held: Held, panel: Collection[CandidateId]) -> tuple[Finding, bool]:
        """What the judge finds on the candidates ``panel`` of ``held``, and whether that was stored before.

        A new finding is stored, in phase ``rejudged``, when this returns.

        Raises:
            Stopped: the run is over, or its money.
            StoreError: the log cannot be read or written.
        """
        calls = [call for call in held.candidates if call.candidate in panel]
        request = _request(held)
        if not self._fresh:
            key = case_key(case_of(request, calls, self._pipeline.fleet))
            found = await self._pipeline.store.read(lambda db: reusable(db, held.request, key, self.digest))
            if found is not None:
                return found, True
        stage = len(held.plan.stages) - 1 if held.plan else 0
        aim = Aim(purpose="judge", seat=self._bench.name, stage=stage, run=self._run)
        replies = () if self._fresh else held.replies
        models = Consulted(self._pipeline.fleet, request, aim, self._cashier.ask, replies)
        ruling = await rule(
            request,
            calls,
            self._bench,
            _plan(calls, self._bench.name),
            stage=0,
            phase="full",
            until=asyncio.get_running_loop().time() + PATIENCE_S,
            seen=lambda call: None,  # whatever is asked goes through the cashier
            models=models.telling,
        )
        if models.stopped is not None:
            raise models.stopped
        whole = held.plan is not None and len(calls) >= len(whole_panel(held.plan).stages[0].seats())
        ruling = replace(ruling, stage=stage, phase="rejudged", complete=whole)
        late = Late(request=held.request, calls=(), authors={}, ruling=ruling, asked=tuple(models.lines))
        await self._pipeline.store.record_late(late)
        verdict = ruling.verdict
        return (
            Finding(
                outcome=verdict.outcome,
                winners=frozenset(verdict.winners),
                confidence=verdict.confidence,
                all_bad=verdict.all_bad,
            ),
            False,
        )


def _plan(calls: Iterable[Call], judge: str) -> Plan:
    """A plan whose seats are those that are filled, configured members or not."""
    samples: dict[str, int] = {}
    for call in calls:
        samples[call.member] = samples.get(call.member, 0) + 1
    stage = Stage(members=tuple(samples), samples={m: n for m, n in samples.items() if n > 1}, judge=judge)
    return Plan(router="", stages=(stage,))


def _request(held: Held) -> Request:
    return Request(
        id=held.request,
        model="",
        prompt=held.prompt,
        arrived_at=datetime.now(UTC),
        deadline=asyncio.get_running_loop().time() + PATIENCE_S,
        source="label",
        reference=held.reference,
        data_class=held.data_class,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to judge again.

    Attributes:
        judge: its name in the configuration.
        run: under which name the calls stand in the ledger; a run of the same name shares its cap.
        where: condition in SQL on the columns of ``requests``.
        concurrency: cases under way at once.
        max_nano_usd: the most that the run may cost, over all its invocations.
    """

    judge: str
    run: str
    where: str = "TRUE"
    concurrency: int = 32
    max_nano_usd: int | None = None
