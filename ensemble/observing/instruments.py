"""The counters and histograms of a service, in a registry of their own.

Labels are names of the configuration, words of our own vocabulary and failure kinds: nothing that a client or a model
wrote. Names follow https://prometheus.io/docs/practices/naming/: base units, ``_total`` for counters.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from ensemble.money import NANO
from ensemble.types import Call, Late, Record, Ruling
from judges.types import CandidateId, Preference, Verdict

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120)
COMMIT = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
OVERHEAD = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)


class Instruments:
    """Everything that is counted as it happens; ``registry`` is what a scrape reads."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._counters: dict[tuple[Counter, tuple[str, ...]], Counter] = {}
        self._tallies: dict[tuple[Histogram, tuple[str, ...]], Tally] = {}
        self._lines, self._settling = dict[tuple[str, str], _Lines](), Lock()
        registry.register(_Settled(self))  # before all that it settles
        self.requests = Counter(
            "ensemble_requests", "Requests by how they ended.", ["router", "dialect", "status"], registry=registry
        )
        self.errors = Counter(
            "ensemble_request_errors", "Failed requests by code of the error.", ["router", "code"], registry=registry
        )
        self.latency = Histogram(
            "ensemble_request_seconds", "From arrival to the decision.", ["router"], buckets=SECONDS, registry=registry
        )
        self.overhead = Histogram(
            "ensemble_overhead_seconds",
            "Part of that in which no call was under way.",
            ["router"],
            buckets=OVERHEAD,
            registry=registry,
        )
        self.fallbacks = Counter(
            "ensemble_fallbacks",
            "Answers that no judge chose, by the rule that did.",
            ["router", "rule"],
            registry=registry,
        )
        self.overturned = Counter(
            "ensemble_overturned",
            "Answers that the full panel's verdict found not the best.",
            ["router"],
            registry=registry,
        )
        self.calls = Counter(
            "ensemble_calls",
            "Attempts by outcome: ok, cached, or the kind of failure.",
            ["member", "purpose", "outcome"],
            registry=registry,
        )
        self.call_latency = Histogram(
            "ensemble_call_seconds",
            "One attempt, waiting included.",
            ["member", "purpose"],
            buckets=SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "ensemble_tokens",
            "Tokens as providers counted them.",
            ["member", "purpose", "direction"],
            registry=registry,
        )
        self.cost = Counter("ensemble_cost_usd", "Known cost.", ["member", "purpose"], registry=registry)
        self.unpriced = Counter(
            "ensemble_unpriced_calls", "Attempts whose cost is unknown.", ["member", "purpose"], registry=registry
        )
        self.verdicts = Counter(
            "ensemble_verdicts", "Rulings by outcome.", ["judge", "phase", "outcome"], registry=registry
        )
        self.pages = Counter(
            "ensemble_judge_pages",
            "Comparisons that a judge was asked for, by whether it gave a finding.",
            ["judge", "finding"],
            registry=registry,
        )
        self.pairs = Counter(
            "ensemble_judge_pairs",
            "Pairs compared in both orders, by whether the finding flipped.",
            ["judge", "result"],
            registry=registry,
        )
        commit = Histogram("ensemble_commit_seconds", "Writing one record durably.", buckets=COMMIT, registry=registry)
        self.commit = self._tally(commit)
        self.overloaded = Counter(
            "ensemble_overloaded", "Requests refused since max_requests were under way.", registry=registry
        )
        self.commit_failures = Counter(
            "ensemble_commit_failures", "Records that the log did not take.", registry=registry
        )

    def _up(self, counter: Counter, *labels: str) -> None:
        """Count one more of ``counter`` with ``labels``, whose own way to them checks, converts and locks each time.

        At once: other workers read it from a file, and what a client has seen answered is counted whomever it asks.
        """
        child = self._counters.get((counter, labels))
        if child is None:
            child = self._counters[counter, labels] = counter.labels(*labels)
        child.inc()

    def _tally(self, histogram: Histogram, *labels: str) -> "Tally":
        """Where ``histogram`` with ``labels`` learns from when somebody wants to know."""
        tally = self._tallies.get((histogram, labels))
        if tally is None:
            child = histogram.labels(*labels) if labels else histogram
            tally = self._tallies[histogram, labels] = Tally(child)
        return tally

    def settle(self) -> None:
        """Hand over what has been counted of calls and seconds. In any thread; reading ``registry`` does it."""
        with self._settling:
            for lines in list(self._lines.values()):
                lines.settle()
            for tally in list(self._tallies.values()):
                tally.settle()

    def recorded(self, record: Record) -> None:
        """Count one request and all that belongs to it."""
        request = record.request
        router = request.model
        self._up(self.requests, router, request.dialect, record.status)
        if record.error is not None:
            self._up(self.errors, router, record.error)
        if record.status == "answered":
            self._tally(self.latency, router).observe(record.answered_s)
            self._tally(self.overhead, router).observe(_overhead_s(record))
        if record.fallback is not None:
            self._up(self.fallbacks, router, record.fallback)
        self._count(record.calls, record.rulings, router)

    def came_late(self, late: Late) -> None:
        """Count what came after the answer."""
        self._count(late.calls, () if late.ruling is None else (late.ruling,), late.router)

    def _count(self, calls: tuple[Call, ...], rulings: tuple[Ruling, ...], router: str) -> None:
        for call in calls:
            self._call(call)
        for ruling in rulings:
            self._up(self.verdicts, ruling.judge, ruling.phase, ruling.verdict.outcome)
            if ruling.overturned:
                self._up(self.overturned, router)
            self._pages(ruling)

    def _call(self, call: Call) -> None:
        who, usage = (call.member, call.purpose), call.usage
        lines = self._lines.get(who)
        if lines is None:
            lines = self._lines[who] = _Lines(self, *who)
        if call.failure is None and call.transport != "cache":
            lines.ok += 1
        else:
            self._up(self.calls, *who, call.failure or "cached")
        if call.total_s is not None and call.attempt:
            if lines.latency is None:
                lines.latency = self._tally(self.call_latency, *who)
            lines.latency.observe(call.total_s)
        lines.input += usage.input_tokens or 0
        lines.output += usage.output_tokens or 0
        if usage.nano_usd is None:
            lines.unpriced += 1
        else:
            lines.nano_usd += usage.nano_usd
            lines.priced = True

    def _pages(self, ruling: Ruling) -> None:
        pairs: dict[frozenset[CandidateId], list[Preference]] = {}
        for page in _shown(ruling.verdict):
            self._up(self.pages, ruling.judge, "none" if page.outcome == "none" else "given")
            pairs.setdefault(frozenset(page.shown), []).append(page)
        for same in pairs.values():
            if len(same) > 1 and (result := _flipped(same)) is not None:
                self._up(self.pairs, ruling.judge, result)


