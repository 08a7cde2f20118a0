"""The overview: traffic, cost, who wins, and what each member, judge and router earns."""

from collections.abc import Mapping

from ensemble.audit.overview import overview
from ensemble.audit.shapes import Table, Window
from ensemble.server.pages.registry import PAGES, Page
from ensemble.store.database import Database


def _earnings(db: Database, window: Window, query: Mapping[str, str]) -> dict[str, Table]:
    # Late: it takes numpy along, which a service has no other need of.
    from ensemble.audit.worth_tables import earnings

    return earnings(db, window, query)


PAGES.add(
    Page(
        name="overview",
        title="Overview",
        order=1,
        told="What came in, what it cost, who wins, and whether the routers hold.",
        figures=overview,
        template="overview.html",
    )
)
PAGES.add(
    Page(
        name="worth",
        title="Worth",
        order=2,
        told="What each member, the judge and the router that served earn, on answers that a whole panel gave.",
        figures=_earnings,
        template="worth.html",
    )
)
