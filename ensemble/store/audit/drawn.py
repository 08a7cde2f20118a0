"""A part of the log for figures that would take too long on all of it: drawn evenly, and the same each time. Blocking.

The last digits of a request's id are random, so those that come first by them are a simple random sample, and a larger
sample holds the smaller ones.
"""

from dataclasses import dataclass

from ensemble.store.audit.window import ARRIVED, EVERYTHING, Window
from ensemble.store.database import Database
from ensemble.types import RequestId

_ALL = "SELECT DISTINCT request_id AS id FROM verdicts"
_SOME = f"""
SELECT r.id FROM requests r WHERE {ARRIVED} AND EXISTS (SELECT 1 FROM verdicts v WHERE v.request_id = r.id)
"""  # noqa: S608 - our own text
Version = tuple[int | None, ...]
"""Numbers that rise when a verdict, feedback, a check of anchors, or an erasure is added."""


def lot(column: str) -> str:
    """What requests are drawn by, as an expression on the ``column`` of their ids: the random last digits."""
    return f"substr({column}, length({column}) - 11)"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Requests, in order of arrival, and how many there were to draw from; ``what`` they are."""

    ids: tuple[RequestId, ...]
    of: int
    what: str = "judged requests"

    @property
    def note(self) -> str:
        """How it was drawn, in a sentence."""
        if len(self.ids) == self.of:
            return f"All {self.of:,} {self.what}."
        return f"{len(self.ids):,} of {self.of:,} {self.what}, drawn evenly by their random ids."


def drawn(db: Database, most: int, window: Window = EVERYTHING) -> Drawn:
    """At most ``most`` of the judged requests of ``window``."""
    sql = _ALL if window == EVERYTHING else _SOME
    (of,) = db.execute(f"SELECT count(*) FROM ({sql}) d", window.given).fetchone()  # noqa: S608
    order = f"SELECT id FROM ({sql}) d ORDER BY {lot('id')}, id LIMIT :most"  # noqa: S608
    rows = db.execute(order, {**window.given, "most": most})
    return Drawn(tuple(sorted(RequestId(id_) for (id_,) in rows)), of)


def version(db: Database) -> Version:
    """What the figures that are made of samples depend on; cheap, and the same while nothing is judged or said."""
    found = db.execute(
        "SELECT (SELECT max(rowid) FROM verdicts), (SELECT max(rowid) FROM feedback), "
        "(SELECT max(rowid) FROM anchor_checks), (SELECT max(rowid) FROM tombstones), "
        "(SELECT max(rowid) FROM review_draws)"
    )
    return tuple(found.fetchone())
