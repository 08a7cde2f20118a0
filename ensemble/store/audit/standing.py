"""How the watched routers of a log stand, from what was noted of them. Blocking."""

from collections.abc import Iterator
from dataclasses import dataclass

from ensemble.store.audit.window import EVERYTHING, Window
from ensemble.store.content import bind_optional, unbind
from ensemble.store.database import Database

_LATEST = """
SELECT router, digest, judge, coalesce(max(id) FILTER (WHERE event = 'promoted'), 0) AS began, max(id) AS last
FROM watched WHERE CAST(:router AS TEXT) IS NULL OR router = :router
GROUP BY router, digest, judge ORDER BY router, last
"""
_FIGURES = """
SELECT event, count(*), avg(value), avg(value * value) FROM watched
WHERE router = ? AND digest = ? AND judge = ? AND id > ? AND event IN ('label', 'anchor') GROUP BY event
"""
_DECIDED = """
SELECT event, at, why FROM watched
WHERE router = ? AND digest = ? AND judge = ? AND id > ? AND event IN ('demoted', 'judge_drift')
ORDER BY id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """A mean of ``n`` values in [0, 1] with its variance; None of both where ``n`` is 0."""

    n: int = 0
    mean: float | None = None
    variance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stands:
    """One watched router since it was promoted last, or from its beginning.

    Attributes:
        state: watched, demoted or judge_drift; ``since`` (UTC) and ``why`` tell of the latter two.
        labels: quality kept of the panel's best, by label.
        anchors: agreement of the judge with its own findings, by anchor.
    """

    router: str
    digest: str
    judge: str
    state: str
    since: str
    why: str
    labels: Noted
    anchors: Noted


def standing(db: Database, window: Window = EVERYTHING) -> list[Stands]:
    """The routers of a log that were watched, each as it was configured last: another digest or judge begins anew."""
    latest = {unbind(row[0]): row for row in db.execute(_LATEST, {"router": bind_optional(window.router)})}
    return [_stands(db, router, row[:3], row[3]) for router, row in latest.items()]


def _stands(db: Database, router: str, key: tuple[str, str, str], began: int) -> Stands:
    found = dict(_noted(db, [*key, began]))
    decided = db.execute(_DECIDED, [*key, began]).fetchone()
    state, since, why = decided or ("watched", "", "")
    return Stands(
        router=router,
        digest=key[1],
        judge=key[2],
        state=state,
        since=since,
        why=unbind(why),
        labels=found.get("label", Noted()),
        anchors=found.get("anchor", Noted()),
    )


def _noted(db: Database, given: list[object]) -> Iterator[tuple[str, Noted]]:
    for event, n, mean, squares in db.execute(_FIGURES, given):
        yield event, Noted(n=n, mean=mean, variance=max(0.0, squares - mean * mean))
