"""How watched routers stand, on the command line."""

import json
from pathlib import Path

from ensemble.config import load
from ensemble.store import open_store
from ensemble.store.watched import Event, Seen, Watched, note
from tests.ensemble.cli.conftest import Run

SHADOW = """
[routers.routed]
use = "single"
member = "small"

[routers.routed.shadow]
share = 0.2
panel = ["small", "large"]
judge = "house"
"""


def watched(config: Path) -> None:
    config.write_text(config.read_text() + SHADOW)


def replaced(config: Path) -> None:
    config.write_text(config.read_text().replace('member = "small"\n', 'member = "large"\n'))


async def put(config: Path, *events: Event) -> None:
    """Rows as a service leaves them."""
    settings = load(config)
    about = Watched(router="routed", digest=settings.routers["routed"].digest, judge=settings.judges["house"].digest)
    store = await open_store(settings.store.path)
    for event in events:
        await store.change(lambda db, event=event: note(db, about, Seen(event=event, why=f"{event} since today")))  # type: ignore[misc]
    await store.close()


async def test_a_demoted_router_is_shown_and_promoted(config: Path, run: Run) -> None:
    watched(config)
    await put(config, "demoted")
    told = await run("watch")
    assert told.exit_code == 0, told.output
    assert "demoted" in told.stdout
    assert "routed: demoted since today" in told.stderr
    report = json.loads((await run("watch", "--json")).stdout)["routed"]
    assert (report["state"], report["labels"], report["kept"]) == ("demoted", 0, None)
    promoted = await run("watch", "--promote", "routed", "--json")
    assert json.loads(promoted.stdout)["routed"]["state"] == "watched"
    assert json.loads((await run("watch", "--json")).stdout)["routed"]["state"] == "watched"
    await put(config, "judge_drift")
    assert json.loads((await run("watch", "--json")).stdout)["routed"]["state"] == "judge_drift"


async def test_another_router_of_that_name_begins_anew(config: Path, run: Run) -> None:
    watched(config)
    await put(config, "demoted")
    replaced(config)
    assert json.loads((await run("watch", "--json")).stdout)["routed"]["state"] == "watched"


async def test_who_is_not_watched_is_told(config: Path, run: Run) -> None:
    told = await run("watch")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "No router is watched" in told.stderr
    told = await run("watch", "--promote", "best")
    assert told.exit_code == 1
    assert "best is no router with a shadow table; watched are: none" in told.stderr
