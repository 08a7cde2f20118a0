"""What is learned of a member while it is called: whether it is up, and how long it takes."""

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from ensemble.types import Failure

SICK: frozenset[Failure] = frozenset({"timeout", "overloaded", "unreachable", "bad_reply", "cut_stream", "oversized"})
"""Failures that say something of the member; a rejected or cancelled call says something of the request."""

LONGEST_OPEN_S = 300.0


class Entry(NamedTuple):
    """Leave to make one call; ``probe`` where it is the call that decides whether the circuit closes."""

    probe: bool


_CALL, _PROBE = Entry(probe=False), Entry(probe=True)


class Circuit:
    """Stops asking a member that only fails (Nygard, "Release It!", 2007).

    After ``failures`` sick calls in a row it opens for ``open_s`` seconds; then one call is let through as a probe. The
    probe closes it, or opens it again for twice as long, up to five minutes.
    """

    def __init__(self, failures: int, open_s: float, clock: Callable[[], float]) -> None:
        """``failures`` 0 never opens; ``clock`` gives seconds."""
        self._most, self._first_s, self._clock = failures, open_s, clock
        self._in_a_row = 0
        self._open_s = open_s
        self._opened_at: float | None = None
        self._probing = False

    @property
    def closed(self) -> bool:
        """Whether calls go through as usual."""
        return self._opened_at is None

    def wait_s(self) -> float:
        """Seconds until a call may be made: 0 for now; a probe under way counts as the whole time once more."""
        if self._opened_at is None:
            return 0.0
        if self._probing:
            return self._open_s
        return max(0.0, self._opened_at + self._open_s - self._clock())

    def enter(self) -> "Entry | None":
        """Ask to make a call; None while open. The first call after the wait is the probe."""
        if self._opened_at is None:  # as nearly always
            self._probing = False
            return _CALL
        if self.wait_s() > 0:
            return None
        self._probing = True
        return _PROBE

    def leave(self, entry: "Entry", failure: Failure | None) -> None:
        """Tell how the call that was let in with ``entry`` ended."""
        if entry.probe:
            self._probing = False
        if failure in SICK:
            self._in_a_row += 1
            if entry.probe:
                self._open_s = min(2 * self._open_s, LONGEST_OPEN_S)
            if entry.probe or (self._most and self._in_a_row >= self._most and self._opened_at is None):
                self._opened_at = self._clock()
        elif failure not in ("cancelled", "skipped"):
            # Any real reply, even a refusal of the request, shows that the member is up.
            self._in_a_row, self._opened_at, self._open_s = 0, None, self._first_s


class Latencies:
    """The last good calls' durations, for hedging (Dean and Barroso, "The Tail at Scale", 2013)."""

    def __init__(self, kept: int = 256, least: int = 20) -> None:
        """``kept`` durations are remembered; below ``least`` of them nothing is concluded."""
        self._last: deque[float] = deque(maxlen=kept)
        self._least = least

    def add(self, seconds: float) -> None:
        """Remember one good call."""
        self._last.append(seconds)

    def p95(self) -> float | None:
        """Seconds within which 95 % of the remembered calls ended, or None while too few are known."""
        if len(self._last) < self._least:
            return None
        return sorted(self._last)[int(0.95 * (len(self._last) - 1))]
