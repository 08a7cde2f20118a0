"""From labelled verdicts to a calibration file: per judge and per seat, checked on cases that were not fit on."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ensemble.judging.seats import Heard, Seats, remade
from ensemble.judging.trial import Found
from ensemble.store.judged import Judged
from judges.agreement import Rate, Share, credit
from judges.calibration import Bin, Fitted, apply, ece, fit, reliability, signal
from judges.judge import Judge
from judges.types import CandidateId

LEAST = 50
"""Fewest labelled verdicts to fit on: below, a curve says more of the labels' luck than of the judge."""
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled verdict that names winners.

    ``raw`` is its signal, None where it has none; ``right`` is 1, 0, or between for a tie that holds the right one.
    """

    case: str
    raw: float | None
    right: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """What was learned of one judge or seat.

    Attributes:
        fitted: for the file; without knots where its verdicts carry no signal, so that only the accuracy is known.
        ece_before: expected calibration error of the raw signal, taken for a probability.
        ece_after: that of the calibrated one, each case by a curve that was fit without it.
        curve: the reliability behind ``ece_after``.
        refused: why there is no calibration, None where there is one.
    """

    digest: str
    fitted: Fitted
    accuracy: Rate
    ece_before: float | None = None
    ece_after: float | None = None
    curve: tuple[Bin, ...] = ()
    refused: str | None = None


Samples = dict[str, list[Sample]]
"""By digest of the judge."""


def from_labels(found: Iterable[Found], seats: Seats) -> Samples:
    """Samples of judges, and of their seats, that decided labelled cases."""
    samples: Samples = {}
    for one in found:
        ids = [each.id for each in one.labelled.case.candidates]
        for heard in seats.heard(one.verdicts[0], ids):
            sample = _sample(str(one.labelled.line), heard, one.labelled.best)
            if sample is not None:
                samples.setdefault(heard.verdict.judge, []).append(sample)
    return samples


def from_log(verdicts: Iterable[Judged], seats: Seats, judges: Sequence[str] = ()) -> tuple[Samples, Mapping[str, int]]:
    """Samples of stored verdicts by what people said, else, for the seats of a jury, by what the other seats say.

    ``judges`` takes those of some names alone. Of several findings of one judge on the same candidates the latest
    counts, since an anchor that is judged every day is still one case. Also returned: how many samples rest on
    ``people`` and on a ``jury``.
    """
    latest: dict[tuple[str, str, frozenset[CandidateId] | None], tuple[Sample, str]] = {}
    for one in verdicts:
        if judges and one.judge not in judges:
            continue
        for heard in seats.heard(one.verdict, one.candidates):
            # A verdict is never held against itself: who has no other label has none.
            best, source = (one.best, "people") if one.best is not None else (_others(heard, seats), "jury")
            found = _sample(one.request, heard, best) if best is not None else None
            if found is not None:
                latest[heard.verdict.judge, one.request, heard.field] = found, source
    samples: Samples = {}
    for (judge, _, _), (found, _) in latest.items():
        samples.setdefault(judge, []).append(found)
    return samples, Counter(source for _, source in latest.values())


def calibrate(samples: Sequence[Sample], digest: str, name: str, *, seed: int = 0) -> Calibrated:
    """Fit one judge, or say in ``refused`` why not and how many labels would do."""
    share = Share()
    for one in samples:
        share.add(one.right)
    held = Fitted(name=name, n=len(samples), right=share.hits)
    signed = [(one.case, one.raw, one.right) for one in samples if one.raw is not None]
    short = LEAST - (len(signed) or len(samples))
    if short > 0:
        told = (
            f"{LEAST - short} labelled verdicts are too few for a calibration; {short} more, {LEAST} in all, would do"
        )
        return Calibrated(digest=digest, fitted=held, accuracy=share.rate, refused=told)
    if not signed:
        return Calibrated(digest=digest, fitted=held, accuracy=share.rate)
    raws, right = [raw for _, raw, _ in signed], [outcome for _, _, outcome in signed]
    curve = reliability(_unseen(signed, seed), right)
    return Calibrated(
        digest=digest,
        fitted=held.model_copy(update={"knots": fit(raws, right)}),
        accuracy=share.rate,
        ece_before=ece(reliability(raws, right)),
        ece_after=ece(curve),
        curve=curve,
    )


def _unseen(signed: Sequence[tuple[str, float, float]], seed: int) -> list[float]:
    """The calibrated probability of each verdict, by a curve that was fit without its fold of the cases."""
    folds = [_fold(case, seed) for case, _, _ in signed]
    curves = {}
    for fold in sorted(set(folds)):
        rest = [one for one, at in zip(signed, folds, strict=True) if at != fold]
        curves[fold] = fit([raw for _, raw, _ in rest], [right for _, _, right in rest]) if rest else ()
    stated = (apply(curves[fold], raw) for fold, (_, raw, _) in zip(folds, signed, strict=True))
    return [0.5 if one is None else one for one in stated]


def _fold(case: str, seed: int) -> int:
    return hashlib.sha256(f"{seed}:{case}".encode()).digest()[0] % FOLDS


def _sample(case: str, heard: Heard, best: frozenset[CandidateId]) -> Sample | None:
    """A verdict as a sample; None for one without winners, or on a field that held neither all nor any of the best."""
    verdict, field = heard.verdict, heard.field
    if not verdict.winners or field is None or (best and not best & field):
        return None
    return Sample(case=case, raw=signal(verdict), right=credit(verdict, best & field, field))


def _others(heard: Heard, seats: Seats) -> frozenset[CandidateId] | None:
    """What most of the other seats of the jury say, from two up; None for who sits in no jury, and for a draw."""
    parent = heard.parent
    judge = seats.judges.get(parent.judge) if parent else None
    if parent is None or judge is None or judge.use != "jury":
        return None
    words = [frozenset(ballot.winners) for ballot in parent.ballots if ballot is not heard.verdict and ballot.winners]
    votes = Counter(words).most_common(2)
    if len(words) < 2 or (len(votes) > 1 and votes[0][1] == votes[1][1]):
        return None
    return votes[0][0]


def in_order(samples: Samples, seats: Seats) -> Iterator[tuple[str, str, list[Sample]]]:
    """Digest, name and samples, those first that the configuration names."""
    known = [digest for digest in seats.names if digest in samples]
    for digest in [*known, *(digest for digest in samples if digest not in seats.names)]:
        yield digest, seats.names.get(digest, digest[:8]), samples[digest]


def unlearned(judge: Judge, out: Path) -> Judge:
    """``judge`` without the calibration that is yet to be written to ``out``; it has the same digest."""
    target = out.absolute()
    blank = remade(
        judge,
        lambda key, value: None if key == "calibration" and value and Path(str(value)).absolute() == target else value,
    )
    return blank or judge
