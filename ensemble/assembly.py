"""Puts together what answers requests, from a configuration and from what the log has taught so far."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ensemble.config import Settings
from ensemble.errors import StoreError
from ensemble.fanout import Stragglers
from ensemble.fleet import Fleet
from ensemble.habits import Sittings
from ensemble.means import Means
from ensemble.pipeline import Pipeline
from ensemble.router import MemberName, Router
from ensemble.routers.single import Single
from ensemble.store import Store
from ensemble.store.findings import findings
from ensemble.store.habits import recall
from ensemble.watching.keeping import watches_of

if TYPE_CHECKING:
    from ensemble.watching.watch import Watch

log = logging.getLogger(__name__)


async def assemble(
    settings: Settings, fleet: Fleet, store: Store, stragglers: Stragglers, means: Means, sittings: Sittings
) -> tuple[Pipeline, Mapping[str, "Watch"]]:
    """The pipeline, and the watches that look after its routers. Raises ConfigError and StoreError."""
    watches: dict[str, Watch] = {}
    pipeline = Pipeline(
        routers=routers_of(settings),
        fleet=fleet,
        judges=settings.judges,
        store=store,
        stragglers=stragglers,
        config=settings.digest,
        means=means,
        sittings=sittings,
        watches=watches,
    )
    watches |= await watches_of(pipeline)
    return pipeline, watches


def routers_of(settings: Settings) -> dict[str, Router]:
    """Routers in the order of the file, then one for each member."""
    alone = {name: Single(member=MemberName(name)) for name in settings.members}
    return {**settings.routers, **{name: one for name, one in alone.items() if name not in settings.routers}}


async def means_of(settings: Settings, store: Store) -> Means:
    """What the log knows of the quality of members. Raises StoreError."""
    means = Means(settings=settings.judging)
    if settings.judging.shrink == "auto" and settings.judges:
        for finding in await store.read(lambda db: findings(db, settings.judging.shrink_window)):
            means.learn(finding)
    return means


async def sittings_of(settings: Settings, store: Store, fleet: Fleet, before: Pipeline | None = None) -> Sittings:
    """What the log knows of judges; members of ``fleet`` that were not in ``before`` learn what it knows."""
    sittings = before.sittings if before else Sittings()
    fresh = [one for one in fleet.values() if before is None or before.fleet.get(one.name) is not one]
    digests = {judge.digest for judge in settings.judges.values()}
    digests -= {judge.digest for judge in before.judges.values()} if before else set()
    try:
        await store.read(lambda db: recall(db, fresh, digests, sittings))
    except StoreError as error:
        log.warning("limits of requests begin without what is in the log: %s", error)
    return sittings
