"""Whether an installation and a configuration are sound: what there is, where it comes from, what should be mended."""

import asyncio
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from uuid_utils import uuid7

from ensemble import identity
from ensemble.config import Draft, Settings, read, unloadable
from ensemble.config.text import toml_key
from ensemble.errors import ConfigError
from ensemble.fleet import Member, MemberSettings
from ensemble.keys.advice import advise_keys
from ensemble.ledger import Aim
from ensemble.limits import Limiter
from ensemble.money import price_on
from ensemble.provider import PROVIDERS, Provider
from ensemble.router import ROUTERS, Router
from ensemble.shared.link import fault
from ensemble.store.faults import barred
from ensemble.types import Call, Request, RequestId
from judges.errors import UnknownPlugin
from judges.judge import AGGREGATORS, JUDGES, Calibrated
from judges.registry import Plugin, Registry
from judges.types import Message, Prompt

REGISTRIES: Mapping[str, Registry[Any]] = {
    "providers": PROVIDERS,
    "judges": JUDGES,
    "routers": ROUTERS,
    "aggregators": AGGREGATORS,
}
PATIENCE_S = 30.0
"""How long a member may take to answer one word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part that the configuration names. ``problems`` says why it is broken; ``origin`` is where its code is from."""

    table: str
    name: str
    use: str
    origin: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Available:
    """A plugin that ``use`` may name. ``problem`` says why it cannot be loaded, None where it can."""

    kind: str
    name: str
    origin: str
    problem: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One call of one member. ``nano_usd`` is None where the cost is unknown, ``error`` where all went well."""

    member: str
    total_s: float
    nano_usd: int | None
    model: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found. ``config`` is None where no configuration was looked at; ``problems`` must be mended."""

    version: str
    python: str
    origins: tuple[identity.Origin, ...]
    config: Path | None
    digest: str | None
    parts: tuple[Part, ...]
    available: tuple[Available, ...]
    problems: tuple[str, ...]
    advice: tuple[str, ...]
    trials: tuple[Trial, ...] = ()

    @property
    def sound(self) -> bool:
        """Nothing has to be mended, and every member that was tried has answered."""
        return not self.problems and not any(trial.error for trial in self.trials)


async def examine(config: Path | None, *, live: bool = False) -> Report:
    """Look at the installation and, unless it is None, at the configuration ``config``.

    ``live`` calls every member once, if there is no problem before; that costs a few tokens and is not logged.
    """
    report = await asyncio.to_thread(_inspect, config)
    if not live or config is None or report.problems:
        return report
    settings = (await asyncio.to_thread(read, config)).settings
    return replace(report, trials=await try_members(settings))


def _inspect(config: Path | None) -> Report:
    origins = tuple(identity.describe())
    draft = read(config) if config else None
    problems = [origin.problem for origin in origins if origin.problem]
    advice: list[str] = []
    if draft:
        # As a start does; what parts have read is then there for the advice.
        draft = replace(draft, problems=(*draft.problems, *unloadable(draft.settings)))
        problems += [problem.line for problem in draft.problems]
        problems += _around(draft.settings)
        told, is_problem = _of_shared(draft.settings)
        (problems if is_problem else advice).extend(told)
        advice += advise(draft.settings, datetime.now(UTC))
        advice += _of_keys(draft.settings, datetime.now(UTC))
    try:
        own = version(identity.DISTRIBUTION)
    except PackageNotFoundError:
        own = "not installed, run from its source"
    return Report(
        version=own,
        python=platform.python_version(),
        origins=origins,
        config=config,
        digest=draft.settings.digest if draft and not draft.problems else None,
        parts=tuple(_parts(draft)) if draft else (),
        available=tuple(_available()),
        problems=tuple(problems),
        advice=tuple(advice),
    )


def _parts(draft: Draft) -> Iterator[Part]:
    for table, declared in draft.declared.items():
        for name, use in declared.items():
            registry = REGISTRIES.get(table)
            member = draft.settings.members.get(name) if table == "members" else None
            what = f"{member.provider}: {member.model}" if member else use
            lines = tuple(problem.line for problem in draft.problems if problem.place == f"{table}.{toml_key(name)}")
            origin = _origin(registry, use) if registry else ""
            yield Part(table=table, name=name, use=what, origin=origin, problems=lines)


