"""Whether the judges can be trusted: their biases, how far they agree with one another, with people and over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from ensemble.audit.cells import known, money, ranged, short
from ensemble.audit.churn import churn_tables
from ensemble.audit.estimates import estimated, told
from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.judging.agreeing import Agreement, Certainty, agreement
from ensemble.judging.report import RATES, JudgeReport, report
from ensemble.judging.seats import Seats
from ensemble.plurals import counted
from ensemble.store.audit.drawn import Drawn, drawn
from ensemble.store.audit.rejudged import Again, Checked, checks, judged_again
from ensemble.store.database import Database
from ensemble.store.judged import judged_of
from judges.judge import Judge

MOST = 2000
"""Requests that are read: with more judged ones in the window, these are drawn. Two thousand take about two seconds."""
MOST_CHECKS = 100
TITLES: Mapping[str, str] = {
    "consistency": "Same finding in both orders",
    "first": "Picks the first shown",
    "longer": "Picks the longer",
    "accuracy": "Agrees with people",
    "right_longer": "Right where right is longer",
    "right_shorter": "Right where right is shorter",
    "null": "No finding",
    "own": "Picks its own family",
    "own_right": "Own family is right there",
}
BIASES = tuple(name for name in RATES if name not in ("accuracy", "null"))
"""Those of a table of their own."""
_WHO = (Column(name="judge", title="Judge"), Column(name="seat", title="Seat"))
_DIGEST = Column(name="digest", title="Digest")
_LABEL = "Say what is best where you know it: the page of a request takes it, and so does `ensemble feedback`."
_FAMILY = (
    " Nothing is told of own families here: that needs the configuration (`--config`), with `family` in the tables of "
    "members."
)
_JURY = "Figures of seats need a judge of kind jury, and the configuration (`--config`) that names it."


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the log says of its judges, before it is a table. ``families``: whether any of a member is known."""

    drawn: Drawn
    reports: Sequence[JudgeReport]
    agreement: Agreement
    again: Sequence[Again]
    checks: Sequence[Checked]
    families: bool


def judge_tables(
    db: Database,
    window: Window,
    judges: Mapping[str, Judge] = MappingProxyType({}),
    families: Mapping[str, str | None] = MappingProxyType({}),
    most: int = MOST,
) -> dict[str, Table]:
    """The tables of the page on judges.

    ``judges`` and ``families`` are those of the configuration, by judge and member: without them seats have no names,
    and nothing is known of own families.
    """
    return tables(find(db, window, judges, families, most))


def find(
    db: Database, window: Window, judges: Mapping[str, Judge], families: Mapping[str, str | None], most: int
) -> Found:
    """Read the judged requests of ``window``, ``most`` of them where there are more."""
    sample = drawn(db, most, window)
    verdicts = list(judged_of(db, sample.ids))
    return Found(
        drawn=sample,
        reports=report(verdicts, judges, families),
        agreement=agreement(verdicts, Seats.of(judges)),
        again=judged_again(db, most, window),
        checks=checks(db, MOST_CHECKS),
        families=any(families.values()),
    )


def tables(found: Found) -> dict[str, Table]:
    """``found`` as ``judges``, ``biases``, ``agreement``, ``juries``, ``certainty``, and those of judging again."""
    made = (_judges(found), _biases(found), _agreement(found), _juries(found), _certainty(found))
    return {table.name: table for table in made} | churn_tables(found.again, found.checks)


def _judges(found: Found) -> Table:
    sure = {one.digest: one for one in found.agreement.certainties}
    return Table(
        name="judges",
        title="Judges and their seats",
        columns=(
            *_WHO,
            Column(name="verdicts", title="Verdicts", kind="count"),
            *estimated("accuracy", "Agrees with people"),
            *estimated("null", "No finding"),
            Column(name="calibration_error", title="Calibration error", kind="number"),
            *ranged("nano_usd", "Cost per verdict", "usd"),
            Column(name="cost", title="Cost in all", kind="usd"),
            Column(name="unpriced", title="Verdicts of unknown cost", kind="count"),
            _DIGEST,
        ),
        rows=[_judge(one, sure.get(one.digest)) for one in found.reports],
        note=f"{found.drawn.note} A judge that was changed has a row for each digest; what a seat costs is part "
        "of what its judge costs. People tell of the answers that they choose to: the review queue draws some by lot, "
        "and its figures stand for all.",
        empty="No verdict yet: a router with a judge makes them.",
    )


