"""Programs that a benchmark starts, each on cores of its own, and what the kernel says of them (Linux)."""

import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

STOP_S = 30.0
_TICKS = os.sysconf("SC_CLK_TCK")
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_STOPS = (signal.SIGINT, signal.SIGTERM)


class BenchFailed(Exception):
    """The benchmark itself could not be made, so nothing was found out."""


def cores() -> tuple[set[int], set[int]]:
    """The core of what is measured, and those of the load and the mock upstream; both are the same on one core."""
    free = sorted(os.sched_getaffinity(0))
    return {free[-1]}, set(free[:-1]) or {free[-1]}


@contextmanager
def running(
    command: Sequence[str], on: set[int], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` on the cores ``on``; leaving the context ends it, and so does the end of this process.

    What it writes to standard error goes to ``log``.
    """

    def settle() -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        os.sched_setaffinity(0, on)
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    # Who is stopped between the start of a program and the `try` below would leave it running.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    with log.open("ab") as errors, _stopping_again_after_a_failure():
        # A session of its own: Ctrl-C is for this process, which then ends the other.
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
            preexec_fn=settle,
            start_new_session=True,
        )
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def _stopping_again_after_a_failure() -> Iterator[None]:
    try:
        yield
    except BaseException:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        raise


def line_of(process: subprocess.Popen[bytes], log: Path, seconds: float = 60.0) -> str:
    """The first line that ``process`` prints. Raises BenchFailed with its last words where none comes in time."""
    assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
    ready, _, _ = select.select([process.stdout], [], [], seconds)
    line = process.stdout.readline().decode() if ready else ""
    if not line:
        said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise BenchFailed(f"{process.args!r} did not start: {' | '.join(said[-8:]) or 'it said nothing'}")
    return line


def cpu_s(pid: int) -> float:
    """Seconds of CPU that the process ``pid`` and its descendants have used."""
    own = 0.0
    for child in _children(pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended since, and counts as its parent's
            own += cpu_s(child)
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return own + sum(int(ticks) for ticks in fields[11:15]) / _TICKS


def resident_mb(pid: int, *, peak: bool = False) -> float:
    """MB of memory that the process and its living descendants hold, or held at most."""
    name = "VmHWM:" if peak else "VmRSS:"
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024
    return own + sum(resident_mb(child, peak=peak) for child in _children(pid))


def open_files(pid: int) -> int:
    """File descriptors that the process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text(encoding="ascii").split())
    return found


def interrupted_by_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does: by way of every ``finally``."""

    def told(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, told)


def quiet(pid: int, seconds: float = 10.0) -> None:
    """Wait until the process rests, at most for ``seconds``: what one measurement left behind is not the next one's."""
    end, before = time.monotonic() + seconds, cpu_s(pid)
    while time.monotonic() < end:
        time.sleep(0.1)
        now = cpu_s(pid)
        if now - before < 0.02:
            return
        before = now
