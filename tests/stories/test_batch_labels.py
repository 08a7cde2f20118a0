"""A data set is labelled through both batch protocols, and comes out as it does online."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from ensemble.config import load
from ensemble.dialects import openai_chat
from ensemble.labelling.carrying import Pace
from ensemble.labelling.cashier import CapReached
from ensemble.labelling.rejects import Rejects
from ensemble.labelling.rows import Reject, Row, RowReader
from ensemble.labelling.runner import Options, Outcome, Runner
from ensemble.service import open_service
from ensemble.simulator import Simulator, SimulatorSettings, fault

FAST = Pace(quiet_s=0.05, poll_s=0.02, most_poll_s=0.05)
CONFIG = """
[providers.open]
use = "openai"
base_url = "{openai}"

[providers.anth]
use = "anthropic"
base_url = "{anthropic}"

[members.small]
provider = "open"
model = "small"
max_output_tokens = 300
price = {{ input = 1, output = 2, batch_input = 0.5, batch_output = 1 }}

[members.medium]
provider = "anth"
model = "birch-small"
max_output_tokens = 300
price = {{ input = 1, output = 2, batch_input = 0.5, batch_output = 1 }}

[members.large]
provider = "anth"
model = "birch-large"
max_output_tokens = 300
price = {{ input = 3, output = 6, batch_input = 1.5, batch_output = 3 }}

[members.critic]
provider = "open"
model = "judge"
price = {{ input = 3, output = 6, batch_input = 1.5, batch_output = 3 }}

[judges.knockout]
use = "tournament"
compare = {{ use = "pairwise", model = "critic", timeout_s = {timeout} }}
play = "knockout"

[routers.panel]
use = "parallel"
members = ["small", "medium", "large"]
judge = "knockout"
"""
QUESTIONS = [f"Tell me something about the year {n}." for n in range(1901, 1913)]
LABELS = """
SELECT r.messages, l.best, l.kind, l.usable FROM labels l JOIN requests r ON r.id = l.request_id ORDER BY r.messages
"""


def a_file(sim: Simulator, folder: Path, timeout: str) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "ensemble.toml"
    file.write_text(CONFIG.format(openai=sim.base_url, anthropic=sim.anthropic_url, timeout=timeout))
    return file


@asynccontextmanager
async def a_run(sim: Simulator, folder: Path, **options: Any) -> AsyncIterator[Runner]:
    """A run of its own configuration. A judge that asks in batches gets no time: it must not look at the clock."""
    file = a_file(sim, folder, "0.001" if options.get("via") == "batch" else "60")
    async with open_service(load(file)) as service:
        yield Runner(service.pipeline, Options(**{"run": "set", "router": "panel", **options}), pace=FAST)


async def label(runner: Runner, folder: Path) -> Outcome:
    with Rejects(folder / "rejects.jsonl") as rejects:
        return await runner.label(rows(), rejects)


def rows() -> Iterator[Row | Reject]:
    reader = RowReader(parse=lambda body: openai_chat.parse(body).prompt)
    yield from (reader.read(n, {"prompt": question}) for n, question in enumerate(QUESTIONS, 1))


def select(folder: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{folder / 'ensemble.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


@asynccontextmanager
async def a_fleet(**settings: Any) -> AsyncIterator[Simulator]:
    """One of equal fleets: what it answers to a prompt depends on how often it was asked, not on how or when."""
    async with Simulator(SimulatorSettings(seed=5, **settings)) as running:
        yield running


async def online_labels(folder: Path) -> list[Any]:
    async with a_fleet() as sim, a_run(sim, folder) as runner:
        await label(runner, folder)
    return select(folder, LABELS)


class Watched(dict[str, str]):
    """How far batches are; ``reached`` is set once ``number`` of them are in progress."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number, self.reached = number, asyncio.Event()

    def __setitem__(self, batch: str, told: str) -> None:
        super().__setitem__(batch, told)
        if sum("in_progress" in told for told in self.values()) == self._number:
            self.reached.set()


async def interrupted(sim: Simulator, folder: Path, **options: Any) -> Outcome:
    """A run that is stopped while both providers work on its first wave."""
    async with a_run(sim, folder, via="batch", concurrency=100, **options) as runner, asyncio.TaskGroup() as group:
        runner.tally.at_work = watched = Watched(2)
        task = group.create_task(label(runner, folder))
        await watched.reached.wait()
        runner.stop("interrupted")
        return await task


async def again(sim: Simulator, folder: Path, **options: Any) -> Outcome:
    async with a_run(sim, folder, via="batch", concurrency=100, **options) as runner:
        return await label(runner, folder)


def change(folder: Path, sql: str) -> None:
    with closing(sqlite3.connect(folder / "ensemble.db")) as db:
        db.execute(sql)
        db.commit()


def spent(folder: Path, purpose: str | None = None) -> int:
    told = select(folder, "SELECT purpose, nano_usd FROM calls")
    return sum(nano_usd for name, nano_usd in told if purpose in (None, name))


async def test_batches_give_the_labels_that_come_online(tmp_path: Path) -> None:
    """Unordered results, and some that expire: those go into the next wave."""
    online, batch = tmp_path / "online", tmp_path / "batch"
    async with a_fleet() as sim:
        sim.script("small", [fault("silence")] * 3)
        sim.script("birch-large", [fault("silence")] * 2)
        outcome = await again(sim, batch)
    assert outcome.stopped is None
    assert len(select(batch, LABELS)) == len(QUESTIONS)
    assert select(batch, LABELS) == await online_labels(online)
    assert outcome.tally.failures == {"timeout": 5}
    assert select(batch, "SELECT count(*), count(batch) FROM calls") == [(36 + 5 + outcome.tally.calls["judge"],) * 2]
    assert select(batch, "SELECT DISTINCT state FROM batches") == [("taken_in",)]
    assert not any(seconds for (seconds,) in select(batch, "SELECT total_s FROM calls"))
    waves = select(batch, "SELECT count(DISTINCT batch_id) FROM batch_items WHERE seat = 'knockout'")
    assert waves[0][0] >= 2, "the final asks after the semifinal has answered"
    assert spent(batch, "candidate") * 2 == spent(online, "candidate")
    assert outcome.tally.nano_usd == spent(batch)