class _Settled(Collector):
    """No figures, but that those of ``counted`` are handed over before they are read."""

    def __init__(self, counted: Instruments) -> None:
        self._counted = counted

    def collect(self) -> Iterable[Metric]:
        self._counted.settle()
        return ()


class _Lines:
    """What is counted of one member for one purpose; each shows in a scrape once there was something to count.

    In plain numbers, which the event loop alone adds to, until somebody wants to know: a counter that goes up takes a
    lock and four calls, and there are four of them for each line of the ledger.
    """

    __slots__ = ("_all", "_told", "_who", "input", "latency", "nano_usd", "ok", "output", "priced", "unpriced")

    def __init__(self, counted: Instruments, member: str, purpose: str) -> None:
        self._all, self._who = counted, (member, purpose)
        self._told: dict[Counter, int] = {}
        self.ok = self.input = self.output = self.unpriced = self.nano_usd = 0
        self.priced = False
        self.latency: Tally | None = None

    def settle(self) -> None:
        """Hand over what has come since the last time. Not in two threads at once."""
        counted, who = self._all, self._who
        if self.ok:
            self._tell(counted.calls.labels(*who, "ok"), self.ok)
        if self.input:
            self._tell(counted.tokens.labels(*who, "input"), self.input)
        if self.output:
            self._tell(counted.tokens.labels(*who, "output"), self.output)
        if self.unpriced:
            self._tell(counted.unpriced.labels(*who), self.unpriced)
        if self.priced:
            self._tell(counted.cost.labels(*who), self.nano_usd, NANO)

    def _tell(self, counter: Counter, total: int, unit: int = 1) -> None:
        counter.inc((total - self._told.get(counter, 0)) / unit)
        self._told[counter] = total


class Tally:
    """What one histogram is to observe, in plain numbers as in ``_Lines``: its own way takes two locks a figure."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._bounds = histogram._upper_bounds
        self._counts, self._told = [0] * len(self._bounds), [0] * len(self._bounds)
        self._sum = self._told_sum = 0.0

    def observe(self, amount: float) -> None:
        """As ``Histogram.observe``. On the event loop alone."""
        self._counts[bisect_left(self._bounds, amount)] += 1
        self._sum += amount

    def settle(self) -> None:
        """Hand over what has come since the last time. Not in two threads at once."""
        for at, count in enumerate(self._counts):
            if count != self._told[at]:
                self._histogram._buckets[at].inc(count - self._told[at])
                self._told[at] = count
        total = self._sum
        self._histogram._sum.inc(total - self._told_sum)
        self._told_sum = total


def _shown(verdict: Verdict) -> Iterator[Preference]:
    """The pages behind ``verdict``, of seats within seats too: one that was shrunk has its jury a floor below."""
    for page in verdict.preferences:
        if page.exchange is not None:
            yield page
    for ballot in verdict.ballots:
        yield from _shown(ballot)


def _flipped(pages: list[Preference]) -> str | None:
    """Whether two orders of one pair name different winners; None where there were not two findings."""
    winners = {page.shown: page.winner for page in pages if page.outcome in ("first", "second")}
    return None if len(winners) < 2 else "flipped" if len(set(winners.values())) > 1 else "consistent"


def _overhead_s(record: Record) -> float:
    """Seconds from arrival to the decision in which no call was under way: the service's own."""
    begin, end = record.request.arrived_at, record.answered_s
    calls = sorted([((call.started_at - begin).total_seconds(), call.total_s or 0.0) for call in record.calls])
    busy = until = 0.0
    for started, lasted in calls:
        ended = started + lasted
        if ended > end:
            ended = end
        if ended > until:
            busy += ended - (started if started > until else until)
            until = ended
    return max(0.0, end - busy)
