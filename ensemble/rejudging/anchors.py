"""Anchor sets: freeze findings once, judge the same cases again on a schedule, and say when a judge drifts.

A model behind a name changes without notice, and the digest of the judge that asks it stays. So an anchor check takes
nothing that is stored for an answer: every question is asked anew. ``judge_drift`` is raised where agreement with the
frozen findings is surely worse: the upper end of its 95 % interval lies below the agreement of the first check of the
same set by the same judge (by digest), or below a floor that is given.
"""

import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from functools import partial

from uuid_utils import uuid7

from ensemble.errors import InvalidRequest
from ensemble.labelling.asking import Asker, Online
from ensemble.labelling.cashier import Cashier, Stopped
from ensemble.labelling.tally import Tally
from ensemble.pipeline import Pipeline
from ensemble.rejudging.again import Again
from ensemble.rejudging.runner import CHUNK, authors_of, each
from ensemble.store import Store
from ensemble.store.anchors import Anchor, Check, anchors, candidates_for, first_check, freeze, note_check
from ensemble.store.filling import Held, holding, stored
from ensemble.store.rejudging import Finding
from ensemble.types import RequestId
from judges.agreement import Share, credit
from judges.types import Verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Frozen:
    """How many cases were added to a set, and how many were looked at."""

    added: int
    looked_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check came to.

    Attributes:
        check: as stored; None where the judge had its say on no case.
        first: the agreement of the first check by this judge, None where this is the first.
        why: what drift rests on, None where there is none.
        failed: cases on which the judge failed; they count neither way.
        gone: cases whose texts are no longer in the log.
        stopped: why it ended before its time; a check that is not whole is not stored.
    """

    check: Check | None
    first: float | None
    why: str | None
    failed: int
    gone: int
    stopped: Stopped | None
    tally: Tally


async def freeze_set(store: Store, anchor_set: str, where: str) -> Frozen:
    """Freeze the findings in force on the requests that ``where`` picks; what people said goes first.

    Raises:
        StoreError: the log cannot be read or written, or ``where`` is no condition.
    """
    last: RequestId | None = None
    added = looked_at = 0
    while ids := await store.read(partial(stored, where=where, after=last, most=CHUNK)):
        last, looked_at = ids[-1], looked_at + len(ids)
        found = await store.read(partial(candidates_for, ids=ids))
        added += await store.change(partial(freeze, anchor_set=anchor_set, anchors=found))
    return Frozen(added, looked_at)


class Checker:
    """One check of a set by one judge. Under ``max_nano_usd`` it costs no more; the cap is that of one check."""

    def __init__(
        self,
        pipeline: Pipeline,
        judge: str,
        anchor_set: str,
        *,
        floor: float | None = None,
        max_nano_usd: int | None = None,
        concurrency: int = 8,
        asker: Asker | None = None,
    ) -> None:
        self.tally = Tally()
        self._store, self._judge, self._set, self._floor = pipeline.store, judge, anchor_set, floor
        run = f"anchors-{anchor_set}-{uuid7()}"
        self._cashier = Cashier(pipeline.store, asker or Online(), run, self.tally, max_nano_usd)
        self._again = Again(pipeline, judge, self._cashier, run, fresh=True)
        self._share, self._failed, self._gone, self._concurrency = Share(), 0, 0, concurrency

    def stop(self, why: str) -> None:
        """Take up nothing new; calls under way end and are stored."""
        self._cashier.close(Stopped(why))

    async def run(self) -> Checked:
        """Judge every case of the set.

        Raises:
            InvalidRequest: there is no such set.
            StoreError: the log cannot be read or written.
        """
        cases = await self._store.read(partial(anchors, anchor_set=self._set))
        if not cases:
            raise InvalidRequest(f"there is no anchor set {self._set!r}; make it with --freeze {self._set}")
        self.tally.total = len(cases)
        kept = [one for one in cases if one.kept]
        self._gone = len(cases) - len(kept)
        await each(self._cases(kept), self._one, self._concurrency, self._cashier)
        first = await self._store.read(partial(first_check, anchor_set=self._set, digest=self._again.digest))
        baseline = first.agreement if first else None
        check, why = None, None
        if self._cashier.closed is None and self._share.n:
            check, why = self._verdict(baseline)
            await self._store.change(partial(note_check, check=check))
        return Checked(
            check=check,
            first=baseline,
            why=why,
            failed=self._failed,
            gone=self._gone,
            stopped=self._cashier.closed,
            tally=self.tally,
        )

    async def _cases(self, cases: list[Anchor]) -> AsyncGenerator[tuple[Anchor, Held], None]:
        for place in range(0, len(cases), CHUNK):
            some = cases[place : place + CHUNK]
            held = await self._store.read(partial(holding, ids=[one.request for one in some]))
            for pair in zip(some, held, strict=True):
                yield pair

    async def _one(self, case: tuple[Anchor, Held]) -> None:
        anchor, held = case
        self.tally.prompts += 1
        if not set(anchor.panel) <= authors_of(held).keys():
            self._gone += 1
            return
        found, _ = await self._again.judge(held, anchor.panel)
        agreed = agreement(found, anchor)
        if agreed is None:
            self._failed += 1
        else:
            self._share.add(agreed)

    def _verdict(self, first: float | None) -> tuple[Check, str | None]:
        rate = self._share.rate
        low, high = rate.low or 0.0, 1.0 if rate.high is None else rate.high
        why = drifted(high, first, self._floor)
        if why is not None:
            fields = {"anchor_set": self._set, "judge": self._judge, "agreement": rate.value, "high": high}
            log.warning("judge_drift", extra={"fields": fields})
        cost = None if self.tally.unpriced else self.tally.nano_usd
        check = Check(
            anchor_set=self._set,
            judge=self._judge,
            digest=self._again.digest,
            cases=self._share.n,
            agreed=self._share.hits,
            low=low,
            high=high,
            drift=why is not None,
            nano_usd=cost,
        )
        return check, why


def drifted(high: float, first: float | None, floor: float | None) -> str | None:
    """Why agreement whose 95 % interval ends at ``high`` is drift; None where it is none."""
    if first is not None and high < first:
        return f"at most {high:.3f}, and {first:.3f} in the first check"
    if floor is not None and high < floor:
        return f"at most {high:.3f}, below the floor of {floor:g}"
    return None


def agreement(found: Finding, anchor: Anchor) -> float | None:
    """How far ``found`` is the frozen finding, in [0, 1] (see ``credit``); None where the judge failed."""
    return None if found.outcome == "failed" else credit(_verdict(found), anchor.winners, anchor.panel)


def _verdict(found: Finding) -> Verdict:
    """``found`` as a verdict, for the figures that are defined on those."""
    winners = tuple(found.winners)
    outcome = "abstained" if not winners else "decided" if len(winners) == 1 else "tie"
    return Verdict(judge="", outcome=outcome, winners=winners, all_bad=found.all_bad)  # type: ignore[arg-type]
