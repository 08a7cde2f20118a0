"""What the cases drawn by lot say of the judges: weighted, so that they stand for all judged traffic."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import fsum

from ensemble.audit.cells import known
from ensemble.audit.estimates import estimated, told
from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.audit.weighted import Seen, mean, pi, share, weights
from ensemble.store.audit.findings import Finding, Lot, Size, Stratum, findings, lots, strata
from ensemble.store.database import Database
from ensemble.store.judged import Judged, judged_of
from ensemble.store.people import Word
from judges.agreement import credit
from judges.shrinkage import plain
from judges.types import CandidateId

BINS = 5
SHORT = 12
"""Digits of a digest, as logs tell it."""
_DRAW = "Draw a sample on this page, and decide on what it sends to the queue."


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighted:
    """A case with its weight, and what its reviewers found."""

    finding: Finding
    weight: float

    def seen(self, value: float) -> Seen:
        """Of it, ``value`` is averaged."""
        return Seen(stratum=self.finding.stratum, weight=self.weight, value=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """The drawn cases of a window on which people have decided, and how far they stand for all.

    Attributes:
        cases: with weights that hold for the whole frame, whatever the window.
        sizes: of all strata, those of which nothing is decided included.
        reached: cases decided, by stratum, whatever the window.
    """

    cases: Sequence[Weighted]
    sizes: Mapping[Stratum, Size]
    reached: Mapping[Stratum, int]
    lots: Sequence[Lot]

    @property
    def covered(self) -> float | None:
        """Share of the traffic that was drawn from which is in strata of which something is decided."""
        of = sum(size.cases for size in self.sizes.values())
        return sum(size.cases for key, size in self.sizes.items() if key in self.reached) / of if of else None

    @property
    def note(self) -> str:
        """How they were sampled, in a sentence."""
        of, drawn = (sum(getattr(size, name) for size in self.sizes.values()) for name in ("cases", "drawn"))
        if not of:
            return "Nothing was drawn yet."
        part = "" if self.covered == 1 else f", whose strata hold {(self.covered or 0):.0%} of it"
        return (
            f"{len(self.cases):,} decided in this window, of {drawn:,} drawn from {of:,} judged requests by stratified "
            f"lot{part}; each is weighted by one over its probability of being drawn and decided. 95 % intervals."
        )


@dataclass(slots=True)
class _Judge:
    name: str
    agrees: list[Seen] = field(default_factory=list)
    errs: list[Seen] = field(default_factory=list)
    stated: list[tuple[float, Seen]] = field(default_factory=list)


def sampled(db: Database, window: Window) -> Sampled:
    """Read the drawn cases of ``window``."""
    all_, sizes = findings(db), strata(db)
    reached: dict[Stratum, int] = {}
    for one in all_:
        reached[one.stratum] = reached.get(one.stratum, 0) + 1
    by = weights({key: size.cases for key, size in sizes.items()}, [one.stratum for one in all_])
    return Sampled(
        cases=[
            Weighted(finding=one, weight=weight)
            for one, weight in zip(all_, by, strict=True)
            if one.day >= window.since
            and (not window.until or one.day <= window.until)
            and window.router in (None, one.router)
        ],
        sizes=sizes,
        reached=reached,
        lots=lots(db),
    )


def reviewed_tables(db: Database, window: Window) -> dict[str, Table]:
    """``trust``, ``calibration``, ``reviewers``, ``draws`` and ``strata``, by their names."""
    held = sampled(db, window)
    judges = _judges(held.cases, judged_of(db, [one.finding.request for one in held.cases]))
    made = (_trust(judges, held), _calibration(judges, held), _reviewers(held), _draws(held), _strata(held))
    return {table.name: table for table in made}


def right(judged: Judged, word: Word) -> float | None:
    """How right a judge's own finding is by what a person found, in [0, 1]; None where that says nothing of it."""
    shown = frozenset(judged.candidates)
    best: frozenset[CandidateId] = frozenset()
    if word.kind == "preferred":
        best = frozenset({CandidateId(word.candidate or "")}) & shown
    elif word.kind == "tie":
        best = shown
    if word.kind == "cannot_tell" or (word.kind == "preferred" and not best):
        return None
    return credit(plain(judged.verdict), best, shown)


def _judges(cases: Sequence[Weighted], verdicts: Iterable[Judged]) -> dict[str, _Judge]:
    """By digest; of several verdicts of one judge on a case the latest counts."""
    by_id = {one.finding.request: one for one in cases}
    latest = {(one.verdict.judge, one.request): one for one in verdicts}
    found: dict[str, _Judge] = {}
    for (digest, request), one in latest.items():
        case, verdict = by_id[request], plain(one.verdict)
        credits = [each for word in case.finding.words.values() if (each := right(one, word)) is not None]
        if not credits:
            continue
        judge = found.setdefault(digest, _Judge(one.judge))
        value = fsum(credits) / len(credits)
        judge.agrees.append(case.seen(value))
        judge.errs.append(case.seen(sum(each == 0 for each in credits) / len(credits)))
        if verdict.confidence is not None and verdict.winners:
            judge.stated.append((verdict.confidence, case.seen(value)))
    return dict(sorted(found.items(), key=lambda item: (item[1].name, item[0])))


def _rows(judges: Mapping[str, _Judge], row: Callable[[_Judge], Mapping[str, Cell]]) -> list[Mapping[str, Cell]]:
    return [{"judge": one.name, "digest": digest[:SHORT], **row(one)} for digest, one in judges.items()]


