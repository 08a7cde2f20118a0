"""A changed configuration, key file or router folder: seen, tried out, and only then served."""

import asyncio
import hashlib
import logging
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, Protocol

from pydantic import BaseModel, ValidationError

from ensemble.config import ServerSettings, Settings, load, read, unloadable
from ensemble.errors import ConfigError, RouterError
from ensemble.fleet import Fleet
from ensemble.provider import PROVIDERS
from ensemble.router import ROUTERS, Context, Router
from ensemble.types import Plan, Request, RequestId
from judges.errors import ModelError
from judges.judge import AGGREGATORS, JUDGES
from judges.learning.folder import CANARY, beside
from judges.registry import Plugin
from judges.types import Completion, Message, Prompt

log = logging.getLogger(__name__)

FIXED = ("host", "port", "max_body_bytes", "log")
"""Keys of ``[server]`` that hold for the life of the process; so does all of ``[store]`` and ``[telemetry]``."""
TRIED = 5
"""Prompts of the log that routers plan before they serve."""
PLAN_S = 5.0
"""Most seconds of one such plan."""
_TRIVIAL = Prompt(messages=(Message(role="user", content="What is 17 x 24?"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Which configuration is in force (its digest) since when, and when a change of it was last refused."""

    config: str
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    refused: datetime | None = None

    def told(self) -> Mapping[str, object]:
        """For a probe that anybody may ask: nothing of what the configuration says."""
        moments = {"since": self.since, "refused": self.refused}
        return {"digest": self.config} | {
            name: moment.isoformat(timespec="milliseconds") for name, moment in moments.items() if moment
        }


def successor(running: Settings) -> tuple[Settings, Settings]:
    """The configuration as its file is now, checked and loaded, with what is fixed as it is ``running``. Blocks.

    The second one is as the file has it, fixed keys included.

    Raises:
        ConfigError: it cannot be used; one line for each thing to mend.
    """
    written = load(running.path)
    fixed = {key: getattr(running.server, key) for key in FIXED}
    try:
        server = ServerSettings.model_validate({**written.server.model_dump(), **fixed})
    except ValidationError as error:
        raise ConfigError(f"{running.path}: [server] {error.errors()[0]['msg']}") from error
    settings = replace(written, server=server, store=running.store)
    if problems := list(unloadable(settings)):
        raise ConfigError("\n".join(problem.line for problem in problems))
    return settings, written


def unchangeable(written: Settings, before: Settings) -> list[str]:
    """Keys that differ from ``before``, and plugin files, whose change takes effect when the process starts. Blocks."""
    tables = (
        ("server", written.server, before.server, FIXED),
        ("store", written.store, before.store, None),
        ("telemetry", written.telemetry, before.telemetry, None),
        ("shared", written.shared, before.shared, None),
    )
    differing = [
        f"[{table}] {key}"
        for table, new, old, keys in tables
        for key in keys or type(new).model_fields
        if getattr(new, key) != getattr(old, key)
    ]
    return [*differing, *(str(path) for path, known in _plugin_files(before).items() if _hash(path) != known)]


def _plugin_files(settings: Settings) -> dict[Path, str]:
    """What plugins of ``settings`` were imported from, which Python does once, with the hash of that moment."""
    plugins = [*settings.providers.values(), *settings.judges.values(), *settings.routers.values()]
    used = {type(one).file_hash for plugin in plugins for one in _with_parts(plugin)}
    files = (kind.files().items() for kind in (PROVIDERS, JUDGES, AGGREGATORS, ROUTERS))
    return {path: known for each in files for path, known in each if known in used}


def _with_parts(plugin: Plugin) -> Iterator[Plugin]:
    yield plugin
    for _, part in plugin.parts():
        yield from _with_parts(part)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


async def try_out(routers: Mapping[str, Router], fleet: Fleet, prompts: Sequence[Prompt]) -> None:
    """Let every router plan a trivial prompt and ``prompts``. No member is called, and no model asked.

    Raises:
        ConfigError: a router raises, takes too long, names a member that is not there, or has no plan for any prompt
            and no fallback.
    """
    problems = []
    for name, router in routers.items():
        if wrong := await _trial(name, router, fleet, (_TRIVIAL, *prompts)):
            problems.append(f"[routers.{name}] {wrong}")
    if problems:
        raise ConfigError("\n".join(problems))


class _Mute:
    """A model that is not asked: trying a router out costs nothing. It remembers whether somebody wanted to."""

    context_tokens: int | None = None

    def __init__(self) -> None:
        self.wanted = False

    async def complete(self, prompt: Prompt) -> Completion:
        return self._refuse()

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return self._refuse()

    def _refuse(self) -> NoReturn:
        self.wanted = True
        raise ModelError("no model is asked while a configuration is tried out")


async def _trial(name: str, router: Router, fleet: Fleet, prompts: Sequence[Prompt]) -> str | None:
    """What keeps ``router`` from being served, or None."""
    mute, refusals = _Mute(), list[str]()
    context = Context(fleet=fleet, models=dict.fromkeys(fleet, mute))
    for prompt in prompts:
        try:
            async with asyncio.timeout(PLAN_S):
                plan = await router.plan(_request(name, prompt, router.deadline_s), context)
        except RouterError as error:
            refusals.append(str(error))
        except TimeoutError:
            return f"has no plan within {PLAN_S:g} s"
        except Exception as error:
            # A router may be anybody's plugin, and its bug must not end what serves now.
            log.exception("router %s raised", name)
            return f"raised {type(error).__name__} while it was tried out"
        else:
            if absent := sorted(_members(plan) - set(fleet)):
                return f"plans with {', '.join(absent)}, which is no member"
    if len(refusals) == len(prompts) and not router.fallback and not mute.wanted:
        return f"has a plan for no request: {refusals[0]}"
    return None


def _members(plan: Plan) -> set[str]:
    return {*plan.shadow, *plan.fallback, *(name for stage in plan.stages for name in stage.members)}


def _request(model: str, prompt: Prompt, deadline_s: float) -> Request:
    return Request(
        id=RequestId("tried-out"),
        model=model,
        prompt=prompt,
        arrived_at=datetime.now(UTC),
        deadline=asyncio.get_running_loop().time() + deadline_s,
        stream=False,
        dialect="library",
    )


class Reloadable(Protocol):
    """What serves a configuration and can change it."""

    settings: Settings

    async def reload(self) -> None:
        """Serve new requests by the configuration as its file is now. Raises ConfigError; then nothing has changed."""
        ...


class Watch:
    """Reloads a service when its files change, or when it is told to."""

    def __init__(self, service: Reloadable) -> None:
        self._service = service
        self._written = service.settings  # as the file was when it was read last, refused or not
        self._named: tuple[tuple[Settings, Settings], list[Path]] | None = None
        self._told = asyncio.Event()

    def tell(self) -> None:
        """Reload soon, whether a change was seen or not."""
        self._told.set()

    async def run(self) -> None:
        """Look every ``[server] watch_s`` seconds. A change counts once it has held still from one look to the next."""
        loaded = before = await self._marks()
        while True:
            told = await self._turn()
            now = await self._marks()
            if told or (now != loaded and now == before):
                # Looked at before anything is read, so that a change while it is read is seen at the next look.
                with suppress(Exception):  # of a plugin, which the reload tells
                    self._written = (await asyncio.to_thread(read, self._service.settings.path)).settings
                now = await self._marks()
                with suppress(ConfigError):  # it is in the log, and what served before serves on
                    await self._service.reload()
                loaded = now = {path: now.get(path) for path in await self._marks()}
            before = now

    async def _marks(self) -> "dict[Path, _Mark]":
        return await asyncio.to_thread(lambda: {path: _mark(path) for path in self._paths()})

    def _paths(self) -> list[Path]:
        # What a file names that was refused is watched too, since it may be mended there. Which files they are is told
        # once for each configuration: that walks through all of it, and took as long as fifty looks at the files.
        settings = (self._service.settings, self._written)
        if self._named is None or any(new is not old for new, old in zip(settings, self._named[0], strict=True)):
            self._named = settings, _files(*settings)
        return self._named[1]

    async def _turn(self) -> bool:
        every_s = self._service.settings.server.watch_s
        try:
            async with asyncio.timeout(every_s or None):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True


@asynccontextmanager
async def watching(service: Reloadable) -> AsyncIterator[Watch]:
    """Watch the files of ``service`` while the context is open."""
    watch = Watch(service)
    task = asyncio.get_running_loop().create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        await asyncio.wait([task])


_Mark = tuple[tuple[int, int, int], ...] | None


def _files(*configurations: Settings) -> list[Path]:
    """Every file that ``configurations`` come from."""
    named = (path for settings in configurations for path in (settings.path, *_named(settings)))
    return list(dict.fromkeys(named))


def _named(settings: Settings) -> Iterator[Path]:
    yield from _plugin_files(settings)
    parts = (settings.server, settings.providers, settings.judges, settings.routers)
    for path in (path for part in parts for path in _paths(part)):
        yield path
        yield beside(path, CANARY)  # where it is a folder, one may come to lie there


def _mark(path: Path) -> _Mark:
    """The state of a file, or of what lies in a folder. Blocks.

    Change time, size and number of the file, since one that is put in the place of another may be older than it.
    (Libraries that wait for events of the file system report such a replacement as a deletion, and see nothing on
    network drives.)
    """
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name) if path.is_dir() else []
        found = [os.stat(path), *(entry.stat() for entry in entries)]
    except OSError:
        return None
    return tuple((one.st_mtime_ns, one.st_size, one.st_ino) for one in found)


def _paths(value: object) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _paths(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _paths(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _paths(item)
