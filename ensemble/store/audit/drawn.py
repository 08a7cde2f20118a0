"""A part of the log for figures that would take too long on all of it: drawn evenly, and the same each time. Blocking.

The last digits of a request's id are random, so those that come first by them are a simple random sample, and a larger
sample holds the smaller ones.
"""

from dataclasses import dataclass

from sqlite_utils import Database

from ensemble.store.content import bind_optional
from ensemble.types import RequestId

_ALL = "SELECT DISTINCT v.request_id AS id FROM verdicts v WHERE {which}"
_SOME = """
SELECT DISTINCT v.request_id AS id FROM verdicts v JOIN requests r ON r.id = v.request_id
WHERE {which} AND r.arrived_at >= :since AND (:until = '' OR r.arrived_at < :until || 'U')
    AND (:router IS NULL OR r.model = :router)
"""
# A day is the begin of its moments, and U comes after the T behind it.


@dataclass(frozen=True, slots=True)
class Drawn:
    """Requests, in order of arrival, and how many there were to draw from."""

    ids: tuple[RequestId, ...]
    of: int

    @property
    def note(self) -> str:
        """How it was drawn, in a sentence."""
        if len(self.ids) == self.of:
            return f"All {self.of:,} judged requests."
        return f"{len(self.ids):,} of {self.of:,} judged requests, drawn evenly by their random ids."


def drawn(
    db: Database, most: int, *, since: str = "", until: str = "", router: str | None = None, complete: bool = False
) -> Drawn:
    """At most ``most`` of the judged requests that arrived on the UTC days from ``since`` to ``until``.

    ``complete`` takes those alone that a verdict on every member of their plan is known of.
    """
    which = "v.parent IS NULL AND v.complete = 1" if complete else "1"
    sql = (_SOME if since or until or router is not None else _ALL).format(which=which)
    given = {"since": since, "until": until, "router": bind_optional(router)}
    (of,) = db.execute(f"SELECT count(*) FROM ({sql})", given).fetchone()  # noqa: S608 - our own text
    order = f"SELECT id FROM ({sql}) ORDER BY substr(id, -12), id LIMIT {int(most)}"  # noqa: S608
    return Drawn(tuple(sorted(RequestId(id_) for (id_,) in db.execute(order, given))), of)
