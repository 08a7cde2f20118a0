"""The measurements of ``scripts/bench/serve`` and their tables."""

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from scripts._runs import table
from scripts.bench._later import Later, finish
from scripts.bench._processes import BenchFailed, cpu_s, quiet, resident_mb
from scripts.bench._systems import FLOOR, LOGGED, TRANSPORTS, System, floor, kept, service
from scripts.bench._upstream import DELAYS_MS, Upstream
from scripts.bench._wrk import Load, load

CLIENTS = (1, 16, 64, 256)
MANY = 64
CLIENTS_OF = {"service, sdk": (1, MANY)}
"""Where not all of them: the slowest takes the time that the others need."""
TARGETS = {"service, direct": 1.6, "service, sdk": 6.0}
"""Most CPU per request, in that of the floor with a log."""
ENOUGH_S = {"upstream 0 ms": 140.0, "shapes": 250.0, "upstream 50 ms": 350.0}
"""Seconds from the start after which no further round begins, so that eight minutes are enough."""
HOPS = 2
"""Calls of a request that come one after the other: the candidates, then the judge."""
QUESTION = "Why is the sky blue, and why is it red in the evening?"
KB = 1000
MOST_PER_S = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measurement; CPU in ms per request, which is also seconds per 1,000, without what comes later."""

    load: Load
    cpu_ms: float

    @property
    def per_s(self) -> float:
        """Answered requests per second."""
        return self.load.count / self.load.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A kind of request of the second table."""

    name: str
    model: str = "panel3"
    kilobytes: int = 0
    stream: bool = False

    @property
    def body(self) -> bytes:
        """What is posted."""
        asked = (QUESTION * (self.kilobytes * KB // len(QUESTION) + 1))[: self.kilobytes * KB] or QUESTION
        turn = {"role": "user", "content": asked}
        return json.dumps({"model": self.model, "messages": [turn], "stream": self.stream}).encode()

    @property
    def raw(self) -> bool:
        """Whether the floor can answer it."""
        return not self.stream


PLAIN = Shape(name="3 candidates")
SHAPES = (
    *(Shape(name=f"{fan} candidates", model=f"panel{fan}") for fan in (2, 4, 8, 16)),
    *(Shape(name=f"prompt of {size} KB", kilobytes=size) for size in (1, 10, 100)),
    Shape(name="streamed after the verdict", stream=True),
    Shape(name="streamed by a leader", model="leader", stream=True),
)


class Bench:
    """One run."""

    def __init__(
        self,
        folder: Path,
        mock: Upstream,
        measured: set[int],
        others: set[int],
        rounds: int,
        seconds: int,
        *,
        quick: bool = False,
    ) -> None:
        self._folder, self._mock, self._measured, self._others = folder, mock, measured, others
        self._rounds, self._seconds, self._quick = rounds, seconds, quick
        self._asked: dict[str, int] = {}
        self._failed: dict[str, int] = {}
        self._rate: dict[str, float] = {}
        self._later: dict[str, Later] = {}

    def run(self) -> list[str]:
        """Measure and print; the promises that were broken."""
        broken: list[str] = []
        begin = time.monotonic()
        for delay in DELAYS_MS[:1] if self._quick else DELAYS_MS:
            with ExitStack() as stack:
                systems = self._systems(stack, delay)
                idle = {one.name: resident_mb(one.pid) for one in systems}
                found = self._paired(systems, delay, begin + ENOUGH_S[f"upstream {delay} ms"])
                if delay == 0:
                    later = {one.name: self._later[one.name].ms() for one in systems}
                    self._ratios(systems, found, later)
                self._first(systems, found, delay)
                self._memory(systems, idle)
                if delay == 0 and not self._quick:
                    self._second(systems, begin + ENOUGH_S["shapes"])
                broken += self._broken(systems)
        return broken

    @property
    def _transports(self) -> tuple[str, ...]:
        return TRANSPORTS[:1] if self._quick else TRANSPORTS

    def _clients(self, one: System) -> tuple[int, ...]:
        return (MANY,) if self._quick else CLIENTS_OF.get(one.name, CLIENTS)

    def _systems(self, stack: ExitStack, delay: int) -> list[System]:
        where = self._folder, self._mock
        raw = [stack.enter_context(floor(*where, delay, self._measured, logged=logged)) for logged in (False, True)]
        own = [stack.enter_context(service(*where, str(delay), self._measured, one)) for one in self._transports]
        for one in (*raw, *own):
            self._measure(one, PLAIN, 1, 1)  # imports, connections and caches are no part of a request's cost
            self._later[one.name] = Later(one)
        return [*raw, *own]

    def _paired(self, systems: Sequence[System], delay: int, until: float) -> dict[tuple[str, int], list[Figure]]:
        found: dict[tuple[str, int], list[Figure]] = {}
        for number in range(self._rounds):
            if number and time.monotonic() > until:
                break
            for clients in (MANY,) if self._quick else CLIENTS:
                _progress(f"upstream {delay} ms, round {number + 1} of {self._rounds}, {clients} clients")
                # Another one is first each time, so that none has always the same neighbour.
                for at in range(len(systems)):
                    one = systems[(at + number) % len(systems)]
                    if clients in self._clients(one):
                        found.setdefault((one.name, clients), []).append(self._measure(one, PLAIN, clients))
        _progress("")
        return found

    def _measure(self, system: System, shape: Shape, clients: int, seconds: int | None = None) -> Figure:
        quiet(system.pid)
        before, worked_on = cpu_s(system.pid), system.worked_on()
        url, least = f"{system.url}/chat/completions", seconds or self._seconds
        # Long enough that each client has its answer, as far as the system is known.
        long = max(least, ceil(1 + 2 * clients / self._rate.get(system.name, MOST_PER_S)))
        came = load(url, shape.body, self._folder, clients=clients, seconds=long, on=self._others)
        # Not by what wrk has counted: it hangs up at the end, and what it asked then is worked on all the same.
        more, used = finish(system) - worked_on, cpu_s(system.pid) - before
        if not came.count:
            raise BenchFailed(f"{system.name} answered nothing in {came.seconds:.0f} s")
        self._rate[system.name] = came.count / came.seconds
        self._asked[system.name] = self._asked.get(system.name, 0) + came.count
        self._failed[system.name] = self._failed.get(system.name, 0) + came.failed
        if system.name in self._later:
            self._later[system.name].counted(used)
        return Figure(load=came, cpu_ms=used / more * 1000)

    def _ratios(
        self, systems: Sequence[System], measured: dict[tuple[str, int], list[Figure]], later: dict[str, float]
    ) -> None:
        found = {
            (name, clients): [replace(one, cpu_ms=one.cpu_ms + later[name]) for one in figures]
            for (name, clients), figures in measured.items()
        }
        rounds = len(found[FLOOR, MANY])
        print(f"CPU per request against a floor in the same round: median and range of {rounds} rounds, no delay.")
        print(
            "With what comes later, facts and search indexes, which no other table counts; in CPU s per 1,000:", end=" "
        )
        print(", ".join(f"{later[one.name]:.2f} for {one.name}" for one in systems if one.log is not None), "\n")
        rows = []
        for one in systems:
            for clients in self._clients(one):
                own = found[one.name, clients]
                against = [_spread(_over(own, found[name, clients])) for name in (LOGGED, FLOOR)]
                rows.append([one.name, str(clients), *against])
        print(table(["system", "clients", "against floor + log", "against floor"], rows), "\n")
        for name, most in TARGETS.items():
            if (name, MANY) not in found:
                continue
            ratio = statistics.median(_over(found[name, MANY], found[LOGGED, MANY]))
            how = "met" if ratio <= most else "missed"
            print(f"{name}, {MANY} clients: {ratio:.2f} of floor + log; the target is at most {most:g}: {how}.")
        print(flush=True)

    def _first(self, systems: Sequence[System], found: dict[tuple[str, int], list[Figure]], delay: int) -> None:
        print(f"Upstream {delay} ms; medians of {len(found[FLOOR, MANY])} rounds\n")
        rows = []
        for one in systems:
            for clients in self._clients(one):
                own = found[one.name, clients]
                p50 = _median(own, lambda f: f.load.p50_ms)
                rows.append(
                    [
                        one.name,
                        str(clients),
                        f"{_median(own, lambda f: f.per_s):,.0f}",
                        f"{_median(own, lambda f: f.cpu_ms):.2f}",
                        f"{p50:.1f}",
                        f"{_median(own, lambda f: f.load.p99_ms):.1f}",
                        f"{p50 - HOPS * delay:.1f}",
                    ]
                )
        head = ["system", "clients", "requests/s", "CPU s per 1,000", "p50 ms", "p99 ms", "p50 beyond the two hops, ms"]
        print(table(head, rows), "\n", flush=True)

    def _memory(self, systems: Sequence[System], idle: dict[str, float]) -> None:
        rows = []
        for one in systems:
            peak = resident_mb(one.pid, peak=True)
            rows.append([one.name, f"{idle[one.name]:.0f}", f"{peak:.0f}", f"{peak - idle[one.name]:.0f}"])
        print(table(["system", "MB when warm", "MB at most", "growth"], rows), "\n", flush=True)

    def _second(self, systems: Sequence[System], until: float) -> None:
        # The floor with a log, and the service by the first transport.
        measured = systems[1:3]
        found: dict[tuple[str, str], list[Figure]] = {}
        for number in range(self._rounds):
            if number and time.monotonic() > until:
                break
            for shape in SHAPES:
                _progress(f"round {number + 1} of {self._rounds}, {shape.name}")
                for one in measured:
                    if shape.raw or one.log is not None:
                        found.setdefault((shape.name, one.name), []).append(self._measure(one, shape, MANY, 1))
        print(f"No delay, {MANY} clients; medians of {len(found[SHAPES[0].name, LOGGED])} rounds\n")
        rows = []
        for shape in SHAPES:
            for one in measured:
                if (own := found.get((shape.name, one.name))) is None:
                    continue
                raw = found.get((shape.name, LOGGED))
                ratio = _spread(_over(own, raw)) if raw else "-"
                cpu, rate = _median(own, lambda f: f.cpu_ms), _median(own, lambda f: f.per_s)
                p50, p99 = _median(own, lambda f: f.load.p50_ms), _median(own, lambda f: f.load.p99_ms)
                rows.append([shape.name, one.name, ratio, f"{cpu:.2f}", f"{rate:,.0f}", f"{p50:.1f}", f"{p99:.1f}"])
        _progress("")
        head = ["request", "system", "against floor + log", "CPU s per 1,000", "requests/s", "p50 ms", "p99 ms"]
        print(table(head, rows), "\n", flush=True)

    def _broken(self, systems: Sequence[System]) -> list[str]:
        broken = [f"{name}: {failed} requests had no good answer" for name, failed in self._failed.items() if failed]
        for one in systems:
            if one.log is not None:
                quiet(one.pid)
                answered, decided = kept(one.log)
                asked = self._asked[one.name]
                print(f"{one.name}: {asked:,} answers came, {answered:,} are in the log, {decided:,} judged.")
                if answered < asked:
                    broken.append(f"{one.name}: {asked - answered} answers are not in the log")
                if decided < answered:
                    broken.append(f"{one.name}: {answered - decided} answers were chosen without a verdict")
        print(flush=True)
        self._asked.clear()
        self._failed.clear()
        return broken


def _over(own: Sequence[Figure], base: Sequence[Figure]) -> list[float]:
    return [one.cpu_ms / other.cpu_ms for one, other in zip(own, base, strict=True)]


def _median(figures: Sequence[Figure], what: Callable[[Figure], float]) -> float:
    return statistics.median(map(what, figures))


def _spread(ratios: Sequence[float]) -> str:
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"


def _progress(told: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{told:<70}\r")
