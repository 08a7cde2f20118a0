"""What waits for a person, and who decided what, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import fsum
from operator import itemgetter

from ensemble.audit.reviewed import right
from ensemble.audit.shapes import Cell, Column, Table, Window
from ensemble.store.audit.queue import FIRST, After, Row, Why, counts, decided, waiting
from ensemble.store.database import Database
from ensemble.store.judged import Judged, judged_of
from ensemble.store.people import Word
from ensemble.store.review_seats import THIRD
from judges.shrinkage import plain

Said = tuple[str, str, str | None, str, str | None, int | None]
"""A finding: by whom, of which kind, member that is preferred, when, its candidate, and from which seat."""
PAGE = 50
"""Rows of one page."""
WORDS: Mapping[str, str] = {
    "preferred": "best", "tie": "tie", "all_bad": "all bad", "cannot_tell": "cannot tell",
}  # fmt: skip
TITLES: Mapping[Why, str] = {
    "overturned": "overturned",
    "confidence": "low confidence or score",
    "panel": "panel too small",
    "flagged": "flagged",
    "drawn": "drawn at random",
    "blind": "for two people",
    "disputed": "two differ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A page of rows as a table; ``after`` is where the next page begins, None where this is the last."""

    table: Table
    after: After | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which part of the queue is asked for."""

    window: Window
    why: Why | None = None
    after: After = FIRST
    limit: int = PAGE


def waiting_list(db: Database, asked: Asked, now: datetime) -> Listed:
    """What waits, overturned answers first."""
    rows = waiting(db, asked.window, asked.why, asked.after, asked.limit + 1, now)
    table = Table(
        name="waiting",
        title="Waiting",
        columns=(
            Column("request", "Request", "request"),
            Column("why", "Why"),
            Column("router", "Router"),
            Column("since", "Since", "time"),
            Column("drawn", "Drawn at random", "truth"),
            Column("blind", "For two", "truth"),
            Column("state", "State"),
        ),
        rows=[_waiting(row) for row in rows[: asked.limit]],
        note="Overturned answers first, then the oldest. A claim is kept for an hour.",
        empty='Nothing waits here. `on_low = "review"` in the `trust` table of a router sends answers, a later verdict '
        "that overturns one does, and so does a draw.",
        more=len(rows) > asked.limit,
    )
    last = rows[asked.limit - 1] if len(rows) > asked.limit else None
    if last is None:
        return Listed(table=table, after=None)
    after = After(last["request_id"], last["created_at"], 1 - last["overturned"], last["place"])
    return Listed(table=table, after=after)


def decided_list(db: Database, asked: Asked) -> Listed:
    """The trail: what was decided, the latest first."""
    rows = decided(db, asked.window, asked.why, asked.after, asked.limit + 1)
    table = Table(
        name="decided",
        title="Decided",
        columns=(
            Column("request", "Request", "request"),
            Column("decided_at", "When", "time"),
            Column("by", "Who"),
            Column("found", "Found"),
            Column("best", "Best by the judge"),
            Column("agrees", "Judge agrees", "share"),
            Column("why", "Why it waited"),
            Column("router", "Router"),
            Column("drawn", "Drawn at random", "truth"),
            Column("blind", "For two", "truth"),
        ),
        rows=_with_verdicts(db, rows[: asked.limit]),
        note="Of a case for two people both findings, and that of the third who settled it where they differ, which "
        "then is what stands. The judge's finding is its own, before logged means are weighed in; a tie that holds "
        "what people prefer agrees by half.",
        empty="Nobody has decided on anything here yet.",
        more=len(rows) > asked.limit,
    )
    last = rows[asked.limit - 1] if len(rows) > asked.limit else None
    return Listed(table=table, after=After(last["request_id"], last["decided_at"]) if last else None)


def why_counts(db: Database, asked: Asked) -> list[tuple[str, str, int]]:
    """How much waits: key, title and count of all, then of each reason."""
    found = counts(db, asked.window)
    return [("", "all", found["all"]), *((why, title, found[why]) for why, title in TITLES.items())]


def _waiting(row: Row) -> dict[str, Cell]:
    return {
        "request": row["request_id"],
        "why": row["reason"],
        "router": row["router"],
        "since": row["created_at"],
        "drawn": bool(row["drawn"]),
        "blind": bool(row["blind"]),
        "state": _state(row),
    }


def _state(row: Row) -> str:
    if row["blind"]:
        done, at_it, last = row["seats"] or (0, 0, 0)
        if last == THIRD:
            return "two differ, a third is at it" if at_it else "two differ, a third is to settle it"
        parts = [f"{done} of 2 decided"] * bool(done) + [f"{at_it} at it"] * bool(at_it)
        return ", ".join(parts) or "free"
    return f"claimed by {row['claimed_by']}" if row["claimed_by"] else "free"


def _joined(words: Sequence[Said], parts: Sequence[str], settled: str) -> str:
    """``parts`` of the findings, that of the third, who comes last, set apart."""
    if words and words[-1][-1] == THIRD:
        return f"{', '.join(parts[:-1])}; {settled} {parts[-1]}"
    return ", ".join(parts)


def _told(kind: str, member: str | None) -> str:
    return f"{WORDS.get(kind, kind)}: {member}" if member else WORDS.get(kind, kind)


def _with_verdicts(db: Database, rows: Sequence[Row]) -> list[dict[str, Cell]]:
    """The rows beside what the judge found whose verdict is in force, or the latest where none is."""
    found: dict[str, Judged] = {}
    judges = {row["request_id"]: row["judge"] for row in rows}
    for one in judged_of(db, [*judges]):
        if one.request not in found or judges[one.request] in (None, one.judge):
            found[one.request] = one
    return [{**_decided(row), **_against(row, found.get(row["request_id"]))} for row in rows]


def _against(row: Row, judged: Judged | None) -> dict[str, Cell]:
    """What the judge found, and how far that agrees with the people of ``row``."""
    if judged is None:
        return {"best": None, "agrees": None}
    verdict = plain(judged.verdict)
    authors = {judged.candidates[one].member: None for one in verdict.winners if one in judged.candidates}
    said: Sequence[Said] = row["words"] or ()
    stands = [one for one in said if one[-1] == THIRD] or said
    words = [Word(kind, candidate if kind == "preferred" else None) for _, kind, _, _, candidate, _ in stands]
    credits = [each for word in words if (each := right(judged, word)) is not None]
    best = "all bad" if verdict.all_bad else ", ".join(authors) or None
    return {"best": best, "agrees": fsum(credits) / len(credits) if credits else None}


def _decided(row: Row) -> dict[str, Cell]:
    words: Sequence[Said] = sorted(row["words"] or (), key=itemgetter(3))
    return {
        "request": row["request_id"],
        "decided_at": row["decided_at"],
        "by": _joined(words, [by for by, *_ in words], "settled by"),
        "found": _joined(words, [_told(kind, member) for _, kind, member, *_ in words], "settled as"),
        "why": row["reason"],
        "router": row["router"],
        "drawn": bool(row["drawn"]),
        "blind": bool(row["blind"]),
    }
