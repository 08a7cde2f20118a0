"""Imports beside a service: what was paid for stays, and what was imported is of use."""

import json
from pathlib import Path
from typing import Any

from ensemble.store import open_store
from tests.ensemble.cli.conftest import Run
from tests.ensemble.importing.intake import ROWS, put


async def test_what_is_in_the_log_is_filled_in_place(config: Path, run: Run) -> None:
    """An import beside answers that were paid for: none is asked again, and labels stay what the judge found."""
    asked = json.loads((await run("ask", "2 + 2?", "--json")).stdout)
    put(config.with_name("outputs.jsonl"), [ROWS[0]])
    told = json.loads((await run("import", "outputs.jsonl", "--format", "candidates", "--json")).stdout)
    assert (told["requests"], told["candidates"]) == (0, 2)
    store = await open_store(config.with_name("ensemble.db"))
    try:
        (label,) = store.labels()
        assert (label.request, label.origin, label.by == "imported:outputs") == (asked["request"], "served", False)
        tree: Any = await store.request(label.request)
        assert sorted(one["member"] for one in tree["candidates"]) == ["large", "new", "old", "small"]
        assert [one["phase"] for one in tree["verdicts"]] == ["served", "rejudged"]
    finally:
        await store.close()


async def test_what_was_imported_can_be_labelled(config: Path, run: Run) -> None:
    """A judge of the configuration judges answers of members that the configuration does not know."""
    put(config.with_name("outputs.jsonl"), ROWS)
    assert (await run("import", "outputs.jsonl", "--format", "candidates")).exit_code == 0
    told = await run("label", "--from-log", "--judge", "house", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["labelled"] == 3
    assert json.loads(told.stdout)["calls"] == {}
    store = await open_store(config.with_name("ensemble.db"))
    try:
        found = {label.messages[0].text: label.best for label in store.labels()}
    finally:
        await store.close()
    assert found["3 + 3?"] == frozenset({"new"})  # the longest
