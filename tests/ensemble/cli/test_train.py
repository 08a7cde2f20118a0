"""``ensemble train``: from a log that this program wrote to a folder that says what it was learned from."""

import json
from pathlib import Path

import numpy as np
import pytest

from judges.learning.folder import read
from judges.learning.model import sample
from tests.ensemble.cli.conftest import Run
from tests.ensemble.training.logged import a_log


async def label(config: Path, run: Run, number: int) -> None:
    rows = (json.dumps({"prompt": f"What is {row} x 21?"}) for row in range(number))
    (config.parent / "prompts.jsonl").write_text("\n".join(rows))
    labelled = await run("label", "prompts.jsonl", "--router", "best")
    assert labelled.exit_code == 0, labelled.output


async def test_a_folder_names_the_models_that_providers_returned(config: Path, run: Run) -> None:
    await label(config, run, 110)
    trained = await run("train", "--kind", "linear", "--out", "router")
    assert trained.exit_code == 0, trained.output
    manifest = json.loads((config.parent / "router" / "manifest.json").read_text())
    assert set(manifest["models"]) == set(manifest["digests"]) == {"small", "large"}
    for member, models in manifest["models"].items():
        assert len(models) == 1
        assert models[0].startswith(member)


async def test_shards_of_an_export_are_read_as_a_stream_and_sampled(config: Path, run: Run) -> None:
    await label(config, run, 130)
    export = ("export", "--format", "routing", "--as", "parquet", "--out", "labels", "--license", "cc-by-4.0")
    exported = await run(*export, "--shard-rows", "50")
    assert exported.exit_code == 0, exported.output
    train = ("train", "--data", "labels", "--kind", "linear", "--out", "router", "--test", "0.05")
    trained = await run(*train, "--sample", "120", "--json")
    assert trained.exit_code == 0, trained.output
    manifest = json.loads((config.parent / "router" / "manifest.json").read_text())
    how = "a sample of whole conversations, by hash"
    assert manifest["data"]["read"] == {"labels": 130, "kept": 120, "how": how, "room": "--sample 120"}
    assert manifest["data"]["learned"] + manifest["data"]["measured"] == 120
    assert "a sample of 120 of 130 labels (--sample 120)" in trained.stderr
    refused = await run(*train, "--sample", "100", "--member", "small", "--member", "nobody")
    assert "a sample of 100 of 130 labels" in refused.output
    assert "500MB is the least" in (await run(*train, "--memory", "100MB")).output
    assert "no size, such as 500MB" in (await run(*train, "--memory", "lots")).output


async def test_labels_of_panels_that_differ_teach_though_nothing_can_be_measured(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ({"prompt": f"What is {row} x 21?", "models": {"ab"[row % 2]: {"score": row % 5 / 4}}} for row in range(240))
    (tmp_path / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    trained = await run("train", "--data", "labels.jsonl", "--kind", "linear", "--out", "router")
    assert trained.exit_code == 0, trained.output
    assert "No figure, since none of them knows the quality of every member." in trained.stdout
    assert read(tmp_path / "router")[1]["metrics"] == {}


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
async def test_a_file_teaches_what_the_log_does_that_it_was_exported_from(
    form: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was set aside lost and who was not judged did not, in whatever order the rows stand."""
    monkeypatch.chdir(tmp_path)
    await a_log(tmp_path / "ensemble.db", 150)
    exported = await run("export", "--db", "ensemble.db", "--format", "routing", "--out", f"labels.{form}")
    assert exported.exit_code == 0, exported.output
    found = []
    for data in ("ensemble.db", f"labels.{form}"):
        sampled = ("--sample", "1000") if form == "parquet" else ()
        trained = await run("train", "--data", data, "--kind", "linear", "--out", f"from-{data}", *sampled)
        assert trained.exit_code == 0, trained.output
        found.append(read(tmp_path / f"from-{data}"))
    for _, one in found:
        one["data"].pop("source")
        # The folder's files have the time in them, and a file of labels tells no ids of models.
        del one["made"], one["command"], one["models"], one["model"]
    assert found[0][1] == found[1][1]
    assert found[0][1]["metrics"]
    asked = sample(["Compute 7 * 21", "Please say hello to guest 8"])
    assert np.array_equal(found[0][0].predict(asked), found[1][0].predict(asked))
