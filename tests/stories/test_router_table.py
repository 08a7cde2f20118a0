"""``scripts/router_table``: the table that the README shows, at a small size."""

import json
from pathlib import Path

from click.testing import CliRunner

from scripts.router_table import command


def test_it_prints_the_table_and_writes_the_figures(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    done = CliRunner().invoke(command, ["--learn", "12", "--score", "8", "--seed", "5", "--json", str(file)])
    assert done.exit_code == 0, done.output
    head, _, *table = done.stdout.splitlines()
    assert head.startswith("| simulated: router |")
    assert table[0].startswith("| small ")
    tree = json.loads(file.read_text(encoding="utf-8"))
    assert tree["simulated"] is True
    assert [line["router"] for line in tree["lines"]][:4] == ["small", "balanced", "large", "parallel"]
    assert set(tree["left_out"]) == {"learned", "cascade", "auto"}
    assert all(line["cost_ratio"]["point"] > 0 for line in tree["lines"])