async def test_a_restart_takes_in_what_was_handed_over_and_pays_nothing_twice(tmp_path: Path) -> None:
    online, batch = tmp_path / "online", tmp_path / "batch"
    async with a_fleet(batch_s=60) as sim:
        first = await interrupted(sim, batch)
        assert str(first.stopped) == "interrupted"
        assert len(first.tally.at_work) == 2
        assert select(batch, "SELECT count(*) FROM calls") == [(0,)]
        sim.hurry()
        second = await again(sim, batch)
        served = Counter(one.model for one in sim.served)
    assert second.stopped is None
    assert (served["small"], served["birch-small"], served["birch-large"]) == (12, 12, 12)
    assert select(batch, LABELS) == await online_labels(online)
    assert spent(batch, "candidate") * 2 == spent(online, "candidate")


async def test_a_batch_is_found_again_after_a_crash_between_hand_over_and_note(tmp_path: Path) -> None:
    online, batch = tmp_path / "online", tmp_path / "batch"
    async with a_fleet(batch_s=60) as sim:
        await interrupted(sim, batch)
        change(batch, "UPDATE batches SET state = 'making', provider_id = NULL")
        sim.hurry()
        await again(sim, batch)
        served = Counter(one.model for one in sim.served)
    assert (served["small"], served["birch-small"], served["birch-large"]) == (12, 12, 12)
    assert select(batch, LABELS) == await online_labels(online)


async def test_a_crash_while_results_come_in_writes_no_line_twice(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    async with a_fleet() as sim:
        await again(sim, batch)
        lines = select(batch, "SELECT id, request_id, member, nano_usd, batch FROM calls ORDER BY id")
        asked = len(sim.served)
        # As after a crash that left some of the results unwritten.
        change(batch, "UPDATE batches SET state = 'ended'")
        change(
            batch, "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE seat = 'knockout' ORDER BY id LIMIT 5)"
        )
        outcome = await again(sim, batch)
        assert len(sim.served) == asked
    assert sum(outcome.tally.calls.values()) == 5
    assert select(batch, "SELECT id, request_id, member, nano_usd, batch FROM calls ORDER BY id") == lines
    assert select(batch, "SELECT DISTINCT state FROM batches") == [("taken_in",)]


async def test_batches_that_never_left_are_made_anew_and_lost_ones_stay_in_the_ledger(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    async with a_fleet(batch_s=60) as sim:
        await interrupted(sim, batch)
    change(batch, "UPDATE batches SET state = 'making', provider_id = NULL WHERE provider = 'open'")
    async with a_fleet() as other:
        outcome = await again(other, batch)
    assert outcome.stopped is None
    assert outcome.tally.failures == {"bad_reply": 24}
    assert outcome.tally.unpriced == 24, "nobody knows what the lost batch has cost"
    assert len(select(batch, LABELS)) == len(QUESTIONS)


async def test_batches_are_cancelled_on_request(tmp_path: Path) -> None:
    batch = tmp_path / "batch"
    async with a_fleet(batch_s=60) as sim:
        await interrupted(sim, batch, max_nano_usd=2_000_000_000)
        async with a_run(sim, batch, via="batch", cancel=True) as runner:
            outcome = await runner.settle()
        assert [*sim.served] == []
    assert outcome.tally.failures == {"cancelled": 36}
    assert (spent(batch), select(batch, "SELECT count(*) FROM reservations")) == (0, [(0,)])
    assert select(batch, "SELECT DISTINCT state FROM batches") == [("taken_in",)]


async def test_a_cap_holds_at_batch_prices_through_a_restart(tmp_path: Path) -> None:
    batch, cap = tmp_path / "batch", 2_000_000_000
    async with a_fleet(batch_s=60) as sim:
        first = await interrupted(sim, batch, max_nano_usd=cap)
        aside = select(batch, "SELECT count(*), sum(nano_usd) FROM reservations")[0]
        assert aside == (36, first.spent_nano_usd)
        sim.hurry()
        second = await again(sim, batch, max_nano_usd=cap)
    assert select(batch, "SELECT count(*) FROM reservations") == [(0,)]
    assert second.spent_nano_usd == spent(batch)
    low = tmp_path / "low"
    async with a_fleet() as sim:
        outcome = await again(sim, low, max_nano_usd=spent(batch) // 3)
    assert isinstance(outcome.stopped, CapReached)
    assert outcome.spent_nano_usd is not None
    assert outcome.spent_nano_usd <= spent(batch) // 3


async def test_a_provider_that_refuses_ends_the_run_or_the_items(tmp_path: Path) -> None:
    """A batch that is at work waits for the mend; one that is not taken fails item by item."""
    batch, new = tmp_path / "batch", tmp_path / "new"
    async with a_fleet(batch_s=60) as sim:
        await interrupted(sim, batch)
    async with a_fleet(api_key="another") as locked:
        outcome = await again(locked, batch)
        assert "tells nothing of its batches" in str(outcome.stopped)
        assert select(batch, "SELECT DISTINCT state FROM batches") == [("submitted",)]
        outcome = await again(locked, new)
    assert outcome.tally.failures == {"unauthorized": 36}
    assert select(new, "SELECT count(*) FROM batches") == [(0,)]
    assert outcome.tally.nano_usd == outcome.tally.unpriced == 0
