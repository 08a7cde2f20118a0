"""From what one replica was measured to need, to what a service needs: the arithmetic of README, "Sizing"."""

import json
from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from scripts._runs import table

MEASURED = Path(__file__).resolve().parent / "bench" / "sizing.json"
"""What the last run of scripts/bench/sizing found; the README is made of it."""
RATES = (100, 10_000)
"""Requests per second for which the needs are told."""
USED = 0.6
"""Share of a core that is planned for: beyond it the tail of the latency grows."""
ANSWER_S = 3.0
"""How long a request is taken to be under way: two calls one after the other, of real models."""
WORKERS = 16
"""Most workers on one file, which is most replicas where the log is no server: what one machine has."""
IN_FLIGHT = 1000
"""``[server] max_requests``: most requests under way in a replica."""
DAY_S = 86_400
PRICES = {"core_hour": 0.04, "gb_month": 0.10, "gb_out": 0.09}
"""USD; examples, in the order of what clouds list, and of no offer in particular."""


def per_million(found: Mapping[str, Any]) -> dict[str, float]:
    """Core-hours of replica and database, GB of disk, GB to and from providers and clients, per million requests."""
    return {
        "core_hours": found["cpu_ms"] * 1e6 / 1000 / 3600,
        "database_core_hours": found["database_cpu_ms"] * 1e6 / 1000 / 3600,
        "disk_gb": found["disk_bytes"] * 1e6 / 1e9,
        "in_gb": found["in_bytes"] * 1e6 / 1e9,
        "out_gb": found["out_bytes"] * 1e6 / 1e9,
    }


def usd(needs: Mapping[str, float], prices: Mapping[str, float]) -> float:
    """What a million requests cost at ``prices``, their rows kept for a month."""
    cores = needs["core_hours"] + needs["database_core_hours"]
    return cores * prices["core_hour"] + needs["disk_gb"] * prices["gb_month"] + needs["out_gb"] * prices["gb_out"]


def needs(found: Mapping[str, Any], rate: float) -> dict[str, float]:
    """What ``rate`` requests a second need: replicas of a core each, by CPU and by requests under way, and the rest."""
    by_cpu = ceil(rate * found["cpu_ms"] / 1000 / USED)
    by_flight = ceil(rate * ANSWER_S / IN_FLIGHT)
    replicas = max(by_cpu, by_flight)
    return {
        "replicas": replicas,
        "by_cpu": by_cpu,
        "by_flight": by_flight,
        "database_cores": ceil(rate * found["database_cpu_ms"] / 1000 / USED) if found["database_cpu_ms"] else 0,
        "disk_gb_a_day": rate * found["disk_bytes"] * DAY_S / 1e9,
        "out_mbit": rate * found["out_bytes"] * 8 / 1e6,
        "in_mbit": rate * found["in_bytes"] * 8 / 1e6,
        "memory_gb": replicas * found["memory_mb"] / 1000,
    }


def tables(measured: Mapping[str, Any], prices: Mapping[str, float] = PRICES) -> str:
    """The three tables of the README, as markdown."""
    engines: Mapping[str, Mapping[str, Any]] = measured["engines"]
    rows = [
        [
            name, f"{one['per_s']:,.0f}", f"{one['cpu_ms']:.2f}", f"{one['database_cpu_ms']:.2f}",
            f"{one['memory_mb']:,.0f}", f"{one['disk_bytes']:,.0f}",
            f"{one['in_bytes']:,.0f} / {one['out_bytes']:,.0f}",
        ]
        for name, one in engines.items()
    ]  # fmt: skip
    head = ["log", "requests/s of a replica", "CPU s per 1,000", "of the database", "MB at most", "bytes on disk"]
    first = table([*head, "bytes in / out"], rows)
    rows = []
    for name, one in engines.items():
        need = per_million(one)
        cores = f"{need['core_hours']:.2f} + {need['database_core_hours']:.2f}"
        network = f"{need['in_gb']:.1f} / {need['out_gb']:.1f}"
        rows.append([name, cores, f"{need['disk_gb']:.1f}", network, f"{usd(need, prices):.2f}"])
    second = table(["log", "core-hours + database", "GB on disk", "GB in / out", "USD, an example"], rows)
    rows = []
    for name, one in engines.items():
        for rate in RATES:
            need = needs(one, rate)
            if not one["database_cpu_ms"] and need["by_cpu"] > WORKERS:
                rows.append([name, f"{rate:,}", "beyond one machine", *["-"] * 4])
                continue
            replicas = f"{need['replicas']:,} (CPU {need['by_cpu']:,}, under way {need['by_flight']:,})"
            network = f"{need['in_mbit']:,.0f} / {need['out_mbit']:,.0f}"
            database = f"{need['database_cores']:,}"
            disk = f"{need['disk_gb_a_day']:,.0f}"
            rows.append([name, f"{rate:,}", replicas, database, disk, network, f"{need['memory_gb']:.1f}"])
    head = ["log", "requests/s", "replicas", "cores of the database", "GB of disk a day", "Mbit/s in / out"]
    third = table([*head, "GB of memory"], rows)
    return f"One replica on one core, measured:\n\n{first}\n\nA million requests:\n\n{second}\n\nNeeds:\n\n{third}\n"


def largest(found: Mapping[str, Any], count: int = 4) -> str:
    """The tables of the log that take most, in words."""
    parts = sorted(found["tables"].items(), key=lambda part: -part[1])[:count]
    return ", ".join(f"`{name}` {size:,.0f}" for name, size in parts)


def told() -> str:
    """The tables of what was measured last, and when and where that was."""
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    sizes = "; ".join(f"{name}: {largest(one)}" for name, one in measured["engines"].items())
    where = f"Measured on {measured['day']}, {measured['machine']}. {measured['note']}".strip()
    return f"{tables(measured)}\nBytes per request by table, indexes with them: {sizes}.\n\n{where}\n"
