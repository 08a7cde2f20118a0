"""How good each member has been so far, by the plain findings of one judge: what verdicts are shrunk towards."""

from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from ensemble.types import RequestId, Ruling
from judges.quick import maker, quick
from judges.shrinkage import ACCURACY, plain
from judges.types import CandidateId


class JudgingSettings(BaseModel):
    """What becomes of verdicts, whoever judges, as the ``[judging]`` table.

    Attributes:
        shrink: ``auto`` weighs a verdict against the logged mean quality of the members once there are enough labels;
            ``off`` serves what the judge found.
        shrink_labels: labels of the same judge, on panels with all the members of the case, that are enough.
        shrink_window: how many of the latest labels count.
        judge_accuracy: how often a judge without calibration is taken to prefer the better of two candidates.
        recuse: ``auto`` lets a judge model stand aside where its own family wrote a candidate and a model of another
            family can judge in its place; ``off`` lets every seat judge.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    shrink: Literal["auto", "off"] = "auto"
    shrink_labels: PositiveInt = 100
    shrink_window: int = Field(10_000, ge=100, le=1_000_000)
    judge_accuracy: float = Field(ACCURACY, gt=0.5, lt=1)
    recuse: Literal["auto", "off"] = "auto"


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One usable label: by which judge (its digest), and the quality of each member that was judged, in [0, 1]."""

    request: RequestId
    stage: int
    judge: str
    quality: Mapping[str, float]


_finding = maker(Finding)


def mean_quality(judged: Sequence[tuple[str, float | None, bool]]) -> Mapping[str, float]:
    """Quality per member, from (member, score, whether it won) of each candidate, samples averaged.

    That is the score where winners have one, and 0 for who has none beside them: it lost before the judge that scores
    saw it, or to an earlier stage. Else it is 1 for a winner and 0 for the others.
    """
    winners = [score is not None for _, score, won in judged if won]
    scored = bool(winners) and all(winners)
    worth: dict[str, list[float]] = {}
    for member, score, won in judged:
        worth.setdefault(member, []).append(min(1.0, max(0.0, score or 0.0)) if scored else float(won))
    return {member: sum(each) / len(each) for member, each in worth.items()}


def quality_of(ruling: Ruling, authors: Mapping[CandidateId, str]) -> Mapping[str, float]:
    """Quality per member by the plain finding of ``ruling``, as its label has it; empty where it is not usable.

    Whoever is not among the winners was beaten, also who tied with somebody that lost later.
    """
    found = plain(ruling.verdict)
    if not (ruling.usable and found.winners):
        return {}
    return mean_quality([(authors[one], found.scores.get(one), one in found.winners) for one in ruling.panel])


def finding_of(request: RequestId, ruling: Ruling, authors: Mapping[CandidateId, str]) -> Finding | None:
    """What ``ruling`` teaches; None where it is not usable."""
    quality = quality_of(ruling, authors)
    judge = plain(ruling.verdict).judge
    return _finding(request=request, stage=ruling.stage, judge=judge, quality=quality) if quality else None


@dataclass(slots=True)
class _Counts:
    """The sum of all findings of one judge on the same members."""

    of: tuple[str, frozenset[str]]
    quality: dict[str, float]
    labels: int = 0

    def add(self, worths: Iterable[float], sign: int) -> None:
        """Count in one finding, or out; its ``worths`` are in the order of ``quality``."""
        self.labels += sign
        for member, worth in zip(self.quality, worths, strict=True):
            self.quality[member] += sign * worth


_Counted = tuple[_Counts, bytes]
"""Where a finding was counted and its worths as doubles, with nothing beside: a window holds ten thousand."""


@dataclass(slots=True, kw_only=True)
class Means:
    """Mean quality of members over the latest labels.

    Only plain findings count, never shrunk ones: a mean must not feed on itself. Labels count together where the same
    judge saw every member of the case, whoever else was on the panel, since to win against few is no feat and scores
    of two judges are two scales.
    """

    settings: JudgingSettings = field(default_factory=JudgingSettings)
    _latest: OrderedDict[str, _Counted] = field(default_factory=OrderedDict)
    _counts: dict[tuple[str, frozenset[str]], _Counts] = field(default_factory=dict)

    @property
    def none(self) -> "Means":
        """Means that weigh nothing: for labels, which are what the judge found, whatever was labelled before."""
        return Means(settings=self.settings.model_copy(update={"shrink": "off"}))

    def learn(self, finding: Finding | None) -> None:
        """Count ``finding`` in; one on the same request, of the panel as served, goes out."""
        if finding is None or self.settings.shrink == "off":
            return
        key = f"{finding.request} {finding.stage}"
        if (earlier := self._latest.pop(key, None)) is not None:
            self._forget(earlier)
        of = finding.judge, frozenset(finding.quality)
        if (counts := self._counts.get(of)) is None:
            counts = self._counts[of] = _Counts(of, dict.fromkeys(finding.quality, 0.0))
        worths = array("d", [finding.quality[member] for member in counts.quality])
        counts.add(worths, 1)
        self._latest[key] = counts, worths.tobytes()
        while len(self._latest) > self.settings.shrink_window:
            self._forget(self._latest.popitem(last=False)[1])

    def priors(self, judge: str, authors: Mapping[CandidateId, str]) -> Mapping[CandidateId, float]:
        """Mean quality in (0, 1) of each candidate's author by the judge of digest ``judge``; {} for too few labels."""
        members = frozenset(authors.values())
        if self.settings.shrink == "off" or len(members) < 2:
            return {}
        counts = [each for (by, panel), each in self._counts.items() if by == judge and members <= panel]
        labels = sum([each.labels for each in counts])
        if labels < self.settings.shrink_labels:
            return {}
        # Half a success and half a failure (Jeffreys' prior), so that no mean is a certainty.
        means = {one: (sum([each.quality[one] for each in counts]) + 0.5) / (labels + 1) for one in members}
        return {candidate: means[member] for candidate, member in authors.items()}

    def _forget(self, counted: _Counted) -> None:
        counts, worths = counted
        counts.add(array("d", worths), -1)
        if counts.labels == 0:
            del self._counts[counts.of]
