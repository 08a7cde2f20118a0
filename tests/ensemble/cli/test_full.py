"""`ensemble demo --full` at a small size: what is printed, what is served, and what is left behind."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from ensemble.cli import main
from ensemble.cli._full import Board, board
from ensemble.config import load

SIZE = ["--learn", "12", "--score", "8", "--requests", "50", "--port", "0", "--seed", "2"]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    folder = tmp_path_factory.mktemp("full")
    return CliRunner().invoke(main, ["demo", "--full", "--dir", str(folder), *SIZE]), folder


def test_it_compares_and_serves_the_winner(shown: tuple[Result, Path]) -> None:
    told, folder = shown
    assert told.exit_code == 0, told.output
    for name in ("small", "balanced", "large", "parallel", "rules", "split", "semantic", "llm"):
        assert re.search(rf"^{name} +\d\.\d{{3}} \[", told.stdout, re.MULTILINE), name
    best = re.search(r"simulated: the cheapest at 99% of always-large's quality is (\w+):", told.stdout)
    assert best is not None
    assert f"Served: {best[1]} at http://127.0.0.1:" in told.stdout
    assert re.search(rf"simulated: {best[1]} answered \d+ of 50 new requests rightly, large \d+", told.stdout)
    assert re.search(rf"^simulated: {best[1]}  50 served  \d+\.\d% right  \$0\.\d+ each", told.stdout, re.MULTILINE)
    assert best[1] in {
        **load(folder / "full" / "ensemble.toml").routers,
        "large": None,
        "balanced": None,
        "small": None,
    }


def test_every_figure_is_called_simulated(shown: tuple[Result, Path]) -> None:
    told, _ = shown
    figures = [line for line in told.stdout.splitlines() if re.search(r"\$\d|%", line)]
    assert len(figures) > 5
    assert all("simulated" in line for line in figures)


def test_a_terminal_gets_one_table_that_is_redrawn() -> None:
    console = Console(force_terminal=True, width=100, record=True, file=None)
    with board(console) as drawn:
        drawn.add("large", right=True, nano_usd=2_000)
        drawn.add("small", right=False, nano_usd=100)
        drawn.add("small", right=True, nano_usd=100)
    last = console.export_text()
    assert "simulated, so far" in last
    assert re.search(r"small\s+│\s+2 served\s+│\s+50.0% right\s+│\s+\$0.0000001 each\s+│\s+5.0% of large", last)


def test_before_the_large_member_nothing_is_compared() -> None:
    console = Console(width=100)
    drawn = Board(console)
    drawn.add("small", right=True, nano_usd=None)
    assert "of large" not in "".join(drawn._row("small"))
