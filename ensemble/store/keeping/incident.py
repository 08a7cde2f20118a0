"""What went wrong since a moment, with examples to look at."""

from collections.abc import Iterable, Mapping

from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.queries import Tree

EXAMPLES = 3
"""Ids of requests that are named per kind of trouble: the latest."""

_SQL: Mapping[str, str] = {
    "failed_calls": """
        SELECT k.failure AS kind, k.member AS who, k.started_at AS at, r.id AS id, k.detail AS detail
        FROM requests r JOIN calls k ON k.request_id = r.id
        WHERE r.arrived_at >= :since AND k.failure IS NOT NULL""",
    "refused_requests": """
        SELECT coalesce(error, status) AS kind, model AS who, arrived_at AS at, id, error_detail AS detail
        FROM requests WHERE arrived_at >= :since AND status IN ('failed', 'cancelled')""",
    "fallbacks": """
        SELECT fallback AS kind, model AS who, arrived_at AS at, id, '' AS detail
        FROM requests WHERE arrived_at >= :since AND fallback IS NOT NULL""",
    "judge_failures": """
        SELECT v.outcome AS kind, coalesce(v.judge, 'seat ' || substr(v.judge_digest, 1, 12)) AS who,
            v.started_at AS at, r.id AS id, v.reason AS detail
        FROM requests r JOIN verdicts v ON v.request_id = r.id
        WHERE r.arrived_at >= :since AND v.outcome IN ('failed', 'abstained')""",
    "overturned": """
        SELECT 'overturned' AS kind, coalesce(v.judge, '') AS who, v.started_at AS at, r.id AS id, '' AS detail
        FROM requests r JOIN verdicts v ON v.request_id = r.id
        WHERE r.arrived_at >= :since AND v.overturned = 1""",
}


def incident(db: Database, since: str) -> Tree:
    """What went wrong in requests that arrived at ``since`` (UTC text) or later.

    A tree: ``since``, ``requests`` (how many arrived), ``deadlines`` (of them, refused because theirs had passed), and
    per kind of trouble a list of ``kind``, ``who``, ``count``, ``first``, ``last``, ``examples`` (ids, latest first)
    and the latest ``detail``, most frequent first.
    """
    (arrived,) = db.execute("SELECT count(*) FROM requests WHERE arrived_at >= ?", [since]).fetchone()
    tree: Tree = {"since": since, "requests": arrived}
    for name, sql in _SQL.items():
        tree[name] = _grouped(db.query(sql + " ORDER BY at", {"since": since}))
    (late,) = db.execute(
        "SELECT count(*) FROM requests WHERE arrived_at >= ? AND error = 'deadline_exceeded'", [since]
    ).fetchone()
    return tree | {"deadlines": late}


def _grouped(rows: Iterable[Mapping[str, str]]) -> list[Tree]:
    groups: dict[tuple[str, str], Tree] = {}
    latest: dict[tuple[str, str], dict[str, None]] = {}
    for row in rows:
        key = row["kind"], unbind(row["who"])
        group = groups.setdefault(key, {"kind": key[0], "who": key[1], "count": 0, "first": row["at"]})
        group["count"] = int(str(group["count"])) + 1
        group["last"], group["detail"] = row["at"], unbind(row["detail"])
        ids = latest.setdefault(key, {})
        ids.pop(row["id"], None)
        ids[row["id"]] = None
        if len(ids) > EXAMPLES:
            del ids[next(iter(ids))]
    for key, group in groups.items():
        group["examples"] = list(reversed(latest[key]))
    return sorted(groups.values(), key=lambda group: -int(str(group["count"])))
