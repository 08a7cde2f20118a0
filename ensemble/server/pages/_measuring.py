"""The routers of a configuration, measured on labels that were read before."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from ensemble.audit.routers import Measured
from ensemble.config import Settings, load
from ensemble.config.operations import StoreSettings
from ensemble.errors import ConfigError, InvalidRequest
from ensemble.evaluating import Task, measure
from ensemble.router import ROUTERS, Router
from ensemble.store.audit.drawn import Drawn
from ensemble.training.held import Held
from judges.registry import ModelName, obstacles

CHANGED = (
    "What the service was told is no more what stands in {name}, so its routers cannot be made anew: have it read that "
    "file again."
)


def apart(settings: Settings) -> Callable[[Held, Drawn], Measured]:
    """``measured`` for another process, which reads the configuration itself.

    What serves cannot go there: a router remembers what it was asked, and a plugin's file is imported here alone.
    """
    return partial(_read_anew, settings.path, settings.digest, settings.store)


def _read_anew(path: Path, digest: str, store: StoreSettings, held: Held, sample: Drawn) -> Measured:
    try:
        settings = load(path, secrets=False)  # nobody is asked
    except ConfigError as error:
        return Measured(drawn=sample, why=str(error))
    if settings.digest != digest:
        return Measured(drawn=sample, why=CHANGED.format(name=path.name))
    return measured(held, sample, replace(settings, store=store))


def measured(held: Held, sample: Drawn, settings: Settings) -> Measured:
    """The routers of ``settings`` that ask no model, on ``held``. Blocks, and runs a loop of its own."""
    routers, left_out = _made(settings)
    task = Task(data=settings.store.address, routers=routers, settings=settings, curves=True)
    try:
        # Plans are made by the thousand, and clients must not wait for them on theirs.
        found = asyncio.run(measure(task, held))
    except (ConfigError, InvalidRequest) as error:
        return Measured(drawn=sample, why=str(error), left_out=left_out)
    return Measured(drawn=sample, report=found.report, curves=found.curves, left_out=left_out)


def _made(settings: Settings) -> tuple[dict[str, Router], dict[str, str]]:
    """Routers made anew and loaded, since those that serve belong to another loop; why others are left out."""
    routers, left_out = dict[str, Router](), dict[str, str]()
    for name, served in settings.routers.items():
        asked = sorted({str(model) for _, model in served.references() if isinstance(model, ModelName)})
        if asked:
            left_out[name] = f"it asks {', '.join(asked)}, which `ensemble evaluate --call` does"
            continue
        router = ROUTERS.build(served.model_dump())
        if problems := obstacles(router):
            left_out[name] = "; ".join(told for _, told in problems)
        else:
            routers[name] = router
    return routers, left_out
