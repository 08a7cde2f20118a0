"""Rows of labels as the view makes them or, on request, as people would have them. Blocking."""

import heapq
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal, cast

from ensemble.store.content import dumps, loads
from ensemble.store.database import Database
from ensemble.store.people import Opinion, opinion, words
from ensemble.store.schema_17 import AS_JUDGED
from judges.types import CandidateId

People = Literal["ignore", "first"]
"""Whether what people said outranks what judges found."""
Row = dict[str, Any]

_VIEW = "SELECT l.*, r.messages FROM labels l JOIN requests r ON r.id = l.request_id"
# The columns of the view for requests that no judge has seen.
_UNJUDGED = f"""
SELECT
    r.id AS request_id, r.arrived_at, r.model AS router, r.conversation, r.tenant, r.data_class, r.domain,
    r.prompt_hash, r.source AS origin, r.content, r.reference, r.domain_by, NULL AS kind, NULL AS source,
    NULL AS judged_by, NULL AS judge, NULL AS verdict_id, NULL AS finding, NULL AS phase, NULL AS stage,
    NULL AS confidence,
    0 AS complete, 0 AS overturned, NULL AS disagreement, 0 AS usable, '[]' AS best, '{{}}' AS scores, '{{}}' AS spread,
    (
        SELECT json_group_object(member, nano_usd) FROM (
            SELECT k.member, CASE WHEN count(k.nano_usd) = count(*) THEN sum(k.nano_usd) END AS nano_usd
            FROM calls k WHERE k.request_id = r.id AND k.purpose IN ('candidate', 'shadow')
                AND {AS_JUDGED}
            GROUP BY k.member ORDER BY k.member
        ) o
    ) AS nano_usd,
    (
        SELECT json_group_object(member, total_s) FROM (
            SELECT member, max(total_s) AS total_s FROM (
                SELECT c.member, sum(k.total_s) AS total_s FROM calls k
                JOIN candidates c ON c.request_id = r.id AND c.id = k.candidate_id
                WHERE k.request_id = r.id AND k.hedge = 0 AND {AS_JUDGED}
                GROUP BY c.id, c.member
            ) c GROUP BY member ORDER BY member
        ) o
    ) AS total_s,
    p.propensities, NULL AS judged, '{{}}' AS set_aside, r.messages
FROM requests r LEFT JOIN plans p ON p.request_id = r.id LEFT JOIN verdicts v ON v.request_id = r.id
WHERE v.id IS NULL AND r.id IN (SELECT request_id FROM feedback WHERE kind IN ('preferred', 'tie', 'all_bad'))
ORDER BY r.arrived_at, r.id
"""  # noqa: S608 - own constants
# Of each person the last one of an answer, as it is with what is best.
_RATINGS = """
SELECT member, avg(value) FROM (
    SELECT c.member, f.value, row_number() OVER (PARTITION BY c.id, f.given_by ORDER BY f.id DESC) AS place
    FROM feedback f
    JOIN requests r ON r.id = f.request_id
    JOIN candidates c ON c.request_id = f.request_id AND c.id = coalesce(f.candidate_id, r.chosen)
    WHERE f.request_id = ? AND f.kind = 'rating'
) o WHERE place = 1 GROUP BY member ORDER BY member
"""


def label_rows(db: Database, *, complete: bool, people: People) -> Iterator[Row]:
    """Rows of the view ``labels`` with ``messages``, in order of arrival, from the open transaction of ``db``.

    Those that people made have ``people`` and ``agreed`` as well.
    """
    if people == "ignore":
        wanted = " WHERE l.complete = 1" if complete else ""
        yield from db.query(f"{_VIEW}{wanted} ORDER BY l.arrived_at, l.request_id")
        return
    told = words(db)
    judged = db.query(f"{_VIEW} ORDER BY l.arrived_at, l.request_id")
    rows = heapq.merge(judged, db.query(_UNJUDGED), key=lambda row: (row["arrived_at"], row["request_id"]))
    for row in rows:
        by_people = _by_people(db, row, told[row["request_id"]]) if row["request_id"] in told else None
        found = by_people or row
        if found["kind"] is not None and (found["complete"] or not complete):
            yield found


def label_rows_of(db: Database, ids: Collection[str]) -> Iterator[Row]:
    """The rows of these requests alone, as judges found them, in order of arrival."""
    wanted = "WHERE l.request_id IN (SELECT value FROM json_each(?)) ORDER BY l.arrived_at, l.request_id"
    yield from db.query(f"{_VIEW} {wanted}", [dumps(sorted(ids)).decode()])


def _by_people(db: Database, row: Row, told: Mapping[str, Any]) -> Row | None:
    """``row`` as people would have it; None where they do not say what is best."""
    id_ = row["request_id"]
    authors: dict[CandidateId, str] = dict(
        db.execute("SELECT id, member FROM candidates WHERE request_id = ? ORDER BY id", [id_]).fetchall()
    )
    found = opinion(told, authors)
    if found is None:
        return None
    best = sorted({authors[one] for one in found.best})
    whole = planned(db, id_) <= set(authors.values())
    return row | {
        "kind": "all_bad" if not best else "full" if whole else "early",
        "source": "human",
        "judged_by": _names(found),
        "judge": None,
        "verdict_id": None,
        "finding": None,
        "phase": None,
        "confidence": None,
        "complete": int(whole),
        "overturned": 0,
        "disagreement": None,
        "usable": int(bool(best) and len(set(authors.values())) > 1),
        "best": dumps(best).decode(),
        "scores": dumps(dict(db.execute(_RATINGS, [id_]).fetchall())).decode(),
        "spread": "{}",
        "judged": dumps(sorted(set(authors.values()))).decode(),
        "set_aside": "{}",
        "people": found.people,
        "agreed": len(found.by),
    }


def _names(found: Opinion) -> str:
    """One alias, or several with commas between them."""
    return ", ".join(found.by)


def planned(db: Database, id_: str) -> set[str]:
    """Every member that the plan of a request names, shadows too."""
    row = db.execute("SELECT stages, shadow FROM plans WHERE request_id = ?", [id_]).fetchone()
    if row is None:
        return set()
    stages, shadow = cast("Any", loads(row[0])), cast("Any", loads(row[1]))
    return {member for stage in stages for member in stage["members"]} | set(shadow)
