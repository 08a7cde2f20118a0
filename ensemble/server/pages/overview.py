"""The overview: traffic, cost, who wins, and what each member, judge and router earns."""

from ensemble.audit.overview import overview
from ensemble.audit.worth_tables import earnings
from ensemble.server.pages.registry import PAGES, Page

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
        figures=earnings,
        template="worth.html",
    )
)
