"""One evaluation from names to figures: routers by name, labels of a log or file, and the fleet to plan with."""

import asyncio
import difflib
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ensemble.bench import open_bench
from ensemble.config import Settings, unloadable
from ensemble.errors import ConfigError, InvalidRequest
from ensemble.fleet import Fleet, MemberSettings
from ensemble.ledger import Aim
from ensemble.money import Total, total
from ensemble.router import ROUTERS, JudgeName, MemberName, Router
from ensemble.routers.single import Single
from ensemble.ruling import Models as Consulted
from ensemble.store.address import Where
from ensemble.training.evaluate import TooFewLabels, evaluate, measurable
from ensemble.training.held import Held, hold
from ensemble.training.offpolicy import Estimate, Logged, NoOverlap, doubly_robust, snips
from ensemble.training.panels import Panels, panels
from ensemble.training.reading import examples_of
from ensemble.training.replay import Models, Replayed, nothing, offline_fleet, replay
from ensemble.training.report import Report
from ensemble.types import Call, Request
from judges.errors import JudgingError
from judges.judge import Judge
from judges.registry import ModelName, obstacles
from judges.types import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What is to be measured.

    Attributes:
        settings: None where there is no configuration; then the members are those of the labels.
        off_policy: estimate the routers' quality from routed traffic too: self-normalized inverse propensity scores, or
            doubly robust with the routers' own predictions, where they have some.
        call: routers may ask models.
        curves: fit trained routers again on fewer labels, for their learning curves.
    """

    data: Where
    routers: Mapping[str, Router]
    settings: Settings | None = None
    members: tuple[str, ...] = ()
    panels: bool = False
    off_policy: Literal["snips", "dr"] | None = None
    call: bool = False
    curves: bool = False
    draws: int = 1000
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was found; ``report`` is None where only routed traffic could be told of.

    ``offpolicy`` holds, by router, an estimate or the sentence why there is none.
    ``asked`` is what routers spent on asking models, and ``unanswered`` says of which of them some calls failed.
    ``curves`` holds learning curves (labels, quality) by router.
    """

    data: Where
    report: Report | None
    panels: Panels | None = None
    offpolicy: Mapping[str, Estimate | str] = field(default_factory=dict)
    curves: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    asked: Total = field(default_factory=lambda: Total(0, 0))
    unanswered: Mapping[str, str] = field(default_factory=dict)


def routers_of(names: tuple[str, ...], settings: Settings | None) -> dict[str, Router]:
    """The routers that are meant: by the name of a router or member of ``settings``, or by the folder of a trained one.

    Raises:
        InvalidRequest: there is none of a name; the nearest names are told.
    """
    routers = dict(settings.routers) if settings else {}
    members = tuple(settings.members) if settings else ()
    found: dict[str, Router] = {}
    for name in names:
        path = Path(name)
        if name in routers:
            found[name] = routers[name]
        elif name in members or (settings is None and not path.exists()):
            found[name] = Single(member=MemberName(name))
        elif path.is_dir():
            found[name] = _trained(path)
        else:
            known = [*routers, *members]
            near = difflib.get_close_matches(name, known, n=1) or known
            raise InvalidRequest(f"there is no router, member or router folder {name!r}; try {', '.join(near)}")
    return found


