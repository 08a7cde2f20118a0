"""Cases in the order of their disagreement, by every filter of the page, and how far members agree. Blocking."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, get_args

from ensemble.store.audit.window import EVERYTHING, WHERE, Window
from ensemble.store.content import bind, dumps, loads, messages_of, unbind
from ensemble.store.database import Database
from ensemble.store.keeping.search import behind, index_of, searching
from ensemble.store.keeping.searchable import SOURCES
from ensemble.store.review_seats import SEALED

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
FOUND = 5000
"""Newest prompts, and newest answers, that hold a text: of more, the older ones are left out."""
_SOURCES = {
    # The index holds every column that is asked for here, so that even where no case fits a million take a moment.
    "cases": ("audit_cases c", "c", "1 = 1"),
    # The pairs of two members, in their order; their cases are looked up.
    "pairs": ("audit_pairs p CROSS JOIN audit_cases c", "p", "c.request_id = p.request_id"),
    "texts": ("({texts}) f CROSS JOIN audit_cases c", "c", "c.request_id = f.request_id"),
}
"""Where cases are looked for, whose columns are their order, and what joins them."""
_PICKED = """
SELECT {columns} FROM (
    SELECT {order}.request_id FROM {source} WHERE {conditions}
    ORDER BY {order}.disagreement DESC, {order}.request_id DESC LIMIT :limit
) k CROSS JOIN audit_cases c WHERE c.request_id = k.request_id ORDER BY c.disagreement DESC, c.request_id DESC
"""
_PAIRS = f"""
SELECT a, b, sum(cases) AS cases, sum(agree) AS agree, sum(a_wins) AS a_wins, sum(b_wins) AS b_wins, sum(ties) AS ties
FROM audit_daily_pairs WHERE {WHERE} AND (CAST(:domain AS TEXT) IS NULL OR domain = :domain) GROUP BY a, b ORDER BY a, b
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
        reader: cases that are sealed to this person are left out, where a filter tells who won or what was found.
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
    reader: str | None = None

    @property
    def rare(self) -> bool:
        """Whether few cases may pass, so that all are better looked at than those of a pair one by one."""
        ends = (end for ends in self.between.values() for end in ends)
        return bool(self.text or self.flag is not None or self.marks or any(end is not None for end in ends))


class After(NamedTuple):
    """The last case of the page before."""

    disagreement: float
    id: str


def cases(db: Database, filters: Filters, after: After | None, limit: int) -> list[Row]:
    """Cases whose index is known, those that differ most first; ``asked`` is how the last turn begins.

    Raises:
        StoreError: ``text`` is no query; the sentence says what to write instead.
    """
    if not all(_answered(db, member) for member in (*filters.members, *(filters.pair or ())[:2])):
        return []
    by_pair = filters.pair is not None and not filters.rare
    source, order, joined = _SOURCES["texts" if filters.text else "pairs" if by_pair else "cases"]
    conditions, given = _where(filters, by_pair=by_pair)
    if after is not None:
        conditions.append(f"({order}.disagreement, {order}.request_id) < (:last, :last_id)")
        given |= {"last": after.disagreement, "last_id": after.id}
    index = index_of(db)
    source = source.format(texts=index.requests)
    sql = _PICKED.format(columns=_COLUMNS, source=source, order=order, conditions=" AND ".join([joined, *conditions]))
    with searching(filters.text) if filters.text else nullcontext():
        if filters.text:
            given |= {"query": index.query(bind(filters.text)), "found": FOUND}
        return [_told(row) for row in db.query(sql, given | {"limit": limit})]


def count(db: Database, filters: Filters) -> int:
    """How many cases ``filters`` let through that ask for no text."""
    conditions, given = _where(filters, by_pair=False)
    sql = f"SELECT count(*) FROM audit_cases c WHERE {' AND '.join(conditions)}"  # noqa: S608 - own text
    return int(db.execute(sql, given).fetchone()[0])


def widespread(db: Database, text: str) -> bool:
    """Whether more texts hold ``text`` than are looked at. Raises as ``cases``."""
    index = index_of(db)
    with searching(text):
        given = {"query": index.query(bind(text)), "most": FOUND + 1}
        counts = [db.execute(index.count.format(source), given).fetchone()[0] for source in SOURCES]
    return int(max(counts)) > FOUND


