"""Whether the routers that serve keep their quality, as the watch on them noted."""

from dataclasses import replace
from math import sqrt

from ensemble.audit.cells import NONE, normal, ranged, share, spread
from ensemble.audit.shapes import Column, Table, Window
from ensemble.store.audit.standing import Noted, standing
from ensemble.store.database import Database
from ensemble.training.intervals import Interval

_TABLE = Table(
    name="drift",
    title="Drift of served routers",
    columns=(
        Column(name="router", title="Router"),
        Column(name="state", title="State"),
        Column(name="since", title="Since", kind="time"),
        Column(name="labels", title="Labels", kind="count"),
        *ranged("kept", "Quality kept", "number"),
        Column(name="anchors", title="Judge checks", kind="count"),
        *ranged("agreement", "Judge agrees with itself", "share"),
        Column(name="why", title="Why"),
    ),
    rows=(),
    note=(
        "Since the router was promoted last, whatever the period. Quality kept is 1 where the answer was as good as "
        "the best of the panel. `ensemble watch` tells the bound by which a router is demoted."
    ),
    empty="No router is watched. A table [routers.NAME.shadow] has a share of its requests judged against the panel.",
)


def drift(db: Database, window: Window) -> Table:
    """Where each watched router stands, with its figures; the days of ``window`` do not matter."""
    rows = [
        {
            "router": one.router,
            "state": one.state,
            "since": one.since or None,
            "labels": one.labels.n,
            **spread("kept", _mean(one.labels)),
            "anchors": one.anchors.n,
            **share("agreement", (one.anchors.mean or 0.0) * one.anchors.n, one.anchors.n),
            "why": one.why,
        }
        for one in standing(db, window)
    ]
    return replace(_TABLE, rows=rows)


def _mean(noted: Noted) -> Interval:
    if noted.mean is None:
        return NONE
    if noted.n < 2 or noted.variance is None:
        return Interval(point=noted.mean, low=float("nan"), high=float("nan"))
    return normal(noted.mean, sqrt(noted.variance / (noted.n - 1)))
