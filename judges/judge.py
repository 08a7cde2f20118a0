"""What a judge is, what an aggregator is, and where they register."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import BeforeValidator, SerializeAsAny

from judges.calibration import Calibration, apply, read, signal
from judges.registry import Plugin, Registry
from judges.types import Case, Model, Verdict


@dataclass(slots=True)
class Held:
    """What a plugin has read; not among its options, so that equal options stay equal plugins."""

    book: Calibration | None = None


class Calibrated(Plugin):
    """A plugin that labels can tell something about. What they told is no part of its digest."""

    outside: ClassVar[frozenset[str]] = frozenset({"calibration"})

    calibration: Path | None = None
    """File of what labels say of this part, and of the parts in it that name no file of their own."""

    @cached_property
    def _held(self) -> Held:
        return Held()

    def load(self) -> None:
        """Read the calibration, and what the parts of this plugin read.

        Raises:
            OSError, InvalidOptions: a file cannot be read, or is not what it should be.
        """
        super().load()
        if self.calibration is not None:
            self.calibrate(read(self.calibration))

    def calibrate(self, book: Calibration) -> None:
        """Hold to ``book``, here and in every part that names no file of its own. May block: it may fit weights."""
        self._held.book = book
        for _, part in self.parts():
            if isinstance(part, Calibrated) and part.calibration is None:
                part.calibrate(book)


class Judge(Calibrated):
    """Decides which candidates of a case are best."""

    def misfits(self) -> Iterator[tuple[str, str]]:
        """Where what was learned does not fit what is configured: (dotted option, sentence); known once loaded."""
        if self.calibration is not None and self._held.book and self.digest not in self._held.book.judges:
            told = f"{self.calibration} holds nothing on this judge as it is configured now ({self.digest[:12]}...)"
            yield "calibration", f"{told}, so its confidence stays unknown: fit it again"
        for place, part in self.parts():
            if isinstance(part, Judge):
                yield from ((f"{place}.{inner}", told) for inner, told in part.misfits())

    async def decide(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        """Judge ``case``, and say how sure that is: what callers call. Raises as ``judge`` does."""
        return self.calibrated(await self.judge(case, models))

    def calibrated(self, verdict: Verdict) -> Verdict:
        """``verdict`` of this judge with its calibrated confidence; as it is where no calibration fits.

        Where a file is named for this judge and does not fit it, not even the confidence of a part of it stands.
        """
        book = self._held.book
        fitted = book.judges.get(self.digest) if book else None
        if fitted is None and self.calibration is not None:
            return replace(verdict, confidence=None)
        raw = signal(verdict) if fitted else None
        sure = apply(fitted.knots, raw) if fitted and raw is not None else None
        if book is None or sure is None:
            return verdict
        used = "+".join(dict.fromkeys(one for one in (verdict.weights, book.hash) if one))
        return replace(verdict, confidence=sure, weights=used)

    @property
    def scores_candidates(self) -> bool:
        """Whether verdicts carry absolute scores, which a stage with ``accept_score`` above 0 needs."""
        return False

    @property
    def can_wait(self) -> bool:
        """Whether the models that it asks may take hours, as in a batch; a plugin that can says so itself.

        Those of this package can where their parts can: they set no limit of time to a model that is patient.
        """
        ours = type(self).__module__.partition(".")[0] == __name__.partition(".")[0]
        return ours and all(part.can_wait for _, part in self.parts() if isinstance(part, Judge))

    @abstractmethod
    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        """Judge ``case``, consulting ``models`` by name if need be; a heuristic ignores them.

        What went wrong while judging is a verdict too (``failed``, with its reason), so that a jury can go on
        without the seat. Only cancellation and programming errors escape. The order of ``case.candidates`` must not
        matter: shuffle by ``case.seed`` whatever is shown to a model.
        """

    @property
    def settles(self) -> bool:
        """Whether ``settled`` is ever worth asking."""
        return type(self).settled is not Judge.settled

    def settled(self, case: Case, outstanding: int) -> bool:
        """Whether ``outstanding`` further candidates, whatever they say, could not change the finding on ``case``.

        Asked while candidates still arrive, so it must be cheap and may not consult a model.
        """
        return False


class Aggregator(Plugin):
    """Combines ballots. Pure: equal ballots give equal verdicts, whatever their order."""

    def misfits(self, seats: Sequence[Judge]) -> Iterator[tuple[str, str]]:
        """Where what was learned does not fit ``seats``: (dotted option, sentence); known once loaded."""
        yield from ()

    def voting(self, ballots: Sequence[Verdict]) -> list[Verdict]:
        """The ballots that have a vote: those that name winners."""
        return [ballot for ballot in ballots if ballot.winners]

    @abstractmethod
    def combine(self, ballots: Sequence[Verdict], case: Case) -> Verdict:
        """Combine ``ballots``. Failed and abstained ballots stay in the denominator; a tie is reported as a tie."""


JUDGES: Registry[Judge] = Registry("judge", homes=("judges.heuristics", "judges.llm", "judges.panels"), group="judges")
AGGREGATORS: Registry[Aggregator] = Registry("aggregator", homes=("judges.aggregate",), group="judges.aggregators")

AnyJudge = Annotated[SerializeAsAny[Judge], BeforeValidator(JUDGES.build)]
AnyAggregator = Annotated[SerializeAsAny[Aggregator], BeforeValidator(AGGREGATORS.build)]
