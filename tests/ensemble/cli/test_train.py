"""``ensemble train``: from a log that this program wrote to a folder that says what it was learned from."""

import json
from pathlib import Path

import pytest

from tests.ensemble.cli.conftest import Run


@pytest.mark.timeout(120)
async def test_a_folder_names_the_models_that_providers_returned(config: Path, run: Run) -> None:
    rows = (json.dumps({"prompt": f"What is {row} x 21?"}) for row in range(110))
    (config.parent / "prompts.jsonl").write_text("\n".join(rows))
    labelled = await run("label", "prompts.jsonl", "--router", "best")
    assert labelled.exit_code == 0, labelled.output
    trained = await run("train", "--kind", "linear", "--out", "router")
    assert trained.exit_code == 0, trained.output
    manifest = json.loads((config.parent / "router" / "manifest.json").read_text())
    assert set(manifest["models"]) == set(manifest["digests"]) == {"small", "large"}
    for member, models in manifest["models"].items():
        assert len(models) == 1
        assert models[0].startswith(member)
