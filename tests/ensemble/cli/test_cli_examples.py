"""The example at the end of each help is run as it stands there."""

import json
import shlex
from pathlib import Path

import click
import pytest

from ensemble.cli import main
from tests.ensemble.cli.conftest import Run


def remove(config: Path) -> None:
    config.unlink()


@pytest.mark.parametrize("name", ["ask", "demo", "doctor", "evaluate", "export", "import", "init", "label", "rejudge"])
async def test_the_example_works(name: str, config: Path, run: Run) -> None:
    if name == "init":
        remove(config)
    (config.parent / "prompts.jsonl").write_text('{"prompt": "What is 2 x 21?"}\n')
    answered = {"prompt": "What is 2 x 21?", "candidates": [{"member": "small", "text": "42", "score": 1}]}
    (config.parent / "outputs.jsonl").write_text(json.dumps(answered))
    scored = {"prompt": "What is 2 x 21?", "models": {"small": {"score": 1}, "large": {"score": 1}}}
    (config.parent / "labels.jsonl").write_text(json.dumps(scored))
    if name == "export":
        await run("import", "outputs.jsonl", "--format", "candidates")
    context = click.Context(main)
    command = main.get_command(context, name)
    assert command is not None
    assert command.epilog is not None
    program, *args = shlex.split(command.epilog.removeprefix("Example: "))
    assert program == "ensemble"
    told = await run(*args)
    assert told.exit_code == 0, told.output
