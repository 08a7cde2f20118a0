"""Does the judge of a watch still find what it found? Its first labels are its anchors."""

import random
from dataclasses import dataclass
from functools import partial

from ensemble.labelling.cashier import Cashier
from ensemble.pipeline import Pipeline
from ensemble.rejudging.again import Again
from ensemble.rejudging.anchors import agreement
from ensemble.router import Shadow
from ensemble.store.anchors import Anchor, anchors, candidates_for, freeze, last_check
from ensemble.store.filling import holding
from ensemble.store.watched import Seen, Watched
from ensemble.types import RequestId


@dataclass(frozen=True, slots=True)
class Agreement:
    """Mean agreement, in [0, 1], over so many anchors."""

    value: float
    anchors: int

    def __str__(self) -> str:
        return f"{self.value:.2f} of {self.anchors} anchors"


class JudgeCheck:
    """Keeps the first telling labels of a watch as an anchor set, and has its judge judge them anew."""

    def __init__(self, about: Watched, options: Shadow, pipeline: Pipeline) -> None:
        self._about, self._options, self._pipeline = about, options, pipeline

    def anchor_set(self, promotions: int) -> str:
        """Its name; a promotion begins a new one, since it says that the judge is to be believed as it is now."""
        return f"watch {self._about.router} {self._about.digest[:8]} {self._about.judge[:8]} {promotions}"

    async def raised(self, since: str) -> str | None:
        """Why ``judge_drift`` is raised by ``ensemble rejudge --anchors``, by its latest check after ``since``."""
        last = await self._pipeline.store.read(partial(last_check, digest=self._about.judge, since=since))
        if last is None or not last.drift:
            return None
        return f"{last.judge} agrees with the anchors {last.anchor_set} on {last.agreement:.2f} of {last.cases} cases"

    async def freeze(self, request: RequestId, promotions: int) -> None:
        """Keep the finding on ``request`` as an anchor while there are too few. Raises StoreError."""
        name = self.anchor_set(promotions)
        if len(await self._anchors(name)) >= self._options.anchors:
            return
        found = await self._pipeline.store.read(partial(candidates_for, ids=[request]))
        await self._pipeline.store.change(partial(freeze, anchor_set=name, anchors=found))

    async def one(self, cashier: Cashier, promotions: int, request: RequestId) -> Seen | None:
        """After a label on ``request``, by chance, one anchor judged again. Raises Stopped and StoreError."""
        # By the request, so that neither a restart nor another worker draws the same anchors once more.
        lot = random.Random(f"anchor {self._options.seed} {request}")  # noqa: S311 - no secret hangs on it
        if lot.random() >= self._options.recheck:
            return None
        cases = await self._anchors(self.anchor_set(promotions))
        if len(cases) < self._options.anchors:
            return None
        anchor = lot.choice(cases)
        agreed = await self._again(cashier, anchor)
        return None if agreed is None else Seen(event="anchor", request=anchor.request, value=agreed)

    async def all(self, cashier: Cashier, promotions: int) -> Agreement | None:
        """Every anchor judged again; None while there are too few, or where the judge fails on most of them.

        Raises:
            Stopped: the money of the day is spent.
            StoreError: the log cannot be read or written.
        """
        cases = await self._anchors(self.anchor_set(promotions))
        if len(cases) < self._options.anchors:
            return None
        agreed = [found for case in cases if (found := await self._again(cashier, case)) is not None]
        return Agreement(sum(agreed) / len(agreed), len(agreed)) if len(agreed) >= len(cases) / 2 else None

    async def _anchors(self, name: str) -> list[Anchor]:
        return [one for one in await self._pipeline.store.read(partial(anchors, anchor_set=name)) if one.kept]

    async def _again(self, cashier: Cashier, anchor: Anchor) -> float | None:
        """Agreement of the judge with its own finding, in [0, 1]; None where it failed."""
        (held,) = await self._pipeline.store.read(partial(holding, ids=[anchor.request]))
        again = Again(self._pipeline, self._options.judge, cashier, cashier.run, fresh=True)
        found, _ = await again.judge(held, anchor.panel)
        return agreement(found, anchor)
