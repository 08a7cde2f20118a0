"""How a service stands at the moment of a scrape: queues, circuits, demoted routers, the spill, budgets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from threading import Lock
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ensemble.service import Service
from ensemble.store.api_keys import Key
from ensemble.store.budgets import Standing

Mode = Literal["livesum", "livemax", "livemostrecent"]


class State(Collector):
    """Gauges of ``service``, read when they are asked for; ``budgets`` and ``reviews`` come from the log."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._alone: Mapping[str, bool] = {}
        self.budgets: Sequence[tuple[Key, Sequence[Standing]]] = ()
        self.reviews: Mapping[bool, int] = {}

    def look(self) -> None:
        """Note which members are left alone, on the event loop, by whose clock that is, and before ``collect``.

        What was counted is handed over too: several workers read that from files, not from the registry.
        """
        self._service.instruments.settle()
        self._alone = {name: member.circuit.wait_s() > 0 for name, member in self._service.fleet.items()}

    def collect(self) -> Iterable[Metric]:
        """All of them, in any thread; blocks for the time of a look at the spill file."""
        service = self._service
        yield _gauge("ensemble_requests_in_flight", "Requests under way.", (), [((), service.under_way)])
        yield from self._providers()
        circuits = [((name,), float(alone)) for name, alone in self._alone.items()]
        yield _gauge("ensemble_circuit_open", "1 while a member is left alone.", ("member",), circuits)
        states = {name: watch.state() for name, watch in service.watches.items()}
        demoted = [((name,), float(at.state == "demoted")) for name, at in states.items()]
        yield _gauge("ensemble_router_demoted", "1 while its panel answers for it.", ("router",), demoted)
        drift = [((name,), float(at.state == "judge_drift")) for name, at in states.items()]
        yield _gauge("ensemble_judge_drift", "1 while the judge that watches it has drifted.", ("router",), drift)
        kept = [((name,), at.kept) for name, at in states.items() if at.kept is not None]
        yield _gauge("ensemble_router_quality_kept", "Mean quality kept against the panel.", ("router",), kept)
        spill = service.settings.store.spill
        used = float(spill is not None and spill.exists())
        yield _gauge("ensemble_spill_in_use", "1 while records wait in the spill file.", (), [((), used)])
        degraded = float(service.shared is not None and service.shared.lost is not None)
        yield _gauge("ensemble_shared_degraded", "1 while the shared Redis does not answer.", (), [((), degraded)])
        refused = service.standing.refused
        at = refused.timestamp() if refused else 0.0
        yield _gauge("ensemble_config_refused_timestamp_seconds", "Last refused reload, or 0.", (), [((), at)])
        yield self._budgets()
        queued = [((str(overturned).lower(),), float(count)) for overturned, count in self.reviews.items()]
        yield _gauge("ensemble_reviews_waiting", "Answers that wait for a person.", ("overturned",), queued)

    def _providers(self) -> Iterator[Metric]:
        limiters = [((name,), link.limiter) for name, link in self._service.links.items()]
        waiting = [(name, limiter.waiting) for name, limiter in limiters]
        yield _gauge("ensemble_limiter_waiting", "Calls that wait for a place.", ("provider",), waiting)
        flying = [(name, limiter.in_flight) for name, limiter in limiters]
        yield _gauge("ensemble_limiter_in_flight", "Calls that have started and not ended.", ("provider",), flying)

    def _budgets(self) -> Metric:
        shares = [
            ((key.id, str(one.limit)), one.used / one.limit.most if one.limit.most else 1.0)
            for key, standings in self.budgets
            for one in standings
        ]
        return _gauge(
            "ensemble_budget_used_ratio", "Share of a key's limit, set aside or used.", ("key", "limit"), shares
        )


_MODES: Mapping[str, Mode] = {
    "ensemble_requests_in_flight": "livesum",
    "ensemble_limiter_waiting": "livesum",
    "ensemble_limiter_in_flight": "livesum",
    "ensemble_circuit_open": "livemax",
    "ensemble_router_demoted": "livemax",
    "ensemble_judge_drift": "livemax",
    "ensemble_spill_in_use": "livemax",
    "ensemble_shared_degraded": "livemax",
    "ensemble_config_refused_timestamp_seconds": "livemax",
}
"""What the gauges of several workers come to: what adds up is added, and what is wrong anywhere is told. The others
come from the log, which is one, so the newest value holds."""


class Published:
    """The gauges of one worker of several, where the others can read them: in files of ``prometheus_client``."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._registry = CollectorRegistry()
        self._gauges: dict[str, Gauge] = {}
        self._told: set[tuple[str, tuple[str, ...]]] = set()
        self._lock = Lock()

    def publish(self) -> None:
        """Write down how they stand now; one that is no more is written as 0, as nothing can be taken out. Blocks."""
        with self._lock:
            self._publish()

    def _publish(self) -> None:
        told = set()
        for family in self._state.collect():
            for sample in family.samples:
                labels = tuple(sample.labels.values())
                told.add((family.name, labels))
                self._of(family, tuple(sample.labels), labels).set(sample.value)
        for name, labels in self._told - told:
            (self._gauges[name].labels(*labels) if labels else self._gauges[name]).set(0)
        self._told = told

    def _of(self, family: Metric, names: tuple[str, ...], labels: tuple[str, ...]) -> Gauge:
        if family.name not in self._gauges:
            mode: Mode = _MODES.get(family.name, "livemostrecent")
            self._gauges[family.name] = Gauge(
                family.name, family.documentation, names, registry=self._registry, multiprocess_mode=mode
            )
        gauge = self._gauges[family.name]
        return gauge.labels(*labels) if labels else gauge


def _gauge(
    name: str, told: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
