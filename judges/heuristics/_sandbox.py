"""Running a candidate's Python where it can do no harm: no network, no files of the host, no time without end.

The jail itself is ``_jail.py``, which says what it is built of. It needs Linux 5.14 or newer on x86_64 or aarch64, and
either root's rights or user namespaces that a user may create (Docker's usual profile and some distributions deny
both). ``unavailable`` proves the jail with a program that tries to get out; where that fails, nothing is ever run.

**Not isolated**: the kernel itself (a fault behind one of its some hundred allowed system calls is a way out); the
system's libraries and Python's standard library, which can be read; the clock, the kernel's version and the size and
load of the machine, which can be seen; and time on the CPU and its caches, which is shared up to the limit. Nothing of
the service's memory, environment, files or network is reachable.
"""

import asyncio
import json
import os
import platform
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast
from weakref import WeakKeyDictionary

How = Literal["ended", "cpu", "wall", "output", "refused"]

_JAIL = Path(__file__).with_name("_jail.py")
_SPARE_S = 5.0  # seconds beyond the program's own time in which the warden must have reported
_SLOTS: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()
_PROBE = """
import json, os, socket, sys
out = []
def attempt(name, escape):
    try:
        if escape() is not None: out.append(name)
    except (OSError, MemoryError): pass
attempt("a network socket", lambda: socket.socket())
attempt("a local socket", lambda: socket.socket(socket.AF_UNIX))
attempt("another process", lambda: os.fork())
attempt("another program", lambda: os.execv("/bin/true", ["true"]))
for path in (WARDEN, "/etc/passwd", "/proc/self/status", "/sys/kernel", "/dev/shm", "/tmp", "/old"):
    attempt("reading " + path, lambda: os.stat(path))
for path in ("/x", "/dev/x", "/usr/lib/x", os.__file__ + "x", WARDEN):
    attempt("writing " + path, lambda: open(path, "w"))
attempt("the environment", lambda: dict(os.environ) or None)
attempt("endless memory", lambda: bytearray(1 << 34))
attempt("root's rights", lambda: os.setuid(0) or True)
print(json.dumps(out))
""".replace("WARDEN", repr(str(_JAIL)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may use. ``wall_s`` is real time, which a busy machine takes from the innocent too."""

    cpu_s: int = 4
    wall_s: float = 12.0
    memory_mib: int = 512
    scratch_mib: int = 16
    output_kib: int = 1024
    threads: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What became of one program.

    Attributes:
        how: it ended by itself, or was ended for its CPU time, for real time, for the size of its output; or it was
            refused, which means that the jail could not be built and nothing was run.
        code: exit status, negative for a signal.
        out: what it wrote to standard output, or one line of JSON per expression that was evaluated.
        err: the end of what it wrote to standard error, or why it was refused. Hostile text, like ``out``.
        cpu_s: seconds of CPU time.
    """

    how: How
    code: int = 0
    out: str = ""
    err: str = ""
    cpu_s: float = 0.0


async def run(code: str, *, stdin: str = "", expressions: Sequence[str] = (), limits: Limits | None = None) -> Run:
    """Run ``code`` as a program that reads ``stdin``; or load it as a module and evaluate ``expressions`` in it.

    Waits for its turn where other runs of this event loop already keep the processors busy. Cancelling ends the program
    before it returns; no process is left behind.
    """
    within = limits or Limits()
    order = _order(code, stdin, expressions, within)
    async with _slot():
        try:
            warden = await _start()
        except OSError as error:
            return Run(how="refused", err=f"the jail cannot be started: {error}")
        try:
            async with asyncio.timeout(within.wall_s + _SPARE_S):
                told, complaint = await warden.communicate(order)
        except TimeoutError:
            return Run(how="refused", err="the jail did not report in time")
        finally:
            await _end(warden)
    return _read(told, complaint)


async def _start() -> asyncio.subprocess.Process:
    # stderr is the warden's own, who has nothing to say there unless the jail is broken.
    pipe = subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *_command(), stdin=pipe, stdout=pipe, stderr=pipe, env={}, cwd="/", start_new_session=True
    )


@lru_cache(maxsize=1)
def unavailable() -> str | None:
    """Why nothing can be run safely here, or None. Blocks for some 0.1 s the first time; the answer is kept."""
    if sys.platform != "linux" or platform.machine() not in ("x86_64", "aarch64"):
        return "running code needs Linux on x86_64 or aarch64"
    try:
        done = subprocess.run(  # noqa: S603  our own interpreter and our own file
            _command(),
            input=_order(_PROBE, "", (), Limits()),
            capture_output=True,
            env={},
            cwd="/",
            timeout=30,
            check=False,
            start_new_session=True,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the jail cannot be started: {error}"
    proof = _read(done.stdout, done.stderr)
    if proof.how == "refused":
        return f"this system does not let a jail be built: {proof.err.strip()[-300:]}"
    if proof.out.strip() == "[]" and proof.how == "ended":
        return None
    return f"the jail leaks here: {proof.out.strip() or proof.err.strip()[-300:]}"


def _command() -> list[str]:
    # The interpreter below any virtual environment; -I and -S keep the host's packages and settings out.
    base = getattr(sys, "_base_executable", None) or sys.executable
    return [base, "-I", "-S", "-B", "-X", "utf8", str(_JAIL)]


def _order(code: str, stdin: str, expressions: Sequence[str], limits: Limits) -> bytes:
    order = {
        "code": code,
        "stdin": stdin,
        "expressions": list(expressions),
        "cpu_s": limits.cpu_s,
        "wall_s": limits.wall_s,
        "memory_bytes": limits.memory_mib << 20,
        "scratch_bytes": limits.scratch_mib << 20,
        "output_bytes": limits.output_kib << 10,
        "threads": limits.threads,
        **_files(),
    }
    return json.dumps(order).encode()


@lru_cache(maxsize=1)
def _files() -> Mapping[str, object]:
    """What the jail shows of the host: libraries and the standard library, without the packages installed in it."""
    system = [path for path in ("/lib", "/lib64", "/usr/lib", "/usr/lib64") if os.path.isdir(path)]
    stdlib = {os.path.realpath(path) for path in (sysconfig.get_path("stdlib"), sysconfig.get_config_var("DESTSHARED"))}
    readable = [path for path in system if not os.path.islink(path)]
    for path in sorted(stdlib):
        if not path.startswith(tuple(f"{one}/" for one in readable)):
            readable.append(path)
    packages = (f"{path}/{name}" for path in stdlib for name in ("site-packages", "dist-packages"))
    return {
        "readable": readable,
        "hidden": [path for path in packages if os.path.isdir(path)],
        "links": {path: os.readlink(path) for path in system if os.path.islink(path)},
    }


def _slot() -> asyncio.Semaphore:
    # One loop is one service; a processor is left to it.
    most = max(1, (os.cpu_count() or 2) - 1)
    return _SLOTS.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(most))


async def _end(warden: asyncio.subprocess.Process) -> None:
    """See to it that neither warden nor prisoner lives on: politely, so that the prisoner is collected, then not."""
    if warden.returncode is not None:
        return
    try:
        with suppress(ProcessLookupError):
            warden.terminate()
        async with asyncio.timeout(2):
            await warden.wait()
    except TimeoutError:
        pass
    finally:
        if warden.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(warden.pid, signal.SIGKILL)
            await warden.wait()


def _read(told: bytes, complaint: bytes) -> Run:
    try:
        report = json.loads(told)
        return Run(
            how=cast("How", report["how"]),
            code=report["code"],
            out=report["out"],
            err=report["err"],
            cpu_s=report["cpu_s"],
        )
    except (ValueError, KeyError):
        return Run(how="refused", err=complaint.decode(errors="replace")[-1000:] or "the jail did not report")