def _judge(one: JudgeReport, sure: Certainty | None) -> dict[str, Cell]:
    mean = one.nano_usd
    return _who(one) | {
        "verdicts": one.verdicts,
        **told("accuracy", one.rates["accuracy"]),
        **told("null", one.rates["null"]),
        "calibration_error": None if sure is None else known(sure.error),
        "nano_usd": money(mean.value),
        "nano_usd_low": money(mean.low),
        "nano_usd_high": money(mean.high),
        "cost": None if one.cost.unpriced == one.verdicts else one.cost.nano_usd,
        "unpriced": one.cost.unpriced,
    }


def _who(one: JudgeReport) -> dict[str, Cell]:
    return {"judge": one.judge, "seat": one.seat, "digest": short(one.digest)}


def _biases(found: Found) -> Table:
    """One row per judge and figure, as ``ensemble judges report`` prints them."""
    rows: list[Mapping[str, Cell]] = [
        _who(one) | {"figure": TITLES[name], **told("value", one.rates[name])}
        for one in found.reports
        for name in BIASES
        if one.rates[name].n
    ]
    return Table(
        name="biases",
        title="Consistency and biases",
        columns=(
            *_WHO,
            Column(name="figure", title="Figure"),
            *estimated("value", "Share"),
            _DIGEST,
        ),
        rows=rows,
        note=f"{found.drawn.note} n counts comparisons, verdicts or pages. Where a judge asks in both orders, picking "
        "the first shown is fair at one half; picking its own family is held against how often that is right."
        + _FAMILY
        * (not found.families),
        empty="No verdict yet: a router with a judge makes them.",
    )


def _agreement(found: Found) -> Table:
    left = (
        f" Without {counted(found.agreement.left_out, 'judge')} of fewer findings." if found.agreement.left_out else ""
    )
    alpha = found.agreement.alpha
    together = (
        "" if alpha.value is None else f" All judges together: Krippendorff's alpha {alpha.value:.3f}, n={alpha.n}."
    )
    return Table(
        name="agreement",
        title="Agreement between judges, and with people",
        columns=(
            Column(name="one", title="Judge"),
            Column(name="other", title="Other"),
            *estimated("same", "Same finding"),
            *estimated("kappa", "Cohen's kappa", "number"),
        ),
        rows=[
            {"one": one.one, "other": one.other, **told("same", one.same), **told("kappa", one.kappa)}
            for one in found.agreement.pairs
        ],
        note="On the same candidates of one request; a finding is which members wrote the winners. Kappa is 1 for full "
        f"agreement and 0 for what chance gives.{together}{left}",
        empty=f"No request has two findings on the same candidates. {_LABEL} `ensemble rejudge` asks another judge.",
    )


def _juries(found: Found) -> Table:
    return Table(
        name="juries",
        title="Juries",
        columns=(
            Column(name="jury", title="Jury"),
            _DIGEST,
            Column(name="seats", title="Seats", kind="count"),
            *estimated("votes", "Effective votes", "number"),
            *estimated("fleiss", "Fleiss' kappa", "number"),
            *estimated("alpha", "Krippendorff's alpha", "number"),
        ),
        rows=[
            {
                "jury": one.name,
                "digest": short(one.digest),
                "seats": one.seats,
                **told("votes", one.votes),
                **told("fleiss", one.fleiss),
                **told("alpha", one.alpha),
            }
            for one in found.agreement.juries
        ],
        note="Effective votes: how many independent judges the seats are worth, by the correlation of their errors on "
        "cases that people have told of; two seats need twenty of those in common.",
        empty=_JURY,
    )


def _certainty(found: Found) -> Table:
    rows: list[Mapping[str, Cell]] = [
        {
            "judge": one.name,
            "digest": short(one.digest),
            "from": each.low,
            "to": each.high,
            "n": each.n,
            "stated": known(each.stated),
            "right": known(each.right),
        }
        for one in found.agreement.certainties
        for each in one.curve
        if each.n
    ]
    return Table(
        name="certainty",
        title="Reliability: stated against found",
        columns=(
            Column(name="judge", title="Judge"),
            _DIGEST,
            Column(name="from", title="Confidence from", kind="share"),
            Column(name="to", title="to", kind="share"),
            Column(name="n", title="n", kind="count"),
            Column(name="stated", title="Mean confidence", kind="share"),
            Column(name="right", title="Agrees with people", kind="share"),
        ),
        rows=rows,
        note="Verdicts with a calibrated confidence on requests of which people said what is best.",
        empty=f"Confidence needs a calibration file (`ensemble judges calibrate`) and labels of people. {_LABEL}",
    )
