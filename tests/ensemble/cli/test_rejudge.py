"""Judging again on the command line."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from ensemble.store import open_store
from ensemble.store.outbox import post
from tests.ensemble.cli.conftest import Run
from tests.ensemble.importing.intake import put

SHORT = """
[judges.short]
use = "regex"
pattern = "^.{1,3}$"
"""
ROWS = [
    {
        "prompt": f"{n} + {n}?",
        "candidates": [{"member": "brief", "text": f"{2 * n}"}, {"member": "wordy", "text": f"It is {2 * n}."}],
    }
    for n in range(12)
]


def extend(config: Path, more: str) -> None:
    config.write_text(config.read_text() + more)


async def imported(config: Path, run: Run) -> None:
    """Twelve cases on which ``house``, the longest, finds ``wordy`` best, and ``short`` finds ``brief``."""
    extend(config, SHORT)
    put(config.with_name("outputs.jsonl"), ROWS)
    assert (await run("import", "outputs.jsonl", "--format", "candidates")).exit_code == 0
    assert (await run("label", "--from-log", "--judge", "house")).exit_code == 0


async def test_churn_is_printed(config: Path, run: Run) -> None:
    await imported(config, run)
    told = await run("rejudge", "--judge", "short")
    assert told.exit_code == 0, told.output
    lines = [" ".join(line.split()) for line in told.stdout.splitlines()]
    assert "compared 12, 0 of all by verdicts that were stored" in lines
    assert any(line.startswith("winners changed 1.000 [") and line.endswith("n=12") for line in lines)
    assert "wordy brief 12 - -" in lines
    assert "cost $0.00, 0 calls" in lines
    again = json.loads((await run("rejudge", "--judge", "short", "--json")).stdout)
    assert (again["compared"], again["reused"], again["changed"]["value"]) == (12, 12, 1.0)
    assert again["moved"] == [
        {"before": ["wordy"], "after": ["brief"], "cases": 12, "confidence_before": None, "confidence": None}
    ]


async def test_drift_ends_with_status_3(config: Path, run: Run) -> None:
    await imported(config, run)
    told = await run("rejudge", "--freeze", "gold")
    assert (told.exit_code, told.stdout) == (0, "gold: 12 cases added, of 12 looked at\n")
    same = await run("rejudge", "--anchors", "gold", "--judge", "house", "--floor", "0.7")
    assert same.exit_code == 0, same.output
    drift = await run("rejudge", "--anchors", "gold", "--judge", "short", "--floor", "0.7", "--json")
    assert drift.exit_code == 3
    assert "judge_drift: short agrees with gold at most" in drift.stderr
    tree = json.loads(drift.stdout)
    assert (tree["drift"], tree["agreement"]["value"], tree["cases"]) == (True, 0.0, 12)


async def test_what_is_wrong_is_told(config: Path, run: Run) -> None:
    await imported(config, run)
    for args, code, told in (
        ((), 2, "--judge says who judges"),
        (("--freeze", "gold", "--judge", "house"), 2, "--freeze judges nothing"),
        (("--judge", "hose"), 1, "there is no judge 'hose'; try house"),
        (("--judge", "house", "--anchors", "none"), 1, "there is no anchor set 'none'"),
        (("--judge", "house", "--where", "x = 1"), 1, "it is a condition on the columns of requests"),
        (("--judge", "house", "--max-cost", "-1"), 2, "no amount of US dollars"),
    ):
        done = await run("rejudge", *args)
        assert (done.exit_code, told in done.stderr) == (code, True), done.output


@pytest.mark.parametrize("more", [("--judge", "short"), ("--judge", "house", "--anchors", "gold")])
async def test_what_waits_for_a_service_is_left_to_it(
    config: Path, run: Run, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    """An event that is due is sent by whoever serves; nothing listens at the address, so each attempt would show."""
    monkeypatch.setenv("HOOK_SECRET", "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    await imported(config, run)
    assert (await run("rejudge", "--freeze", "gold")).exit_code == 0
    extend(config, '[webhooks]\nurl = "http://127.0.0.1:9/hook"\nsecret_env = "HOOK_SECRET"\n')
    store = await open_store(config.with_name("ensemble.db"))
    await store.change(partial(post, kind="review.created", data={}, now=datetime.now(UTC)))
    await store.close()
    done = await run("rejudge", *more)
    assert done.exit_code == 0, done.output
    with closing(sqlite3.connect(config.with_name("ensemble.db"))) as db:
        assert db.execute("SELECT kind, attempts FROM outbox").fetchall() == [("review.created", 0)]