def _trained(folder: Path) -> Router:
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        use = str(manifest["use"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRequest(f"{folder} is no router folder: manifest.json cannot be read ({error})") from None
    try:
        return ROUTERS.build({"use": use, "path": str(folder)})
    except JudgingError as error:
        raise InvalidRequest(f"{folder} holds no router that can be measured by itself: {error}") from None


async def run(task: Task) -> Evaluation:
    """Read the labels, let the routers plan, and measure.

    Raises:
        ConfigError: a router cannot be loaded.
        InvalidRequest: the labels cannot be used, none is left to measure on, a router would have to ask a model, or
            none of its questions was answered.
        StoreError: the log cannot be read.
    """
    _check(task)
    await asyncio.to_thread(_load, task)
    whole = await asyncio.to_thread(lambda: hold(examples_of(task.data, complete=not task.off_policy)))
    return await measure(task, whole)


async def measure(task: Task, whole: Held) -> Evaluation:
    """``run`` on labels that were read before; the routers are loaded.

    Raises:
        InvalidRequest: as ``run``.
    """
    judges = task.settings.judges if task.settings else {}
    trained = frozenset[str]().union(*(_trained_on(router, judges) for router in task.routers.values()))
    offpolicy = await _off_policy(whole, task, judges) if task.off_policy else {}
    try:
        held, frame = await asyncio.to_thread(measurable, whole, trained, task.members or None)
    except TooFewLabels:
        if not offpolicy:
            raise
        # Routed traffic alone has no full panel; what it tells is told.
        return Evaluation(data=task.data, report=None, offpolicy=offpolicy)
    calls: list[Call] = []
    async with _fleet(task, held, calls) as (fleet, models):
        replayed = [
            await replay(name, router, held, fleet, judges=judges, models=models)
            for name, router in task.routers.items()
        ]
    unanswered = _unanswered(calls)
    report = await asyncio.to_thread(lambda: evaluate(held, frame, replayed, draws=task.draws, seed=task.seed))
    tried = await asyncio.to_thread(lambda: panels(held, draws=task.draws, seed=task.seed)) if task.panels else None
    return Evaluation(
        data=task.data,
        report=report,
        panels=tried,
        offpolicy=offpolicy,
        curves=await asyncio.to_thread(_curves, task, whole, held) if task.curves else {},
        asked=total(call.usage.nano_usd for call in calls),
        unanswered=unanswered,
    )


def _trained_on(router: Router, judges: Mapping[str, Judge]) -> frozenset[str]:
    """What ``router`` was fitted on, and the judges that decide whether an answer of its stages stands."""
    named = {str(name) for _, name in router.references() if isinstance(name, JudgeName)}
    return router.trained_on().union(*(judge.trained_on() for name, judge in judges.items() if name in named))


def _unanswered(calls: Sequence[Call]) -> dict[str, str]:
    """How many calls of each router failed, and how.

    Raises:
        InvalidRequest: all of them; its default would be measured under its name.
    """
    found: dict[str, str] = {}
    for router in sorted({str(call.seat) for call in calls}):
        made = [call for call in calls if call.seat == router]
        failures = Counter(str(call.failure) for call in made if call.failure is not None)
        if not failures:
            continue
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(failures.items()))
        if failures.total() == len(made):
            detail = next((f": {call.detail}" for call in made if call.detail), "")
            raise InvalidRequest(f"router {router!r} got no answer from the model that it asks ({kinds}){detail}")
        found[router] = f"{failures.total()} of {len(made)} calls failed ({kinds})"
    return found


def _curves(task: Task, whole: Held, held: Held) -> dict[str, tuple[tuple[float, float], ...]]:
    """Learning curves of those routers whose folder says how they were fitted, where their labels are among these."""
    found = {}
    for name, router in task.routers.items():
        folder = getattr(router, "path", None)
        if not isinstance(folder, Path) or not (folder / "manifest.json").is_file():
            continue
        from ensemble.training.learning import learning_curve  # for seconds, since it imports scikit-learn

        manifest = json.loads((folder / "manifest.json").read_bytes())
        seen = whole.take(~whole.unseen(router.trained_on()))
        if points := learning_curve(seen.table, held, manifest):
            found[name] = points
    return found


def _check(task: Task) -> None:
    for name, router in task.routers.items():
        # Without an answer such a router falls back on a member of its own, and that would be measured under its name.
        asked = {str(model) for _, model in router.references() if isinstance(model, ModelName)}
        if asked and not task.call:
            raise InvalidRequest(
                f"router {name!r} asks {', '.join(sorted(asked))}: add --call, which costs, or leave it out"
            )


def _load(task: Task) -> None:
    settings = task.settings
    problems = (
        [one.line for one in unloadable(replace(settings, providers={}, routers=task.routers))]
        if settings
        else [f"{name}: {told}" for name, router in task.routers.items() for _, told in obstacles(router)]
    )
    if problems:
        raise ConfigError("\n".join(problems))


def planned_with(settings: Settings | None, held: Held) -> Fleet:
    """Members that nobody can call: those of ``settings``, and what the labels know beside them."""
    known = settings.members if settings else {}
    missing = {name: MemberSettings(provider="none", model=name) for name in held.table.members}  # type: ignore[arg-type] # a name, see ProviderName
    return offline_fleet({**missing, **known})


@asynccontextmanager
async def _fleet(task: Task, held: Held, calls: list[Call]) -> AsyncIterator[tuple[Fleet, Models]]:
    """The fleet to plan with, and what routers may ask about a request."""
    if not task.call or task.settings is None:
        yield planned_with(task.settings, held), nothing
        return
    async with open_bench(task.settings, {}) as fleet:

        def models(request: Request) -> Mapping[str, Model]:
            aim = Aim(purpose="router", seat=request.model)
            return Consulted(fleet, request, aim, calls.append, request.deadline)

        yield fleet, models


async def _off_policy(whole: Held, task: Task, judges: Mapping[str, Judge]) -> dict[str, Estimate | str]:
    """An estimate for each router on all rows, complete or not; the sentence why there is none where there is none."""
    found: dict[str, Estimate | str] = {}
    fresh = whole
    async with _fleet(task, whole, []) as (fleet, _):
        for name, router in task.routers.items():
            fresh = whole.take(whole.unseen(_trained_on(router, judges)))
            # A plan is made for every row; what it would get is estimated, not looked up.
            made = await replay(name, router, _as_if_known(fresh), fleet, judges=judges)
            found[name] = await asyncio.to_thread(_estimate, fresh, made, task)
    return found


def _as_if_known(held: Held) -> Held:
    return replace(held, table=replace(held.table, quality=np.nan_to_num(held.table.quality)))


def _estimate(held: Held, made: Replayed, task: Task) -> Estimate | str:
    planned = made.choice.sum(axis=1) > 0
    rows = held.take(planned)
    if (made.called.sum(axis=1) > 1).any():
        return "it calls several members at once; only routers that choose one can be estimated from routed traffic"
    logged = Logged(
        target=made.choice[planned],
        propensity=rows.propensity,
        quality=rows.table.quality,
        groups=rows.table.groups,
        members=rows.table.members,
    )
    predicted = made.predicted[planned]
    try:
        if task.off_policy == "dr" and not np.isnan(predicted).any():
            return doubly_robust(logged, predicted, draws=task.draws, seed=task.seed)
        return snips(logged, draws=task.draws, seed=task.seed)
    except NoOverlap as error:
        return str(error)
