"""How findings differ between two times of judging: how many winners changed, between whom, and how sure that is."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from ensemble.store.rejudging import Finding
from judges.agreement import Mean, Rate, Share
from judges.types import CandidateId

Members = tuple[str, ...]


@dataclass(slots=True)
class Flow:
    """Cases whose winner went from some members to others, and how sure the judge was before and after."""

    cases: int = 0
    before: Mean = field(default_factory=Mean)
    after: Mean = field(default_factory=Mean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One kind of change. ``confidence`` is the mean of the new findings, ``before`` that of the old ones."""

    before: Members
    after: Members
    cases: int
    confidence_before: float | None
    confidence: float | None


@dataclass(slots=True)
class Churn:
    """Counts cases as they are judged again.

    Attributes:
        cases: cases on which the judge had its say, and there was a finding before.
        first: cases of which no finding was known before.
        reused: of all of them, those whose verdict was stored already.
        undecided: cases on which the judge found nothing now.
        skipped: cases that were not judged, by reason.
    """

    cases: int = 0
    first: int = 0
    reused: int = 0
    undecided: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    _changed: Share = field(default_factory=Share)
    _same: Flow = field(default_factory=Flow)
    _flows: dict[tuple[Members, Members], Flow] = field(default_factory=dict)

    def add(self, old: Finding | None, new: Finding, authors: Mapping[CandidateId, str], *, reused: bool) -> None:
        """Count one case."""
        self.reused += reused
        if old is None or not old.winners:
            self.first += 1
            return
        self.cases += 1
        if not new.winners:
            self.undecided += 1
            return
        changed = old.winners != new.winners
        self._changed.add(float(changed))
        names = (_names(old.winners, authors), _names(new.winners, authors))
        flow = self._flows.setdefault(names, Flow()) if changed else self._same
        flow.cases += 1
        flow.before.add(old.confidence)
        flow.after.add(new.confidence)

    @property
    def changed(self) -> Rate:
        """Share of the cases with a finding then and now whose winners changed, with its 95 % interval."""
        return self._changed.rate

    @property
    def confidence_unchanged(self) -> float | None:
        """Mean confidence now, where the winners are the same."""
        return self._same.after.rate.value

    def moved(self) -> list[Moved]:
        """Every kind of change, the most frequent first."""
        order = sorted(self._flows.items(), key=lambda flow: (-flow[1].cases, flow[0]))
        return [
            Moved(
                before=before,
                after=after,
                cases=flow.cases,
                confidence_before=flow.before.rate.value,
                confidence=flow.after.rate.value,
            )
            for (before, after), flow in order
        ]


def _names(winners: Collection[CandidateId], authors: Mapping[CandidateId, str]) -> Members:
    """Members that won, one for each winning candidate."""
    return tuple(sorted(authors.get(one, "?") for one in winners))
