"""Whether judges agree: with one another, within juries, with people; and whether they are as sure as they are right.

Two findings are compared where they are on the same candidates of one request. What a finding says is which members
wrote the winners, since the ids of candidates mean nothing beyond their case. Source of the coefficients:
``judges.agreement``.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from ensemble.judging.seats import Heard, Seats
from ensemble.store.judged import Judged, Written
from ensemble.types import RequestId
from judges.agreement import Estimate, Rate, Share, cohen, credit, effective_votes, fleiss, krippendorff
from judges.calibration import Bin, ece, reliability
from judges.types import CandidateId, Verdict

PEOPLE = "people"
NONE = "none is good"
MOST = 20
"""Judges and seats that are compared with each other: those with the most findings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """How two of them agree: ``same`` is the share of cases with the same finding, ``kappa`` Cohen's."""

    one: str
    other: str
    same: Rate
    kappa: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Jury:
    """The seats of one jury on the same candidates.

    Attributes:
        seats: how many ballots a verdict has.
        fleiss: of the cases in which every seat found something; ``alpha`` of all.
        votes: how many independent votes the ballots are worth, from errors that people have told.
    """

    name: str
    digest: str
    seats: int
    fleiss: Estimate
    alpha: Estimate
    votes: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Certainty:
    """How sure a judge is of winners, and how often people agree: ``error`` is the expected calibration error."""

    name: str
    digest: str
    curve: tuple[Bin, ...]
    error: float | None
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """All of it. ``alpha`` is over the judges that stand alone; ``left_out`` counts those that no pair is made of."""

    pairs: tuple[Pair, ...]
    juries: tuple[Jury, ...]
    certainties: tuple[Certainty, ...]
    alpha: Estimate
    left_out: int


@dataclass(slots=True)
class _Jury:
    words: list[list[str]] = field(default_factory=list)
    errors: list[list[float | None]] = field(default_factory=list)


@dataclass(slots=True)
class _Heard:
    """What was found so far, by digest of who said it, or ``PEOPLE``. ``kin`` sit in one another."""

    cases: dict[tuple[RequestId, frozenset[CandidateId]], dict[str, str]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)
    kin: set[frozenset[str]] = field(default_factory=set)
    juries: dict[tuple[str, int], _Jury] = field(default_factory=dict)
    stated: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def agreement(verdicts: Iterable[Judged], seats: Seats) -> Agreement:
    """Read all ``verdicts``, one at a time; of several by one judge on the same candidates the latest counts.

    Who sits in a jury is not compared with that jury. A few hundred bytes per request are kept until the end.
    """
    found = _Heard()
    for one in verdicts:
        ballots: dict[int, list[Heard]] = {}
        for heard in seats.heard(one.verdict, one.candidates):
            if heard.parent is not None:
                found.kin.add(frozenset((heard.verdict.judge, heard.parent.judge)))
                found.kin.add(frozenset((heard.verdict.judge, one.verdict.judge)))
                ballots.setdefault(id(heard.parent), []).append(heard)
            else:
                found.alone.add(heard.verdict.judge)
            name = one.judge if heard.parent is None else heard.verdict.judge[:8]
            found.names[heard.verdict.judge] = seats.names.get(heard.verdict.judge, name)
            _case(found, heard, one)
        for each in ballots.values():
            _jury(found, each, one)
    return _told(found)


def _case(found: _Heard, heard: Heard, one: Judged) -> None:
    verdict, shown = heard.verdict, heard.field
    if shown is None or len(shown) < 2:
        return
    case = found.cases.setdefault((one.request, shown), {})
    best = _best(one, shown)
    if best is not None:
        case[PEOPLE] = _said(best, one.candidates)
    if not verdict.winners:
        return
    case[verdict.judge] = NONE if verdict.all_bad else _said(verdict.winners, one.candidates)
    if best is not None and verdict.confidence is not None:
        found.stated.setdefault(verdict.judge, []).append((verdict.confidence, credit(verdict, best, shown)))


def _jury(found: _Heard, ballots: Sequence[Heard], one: Judged) -> None:
    """Count the ballots of one verdict, where every seat was shown the same candidates."""
    parent, shown = ballots[0].parent, ballots[0].field
    if parent is None or shown is None or len(ballots) < 2 or any(each.field != shown for each in ballots):
        return
    jury = found.juries.setdefault((parent.judge, len(ballots)), _Jury())
    said = [_word(each.verdict, one.candidates) for each in ballots]
    jury.words.append([word for word in said if word])
    best = _best(one, shown)
    if best is not None:
        jury.errors.append([_wrong(each.verdict, best, shown) for each in ballots])


def _wrong(verdict: Verdict, best: frozenset[CandidateId], shown: frozenset[CandidateId]) -> float | None:
    return 1 - credit(verdict, best, shown) if verdict.winners else None


def _word(verdict: Verdict, candidates: Mapping[CandidateId, Written]) -> str:
    """The finding as one label; empty for none."""
    return NONE if verdict.all_bad else _said(verdict.winners, candidates) if verdict.winners else ""


def _best(one: Judged, shown: frozenset[CandidateId]) -> frozenset[CandidateId] | None:
    """What people find best of those; None where nobody told, or it was not among them."""
    return one.best & shown if one.best is not None and (one.best & shown or not one.best) else None


def _said(winners: Iterable[CandidateId], candidates: Mapping[CandidateId, Written]) -> str:
    return "+".join(sorted({candidates[each].member for each in winners if each in candidates})) or NONE


def _told(found: _Heard) -> Agreement:
    counts = Counter(who for case in found.cases.values() for who in case if who != PEOPLE)
    known = [who for who, _ in counts.most_common(MOST)]
    pairs = []
    for one, other in combinations([*known, PEOPLE], 2):
        both = [(case[one], case[other]) for case in found.cases.values() if one in case and other in case]
        if both and frozenset((one, other)) not in found.kin:
            pairs.append(_pair(found.names.get(one, one), found.names.get(other, other), both))
    together = ([word for who, word in case.items() if who in found.alone] for case in found.cases.values())
    return Agreement(
        pairs=tuple(pairs),
        juries=tuple(_jury_of(found.names[digest], digest, size, one) for (digest, size), one in found.juries.items()),
        certainties=tuple(_certainty(found.names[digest], digest, said) for digest, said in found.stated.items()),
        alpha=krippendorff(together),
        left_out=len(counts) - len(known),
    )


def _pair(one: str, other: str, both: Sequence[tuple[str, str]]) -> Pair:
    share = Share()
    for mine, theirs in both:
        share.add(float(mine == theirs))
    return Pair(one=one, other=other, same=share.rate, kappa=cohen(both))


def _jury_of(name: str, digest: str, size: int, one: _Jury) -> Jury:
    return Jury(
        name=name,
        digest=digest,
        seats=size,
        fleiss=fleiss(words for words in one.words if len(words) == size),
        alpha=krippendorff(one.words),
        votes=effective_votes(one.errors),
    )


def _certainty(name: str, digest: str, said: Sequence[tuple[float, float]]) -> Certainty:
    curve = reliability([stated for stated, _ in said], [right for _, right in said])
    return Certainty(name=name, digest=digest, curve=curve, error=ece(curve), n=len(said))
