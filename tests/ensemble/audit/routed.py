"""A log of labels, most of them older than a router that was trained on those; ``small`` cannot do sums."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from ensemble.cli import main
from tests.ensemble.training.lessons import put_answers

SEEN, FRESH = 140, 40
"""Labels that the router was trained on, and later ones."""
CONFIG = """
[providers.nobody]
use = "openai"
base_url = "http://127.0.0.1:9"

[members.small]
provider = "nobody"
model = "small"

[members.large]
provider = "nobody"
model = "large"

[routers.only]
use = "single"
member = "small"

[routers.cheap]
use = "learned"
path = "router"

[routers.asks]
use = "llm"
model = "large"
members = { small = "quick", large = "careful" }
default = "small"
"""


def ran(*arguments: str) -> str:
    """What a command prints."""
    told = CliRunner().invoke(main, list(arguments))
    assert told.exit_code == 0, told.output
    return told.stdout


def make(folder: Path) -> Path:
    """Put ``ensemble.toml``, ``ensemble.db`` and ``router`` into ``folder``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        config = Path("ensemble.toml")
        config.write_text(CONFIG.partition("[routers.cheap]")[0])
        for start, number in ((0, SEEN), (SEEN, FRESH)):
            put_answers(Path("answers.jsonl"), number=number, start=start, fails="at sums")
            ran("import", "answers.jsonl", "--format", "candidates", "--name", "gold")
            if not start:
                ran("train", "--out", "router", "--kind", "linear")
        config.write_text(CONFIG)
    return folder
