"""``ensemble train --kind semantic`` from a file of labels, by the examples of a configured router."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from ensemble.cli import main
from ensemble.simulator import Simulator
from tests.ensemble.cli.conftest import Run
from tests.ensemble.training.lessons import a_lesson

CONFIG = """
[providers.sim]
use = "openai"
base_url = "http://127.0.0.1:1/v1"

[members.small]
provider = "sim"
model = "small"

[members.large]
provider = "sim"
model = "large"

[routers.topics]
use = "semantic"
default = "large"

[routers.topics.domains.greetings]
examples = ["Hello there, say hi to everybody"]
members = "small"

[routers.topics.domains.sums]
examples = ["Prove that 7 is prime", "Compute 12 * 13"]
members = "large"

[routers.all]
use = "parallel"
members = ["small", "large"]
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str, str]:
    """Configuration, labels, and where the router goes; half of the requests have a system turn and turns before."""
    table = a_lesson(200)
    rows = []
    for row, text in enumerate(table.texts):
        before = [{"role": "system", "content": "Prove it."}, {"role": "user", "content": "So"}] if row % 2 else []
        models = {
            name: {"score": table.quality[row, place], "nano_usd": int(table.nano_usd[row, place])}
            for place, name in enumerate(table.members)
        }
        rows.append(
            {
                "messages": [*before, {"role": "user", "content": text}],
                "models": models,
                "conversation": f"c{row}",
                "domain": "sums" if "Prove" in text else "greetings",
            }
        )
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (tmp_path / "ensemble.toml").write_text(CONFIG)
    return tuple(str(tmp_path / name) for name in ("ensemble.toml", "labels.jsonl", "out"))  # type: ignore[return-value]


@pytest.mark.parametrize("router", [(), ("--router", "topics")])
def test_a_semantic_router_from_labels(files: tuple[str, str, str], router: tuple[str, ...]) -> None:
    config, data, out = files
    done = CliRunner().invoke(
        main, ["train", "--config", config, "--data", data, "--out", out, "--kind", "semantic", "--json", *router]
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["metrics"]["saved_at_0.95"][0] > 0.3
    manifest = json.loads((Path(out) / "manifest.json").read_text())
    assert set(manifest["domains"]) == {"sums", "greetings"}
    assert len(manifest["digests"]["small"]) == 64
    measured = CliRunner().invoke(main, ["evaluate", out, "--config", config, "--data", data, "--json"])
    assert measured.exit_code == 0, measured.output


def put_into_other_conversations(data: str) -> None:
    rows = [json.loads(line) for line in Path(data).read_text().splitlines()]
    for row in rows:
        row["messages"] = [{"role": "user", "content": "Good day."}, row["messages"][-1]]
        row["conversation"] = row["id"] = f"another {row['conversation']}"
    Path(data).write_text("\n".join(map(json.dumps, rows)))


def test_a_semantic_router_is_not_measured_on_what_it_has_heard(files: tuple[str, str, str]) -> None:
    """What the user said last is all that it reads, in whatever conversation."""
    config, data, out = files
    order = ("--config", config, "--data", data, "--json")
    done = CliRunner().invoke(main, ["train", *order, "--out", out, "--kind", "semantic"])
    assert done.exit_code == 0, done.output
    seen = []
    for router in (out, "topics", out):
        measured = CliRunner().invoke(main, ["evaluate", router, *order])
        assert measured.exit_code == 0, measured.output
        seen.append(json.loads(measured.stdout)["seen"])
        if router == "topics":
            put_into_other_conversations(data)
    assert seen[0] == seen[2] > 100
    assert seen[1] == 0


def ask(config: str, simulator: Simulator, model: str) -> None:
    """Give the router an embedder."""
    embedder = f'[members.embed]\nprovider = "sim"\nmodel = "{model}"\nprice = {{ input = 0.02 }}\n'
    written = CONFIG.replace("http://127.0.0.1:1/v1", simulator.base_url) + embedder
    Path(config).write_text(written.replace('default = "large"', 'default = "large"\nembedder = "embed"'))


async def test_what_an_embedder_cost_or_why_it_failed_is_told(
    files: tuple[str, str, str], simulator: Simulator, run: Run
) -> None:
    config, data, out = files
    order = ("train", "--config", config, "--data", data, "--out", out, "--kind", "semantic", "--router", "topics")
    ask(config, simulator, "embed")
    done = await run(*order)
    assert done.exit_code == 0, done.output
    assert "Asking embed for vectors cost $0.0000" in done.stderr
    assert "which is not in the log" in done.stderr
    ask(config, simulator, "gone")
    failed = await run(*order)
    assert failed.exit_code == 1
    assert "embed makes no embeddings: rejected" in failed.output


@pytest.mark.parametrize("name", ["all", "nobody"])
def test_a_router_without_domains_is_refused(files: tuple[str, str, str], name: str) -> None:
    config, data, out = files
    done = CliRunner().invoke(
        main, ["train", "--config", config, "--data", data, "--out", out, "--kind", "semantic", "--router", name]
    )
    assert done.exit_code == 2
    assert f'there is no [routers.{name}] with use = "semantic"' in done.output
