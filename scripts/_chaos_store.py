"""Faults of the log under a running service: what was acknowledged is in it afterwards, the rest is refused by name."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from scripts._chaos_stage import DEADLINE_S, Got, Stage, ask, logged, staged

LATE_S = 0.5
ASKED = 6
"""Requests while the fault holds; every other one is streamed."""
BACK_S = 20.0
"""Most seconds until the log takes records again once the fault is over."""
HOLDER = (
    "import sqlite3, sys\n"
    "db = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
    "db.execute('BEGIN IMMEDIATE')\n"
    "print('locked', flush=True)\n"
    "sys.stdin.readline()\n"
)
"""Another program that holds the lock of the log until it is told to go."""
BLOCK = 4096


class CannotPlay(Exception):
    """This machine does not let the fault be made; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One fault of the log: answers and refusals while it held; ``skipped`` says why it was not played."""

    name: str
    answered: int = 0
    refused: int = 0
    breaches: Sequence[str] = ()
    skipped: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFault:
    """A fault of the log: how it is made on the file, and whether the log is on a small disk of its own."""

    name: str
    breaking: Callable[[Path], AbstractAsyncContextManager[None]]
    small_disk: bool = False
    spill: bool = False


async def store_faults(folder: Path) -> list[Trial]:
    """Play every fault of the log, each under a service of its own."""
    trials = [await _tried(one, folder / f"log-{at}") for at, one in enumerate(FAULTS)]
    return [*trials, await _read_only(folder / "read-only")]


async def _tried(one: LogFault, folder: Path) -> Trial:
    try:
        await asyncio.to_thread(folder.mkdir)
        async with _disk(folder / "disk", small=one.small_disk) as home:
            return await _played(one, home, folder / "spilled")
    except CannotPlay as error:
        return Trial(name=one.name, skipped=str(error))


async def _played(one: LogFault, home: Path, spill: Path) -> Trial:
    store = f'on_failure = "spill"\nspill_path = "{spill}"\n' if one.spill else ""
    async with staged(home, store=store) as stage:
        got = [await ask(stage, "panel", stream=False)]
        async with one.breaking(home / "chaos.db"):
            during = [await ask(stage, "panel", stream=at % 2 == 1) for at in range(ASKED)]
        breaches = [*_refusals(during, spill=one.spill), *await _back(stage)]
        got += [*during, await ask(stage, "panel", stream=True)]
        breaches += await _lost(stage, [each.id for each in got if not each.error])
    breaches += await asyncio.to_thread(_unsound, home / "chaos.db")
    refused = sum(bool(each.error) for each in during)
    return Trial(name=one.name, answered=ASKED - refused, refused=refused, breaches=breaches)


def _refusals(during: Sequence[Got], *, spill: bool) -> list[str]:
    """What is not answered is refused in time, by its name; with a spill everything is answered."""
    wrong = [
        f"refused with {each.status} {each.error} instead of 503 store_unavailable"
        for each in during
        if each.error and each.error != "store_unavailable"
    ]
    wrong += [f"the client waited {each.seconds:.2f} s" for each in during if each.seconds > DEADLINE_S + LATE_S]
    if spill and any(each.error for each in during):
        wrong.append("a request was refused although records can be spilled")
    return wrong


async def _back(stage: Stage) -> list[str]:
    """The log takes records again by itself."""
    end = asyncio.get_running_loop().time() + BACK_S
    while asyncio.get_running_loop().time() < end:
        got = await ask(stage, "panel", stream=False)
        if not got.error:
            return []
        await asyncio.sleep(0.1)
    return [f"{BACK_S:g} s after the fault the log still takes nothing"]


async def _lost(stage: Stage, ids: Sequence[str]) -> list[str]:
    """What was acknowledged is in the log, once what was spilled has been taken in."""
    end, missing = asyncio.get_running_loop().time() + BACK_S, list(ids)
    while missing and asyncio.get_running_loop().time() < end:
        await stage.service.store.settle()
        missing = [id_ for id_ in missing if (await logged(stage, id_)).get("status") != "answered"]
        await asyncio.sleep(0.1 if missing else 0)
    return [f"the acknowledged request {id_} is not in the log" for id_ in missing]


def _unsound(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as db:
        said = [row[0] for row in db.execute("PRAGMA integrity_check")]
        keys = db.execute("PRAGMA foreign_key_check").fetchall()
    return ([f"integrity_check: {said[0]}"] if said != ["ok"] else []) + (["foreign_key_check"] if keys else [])


@asynccontextmanager
async def _disk(folder: Path, *, small: bool) -> AsyncIterator[Path]:
    """A folder, on a disk of 4 MB where it is to be ``small``. Raises CannotPlay where nothing may be mounted."""
    await asyncio.to_thread(folder.mkdir)
    if not small:
        yield folder
        return
    await _run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder))
    try:
        yield folder
    finally:
        await _run("umount", "-l", str(folder))


async def _run(*command: str) -> None:
    if shutil.which(command[0]) is None:
        raise CannotPlay(f"there is no {command[0]} on this machine")
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    if process.returncode:
        raise CannotPlay(f"{command[0]}: {said.decode(errors='replace').strip()}")


@asynccontextmanager
async def _full(path: Path) -> AsyncIterator[None]:
    ballast = path.with_name("ballast")

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * BLOCK)
            except OSError:
                pass  # full, as it is to be

    await asyncio.to_thread(fill)
    try:
        yield
    finally:
        ballast.unlink()


@asynccontextmanager
async def _locked(path: Path) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLDER, str(path), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
    await process.stdout.readline()
    try:
        yield
    finally:
        await process.communicate(b"\n")


@asynccontextmanager
async def _damaged(path: Path) -> AsyncIterator[None]:
    """Pages in the middle of the file are nonsense, then whole again; the journal is elsewhere meanwhile."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    sound = await asyncio.to_thread(path.read_bytes)
    await asyncio.to_thread(_moved, path, path.parent / "sound")
    await asyncio.to_thread(path.write_bytes, sound[:BLOCK] + b"\xff" * (len(sound) - BLOCK))
    try:
        yield
    finally:
        await asyncio.to_thread(_moved, path.parent / "sound" / path.name, path.parent)


