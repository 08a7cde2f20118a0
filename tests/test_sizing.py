"""The arithmetic behind the sizing page of the README; the measurement itself is too long for a test."""

import json
from typing import Any

import pytest

from scripts import _sizing

ONE = {
    "per_s": 500.0, "cpu_ms": 1.8, "database_cpu_ms": 0.36, "memory_mb": 100, "disk_bytes": 10_000,
    "in_bytes": 4_000, "out_bytes": 8_000, "tables": {"calls": 6_000, "requests": 3_000},
}  # fmt: skip


def test_a_million_requests_in_core_hours_and_gigabytes() -> None:
    found = _sizing.per_million(ONE)
    assert found == pytest.approx(
        {"core_hours": 0.5, "database_core_hours": 0.1, "disk_gb": 10, "in_gb": 4, "out_gb": 8}
    )
    assert _sizing.usd(found, {"core_hour": 1.0, "gb_month": 0.1, "gb_out": 0.01}) == pytest.approx(0.6 + 1 + 0.08)


@pytest.mark.parametrize(
    ("rate", "cpu_ms", "replicas"),
    [(100, 1.8, 1), (1000, 1.8, 3), (10_000, 1.8, 30), (10_000, 6.0, 100)],
    ids=["little", "either", "under way", "CPU"],
)
def test_replicas_are_the_larger_of_cpu_and_requests_under_way(rate: float, cpu_ms: float, replicas: int) -> None:
    found = _sizing.needs({**ONE, "cpu_ms": cpu_ms}, rate)
    assert found["replicas"] == max(found["by_cpu"], found["by_flight"]) == replicas
    assert found["disk_gb_a_day"] == pytest.approx(rate * 0.864)
    assert found["out_mbit"] == pytest.approx(rate * 0.064)


def test_a_file_needs_no_cores_of_a_database() -> None:
    assert _sizing.needs({**ONE, "database_cpu_ms": 0.0}, 10_000)["database_cores"] == 0


def test_a_file_does_not_leave_its_machine() -> None:
    told = _sizing.tables({"engines": {"SQLite": {**ONE, "database_cpu_ms": 0.0}, "PostgreSQL": ONE}})
    rows = [line for line in told.partition("Needs:")[2].splitlines() if "10,000 |" in line]
    assert ["beyond one machine" in row for row in rows] == [True, False]


def test_the_page_is_made_of_what_was_measured() -> None:
    measured: dict[str, Any] = json.loads(_sizing.MEASURED.read_text())
    assert set(measured["engines"]) == {"SQLite", "PostgreSQL"}
    told = _sizing.told()
    for name, one in measured["engines"].items():
        assert f"{one['cpu_ms']:.2f}" in told
        assert f"{name}: `{max(one['tables'], key=one['tables'].get)}`" in told
    assert measured["note"] in told
