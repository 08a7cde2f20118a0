"""Cases in the order of their disagreement, by every filter of the page, and how far members agree. Blocking."""

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from sqlite_utils import Database

from ensemble.errors import StoreError
from ensemble.store.audit.window import EVERYTHING, WHERE, Window
from ensemble.store.content import bind, loads, messages_of, unbind
from ensemble.store.keeping.search import behind

Outcome = Literal["differ", "agree", "a", "b", "tie"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
Mark = Literal["overturned", "fallback", "all_bad", "own_family", "incomplete"]
MARKS: tuple[Mark, ...] = get_args(Mark)
Number = Literal["index", "confidence", "margin", "nano_usd", "seconds"]
NUMBERS: Mapping[Number, str] = {
    "index": "c.disagreement",
    "confidence": "c.confidence",
    "margin": "c.margin",
    "nano_usd": "c.nano_usd",
    "seconds": "c.answered_s",
}
Row = Mapping[str, Any]
BEGIN = 80
"""Characters of a question that a list shows."""
_COLUMNS = """
c.request_id, c.arrived_at, c.router, c.domain, c.judge, c.candidates, c.members, c.winners, c.served, c.disagreement,
c.spread, c.similarity, c.margin, c.flips, c.conflicts, c.confidence, c.flags, c.overturned, c.fallback, c.all_bad,
c.own_family, c.complete, c.nano_usd, c.answered_s,
(SELECT r.messages FROM requests r WHERE r.id = c.request_id) AS asked
"""
_MARKED: Mapping[Mark, str] = {mark: f"c.{mark} = 1" for mark in MARKS if mark != "incomplete"} | {
    "incomplete": "c.complete = 0"
}
_PAIRED: Mapping[Outcome, str] = {
    "differ": "p.agree = 0",
    "agree": "p.agree = 1",
    "a": "p.outcome = 'a'",
    "b": "p.outcome = 'b'",
    "tie": "p.outcome = 'tie'",
}
_FOUND = """
c.request_id IN (
    SELECT r.id FROM search_requests s JOIN requests r ON r.rowid = s.rowid WHERE search_requests MATCH :text
    UNION SELECT d.request_id FROM search_candidates s JOIN candidates d ON d.rowid = s.rowid
    WHERE search_candidates MATCH :text
)
"""
_PAIRS = f"""
SELECT a, b, sum(cases) AS cases, sum(agree) AS agree, sum(a_wins) AS a_wins, sum(b_wins) AS b_wins, sum(ties) AS ties
FROM audit_daily_pairs WHERE {WHERE} AND (:domain IS NULL OR domain = :domain) GROUP BY a, b ORDER BY a, b
"""  # noqa: S608 - own text


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which cases; what is None or empty asks for nothing.

    Attributes:
        members: all of them are among those who answered.
        pair: two members, in alphabetical order, and what became of them in the case.
        domain: "" for those without one.
        flag: one of the judge's.
        between: least and most of a number, both included; a case of which it is unknown is in no such range.
        text: words of the prompt or an answer, in the syntax of FTS5.
    """

    window: Window = EVERYTHING
    members: tuple[str, ...] = ()
    pair: tuple[str, str, Outcome] | None = None
    domain: str | None = None
    judge: str | None = None
    flag: str | None = None
    marks: tuple[Mark, ...] = ()
    between: Mapping[Number, tuple[float | None, float | None]] = field(default_factory=dict)
    text: str = ""


class After(NamedTuple):
    """The last case of the page before."""

    disagreement: float
    id: str


def cases(db: Database, filters: Filters, after: After | None, limit: int) -> list[Row]:
    """Cases whose index is known, those that differ most first; ``asked`` is how the last turn begins.

    Raises:
        StoreError: ``text`` is no query; the sentence says what to write instead.
    """
    conditions, given = _where(filters)
    if after is not None:
        conditions.append("(c.disagreement, c.request_id) < (:last, :last_id)")
        given |= {"last": after.disagreement, "last_id": after.id}
    sql = (
        f"SELECT {_COLUMNS} FROM audit_cases c WHERE {' AND '.join(conditions)} "  # noqa: S608 - own text
        "ORDER BY c.disagreement DESC, c.request_id DESC LIMIT :limit"
    )
    try:
        return [_told(row) for row in db.query(sql, given | {"limit": limit})]
    except sqlite3.OperationalError as error:
        if not filters.text or "disk" in str(error) or "locked" in str(error):
            raise
        told = "put words with signs in double quotes, such as '\"gpt-4.1\" AND price*'"
        raise StoreError(f"{filters.text!r} is no query; {told}") from error


def place(db: Database, id_: str) -> After | None:
    """Where a case stands in the ranking; None where its index is unknown."""
    found = db.execute("SELECT disagreement FROM audit_cases WHERE request_id = ?", [id_]).fetchone()
    return None if found is None or found[0] is None else After(found[0], id_)


def pairs(db: Database, window: Window, domain: str | None = None) -> list[Row]:
    """For every two members that answered the same requests: in how many they agree, and how often each was better."""
    given = window.given | {"domain": None if domain is None else bind(domain)}
    return [{**row, "a": unbind(row["a"]), "b": unbind(row["b"])} for row in db.query(_PAIRS, given)]


def domains(db: Database, window: Window) -> list[str]:
    """Names of the domains there are, "" for none of them."""
    sql = f"SELECT DISTINCT domain FROM audit_daily WHERE {WHERE} ORDER BY domain"  # noqa: S608 - own text
    return [unbind(domain) for (domain,) in db.execute(sql, window.given)]


def unindexed(db: Database) -> int:
    """Texts that a search does not find yet."""
    return behind(db)


def _where(filters: Filters) -> tuple[list[str], dict[str, object]]:
    window, given = filters.window.given, dict[str, object]()
    conditions = ["c.disagreement IS NOT NULL"]
    for name, condition in (
        ("since", "c.day >= :since"),
        ("until", "c.day <= :until"),
        ("router", "c.router = :router"),
    ):
        if window[name]:
            conditions.append(condition)
            given[name] = window[name]
    for condition, more in (*_of_members(filters), *_of_case(filters)):
        conditions.append(condition)
        given |= more
    return conditions, given


def _of_members(filters: Filters) -> Iterator[tuple[str, dict[str, object]]]:
    for at, member in enumerate(filters.members):
        one = f"EXISTS (SELECT 1 FROM audit_members m WHERE m.request_id = c.request_id AND m.member = :member{at})"  # noqa: S608
        yield one, {f"member{at}": bind(member)}
    if filters.pair is not None:
        first, second, outcome = filters.pair
        two = (
            "EXISTS (SELECT 1 FROM audit_pairs p WHERE p.request_id = c.request_id AND p.a = :a AND p.b = :b "  # noqa: S608
            f"AND {_PAIRED[outcome]})"
        )
        yield two, {"a": bind(first), "b": bind(second)}


def _of_case(filters: Filters) -> Iterator[tuple[str, dict[str, object]]]:
    for name in ("domain", "judge"):
        value = getattr(filters, name)
        if value is not None:
            yield f"c.{name} = :{name}", {name: bind(value)}
    if filters.flag is not None:
        # "suspicious:<candidate>" is of the flag "suspicious".
        flagged = (
            "EXISTS (SELECT 1 FROM json_each(c.flags) f WHERE f.value = :flag OR f.value LIKE :flag_of ESCAPE '\\')"
        )
        escaped = filters.flag.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        yield flagged, {"flag": bind(filters.flag), "flag_of": bind(f"{escaped}:%")}
    for mark in filters.marks:
        yield _MARKED[mark], {}
    for number, (least, most) in filters.between.items():
        if least is not None:
            yield f"{NUMBERS[number]} >= :{number}_least", {f"{number}_least": least}
        if most is not None:
            yield f"{NUMBERS[number]} <= :{number}_most", {f"{number}_most": most}
    if filters.text:
        yield _FOUND, {"text": bind(filters.text)}


def _told(row: Row) -> Row:
    told = {name: unbind(value) if isinstance(value, str) else value for name, value in row.items() if name != "asked"}
    told |= {name: loads(row[name]) for name in ("members", "winners", "flags")}
    return told | {"asked": _begin(row["asked"])}


def _begin(messages: str) -> str:
    """How the last turn begins, on one line."""
    turns = messages_of(messages)
    text = " ".join((turns[-1].text if turns else "")[: 4 * BEGIN].split())
    return text if len(text) <= BEGIN else f"{text[:BEGIN]}…"
