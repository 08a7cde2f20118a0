"""``scripts/limits_run``: random limits on a simulated fleet are kept, and the script would notice if they were not."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts.limits_run import Asked, Row, command, summary, written


def a_row(**changes: object) -> Row:
    known = {"kind": "all", "requests": 9, "narrowed": 4, "warned": 1, "promised": 8, "kept": 8, "anyway": 0.5}
    return Row(**{**known, **changes})  # type: ignore[arg-type]  # named by tests


def an_answer(nano_usd: int | None, seconds: float, **limits: object) -> Asked:
    return Asked(id="r", router="panel", seconds=seconds, warned=False, nano_usd=nano_usd, **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("nano_usd", "seconds", "kept"),
    [(10, 1.0, True), (11, 1.0, False), (10, 1.01, False), (None, 0.1, False)],
)
def test_a_limit_is_kept_to_the_nano_dollar_and_an_unknown_cost_keeps_none(
    nano_usd: int | None, seconds: float, kept: bool
) -> None:
    asked = an_answer(nano_usd, seconds, most_nano_usd=10, most_seconds=1.0)
    assert (asked.kind, asked.kept_by(asked)) == ("both", kept)
    assert an_answer(0, 9.0, most_nano_usd=10).kept_by(an_answer(10, 9.0))


def test_the_last_line_says_whether_the_promises_were_kept() -> None:
    assert "limits are kept: 8 of 8 promises (100.00%), 1 of 9 requests warned" in summary([a_row()])
    assert "limits are NOT kept: 7 of 8" in summary([a_row(kept=7)])
    assert a_row(promised=0, kept=0).share == 1.0
    assert "7 (87.5%)" in written([a_row(kept=7)])


def test_a_small_run_keeps_the_costs(tmp_path: Path) -> None:
    """Of latencies a machine under load says nothing, so the limits here are held to costs alone."""
    options = ["--requests", "45", "--warm", "75", "--latency", "0", "--concurrency", "2"]
    ran = CliRunner().invoke(command, [*options, "--json", str(tmp_path / "rows.json")])
    assert ran.exit_code in (0, 1), ran.output
    rows = {row["kind"]: row for row in json.loads((tmp_path / "rows.json").read_text())}
    assert rows["all"]["requests"] == sum(rows[kind]["requests"] for kind in ("cost", "latency", "both")) == 45
    assert rows["cost"]["kept"] >= rows["cost"]["promised"] - 1
    assert rows["cost"]["promised"] > 0
    assert rows["cost"]["narrowed"] > 0
    assert rows["cost"]["anyway"] < 1
