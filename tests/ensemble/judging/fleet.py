"""A simulated fleet of two families with a judge of a third, a configuration for it, and tasks with known truth."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from ensemble.config import Settings, load
from ensemble.service import Service, open_service
from ensemble.simulator import Simulator, SimulatorSettings
from ensemble.simulator.tasks import Task, check, make_tasks
from judges.types import Message, Prompt

CONFIG = """
[providers.sim]
use = "openai"
base_url = "{base_url}"

[members.small]
provider = "sim"
model = "small"
family = "oak"
price = {{ input = 1, output = 2 }}

[members.large]
provider = "sim"
model = "birch-large"
family = "birch"
price = {{ input = 1, output = 2 }}

[members.critic]
provider = "sim"
model = "judge"
family = "{family}"
price = {{ input = 2, output = 8 }}

[judges.house]
use = "pairwise"
model = "critic"
order = "both"

[judges.once]
use = "pairwise"
model = "critic"

[judges.longest]
use = "longest"

[judges.panel]
use = "jury"
seats = ["longest", {{ use = "pairwise", model = "critic" }}]

[routers.best]
use = "parallel"
members = ["small", "large"]
judge = "{judge}"
"""


@asynccontextmanager
async def simulated(
    folder: Path, *, judge: str = "house", family: str = "elm", **settings: Any
) -> AsyncIterator[Service]:
    """A service over a simulator with ``settings``; its log is ``ensemble.db`` in ``folder``."""
    async with Simulator(SimulatorSettings(**settings)) as simulator:
        path = folder / "ensemble.toml"
        path.write_text(CONFIG.format(base_url=simulator.base_url, judge=judge, family=family))
        async with open_service(path) as service:
            yield service


async def ask_all(service: Service, tasks: Iterable[Task]) -> None:
    """Ask every task, one after another."""
    for task in tasks:
        messages = tuple(Message(role=turn["role"], content=turn["content"]) for turn in task.messages)  # type: ignore[arg-type]
        await service.ask(Prompt(messages=messages))
    await service.idle()


def tasks(n: int, seed: int = 1) -> list[Task]:
    """Tasks that are answered in text."""
    return [task for task in make_tasks(2 * n, seed) if task.checker != "tool_call"][:n]


@asynccontextmanager
async def opened(folder: Path, **settings: Any) -> AsyncIterator[tuple[Settings, Simulator]]:
    """The checked configuration and a running simulator; nothing else is open."""
    async with Simulator(SimulatorSettings(**settings)) as simulator:
        path = folder / "ensemble.toml"
        path.write_text(CONFIG.format(base_url=simulator.base_url, judge="house", family="elm"))
        yield load(path), simulator


def label(path: Path, made: list[Task]) -> None:
    """Store the truth of the simulator as what a person said of each request."""
    with closing(sqlite3.connect(path)) as db:
        requests = [row[0] for row in db.execute("SELECT id FROM requests ORDER BY id")]
        for request, task in zip(requests, made, strict=True):
            rows = db.execute("SELECT id, text FROM candidates WHERE request_id = ?", [request]).fetchall()
            right = [one for one, text in rows if check(task, text)]
            kind = "all_bad" if not right else "tie" if len(right) == len(rows) else "preferred"
            db.execute(
                "INSERT INTO feedback (id, request_id, kind, candidate_id, given_by, source, created_at) "
                "VALUES (?, ?, ?, ?, 'truth', 'import', '')",
                (request, request, kind, right[0] if kind == "preferred" else None),
            )
        db.commit()


def write_labels(path: Path, n: int, seed: int = 5) -> Path:
    """Labelled cases: a right answer and a wrong one, which is the longer every other time."""
    rows = []
    for at, task in enumerate(tasks(n, seed)):
        wrong = "I am not sure, and would rather not guess at an answer to this question." if at % 2 else "?"
        best = at // 2 % 2
        candidates = [wrong, task.truth] if best else [task.truth, wrong]
        rows.append({"messages": task.messages, "candidates": candidates, "best": best})
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path
