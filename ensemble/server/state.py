"""How a service stands at the moment of a scrape: queues, circuits, demoted routers, the spill, budgets."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ensemble.service import Service
from ensemble.store.api_keys import Key
from ensemble.store.budgets import Standing


class State(Collector):
    """Gauges of ``service``, read when they are asked for; ``budgets`` and ``reviews`` come from the log."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.budgets: Sequence[tuple[Key, Sequence[Standing]]] = ()
        self.reviews: Mapping[bool, int] = {}

    def collect(self) -> Iterable[Metric]:
        """All of them; blocks for the time of a look at the spill file."""
        service = self._service
        yield _gauge("ensemble_requests_in_flight", "Requests under way.", (), [((), service.under_way)])
        yield from self._providers()
        fleet = service.fleet.items()
        circuits = [((name,), float(member.circuit.wait_s() > 0)) for name, member in fleet]
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


def _gauge(
    name: str, told: str, labels: Sequence[str], values: Iterable[tuple[Sequence[str], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, told, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family