def _origin(registry: Registry[Any], use: str) -> str:
    return use if use.endswith(".py") else registry.origin(use)


def _available() -> Iterator[Available]:
    for kind, registry in REGISTRIES.items():
        for name in registry.names():
            problem = None
            try:
                registry.find(name)
            except UnknownPlugin as error:
                problem = str(error)
            yield Available(kind=kind, name=name, origin=registry.origin(name), problem=problem)


def _around(settings: Settings) -> Iterator[str]:
    """What only matters once the service runs."""
    try:
        settings.server.api_key()
    except ConfigError as error:
        yield f"{settings.path}: {error}"
    try:
        log = settings.store.address.file
    except ConfigError as error:
        yield f"{settings.path}: {error}"
        return
    if log is None:
        return
    if told := barred(log):
        yield f"{settings.path}: [store] path: {log}: {told}"


def _of_shared(settings: Settings) -> tuple[list[str], bool]:
    """What is wrong with the Redis that replicas share, and whether it must be mended: without it all goes on."""
    try:
        why = asyncio.run(fault(settings.shared))
    except ConfigError as error:
        return [f"{settings.path}: {error}"], True
    told = f"[shared] url: Redis cannot be used, so each replica would take its own part of the limits: {why}"
    return ([told] if why else []), False


def _of_keys(settings: Settings, moment: datetime) -> Iterator[str]:
    server = settings.server
    needed = server.keys and server.api_key_env is None and server.api_key_file is None
    yield from advise_keys(settings.store.address, settings.members, moment, needed=needed)


def advise(settings: Settings, moment: datetime) -> Iterator[str]:
    """What can be used but might be better, one sentence each, as of ``moment`` (an aware time).

    Whether a calibration fits is known of judges that have been loaded.
    """
    for name, member in settings.members.items():
        provider = settings.providers.get(member.provider)
        if member.max_output_tokens is None and (provider is None or "max_output_tokens" not in provider.required):
            place = f"[members.{name}]"
            yield f"{place} has no max_output_tokens: an answer may become as long and as dear as the provider allows"
        yield from _advise_price(name, member, moment)
    yield from _advise_strict(settings)
    for name, router in settings.routers.items():
        yield from _advise_router(name, router, settings)
    for name, judge in settings.judges.items():
        yield from (f"[judges.{toml_key(name)}] {place}: {told}" for place, told in judge.misfits())


def _advise_price(name: str, member: MemberSettings, moment: datetime) -> Iterator[str]:
    place = f"[members.{name}]"
    price = price_on(member.price, moment)
    if not member.price:
        yield f"{place} has no price: what it costs is unknown and missing in every total (0 is free)"
    elif price is None:
        first = min(row.valid_from for row in member.price)
        yield f"{place} has no price before {first}: until then its cost is unknown"
    elif absent := [key for key in ("input", "output") if getattr(price, key) is None]:
        yield f"{place} price has no {' and no '.join(absent)}: what a call costs is unknown"
    for day in sorted(row.valid_from for row in member.price if price and row.valid_from > _day(moment)):
        yield f"{place} changes its price on {day}"


def _advise_strict(settings: Settings) -> Iterator[str]:
    """Members whose own options make ``strict_params`` leave them out of every request."""
    untaken: dict[str, str] = {}
    for name, member in settings.members.items():
        prompt = Prompt(
            messages=(Message(role="user", content="."),),
            max_output_tokens=member.max_output_tokens,
            options=member.options,
        )
        if (provider := settings.providers.get(member.provider)) and (names := provider.dropped(prompt)):
            untaken[name] = f"{', '.join(names)}, which {member.provider!r} does not take"
            if member.strict_params:
                told = f"strict_params = true, and its own options hold {untaken[name]}"
                yield f"[members.{name}] {told}: every call to it is skipped; take that out of options"
    for place, router in settings.routers.items():
        named = {str(one) for _, one in router.references() if one.kind == "member"} if router.strict_params else set()
        for name in [name for name in untaken if name in named and not settings.members[name].strict_params]:
            told = f"strict_params = true, and the options of member {name!r} hold {untaken[name]}"
            yield f"[routers.{place}] {told}: every call to it is skipped; take that out of [members.{name}] options"


