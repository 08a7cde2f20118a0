"""What judging again changed: how many winners, between whom, and whether judges still agree with their anchors."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from operator import attrgetter

from ensemble.audit.cells import known, short
from ensemble.audit.estimates import estimated, told
from ensemble.audit.shapes import Cell, Column, Table
from ensemble.rejudging.churn import Churn
from ensemble.store.audit.rejudged import Again, Checked

MOST_MOVES = 100


def churn_tables(again: Sequence[Again], checked: Sequence[Checked]) -> dict[str, Table]:
    """The tables ``churn``, ``moved`` and ``anchors``."""
    churn = _churn(again)
    made = (_churned(churn, len(again)), _moved(churn), _anchors(checked))
    return {table.name: table for table in made}


def _churn(again: Sequence[Again]) -> dict[tuple[str, str], Churn]:
    """By name and digest of the judge that judged again."""
    key = attrgetter("judge", "digest")
    counts: dict[tuple[str, str], Churn] = {}
    for who, cases in groupby(sorted(again, key=key), key=key):
        count = counts.setdefault(who, Churn())
        for one in cases:
            count.add(one.before, one.found, one.authors, reused=False)
    return counts


def _churned(churn: Mapping[tuple[str, str], Churn], read: int) -> Table:
    return Table(
        name="churn",
        title="Judged again: how many winners changed",
        columns=(
            Column(name="judge", title="Judge"),
            Column(name="digest", title="Digest"),
            Column(name="cases", title="Cases with a finding before", kind="count"),
            *estimated("changed", "Winners changed"),
            Column(name="undecided", title="Nothing found now", kind="count"),
            Column(name="first", title="Nothing found before", kind="count"),
            Column(name="confidence_unchanged", title="Confidence where unchanged", kind="share"),
        ),
        rows=[
            {
                "judge": judge,
                "digest": short(digest),
                "cases": one.cases,
                **told("changed", one.changed),
                "undecided": one.undecided,
                "first": one.first,
                "confidence_unchanged": known(one.confidence_unchanged),
            }
            for (judge, digest), one in churn.items()
        ],
        note=f"The latest finding of each judge on each request, {read:,} in all, against the finding in force.",
        empty="Nothing was judged again: `ensemble rejudge --judge NAME` does so without touching labels.",
    )


def _moved(churn: Mapping[tuple[str, str], Churn]) -> Table:
    rows: list[Mapping[str, Cell]] = [
        {
            "judge": judge,
            "digest": short(digest),
            "before": "+".join(move.before),
            "after": "+".join(move.after),
            "cases": move.cases,
            "confidence_before": known(move.confidence_before),
            "confidence": known(move.confidence),
        }
        for (judge, digest), one in churn.items()
        for move in one.moved()[:MOST_MOVES]
    ]
    return Table(
        name="moved",
        title="Judged again: between whom",
        columns=(
            Column(name="judge", title="Judge"),
            Column(name="digest", title="Digest"),
            Column(name="before", title="Best before"),
            Column(name="after", title="Best now"),
            Column(name="cases", title="Cases", kind="count"),
            Column(name="confidence_before", title="Confidence before", kind="share"),
            Column(name="confidence", title="Confidence now", kind="share"),
        ),
        rows=rows,
        note=f"The {MOST_MOVES} most frequent changes of each judge.",
        empty="No winner changed.",
    )


def _anchors(checked: Sequence[Checked]) -> Table:
    return Table(
        name="anchors",
        title="Checks against anchors",
        columns=(
            Column(name="anchor_set", title="Set"),
            Column(name="judge", title="Judge"),
            Column(name="digest", title="Digest"),
            Column(name="checked_at", title="Checked", kind="time"),
            *estimated("agreement", "Agreement"),
            Column(name="drift", title="Drift", kind="truth"),
            Column(name="cost", title="Cost", kind="usd"),
        ),
        rows=[
            {
                "anchor_set": one.anchor_set,
                "judge": one.judge,
                "digest": short(one.digest),
                "checked_at": one.at,
                "agreement": one.agreed / one.cases if one.cases else None,
                "agreement_low": one.low,
                "agreement_high": one.high,
                "agreement_n": one.cases,
                "drift": one.drift,
                "cost": one.nano_usd,
            }
            for one in checked
        ],
        note=f"The latest {len(checked)} of the whole log: whether a judge finds again what was found once.",
        empty="No anchors were checked: `ensemble rejudge --freeze SET` keeps findings, `--anchors SET` asks anew.",
    )
