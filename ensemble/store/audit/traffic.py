"""Requests and calls in figures, from the daily sums alone, so that the size of the log does not matter. Blocking."""

from collections.abc import Iterable, Mapping
from typing import Literal

from ensemble.store.audit.window import EVERYTHING, WHERE, Window
from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.queries import Tree

By = Literal["router", "day", "total"]

_KEYS: Mapping[By, str] = {"router": "router", "day": "day", "total": "'all'"}
_REQUESTS = """
SELECT {key} AS {name}, sum(requests) AS requests, sum(answered) AS answered, sum(failed) AS failed,
    sum(cancelled) AS cancelled, sum(fallbacks) AS fallbacks, sum(overturned) AS overturned,
    -- What was stored or imported for its labels was never answered and took no time.
    sum(answered_s) / nullif(sum(answered) + sum(failed) + sum(cancelled), 0) AS mean_s
FROM daily_requests WHERE {where} GROUP BY 1 ORDER BY 1
"""
_CALLS = """
SELECT {by}, sum(calls) AS calls, sum(failures) AS failures,
    CASE WHEN sum(unpriced) < sum(calls) THEN sum(nano_usd) END AS nano_usd, sum(unpriced) AS unpriced
FROM daily_calls WHERE {where} GROUP BY 1 ORDER BY 1
"""
NOTHING: Tree = dict.fromkeys(("requests", "answered", "failed", "cancelled", "fallbacks", "overturned"), 0) | {
    "mean_s": None
}
"""The figures of a log without requests."""


def requests(db: Database, by: By, window: Window = EVERYTHING) -> list[Tree]:
    """One row per router or UTC day, or one of all: requests, how they ended, mean seconds to the answer."""
    sql = _REQUESTS.format(key=_KEYS[by], name=by, where=WHERE)
    return _texts(db.query(sql, window.given))


def calls(db: Database, by: Literal["member", "purpose"], window: Window = EVERYTHING) -> list[Tree]:
    """One row per member or purpose: calls, failures, known ``nano_usd`` (None for none), ``unpriced`` calls.

    Calls count on the day on which they began, so a late one may count on the day after that of its request.
    """
    return _texts(db.query(_CALLS.format(by=by, where=WHERE), window.given))


def _texts(rows: Iterable[Mapping[str, object]]) -> list[Tree]:
    return [{name: unbind(value) if isinstance(value, str) else value for name, value in row.items()} for row in rows]
