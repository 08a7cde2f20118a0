"""What a request costs when the load has ended: facts for the audit and search indexes, which give way to requests."""

import time

from scripts.bench._processes import BenchFailed, cpu_s, quiet
from scripts.bench._systems import System

PATIENCE_S = 120.0
"""A round of upkeep begins every half a minute, and takes a quarter of a millisecond or so for each request."""
_LOOK_S = 0.2
"""Of the requests under way at least one ends within it: each takes two hops of at most 50 ms."""


class Later:
    """The CPU of a system that no measurement has counted, from when this is made."""

    def __init__(self, system: System) -> None:
        self._system, self._uncounted = system, -cpu_s(system.pid)

    def counted(self, seconds: float) -> None:
        """So much of it belongs to a measurement."""
        self._uncounted -= seconds

    def ms(self) -> float:
        """Per request of all that the system worked on, once it has nothing left to do; see ``settle``."""
        if self._system.log is None:  # it does nothing but answer
            return 0.0
        settle(self._system)
        return (self._uncounted + cpu_s(self._system.pid)) / self._system.worked_on() * 1000


def settle(system: System) -> None:
    """Wait until ``system`` has made whatever it makes of requests later.

    Raises:
        BenchFailed: it does not come to an end.
    """
    until = time.monotonic() + PATIENCE_S
    while system.behind():
        if time.monotonic() > until:
            raise BenchFailed(f"{system.name} still makes facts, {PATIENCE_S:.0f} s after the load")
        time.sleep(_LOOK_S)
    quiet(system.pid)


def finish(system: System) -> int:
    """Wait until ``system`` works on no request any more; how many it has worked on by then."""
    if system.log is None:
        quiet(system.pid)
        return system.worked_on()
    before = -1
    while (count := system.worked_on()) != before:
        before = count
        time.sleep(_LOOK_S)
    return count