def _answered(db: Database, member: str) -> bool:
    """Whether it ever did; if not, no case has to be looked at."""
    sql = "SELECT EXISTS (SELECT 1 FROM audit_members WHERE member = ?)"
    return bool(db.execute(sql, [bind(member)]).fetchone()[0])


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


def _where(filters: Filters, *, by_pair: bool) -> tuple[list[str], dict[str, object]]:
    """Conditions and their parameters. SQLite looks into other tables last, for what the rest has let through."""
    window, given = filters.window.given, dict[str, object]()
    conditions = [f"{'p' if by_pair else 'c'}.disagreement IS NOT NULL"]
    for name, condition in (
        ("since", "c.day >= :since"),
        ("until", "c.day <= :until"),
        ("router", "c.router = :router"),
    ):
        if window[name]:
            conditions.append(condition)
            given[name] = window[name]
    for condition, more in (*_of_members(filters, by_pair=by_pair), *_of_case(filters)):
        conditions.append(condition)
        given |= more
    return conditions, given


def _of_members(filters: Filters, *, by_pair: bool) -> Iterator[tuple[str, dict[str, object]]]:
    for at, member in enumerate(filters.members):
        yield _has(f"member{at}"), _named(f"member{at}", member)
    if filters.pair is None:
        return
    first, second, outcome = filters.pair
    two = f"p.a = :a AND p.b = :b AND {_PAIRED[outcome]}"
    if by_pair:
        yield two, {"a": bind(first), "b": bind(second)}
        return
    yield f"{_has('a')} AND {_has('b')}", _named("a", first) | _named("b", second)
    yield f"EXISTS (SELECT 1 FROM audit_pairs p WHERE p.request_id = c.request_id AND {two})", {}  # noqa: S608


def _has(name: str) -> str:
    """That a member answered. The first half leaves few for the second, which alone is exact."""
    exact = f"EXISTS (SELECT 1 FROM audit_members m WHERE m.request_id = c.request_id AND m.member = :{name})"  # noqa: S608
    return f"instr(c.members, :{name}_quoted) > 0 AND {exact}"


def _named(name: str, member: str) -> dict[str, object]:
    return {name: bind(member), f"{name}_quoted": dumps(bind(member)).decode()}


def _of_case(filters: Filters) -> Iterator[tuple[str, dict[str, object]]]:
    for name in ("domain", "judge"):
        value = getattr(filters, name)
        if value is not None:
            yield f"c.{name} = :{name}", {name: bind(value)}
    if filters.flag is not None:
        # "suspicious:<candidate>" is of the flag "suspicious".
        flagged = (
            "c.flags <> '[]' "
            "AND EXISTS (SELECT 1 FROM json_each(c.flags) f "
            "WHERE f.value = :flag OR substr(f.value, 1, length(:flag_of)) = :flag_of)"
        )
        yield flagged, {"flag": bind(filters.flag), "flag_of": bind(f"{filters.flag}:")}
    if filters.reader is not None and _tells(filters):
        yield f"NOT {SEALED.format('c.request_id')}", {"reader": bind(filters.reader)}
    for mark in filters.marks:
        yield _MARKED[mark], {}
    for number, (least, most) in filters.between.items():
        if least is not None:
            yield f"{NUMBERS[number]} >= :{number}_least", {f"{number}_least": least}
        if most is not None:
            yield f"{NUMBERS[number]} <= :{number}_most", {f"{number}_most": most}


def _tells(filters: Filters) -> bool:
    """Whether a case among those that pass says what the judge found of it."""
    by_finding = filters.pair is not None and filters.pair[2] in ("a", "b", "tie")
    by_number = any(filters.between.get(name, (None, None)) != (None, None) for name in ("confidence", "margin"))
    return by_finding or by_number or filters.flag is not None or bool(filters.marks)


def _told(row: Row) -> Row:
    told = {name: unbind(value) if isinstance(value, str) else value for name, value in row.items() if name != "asked"}
    told |= {name: loads(row[name]) for name in ("members", "winners", "flags")}
    return told | {"asked": _begin(row["asked"])}


def _begin(messages: str) -> str:
    """How the last turn begins, on one line."""
    turns = messages_of(messages)
    text = " ".join((turns[-1].text if turns else "")[: 4 * BEGIN].split())
    return text if len(text) <= BEGIN else f"{text[:BEGIN]}…"
