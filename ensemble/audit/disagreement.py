"""Where models disagree: cases ranked by the index of disagreement, and how far members agree with one another."""

from collections.abc import Sequence
from dataclasses import dataclass

from ensemble.audit.cells import share
from ensemble.audit.estimates import estimated
from ensemble.audit.shapes import Cell, Column, Table
from ensemble.store.audit.disagreement import FOUND, After, Filters, Row, cases, pairs, widespread
from ensemble.store.database import Database

PAGE = 50
"""Cases of one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """A page of cases; ``after`` is where the next begins, None where this is the last."""

    table: Table
    after: After | None


def ranked(db: Database, filters: Filters, after: After | None, limit: int) -> Ranked:
    """Cases that ``filters`` let through, those that differ most first. Raises StoreError as ``cases`` does."""
    rows = cases(db, filters, after, limit + 1)
    left_out = bool(filters.text) and widespread(db, filters.text)
    table = Table(
        name="cases",
        title="Cases, those that differ most first",
        columns=(
            Column("request", "Request", "request"),
            Column("disagreement", "Index", "number"),
            Column("asked", "Asked"),
            Column("arrived_at", "Arrived", "time"),
            Column("router", "Router"),
            Column("domain", "Domain"),
            Column("members", "Members"),
            Column("best", "Best by the judge"),
            Column("served", "Served"),
            Column("confidence", "Confidence", "share"),
            Column("similarity", "Similarity", "share"),
            Column("spread", "Answers that differ", "share"),
            Column("margin", "Judge's margin", "number"),
            Column("flips", "Flips", "share"),
            Column("conflicts", "Conflicts", "share"),
            Column("marks", "Marks"),
            Column("nano_usd", "Cost", "usd"),
            Column("answered_s", "Answered after", "seconds"),
        ),
        rows=[_case(row) for row in rows[:limit]],
        note="The index lies between 0, all say the same, and 1. It is the mean of what is known of a case: final "
        "answers that differ (or unlike texts, where no answer can be told), counted twice, the judge's margin, flips "
        "of its finding with the order, and conflicts of verifiers. The files have each part."
        + (f" Of the newest {FOUND:,} prompts and answers with these words; more words find older ones." * left_out),
        empty="No case fits. Take a filter away; where there is none at all, a router with a judge and two members or "
        "more makes them.",
        more=len(rows) > limit,
    )
    last = rows[limit - 1] if len(rows) > limit else None
    return Ranked(table=table, after=After(last["disagreement"], last["request_id"]) if last else None)


def agreeing(db: Database, filters: Filters) -> Table:
    """How often every two members agree, in the window and domain of ``filters``."""
    return Table(
        name="pairs",
        title="Agreement between members",
        columns=(
            Column("a", "Member"),
            Column("b", "Other"),
            Column("cases", "Cases of both", "count"),
            *estimated("agree", "Agree"),
            Column("a_wins", "Member better", "count"),
            Column("b_wins", "Other better", "count"),
            Column("ties", "Neither", "count"),
        ),
        rows=[
            {
                "a": row["a"],
                "b": row["b"],
                "cases": row["cases"],
                **share("agree", row["agree"], row["cases"]),
                "agree_n": row["cases"],
                "a_wins": row["a_wins"],
                "b_wins": row["b_wins"],
                "ties": row["ties"],
            }
            for row in pairs(db, filters.window, filters.domain)
        ],
        note="Two agree where they give the same answer, or the judge finds both best. Of all cases in this period and "
        "domain, whatever the other filters say. 95 % intervals.",
        empty="No two members have answered the same request yet.",
    )


def matrix(table: Table) -> tuple[list[str], list[list[float | None]]]:
    """The members of ``agreeing`` and the share in which each agrees with each; None where they never met."""
    names = sorted({str(row[side]) for row in table.rows for side in ("a", "b")})
    at = {name: place for place, name in enumerate(names)}
    cells: list[list[float | None]] = [[None] * len(names) for _ in names]
    for row in table.rows:
        one, other, value = at[str(row["a"])], at[str(row["b"])], row["agree"]
        cells[one][other] = cells[other][one] = value if isinstance(value, float) else None
    return names, cells


def _case(row: Row) -> dict[str, Cell]:
    marks = [name.replace("_", " ") for name in ("overturned", "fallback", "all_bad", "own_family") if row[name]]
    flags: Sequence[str] = row["flags"]
    return {
        "request": row["request_id"],
        "disagreement": row["disagreement"],
        "asked": row["asked"],
        "arrived_at": row["arrived_at"],
        "router": row["router"],
        "domain": row["domain"] or None,
        "members": ", ".join(row["members"]),
        "best": ", ".join(row["winners"]) or None,
        "served": row["served"],
        "confidence": row["confidence"],
        "similarity": row["similarity"],
        "spread": row["spread"],
        "margin": row["margin"],
        "flips": row["flips"],
        "conflicts": row["conflicts"],
        "marks": ", ".join([*marks, *flags]) or None,
        "nano_usd": row["nano_usd"],
        "answered_s": row["answered_s"],
    }
