"""Which part of the log figures are about."""

from dataclasses import dataclass

from ensemble.store.content import bind_optional, unbind
from ensemble.store.database import Database


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which part of the log figures are about: the filters that every page keeps in its address.

    Attributes:
        since: first UTC day, such as 2026-11-23; "" for all.
        until: last UTC day; "" for all.
        router: name of a router (``requests.model``); None for all.
    """

    since: str = ""
    until: str = ""
    router: str | None = None

    @property
    def given(self) -> dict[str, object]:
        """The parameters of ``WHERE``."""
        return {"since": self.since, "until": self.until, "router": bind_optional(self.router)}


WHERE = "day >= :since AND (:until = '' OR day <= :until) AND (CAST(:router AS TEXT) IS NULL OR router = :router)"
"""A condition on tables with the columns ``day`` and ``router``, with the parameters ``Window.given``.

PostgreSQL has to be told the type of a parameter that is only looked at for being there.
"""
ARRIVED = """
r.arrived_at >= :since AND (:until = '' OR r.arrived_at < :until || 'U')
    AND (CAST(:router AS TEXT) IS NULL OR r.model = :router)
"""
"""The same on ``requests r``. A day is how its moments begin, and U comes after the T that follows it."""
EVERYTHING = Window()


def routers(db: Database) -> list[str]:
    """Names that requests went to, those that are in no configuration any more included, in their order."""
    return [unbind(name) for (name,) in db.execute("SELECT DISTINCT router FROM daily_requests ORDER BY router")]
