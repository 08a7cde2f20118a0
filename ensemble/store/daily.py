"""What a batch of rows adds to the daily sums, which its own transaction keeps."""

from collections.abc import Iterable
from operator import itemgetter

from ensemble.store.rows import COLUMNS, Row, Rows, Value

_REQUEST = {name: index for index, name in enumerate(COLUMNS["requests"])}
_told_of = itemgetter(*map(COLUMNS["calls"].index, ("started_at", "member", "purpose", "failure", "nano_usd")))


def daily_requests(batch: Iterable[Rows]) -> list[Row]:
    """What ``batch`` adds to ``daily_requests``: one row per day and router."""
    sums: dict[tuple[Value, Value], list[float]] = {}
    for rows in batch:
        into = sums.setdefault((rows.day, rows.router), [0, 0, 0, 0, 0, 0, 0.0])
        into[5] += rows.overturned
        for row in rows.tables["requests"]:
            status, answered_s = row[_REQUEST["status"]], row[_REQUEST["answered_s"]]
            if status == "streaming":
                continue  # it counts once it has ended
            into[0] += 1
            into[1] += status == "answered"
            into[2] += status == "failed"
            into[3] += status == "cancelled"
            into[4] += row[_REQUEST["fallback"]] is not None
            into[6] += answered_s if isinstance(answered_s, float) else 0.0
    return [(*key, *values) for key, values in sums.items()]


def daily_calls(batch: Iterable[Rows]) -> list[Row]:
    """What ``batch`` adds to ``daily_calls``: one row per day, router, member and purpose."""
    sums: dict[Row, list[int]] = {}
    for rows in batch:
        for started, member, purpose, failure, cost in map(_told_of, rows.tables["calls"]):
            into = sums.setdefault((str(started)[:10], rows.router, member, purpose), [0, 0, 0, 0])
            into[0] += 1
            if failure is not None:
                into[1] += 1
            if isinstance(cost, int):
                into[2] += cost
            else:
                into[3] += 1
    return [(*key, *values) for key, values in sums.items()]
