"""The gauges of several workers, as a scrape of any of them puts them together."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

import pytest
from prometheus_client import CollectorRegistry, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from ensemble.server.state import Published, State

WAITING, OPEN, RATIO = "ensemble_limiter_waiting", "ensemble_circuit_open", "ensemble_budget_used_ratio"


class Stands:
    """How one worker stands."""

    def __init__(self) -> None:
        self.now: dict[str, dict[str, float]] = {}

    def collect(self) -> Iterable[GaugeMetricFamily]:
        for name, by in self.now.items():
            family = GaugeMetricFamily(name, "It stands so.", labels=["of"])
            for of, value in by.items():
                family.add_metric([of], value)
            yield family


Publish = Callable[[dict[str, dict[str, float]]], None]


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Publish]:
    """Makes the worker of a slot, as far as it publishes how it stands."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))

    def make(slot: int) -> Publish:
        own = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]
        stands = Stands()
        published = Published(cast("State", stands))

        def publish(now: dict[str, dict[str, float]]) -> None:
            stands.now = now
            with monkeypatch.context() as patch:
                patch.setattr(values, "ValueClass", own)
                published.publish()

        return publish

    return make


def scraped() -> set[str]:
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return {line for line in generate_latest(registry).decode().splitlines() if line.startswith("ensemble")}


def test_what_adds_up_is_added_and_the_worst_of_the_rest_is_told(
    worker: Callable[[int], Publish], tmp_path: Path
) -> None:
    first, second = worker(0), worker(1)
    first({WAITING: {"a": 2, "b": 3}, OPEN: {"a": 1}, RATIO: {"k": 0.25}})
    assert scraped() == {
        f'{WAITING}{{of="a"}} 2.0', f'{WAITING}{{of="b"}} 3.0', f'{OPEN}{{of="a"}} 1.0', f'{RATIO}{{of="k"}} 0.25',
    }  # fmt: skip
    second({WAITING: {"a": 1, "b": 9}})
    # Its provider "b" is no more.
    second({WAITING: {"a": 5}, OPEN: {"a": 0}, RATIO: {"k": 0.5}})
    assert scraped() == {
        f'{WAITING}{{of="a"}} 7.0', f'{WAITING}{{of="b"}} 3.0', f'{OPEN}{{of="a"}} 1.0', f'{RATIO}{{of="k"}} 0.5',
    }  # fmt: skip
    mark_process_dead(0, str(tmp_path))  # type: ignore[no-untyped-call]
    assert f'{WAITING}{{of="a"}} 5.0' in scraped()
    assert f'{OPEN}{{of="a"}} 0.0' in scraped()
