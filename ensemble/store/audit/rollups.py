"""Who won and what it cost, from the sums of facts: their number does not grow with the log. Blocking."""

from collections.abc import Iterable, Mapping

from ensemble.store.audit.window import ARRIVED, EVERYTHING, WHERE, Window
from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.queries import Tree

_CASES = (
    "cases", "ties", "all_bad", "fallback", "overturned", "cheapest_best", "cheapest_known",
    "panel_nano_usd", "panel_unknown", "judge_nano_usd", "judge_unknown", "straggler_nano_usd", "straggler_unknown",
    "retry_nano_usd", "retry_unknown", "disagreement", "ranked",
)  # fmt: skip
_MEMBERS = ("cases", "won", "sole_wins", "score", "scored", "nano_usd", "unpriced", "served")
_PAIRS = ("cases", "agree", "a_wins", "b_wins", "ties")
_COMPARED = """
WITH newest AS (
    SELECT r.id FROM requests r WHERE {arrived} ORDER BY r.arrived_at DESC LIMIT :most
)
SELECT request_id, a, b, outcome FROM audit_pairs WHERE request_id IN (SELECT id FROM newest) AND outcome != 'none'
"""
_SHARES = {"a": 1.0, "b": 0.0, "tie": 0.5}


def cases(db: Database, window: Window = EVERYTHING) -> Tree:
    """All judged requests of ``window`` in one row of sums, the columns of ``audit_daily``."""
    (row,) = _summed(db, "audit_daily", (), _CASES, window)
    return {name: value or 0 for name, value in row.items()}


def members(db: Database, window: Window = EVERYTHING, *, by_domain: bool = False) -> list[Tree]:
    """One row per member, or per domain and member, with the sums of ``audit_daily_members``."""
    keys = ("domain", "member") if by_domain else ("member",)
    return _summed(db, "audit_daily_members", keys, _MEMBERS, window)


def pairs(db: Database, window: Window = EVERYTHING) -> list[Tree]:
    """One row per two members, ``a`` before ``b``, with the sums of ``audit_daily_pairs``."""
    return _summed(db, "audit_daily_pairs", ("a", "b"), _PAIRS, window)


def compared(db: Database, most: int, window: Window = EVERYTHING) -> list[tuple[str, str, str, float]]:
    """The comparisons of the newest ``most`` requests of ``window``: request, a, b, share of a win of a."""
    # Said apart, so that the index is entered at the last day and not searched from the newest request on.
    until = " AND r.arrived_at < :until || 'U'" if window.until else ""
    rows = db.execute(_COMPARED.format(arrived=ARRIVED + until), {**window.given, "most": most})
    return [(request, unbind(a), unbind(b), _SHARES[outcome]) for request, a, b, outcome in rows]


def _summed(db: Database, table: str, keys: Iterable[str], names: Iterable[str], window: Window) -> list[Tree]:
    columns = ", ".join((*keys, *(f"sum({name}) AS {name}" for name in names)))
    grouped = f" GROUP BY {', '.join(keys)} ORDER BY {', '.join(keys)}" if keys else ""
    sql = f"SELECT {columns} FROM {table} WHERE {WHERE}{grouped}"  # noqa: S608 - own constants
    return [_text(row) for row in db.query(sql, window.given)]


def _text(row: Mapping[str, object]) -> Tree:
    return {name: unbind(value) if isinstance(value, str) else value for name, value in row.items()}
