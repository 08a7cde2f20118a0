"""One served router under watch: draws its shadows, has them labelled, and demotes it where it must."""

import asyncio
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial

from ensemble.errors import StoreError
from ensemble.fleet import permitted
from ensemble.labelling.cashier import Stopped
from ensemble.labelling.filling import Job
from ensemble.means import finding_of
from ensemble.pipeline import Pipeline
from ensemble.place import PLACE
from ensemble.router import Shadow
from ensemble.routers.rules import task_set_by
from ensemble.store.filling import found
from ensemble.store.watched import Seen, Watched, note, seen_since
from ensemble.types import Answer, Plan, Request, RequestId, Stage
from ensemble.watching.judge_check import JudgeCheck
from ensemble.watching.kept import kept, telling
from ensemble.watching.purse import DayPurse
from ensemble.watching.standing import Report, Standing

log = logging.getLogger(__name__)

PATIENCE_S = 120.0
"""Most seconds for the calls, the verdict and the checks after one answer."""
CHUNK = 100
"""Rows that are taken in at once: about two milliseconds, while a restart has all of them to take in."""


class Watch:
    """The watch on the router called ``name``, whose ``shadow`` table it carries out.

    What it sees and decides are rows of the log, and its state is what follows from them: so it survives a restart,
    and processes over one log agree.

    Attributes:
        skipped: shadows that were not asked, or not to the end, since the money of the day was spent.
    """

    def __init__(self, name: str, options: Shadow, pipeline: Pipeline) -> None:
        self._name, self._options, self._pipeline = name, options, pipeline
        self._about = Watched(
            router=name,
            digest=pipeline.routers[name].digest,
            judge=pipeline.judges[options.judge].digest,
        )
        self._standing = Standing(options)
        self._purse = DayPurse(name, options, pipeline)
        self._judge = JudgeCheck(self._about, options, pipeline)
        self._reading, self._deciding = asyncio.Lock(), asyncio.Lock()
        self._place = PLACE.get()
        self.skipped = 0
        self._told: date | None = None

    def state(self) -> Report:
        """Where the router stands."""
        return self._standing.report()

    @property
    def drawing(self) -> bool:
        """Whether any request can be drawn now: the judge is believed, and the money of the day is not spent."""
        return self._standing.state == "watched" and self._purse.open

    def instead(self) -> Plan | None:
        """The whole panel, while the router is demoted; else None."""
        if self._standing.state != "demoted":
            return None
        stage = Stage(members=self._options.panel, judge=self._options.judge)
        reason = f"the whole panel, since the router was demoted at {self._standing.since}: {self._standing.why}"
        fallback = self._pipeline.routers[self._name].fallback
        return Plan(router=self._about.digest, stages=(stage,), fallback=fallback, reason=reason)

    def shadowed(self, plan: Plan, request: Request) -> Plan:
        """``plan`` with the rest of the panel as its shadow where ``request`` is drawn, and with propensities.

        While nothing can be drawn, since the judge drifts or the money of the day is spent, it stays as it is. Else the
        propensities are chances of a label: of the panel's members given this plan, whoever drew it, since the panel is
        judged whatever the plan is; of others, for whom it takes both, by that draw and the shadow's.
        """
        if self._standing.state != "watched":
            return plan
        first = set(plan.stages[0].members)
        panel = self._panel(request)
        rest = tuple(member for member in panel if member not in first)
        drawn = _drawn(self._options.seed, request) < self._options.share
        if drawn and not self._purse.open:
            self.skipped += 1
        if not self._purse.open or not (rest or plan.propensities):
            return plan
        chances = _chances(plan, panel, self._options.share)
        return replace(plan, shadow=rest if drawn and rest else plan.shadow, propensities=chances)

    async def after(self, answer: Answer) -> None:
        """Label one drawn request, and decide what follows from it. Bounds its time and handles its failures."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._label(answer)
                await self._decide(answer.request.id)
        except Stopped as stopped:
            self.skipped += 1
            if (today := datetime.now(UTC).date()) != self._told:  # those that were under way end in the same way
                self._told = today
                log.warning("router %s: no shadow is drawn any more today (UTC): %s", self._name, stopped)
        except StoreError as error:
            log.warning("router %s: a shadow could not be labelled: %s", self._name, error)
        except TimeoutError:
            log.warning("router %s: a shadow took more than %g s", self._name, PATIENCE_S)

    async def refresh(self) -> None:
        """Take in what this process and others have noted since. Raises StoreError."""
        async with self._reading:
            rows = await self._pipeline.store.read(partial(seen_since, about=self._about, after=self._standing.last))
            before = self._standing.state
            for place in range(0, len(rows), CHUNK):
                self._standing.take(rows[place : place + CHUNK])
                await asyncio.sleep(0)
        if self._standing.state != before:
            fields = {"router": self._name, "state": self._standing.state, "why": self._standing.why}
            log.warning("router_%s", self._standing.state, extra={"fields": fields})

    async def _label(self, answer: Answer) -> None:
        id_ = answer.request.id
        held = await self._pipeline.store.read(partial(found, id_=id_))
        if held is None:
            return
        panel = tuple(dict.fromkeys((*self._panel(answer.request), answer.member)))
        # A member whose call goes on is not asked again; the label is then not complete.
        only = frozenset(panel) - frozenset(answer.late)
        plan = Plan(router=answer.plan.router, stages=(Stage(members=panel, judge=self._options.judge),))
        filled = await self._purse.filler().fill(Job(held=held, plan=plan, only=only))
        if filled.ruling is None:
            return
        self._pipeline.means.learn(finding_of(id_, filled.ruling, filled.authors))
        # What the router does not know, since it is new or changed, has no prediction.
        value = kept(filled.ruling, filled.authors, answer.member, answer.plan.predicted)
        if value is None:
            return
        task, _ = task_set_by(answer.request)
        await self._note(Seen(event="label", request=id_, task=task, value=value))
        if telling(filled.ruling):
            await self._judge.freeze(id_, self._standing.promotions)

    async def _decide(self, request: RequestId) -> None:
        """Judge an anchor again now and then; where the router is suspected, judge all of them first.

        A judge that drifts makes a good router look bad, and far more labels say so than anchors are judged again. So
        no suspicion is believed before the judge has been.
        """
        if self._standing.state != "watched" or self._deciding.locked():
            return
        with self._place.alone(f"watch {self._name}") as alone:
            if alone:
                async with self._deciding:
                    await self.refresh()  # another worker may have decided just now
                    await self._judge_again(request)

    async def _judge_again(self, request: RequestId) -> None:
        standing = self._standing
        if standing.state != "watched":
            return
        if (raised := await self._judge.raised(standing.promoted_at)) is not None:
            await self._note(Seen(event="judge_drift", why=raised))
            return
        if standing.suspicion is None:
            again = await self._judge.one(self._purse.cashier(), standing.promotions, request)
            if again is not None:
                await self._note(again)
            if standing.doubt is not None:
                await self._note(Seen(event="judge_drift", why=standing.doubt))
            return
        agreed = await self._judge.all(self._purse.cashier(), standing.promotions)
        if agreed is None or standing.state != "watched":
            return
        if agreed.value < self._options.judge_floor:
            why = f"agreement with its own anchors is {agreed}, below {self._options.judge_floor:g}"
            await self._note(Seen(event="judge_drift", why=f"{why}; the router is suspected: {standing.suspicion}"))
        else:
            await self._note(Seen(event="demoted", why=f"{standing.suspicion}; the judge agrees with {agreed}"))

    def _panel(self, request: Request) -> tuple[str, ...]:
        """Its members that may see ``request``."""
        seen_by = permitted(self._pipeline.fleet, request)
        return tuple(member for member in self._options.panel if member in seen_by)

    async def _note(self, seen: Seen) -> None:
        await self._pipeline.store.change(partial(note, about=self._about, seen=seen))
        await self.refresh()


def _chances(plan: Plan, panel: Sequence[str], share: float) -> dict[str, float]:
    """The probability of each member's label: certain on a first stage with a judge, else that of a drawn shadow.

    Whether a later stage is asked hangs on the answers, so of its panel nothing is known: its members have none.
    """
    judged = [set(stage.members) if stage.judge and len(stage.members) > 1 else set() for stage in plan.stages]
    certain, perhaps = judged[0], set[str]().union(*judged[1:]) - judged[0]
    # Of whom a plan that was drawn says nothing, nothing is known.
    called = plan.propensities or dict.fromkeys(plan.stages[0].members, 1.0)
    return {
        member: chance * (1.0 if member in certain else share)
        for member, chance in {**called, **dict.fromkeys(panel, 1.0)}.items()
        if member not in perhaps
    }


def _drawn(seed: int, request: Request) -> float:
    """A number in [0, 1) that no client can choose, since the id of the request is made here.

    It is of the shadow alone: a router that draws by the id, such as `split`, must not draw along with it.
    """
    return float(int.from_bytes(hashlib.sha256(f"shadow\0{seed}\0{request.id}".encode()).digest()[:8]) / 2**64)
