"""``ensemble train``: from a log that this program wrote to a folder that says what it was learned from."""

import json
from pathlib import Path

from tests.ensemble.cli.conftest import Run


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