def _day(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _advise_router(name: str, router: Router, settings: Settings) -> Iterator[str]:
    yield from _advise_trust(name, router, settings)
    named = [reference for _, reference in router.references()]
    panel = {str(one): settings.members[one] for one in named if one.kind == "member" and one in settings.members}
    for judge in dict.fromkeys(str(one) for one in named if one.kind == "judge" and one in settings.judges):
        asked = {
            str(one): settings.members[one]
            for _, one in settings.judges[judge].references()
            if one.kind in ("model", "member") and one in settings.members
        }
        place = f"[routers.{name}] judge {judge!r}"
        written = {(member.provider, member.model): who for who, member in panel.items()}
        for who, member in asked.items():
            if author := written.get((member.provider, member.model)):
                same = "" if author == who else f", the same model as {author!r},"
                yield f"{place} asks {who!r}{same} about its own answers: let another model judge"
        families = {member.family for member in asked.values()}
        shared = families & {member.family for member in panel.values()} - {None}
        if len(families) == 1 and shared:
            family = families.pop()
            yield f"{place} and a member of the panel are of one family, {family!r}: add a judge of a second family"


def _advise_trust(name: str, router: Router, settings: Settings) -> Iterator[str]:
    if router.trust is None or router.trust.min_confidence is None:
        return
    known = [settings.judges[one] for _, one in router.references() if one.kind == "judge" and one in settings.judges]
    # A plugin of somebody else's may know by itself how sure it is.
    if known and not any(judge.file_hash or _is_calibrated(judge) for judge in known):
        told = "without a calibration no verdict of its judge has a confidence, so every answer is below it"
        yield f"[routers.{name}] trust.min_confidence: {told}; `ensemble judges calibrate` makes one"


def _is_calibrated(part: Plugin) -> bool:
    held = isinstance(part, Calibrated) and part.calibration is not None
    return held or any(_is_calibrated(inner) for _, inner in part.parts())


async def try_members(settings: Settings) -> tuple[Trial, ...]:
    """Call every member once, all at the same time, in the order of the configuration."""
    trials: dict[str, Trial] = {}
    async with asyncio.TaskGroup() as group:
        for name, provider in settings.providers.items():
            members = {who: member for who, member in settings.members.items() if member.provider == name}
            group.create_task(_try_provider(provider, members, trials))
    return tuple(trials[name] for name in settings.members)


async def _try_provider(provider: Provider, members: dict[str, MemberSettings], trials: dict[str, Trial]) -> None:
    limiter = Limiter(requests_per_minute=None, tokens_per_minute=None, max_in_flight=provider.max_in_flight)
    try:
        async with provider.connect() as connection, asyncio.TaskGroup() as group:
            for name, settings in members.items():
                once = settings.model_copy(update={"max_attempts": 1, "timeout_s": PATIENCE_S})
                group.create_task(_try(Member(name, once, connection, limiter), trials))
    except ConfigError as error:
        for name in members:
            trials[name] = Trial(member=name, total_s=0.0, nano_usd=0, model=None, error=str(error))


async def _try(member: Member, trials: dict[str, Trial]) -> None:
    prompt = Prompt(messages=(Message(role="user", content="Reply with one word: ready"),), max_output_tokens=64)
    request = Request(
        id=RequestId(str(uuid7())),
        model=member.name,
        prompt=prompt,
        arrived_at=datetime.now(UTC),
        deadline=asyncio.get_running_loop().time() + PATIENCE_S,
    )
    attempts: list[Call] = []
    call = await member.call(request, prompt, Aim(purpose="candidate"), seen=attempts.append)
    trials[member.name] = Trial(
        member=member.name,
        total_s=call.total_s or 0.0,
        nano_usd=call.usage.nano_usd,
        model=call.completion.model if call.completion else None,
        error=f"{call.failure}: {call.detail}" if call.failure else None,
    )
