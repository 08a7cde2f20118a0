"""Every watch of a service: made at start, kept up to date while it runs."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ensemble.errors import ConfigError, StoreError
from ensemble.money import NANO
from ensemble.pipeline import Pipeline
from ensemble.router import Shadow

if TYPE_CHECKING:
    from ensemble.watching.watch import Watch

log = logging.getLogger(__name__)

EVERY_S = 5.0
"""Seconds between two looks at what other processes noted, a promotion among it."""


async def watches_of(pipeline: Pipeline) -> dict[str, "Watch"]:
    """A watch, up to date, for each router that has a ``shadow`` table.

    Raises:
        ConfigError: a cap that cannot be kept, since a member of the panel has no bound of its cost.
        StoreError: the log cannot be read.
    """
    shadows = {name: router.shadow for name, router in pipeline.routers.items() if router.shadow is not None}
    return await _watches(pipeline, shadows) if shadows else {}


async def _watches(pipeline: Pipeline, shadows: Mapping[str, Shadow]) -> dict[str, "Watch"]:
    # Here, since they bring the labelling along, 3 MB that few services need.
    from ensemble.labelling.checks import check
    from ensemble.labelling.runner import Options
    from ensemble.watching.watch import Watch

    found = {}
    for name, options in shadows.items():
        cap = options.max_usd_per_day
        try:
            check(
                pipeline,
                Options(
                    run=name,
                    members=options.panel,
                    judge=options.judge,
                    max_nano_usd=None if cap is None else int(cap * NANO),
                ),
            )
        except ConfigError as error:
            raise ConfigError(f"[routers.{name}.shadow] max_usd_per_day: {error}") from error
        found[name] = Watch(name, options, pipeline)
        await found[name].refresh()
    return found


@asynccontextmanager
async def keeping_watch(watches: Callable[[], Mapping[str, "Watch"]]) -> AsyncIterator[None]:
    """Keep ``watches()``, those in force, up to date while the context is open."""
    task = asyncio.get_running_loop().create_task(_rounds(watches))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _rounds(watches: Callable[[], Mapping[str, "Watch"]]) -> None:
    while True:
        await asyncio.sleep(EVERY_S)
        for name, watch in watches().items():
            try:
                await watch.refresh()
            except StoreError as error:
                log.warning("router %s: the watch cannot read the log: %s", name, error)
            except Exception:
                log.exception("router %s: the watch failed", name)  # a bug, which must not end those of other routers
