"""The figures of the overview: what came in, what it cost, who won, whether the routers hold."""

from collections.abc import Mapping

from sqlite_utils import Database

from ensemble.audit import traffic
from ensemble.audit.drift import drift
from ensemble.audit.shapes import Table, Window


def overview(db: Database, window: Window, query: Mapping[str, str]) -> dict[str, Table]:
    """Every table of the overview that needs no label to be replayed: a few queries of sums, however large the log."""
    return {
        "by_router": traffic.routers(db, window),
        "days": traffic.days(db, window),
        "calls": traffic.calls(db, window),
        "drift": drift(db, window),
    }