@asynccontextmanager
async def _gone(path: Path) -> AsyncIterator[None]:
    away = path.with_name("away.db")
    await asyncio.to_thread(path.rename, away)
    try:
        yield
    finally:
        await asyncio.to_thread(away.rename, path)


def _moved(path: Path, target: Path) -> None:
    """Put the log and what SQLite keeps beside it in the place of what is in ``target``."""
    target.mkdir(exist_ok=True)
    for end in ("", "-wal", "-shm"):
        source = path.with_name(path.name + end)
        (target / source.name).unlink(missing_ok=True)
        if source.exists():
            source.rename(target / source.name)


async def _read_only(folder: Path) -> Trial:
    """A service does not start on a log that it cannot write, and says so."""
    from ensemble.errors import StoreError

    await asyncio.to_thread(folder.mkdir)
    try:
        async with _disk(folder / "disk", small=True) as home:
            async with staged(home) as stage:
                await ask(stage, "panel", stream=False)
            await _run("mount", "-o", "remount,ro", str(home))
            try:
                async with staged(folder, database=home / "chaos.db"):
                    breaches = ["it started on a log that cannot be written"]
            except StoreError as error:
                breaches = [] if "read-only" in str(error) else [f"the reason is not named: {error}"]
    except CannotPlay as error:
        return Trial(name="read-only at the start", skipped=str(error))
    return Trial(name="read-only at the start", refused=1, breaches=breaches)


FAULTS = (
    LogFault(name="disk full", breaking=_full, small_disk=True),
    LogFault(name="disk full, with a spill", breaking=_full, small_disk=True, spill=True),
    LogFault(name="locked by another program", breaking=_locked),
    LogFault(name="locked, with a spill", breaking=_locked, spill=True),
    LogFault(name="damaged pages", breaking=_damaged),
    LogFault(name="damaged pages, with a spill", breaking=_damaged, spill=True),
    LogFault(name="file gone", breaking=_gone),
)
