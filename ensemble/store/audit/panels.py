"""Which requests a whole panel answered, and what the answers that were served had cost. Blocking."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, cast

from ensemble.store.audit.drawn import lot
from ensemble.store.audit.window import EVERYTHING, WHERE, Window
from ensemble.store.content import dumps, loads, unbind
from ensemble.store.database import Database, is_sqlite
from ensemble.types import RequestId

_WHOLE = """
FROM (
    SELECT request_id, day, router FROM audit_cases WHERE complete = 1
    UNION ALL
    -- Those whose facts are still to be made.
    SELECT r.id, substr(r.arrived_at, 1, 10), r.model FROM requests r
    WHERE r.id IN (SELECT request_id FROM audit_stale)
        AND NOT EXISTS (SELECT 1 FROM audit_cases c WHERE c.request_id = r.id AND c.complete = 1)
        AND EXISTS (SELECT 1 FROM verdicts v WHERE v.request_id = r.id AND v.parent IS NULL AND v.complete = 1)
) w
"""
_SERVED = """
SELECT r.id, r.model, r.member,
    (
        SELECT json_group_array(DISTINCT k.member) FROM calls k WHERE k.request_id = r.id AND k.purpose = 'candidate'
    ) AS called,
    (
        SELECT CASE WHEN count(k.nano_usd) = count(*) THEN coalesce(sum(k.nano_usd), 0) END FROM calls k
        WHERE k.request_id = r.id AND k.purpose IN ('judge', 'router') AND k.after_answer = 0
    ) AS asking
FROM requests r
WHERE r.id IN (SELECT value FROM json_each(?)) AND r.source = 'served' AND r.member IS NOT NULL ORDER BY r.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """How one request was served.

    Attributes:
        called: the members that were called for the answer, shadows left out.
        asking: nano-USD of judging and routing before the answer went out; None where that is unknown.
    """

    request: RequestId
    router: str
    member: str
    called: tuple[str, ...]
    asking: int | None


def whole_panels(db: Database, most: int, window: Window = EVERYTHING) -> tuple[list[str], int]:
    """Ids of ``most`` requests whose every member was judged, drawn by lot, and how many of them there are.

    The lot is the random end of the id, so the same log gives the same sample.
    """
    given = {**window.given, "most": most}
    (total,) = db.execute(f"SELECT count(*) {_WHOLE} WHERE {WHERE}", given).fetchone()
    order = f"ORDER BY {lot('request_id')}, request_id LIMIT :most"
    drawn = db.execute(f"SELECT request_id {_WHOLE} WHERE {WHERE} {order}", given)
    return [row[0] for row in drawn], int(total)


def served(db: Database, ids: Collection[str]) -> Iterator[Served]:
    """How those of the requests were served that a client had asked."""
    for row in db.query(_SERVED, [dumps(sorted(ids)).decode()]):
        yield Served(
            request=RequestId(row["id"]),
            router=unbind(row["model"]),
            member=unbind(row["member"]),
            called=tuple(sorted(map(unbind, cast("list[Any]", loads(row["called"]))))),
            asking=row["asking"],
        )


def version(db: Database) -> tuple[str, str, int]:
    """What changes when the labels of a log do: where it is, its first verdict, how many there are to three digits.

    Small logs change with every verdict, large ones with every hundredth part or so.
    """
    first, last = db.execute(
        "SELECT (SELECT min(id) FROM verdicts), (SELECT max(rowid) FROM verdicts)"  # apart, each is one look-up
    ).fetchone()
    step = int(10 ** max(0, len(str(last or 0)) - 3))
    return _place(db), first or "", (last or 0) // step


def _place(db: Database) -> str:
    """Which log it is: its file, or its database and schema."""
    if is_sqlite(db):
        return str(next(row[2] for row in db.execute("PRAGMA database_list") if row[1] == "main"))
    return str(db.execute("SELECT current_database() || '/' || current_schema()").fetchone()[0])
