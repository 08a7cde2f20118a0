"""Fixtures that every test may use; a package's own stand in the conftest.py of its folder."""

import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")
ENOUGH = 4_000_000_000
"""Bytes that must be free there: a whole run leaves some hundred MB, and others may run beside it."""

# How long an example takes says more of what else the machine does than of what is tested; what hangs runs into the
# timeout of its test, and texts on which a parser could take long have tests of their own.
settings.register_profile("calm", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("calm")


def pytest_configure(config: pytest.Config) -> None:
    """Temporary files go into memory where there is room: each commit of a test's log waits for a disk otherwise.

    ``--basetemp`` and ``PYTEST_DEBUG_TEMPROOT`` go before. Programs of tests are started from there, too.
    """
    # A shell that runs the tests in the background has them ignore Ctrl-C, and so would the programs that they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        room = os.statvfs(MEMORY)
    except OSError:
        return
    if room.f_bavail * room.f_frsize >= ENOUGH and not room.f_flag & os.ST_NOEXEC and os.access(MEMORY, os.W_OK):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_xdist_auto_num_workers() -> int:
    """``-n auto``: half as many again as there are cores, since tests wait for a third of their time."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return cores + (cores + 1) // 2


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long begins first, else the last of it runs alone while the other cores have nothing left to do.

    What takes ten seconds or more has a timeout of its own, above that of the others: at least five times what it
    takes on a quiet machine.
    """
    items.sort(key=lambda item: -max((mark.args[0] for mark in item.iter_markers("timeout") if mark.args), default=0))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recorded model outputs and judge texts, which is no part of the project."""
    data = ROOT.parent / "shared" / "data"
    if not (data / "README.md").is_file():
        pytest.skip(f"the recorded data is not here: {data} is missing")
    return data