def _trust(judges: Mapping[str, _Judge], held: Sampled) -> Table:
    return Table(
        name="trust",
        title="Judges against people, for all traffic",
        columns=(
            Column("judge", "Judge"),
            Column("digest", "Digest"),
            *estimated("agrees", "Agrees with people"),
            *estimated("errs", "Wrong"),
            *estimated("gap", "Confidence minus agreement", "number"),
        ),
        rows=_rows(judges, _trust_row),
        note=f"{held.note} A tie that holds what people prefer agrees by half; a wrong verdict is one of whose winners "
        "they find none good. Findings are the judge's own, before logged means are weighed in. A judge that is surer "
        "than it is right has a gap above 0.",
        empty=f"Nobody has decided on a drawn case of this window yet. {_DRAW}",
    )


def _trust_row(one: _Judge) -> dict[str, Cell]:
    gaps = [
        Seen(stratum=seen.stratum, weight=seen.weight, value=confidence - seen.value) for confidence, seen in one.stated
    ]
    return told("agrees", share(one.agrees)) | told("errs", share(one.errs)) | told("gap", mean(gaps))


def _calibration(judges: Mapping[str, _Judge], held: Sampled) -> Table:
    rows: list[Mapping[str, Cell]] = []
    for digest, one in judges.items():
        for at in range(BINS):
            low, high = at / BINS, (at + 1) / BINS
            inside = [each for each in one.stated if low <= each[0] < high or each[0] == high == 1]
            if inside:
                stated = mean(
                    [Seen(stratum=seen.stratum, weight=seen.weight, value=confidence) for confidence, seen in inside]
                )
                where: dict[str, Cell] = {"judge": one.name, "digest": digest[:SHORT], "from": low, "to": high}
                found = told("agrees", share([seen for _, seen in inside]))
                rows.append({**where, "stated": known(stated.value), **found})
    return Table(
        name="calibration",
        title="Calibration: stated against found, for all traffic",
        columns=(
            Column("judge", "Judge"),
            Column("digest", "Digest"),
            Column("from", "Confidence from", "share"),
            Column("to", "to", "share"),
            Column("stated", "Mean confidence", "share"),
            *estimated("agrees", "Agrees with people"),
        ),
        rows=rows,
        note=held.note,
        empty="No drawn case of this window has a verdict with a confidence: that needs a calibration file "
        f"(`ensemble judges calibrate`). {_DRAW}",
    )


def _reviewers(held: Sampled) -> Table:
    pairs = [(one, _labels(one.finding)) for one in held.cases if one.finding.blind and len(one.finding.words) > 1]
    seen = [one.seen(float(first == second)) for one, (first, second) in pairs]
    rows = list[Mapping[str, Cell]]()
    if pairs:
        beyond = pi([labels for _, labels in pairs], seen)
        rows = [{"who": "two who decide alone", **told("same", share(seen)), **told("pi", beyond)}]
    return Table(
        name="reviewers",
        title="People against people",
        columns=(Column("who", "Who"), *estimated("same", "Same finding"), *estimated("pi", "Scott's pi", "number")),
        rows=rows,
        note="Drawn cases on which two people decided, neither of whom saw what the other found, weighted likewise. "
        "What they cannot agree on no judge can get right. Pi is 1 for full agreement and 0 for what chance gives.",
        empty="No case has been decided by two people who did not see each other's finding.",
    )


def _labels(finding: Finding) -> tuple[str, str]:
    """What the two found, by the author of what they prefer: ids of candidates mean nothing beyond their case."""
    first, second = (
        f"{word.kind}: {finding.members.get(by, '')}" if word.kind == "preferred" else word.kind
        for by, word in [*finding.words.items()][:2]
    )
    return first, second


def _draws(held: Sampled) -> Table:
    decided: dict[str, int] = {}
    for key, count in held.reached.items():
        decided[key.draw] = decided.get(key.draw, 0) + count
    return Table(
        name="draws",
        title="Draws",
        columns=(
            Column("made_at", "When", "time"),
            Column("since", "Arrived after", "time"),
            Column("until", "and until", "time"),
            Column("cases", "Judged requests", "count"),
            Column("drawn", "Drawn", "count"),
            Column("decided", "Decided", "count"),
            Column("seed", "Seed"),
        ),
        rows=[
            {
                "made_at": lot.made_at,
                "since": lot.since or None,
                "until": lot.until,
                "cases": lot.cases,
                "drawn": lot.drawn,
                "decided": decided.get(lot.id, 0),
                "seed": lot.seed,
            }
            for lot in held.lots
        ],
        note="Of each stratum those are drawn whose SHA-256 of seed/id is smallest, so that anybody can draw again.",
        empty="Nothing was drawn yet. One is made once a day beside what waits anyway, or by the form on this page.",
    )


def _strata(held: Sampled) -> Table:
    made = {lot.id: lot.made_at for lot in held.lots}
    return Table(
        name="strata",
        title="Strata",
        columns=(
            Column("made_at", "Draw", "time"),
            Column("stratum", "Stratum"),
            Column("cases", "Judged requests", "count"),
            Column("drawn", "Drawn", "count"),
            Column("probability", "Probability", "share"),
            Column("decided", "Decided", "count"),
        ),
        rows=[
            {
                "made_at": made.get(key.draw),
                "stratum": key.name,
                "cases": size.cases,
                "drawn": size.drawn,
                "probability": size.drawn / size.cases if size.cases else None,
                "decided": held.reached.get(key, 0),
            }
            for key, size in held.sizes.items()
        ],
        empty="Nothing was drawn yet.",
    )
