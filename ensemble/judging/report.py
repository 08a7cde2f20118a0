"""What the log says of each judge: how often it agrees with itself, what sways it, how often it is right, its price."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ensemble.judging.seats import Heard, Seats
from ensemble.money import Total
from ensemble.store.judged import Judged
from judges.agreement import Mean, Rate, Tally
from judges.judge import Judge
from judges.panels._ballots import RECUSED
from judges.types import CandidateId, Verdict

RATES = ("consistency", "first", "longer", "accuracy", "right_longer", "right_shorter", "null", "own", "own_right")
"""Shares of a report that a ``Tally`` of the same name keeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReport:
    """One judge, or one seat within it, as the log shows it.

    Attributes:
        judge: the judge's name in the configuration.
        seat: which judge within it, by its place such as ``house.seats.0``, or by the begin of its digest; empty for
            the judge itself.
        digest: equal digests judged by equal rules, so a judge that was changed has a report for each.
        verdicts: how many it gave, ``again`` of them on candidates that it had judged before, as anchors are.
        rates: as ``judges.agreement.Tally`` defines them, by the names in ``RATES``, over its first verdict on each
            case; a seat that stood aside for its family was not asked, so it is neither wrong nor silent there.
        nano_usd: mean cost of a verdict, where it is known.
        cost: of all verdicts together; a seat's is part of its judge's.
    """

    judge: str
    seat: str
    digest: str
    verdicts: int
    again: int
    rates: Mapping[str, Rate]
    nano_usd: Rate
    cost: Total


@dataclass(slots=True)
class _Count:
    tally: Tally = field(default_factory=Tally)
    cost: Mean = field(default_factory=Mean)
    again: int = 0


def report(
    verdicts: Iterable[Judged],
    judges: Mapping[str, Judge] = MappingProxyType({}),
    families: Mapping[str, str | None] = MappingProxyType({}),
) -> list[JudgeReport]:
    """Read all ``verdicts``, one at a time; judges in order of appearance, each followed by its seats.

    ``judges`` are those of the configuration, which name the seats; ``families`` are those of its members, without
    which nothing is known of own families. Some hundred bytes per case are kept until the end.
    """
    seats = Seats.of(judges)
    counts: dict[str, dict[tuple[bool, str], _Count]] = {}
    judged: set[int] = set()
    for one in verdicts:
        # An anchor that is judged every day is still one case. The first finding counts, so that a failure stays one.
        case = hash((one.judge, one.verdict.judge, one.request, frozenset(one.candidates)))
        again = case in judged
        judged.add(case)
        lengths = {candidate: written.characters for candidate, written in one.candidates.items()}
        of_judge = counts.setdefault(one.judge, {})
        for heard in seats.heard(one.verdict, lengths):
            count = of_judge.setdefault((heard.parent is not None, heard.verdict.judge), _Count())
            count.cost.add(heard.verdict.usage.nano_usd)
            if again:
                count.again += 1
            else:
                _add(count, heard, one, lengths, _own(heard.verdict, one, families))
    return [
        _report(judge, seats.names.get(digest, digest[:8]) if seat else "", digest, count)
        for judge, of_judge in counts.items()
        for (seat, digest), count in of_judge.items()
    ]


def _add(
    count: _Count, heard: Heard, one: Judged, lengths: Mapping[CandidateId, int], own: frozenset[CandidateId]
) -> None:
    verdict = heard.verdict
    if RECUSED in verdict.flags and verdict.outcome == "abstained" and not verdict.ballots:
        count.tally.verdicts += 1
        return
    field = heard.field if heard.field is not None else _named(verdict)
    best: frozenset[CandidateId] | None = None
    if one.best is not None and heard.field is not None:
        # A seat that was shown no right answer cannot have been right.
        best = one.best & field if one.best & field or not one.best else None
    shown = {candidate: lengths[candidate] for candidate in field if candidate in lengths}
    count.tally.add([verdict], shown, best=best, marked=own)


def _named(verdict: Verdict) -> frozenset[CandidateId]:
    shown = (candidate for preference in verdict.preferences for candidate in preference.shown)
    return frozenset((*verdict.winners, *verdict.scores, *shown))


def _own(verdict: Verdict, one: Judged, families: Mapping[str, str | None]) -> frozenset[CandidateId]:
    """The candidates of a family whose model was asked for this verdict."""
    asked = {families.get(exchange.model) for exchange in verdict.exchanges} - {None}
    return frozenset(
        candidate for candidate, written in one.candidates.items() if families.get(written.member) in asked
    )


def _report(judge: str, seat: str, digest: str, count: _Count) -> JudgeReport:
    return JudgeReport(
        judge=judge,
        seat=seat,
        digest=digest,
        verdicts=count.tally.verdicts + count.again,
        again=count.again,
        rates={name: getattr(count.tally, name).rate for name in RATES},
        nano_usd=count.cost.rate,
        cost=Total(int(count.cost.total), count.cost.unknown),
    )
