"""What the watch on served routers noted, day by day. Blocking."""

from dataclasses import dataclass

from ensemble.store.audit.window import EVERYTHING, Window
from ensemble.store.content import unbind
from ensemble.store.database import Database

_NOTED = "substr(at, 1, 10) >= :since AND (:until = '' OR substr(at, 1, 10) <= :until)"
_DAYS = f"""
SELECT router, digest, judge, substr(at, 1, 10) AS day, event, count(*), avg(value), avg(value * value) FROM watched
WHERE event IN ('label', 'anchor') AND {_NOTED} AND (CAST(:router AS TEXT) IS NULL OR router = :router)
GROUP BY router, digest, judge, day, event ORDER BY router, min(id)
"""  # noqa: S608 - our own text
_DECISIONS = f"""
SELECT router, digest, judge, at, event, why FROM watched
WHERE event IN ('demoted', 'judge_drift', 'promoted') AND {_NOTED}
    AND (CAST(:router AS TEXT) IS NULL OR router = :router)
ORDER BY id DESC LIMIT :most
"""  # noqa: S608 - our own text


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of one watch: ``n`` values in [0, 1] of ``event``, label (quality kept) or anchor, and their moments."""

    router: str
    digest: str
    judge: str
    day: str
    event: str
    n: int
    mean: float
    variance: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A router was demoted or promoted, or its judge found to drift."""

    router: str
    digest: str
    judge: str
    at: str
    event: str
    why: str


def days(db: Database, window: Window = EVERYTHING) -> list[Day]:
    """Every day of every watch in ``window``, by router and in order of time."""
    return [
        Day(
            router=unbind(router),
            digest=digest,
            judge=judge,
            day=day,
            event=event,
            n=n,
            mean=mean,
            variance=max(0.0, squares - mean * mean),
        )
        for router, digest, judge, day, event, n, mean, squares in db.execute(_DAYS, window.given)
    ]


def decisions(db: Database, most: int, window: Window = EVERYTHING) -> list[Decision]:
    """The latest ``most`` decisions in ``window``, the newest first."""
    return [
        Decision(router=unbind(router), digest=digest, judge=judge, at=at, event=event, why=unbind(why))
        for router, digest, judge, at, event, why in db.execute(_DECISIONS, {**window.given, "most": most})
    ]
