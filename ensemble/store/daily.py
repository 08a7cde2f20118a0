"""What a batch of rows adds to the daily sums, which its own transaction keeps."""

from collections.abc import Iterable

from ensemble.store.rows import COLUMNS, Row, Rows, Value

_REQUEST = {name: index for index, name in enumerate(COLUMNS["requests"])}
_CALL = {name: index for index, name in enumerate(COLUMNS["calls"])}


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
    started, member, purpose = _CALL["started_at"], _CALL["member"], _CALL["purpose"]
    failure, nano_usd = _CALL["failure"], _CALL["nano_usd"]
    sums: dict[Row, list[int]] = {}
    for rows in batch:
        for row in rows.tables["calls"]:
            key = (str(row[started])[:10], rows.router, row[member], row[purpose])
            into = sums.setdefault(key, [0, 0, 0, 0])
            cost = row[nano_usd]
            into[0] += 1
            into[1] += row[failure] is not None
            into[2] += cost if isinstance(cost, int) else 0
            into[3] += cost is None
    return [(*key, *values) for key, values in sums.items()]
