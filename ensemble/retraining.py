"""A served router folder trained anew on what was labelled since, and put in its place only if it is better."""

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ensemble.config import Settings, unloadable
from ensemble.config.folders import moved, readers, without_canary
from ensemble.errors import ConfigError, InvalidRequest
from ensemble.evaluating import planned_with, routers_of
from ensemble.fleet import digest_of
from ensemble.router import ROUTERS, JudgeName, Router
from ensemble.routers._policy import Pinned
from ensemble.routers.semantic import Semantic
from ensemble.store.address import Where
from ensemble.training.contest import Match, compare, contested, divide, names_of, price_of_quality, seen_by
from ensemble.training.held import Held, hold
from ensemble.training.reading import examples_of
from ensemble.training.replay import Replayed, replay
from ensemble.training.semantic import Scheme, scheme_of
from ensemble.training.table import Table
from ensemble.training.train import CannotLearn, Order, build, members_of
from judges.judge import JUDGES
from judges.learning.folder import CANARY, beside, promote, read_manifest, roll_back
from judges.learning.folder import retrain as again

Decision = Literal["promoted", "canary", "kept", "canary_worse", "rolled_back", "canary_ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A router of the configuration, as it is written down, and the folder that it, or a part of it, reads."""

    name: str
    router: Router
    folder: Path

    @property
    def canary(self) -> Path:
        """Where its canary lies, if it has one."""
        return beside(self.folder, CANARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to train anew and from which labels.

    Attributes:
        share: of the fresh labels to compare on, the latest; the others are learned from.
        lambda_per_usd: quality that a dollar is worth; None for what the router's own policy implies.
        canary: share of requests that a better one is to serve beside the old one; None to put it in its place.
    """

    settings: Settings
    target: Target
    data: Where
    share: float = 0.5
    lambda_per_usd: float | None = None
    canary: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was decided, from which comparison, and how many requests were learned from."""

    decision: Decision
    match: Match | None = None
    learned: int | None = None


def target_of(settings: Settings, given: str) -> Target:
    """The router that is called ``given``, or that reads the folder of that path.

    Raises:
        InvalidRequest: there is none, or it reads no folder or several.
    """
    routers = {name: without_canary(router) for name, router in settings.routers.items()}
    reading = {name: {folder for folder, _ in readers(router)} for name, router in routers.items()}
    if given in routers:
        if not reading[given]:
            raise InvalidRequest(
                f"[routers.{given}] reads no folder of `ensemble train`: there is nothing to train anew"
            )
        if len(reading[given]) > 1:
            told = ", ".join(sorted(map(str, reading[given])))
            raise InvalidRequest(f"[routers.{given}] reads several folders, {told}: name one of them instead")
        return Target(name=given, router=routers[given], folder=next(iter(reading[given])))
    for name, folders in reading.items():
        for folder in folders:
            if folder.resolve() == Path(given).resolve():
                return Target(name=name, router=routers[name], folder=folder)
    return Target(
        name=given, router=routers_of((given,), replace(settings, routers=routers))[given], folder=Path(given)
    )


async def retrain(task: Task) -> Outcome:
    """Learn as the folder was learned, compare on fresh labels, and serve the new one only if it is better.

    Raises:
        CannotLearn: too little is fresh, or too little can be learned.
        ConfigError, InvalidOptions, InvalidRequest, StoreError: as ``ensemble train`` and ``ensemble evaluate``.
        OSError: a folder cannot be written.
    """
    target = task.target
    if target.canary.exists():
        raise InvalidRequest(f"{target.canary} is being served: end it first, with --promote or --rollback")
    manifest = read_manifest(target.folder)
    if manifest.get("what") not in ("router", "scorer"):
        raise InvalidRequest(f"{target.folder} holds neither a router nor a scorer of `ensemble train`")
    if manifest["kind"] == "semantic" and not _can_see_again(manifest):
        raise InvalidRequest(f"{target.folder} holds a semantic router; train it by its own command: {again(manifest)}")
    if task.canary is not None and not _can_have_canary(target, manifest):
        raise InvalidRequest(
            f"--canary: {target.folder} is not the path of [routers.{target.name}] by itself, or judges read it too; "
            "promote without one"
        )
    whole = await asyncio.to_thread(_held, task, manifest)
    learn, contest = await asyncio.to_thread(divide, whole, seen_by(manifest), manifest["members"], task.share)
    fresh = beside(target.folder, ".new")
    order = _order(task, manifest, learn, contest, fresh)
    building = asyncio.get_running_loop().run_in_executor(None, build, learn, contest.table, order)
    try:
        done = await asyncio.shield(building)
        match = await _match(task, manifest, contest, fresh)
        if match.better and task.canary is not None:
            fresh.rename(target.canary)
            return Outcome(decision="canary", match=match, learned=done.learned)
        if match.better:
            await asyncio.to_thread(promote, fresh, target.folder)
        return Outcome(decision="promoted" if match.better else "kept", match=match, learned=done.learned)
    finally:
        await asyncio.wait([building])  # a thread cannot be interrupted, and would write its folder after all
        await asyncio.to_thread(shutil.rmtree, fresh, ignore_errors=True)


async def end_canary(task: Task) -> Outcome:
    """Put the canary in the place of the old one, unless labels that came since say that it is worse.

    Raises as ``retrain``.
    """
    target = task.target
    if not target.canary.is_dir():
        raise InvalidRequest(f"there is no {target.canary} to promote")
    manifest = read_manifest(target.folder)
    seen = seen_by(manifest) | seen_by(read_manifest(target.canary))
    whole = await asyncio.to_thread(_held, task, manifest)
    try:
        contest = contested(whole.take(whole.unseen(seen)), manifest["members"])
    except CannotLearn:
        match = None  # it was better when it became a canary, and nothing speaks against it
    else:
        match = await _match(task, manifest, contest, target.canary)
        if match.worse:
            return Outcome(decision="canary_worse", match=match)
    await asyncio.to_thread(promote, target.canary, target.folder)
    return Outcome(decision="promoted", match=match)


def go_back(target: Target) -> Outcome:
    """End the canary where there is one, else exchange the folder and the one that was there before it. Blocks.

    Raises:
        InvalidOptions: there is neither.
    """
    if target.canary.is_dir():
        shutil.rmtree(target.canary)
        return Outcome(decision="canary_ended")
    roll_back(target.folder)
    return Outcome(decision="rolled_back")


def _can_see_again(manifest: Mapping[str, Any]) -> bool:
    """Whether a semantic folder tells whose domains it has, and its vectors are made here and not by an endpoint."""
    return "router" in manifest and manifest["embedding"]["by"] in ("words", "model2vec")


def _can_have_canary(target: Target, manifest: Mapping[str, Any]) -> bool:
    return getattr(target.router, "path", None) == target.folder and manifest.get("what") == "router"


def _order(task: Task, manifest: Mapping[str, Any], learn: Table, contest: Held, out: Path) -> Order:
    """As the folder was ordered: a router that was not told among whom to choose goes by who can be compared now."""
    known = contest.table.members
    chosen = manifest.get("chosen", [])
    notes: dict[str, object] = {
        "replaces": manifest["model"],
        "compared_on": sorted(names_of(contest.table)),
        "chosen": chosen,
    }
    if task.canary is not None:
        notes["canary"] = task.canary
    if "router" in manifest:
        notes["router"] = manifest["router"]
    return Order(
        out=out,
        kind=manifest["kind"],
        members=tuple(name for name in chosen if name in known) or members_of(learn.only(known), Order(out=out)),
        digests=_digests(task),
        source=str(task.data),
        command=manifest["command"],
        seed=manifest["seed"],
        notes=notes,
        scheme=_scheme(task.settings, manifest),
    )


def _scheme(settings: Settings, manifest: Mapping[str, Any]) -> Scheme | None:
    """Of a semantic router that was trained with the domains of a configured one: those, as they are now."""
    name = manifest.get("router")
    if name is None:
        return None
    found = settings.routers.get(name)
    if not isinstance(found, Semantic) or not found.domains:
        raise InvalidRequest(
            f"it was trained with the domains of [routers.{name}], which is no semantic router any more"
        )
    return scheme_of(found)


def _held(task: Task, manifest: Mapping[str, Any]) -> Held:
    """The labels, read as what lies in the folder reads them. Blocks."""
    return hold(examples_of(task.data, complete=False), digests=_digests(task)).seen_by(manifest["kind"])


def _digests(task: Task) -> Mapping[str, str]:
    """What members are now."""
    return {name: digest_of(member) for name, member in task.settings.members.items()}


async def _match(task: Task, manifest: Mapping[str, Any], contest: Held, fresh: Path) -> Match:
    target = task.target
    old = await _replayed(task, contest, target.folder)
    new = await _replayed(task, contest, fresh)
    money = task.lambda_per_usd
    if money is None:
        reading = (part for folder, part in readers(target.router) if folder == target.folder)
        reader = next((part for part in reading if isinstance(part, Pinned)), None)
        money = price_of_quality(reader, manifest, contest) if reader else 0.0
    return await asyncio.to_thread(compare, contest, old, new, money)


async def _replayed(task: Task, contest: Held, folder: Path) -> Replayed:
    """The router and its judges over ``folder``, loaded and replayed."""
    old, router = task.target.folder, moved(task.target.router, ROUTERS, task.target.folder, folder)
    asked = {str(name) for _, name in router.references() if isinstance(name, JudgeName)}
    judges = {name: moved(one, JUDGES, old, folder) for name, one in task.settings.judges.items() if name in asked}
    parts = replace(task.settings, providers={}, judges=judges, routers={task.target.name: router})
    if problems := await asyncio.to_thread(lambda: list(unloadable(parts))):
        raise ConfigError("\n".join(problem.line for problem in problems))
    fleet = planned_with(task.settings, contest)
    return await replay(task.target.name, router, contest, fleet, judges=judges)
