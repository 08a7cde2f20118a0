"""What people have said of one request, the test sets that it is in, and how far its candidates differ. Blocking."""

from collections.abc import Mapping

from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.queries import Tree
from ensemble.store.review_seats import OUTVOTED

_SAID = f"""
SELECT f.id, f.created_at, f.given_by, f.source, f.kind, f.candidate_id, f.name, f.value, f.text, f.probability,
    {OUTVOTED} AS outvoted
FROM feedback f WHERE f.request_id = ? ORDER BY f.created_at, length(f.id), f.id
"""  # noqa: S608 - own text
_SIGNS = "SELECT disagreement, spread, similarity, margin, flips, conflicts FROM audit_cases WHERE request_id = ?"


def signs(db: Database, request: str) -> Tree | None:
    """The disagreement index of ``request`` and the signs behind it; None while its facts are not made yet."""
    return next(iter(db.query(_SIGNS, [request])), None)


def said(db: Database, request: str) -> list[Tree]:
    """Rows of feedback on ``request``, in the order in which it was said; ``outvoted`` ones were settled by a third."""
    return [
        {name: unbind(value) if isinstance(value, str) else value for name, value in row.items()}
        for row in db.query(_SAID, [request])
    ]


def anchor_sets(db: Database, request: str) -> Mapping[str, bool]:
    """Names of the test sets there are, and whether ``request`` is in each."""
    held = "max(CASE WHEN request_id = ? THEN 1 ELSE 0 END)"
    sql = f"SELECT anchor_set, {held} FROM anchors GROUP BY anchor_set ORDER BY anchor_set"  # noqa: S608 - own text
    return {unbind(name): bool(is_in) for name, is_in in db.execute(sql, [request])}
