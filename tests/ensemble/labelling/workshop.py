"""A labelling run over scripted members and a real log in a file."""

import json
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ensemble.dialects import openai_chat
from ensemble.fanout import Stragglers
from ensemble.labelling.rejects import Rejects
from ensemble.labelling.rows import Reject, Row, RowReader
from ensemble.labelling.runner import Options, Outcome, Runner
from ensemble.pipeline import Pipeline
from ensemble.router import ROUTERS, Router
from ensemble.store import open_store
from judges.judge import JUDGES, Judge
from judges.types import Completion, Prompt
from tests.ensemble.doubles import Scripted, a_fleet, a_member, said
from tests.ensemble.engine import Picky, panel

READER = RowReader(parse=lambda body: openai_chat.parse(body).prompt)


@dataclass(frozen=True, slots=True)
class Workshop:
    """A pipeline that serves nothing, what its members were asked, and its log."""

    pipeline: Pipeline
    wires: Mapping[str, Scripted]
    path: Path

    def runner(self, **options: Any) -> Runner:
        return Runner(self.pipeline, Options(**{"run": "test", "router": "panel", "concurrency": 4, **options}))

    async def label(self, trees: Iterable[object], **options: Any) -> Outcome:
        with Rejects(self.path.with_name("rejects.jsonl")) as rejects:
            return await self.runner(**options).label(rows(trees), rejects)

    def asked(self) -> dict[str, int]:
        """How often each member was asked so far."""
        return {name: len(wire.prompts) for name, wire in self.wires.items()}

    def select(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()


def rows(trees: Iterable[object]) -> Iterator[Row | Reject]:
    yield from (READER.read(position, tree) for position, tree in enumerate(trees, 1))


def prompts(number: int) -> list[dict[str, str]]:
    return [{"id": f"q{n}", "prompt": f"Question {n}?"} for n in range(number)]


def asking(**more: object) -> Router:
    """A router that asks the critic for a plan."""
    members = {"small": "for greetings", "large": "for all else"}
    return ROUTERS.build({"use": "llm", "model": "critic", "members": members, "default": "large", **more})


MEMBERS: Mapping[str, tuple[str, ...]] = {"small": ("fine",), "large": ("fine!!",), "critic": ("[[B]]",)}


@asynccontextmanager
async def a_workshop(
    folder: Path,
    *,
    script: Mapping[str, tuple[Any, ...]] = MEMBERS,
    routers: Mapping[str, Router] | None = None,
    judges: Mapping[str, Judge] | None = None,
    **settings: Any,
) -> AsyncIterator[Workshop]:
    """Open the log in ``folder``; members of a second one on the same folder know nothing of what the first asked."""
    given = {"max_output_tokens": 50, "max_attempts": 1, **settings}
    fleet, wires = a_fleet(**{name: a_member(name, *replies, **given) for name, replies in script.items()})
    store = await open_store(folder / "log.db")
    known = {"picky": Picky(), "pairs": JUDGES.build({"use": "pairwise", "model": "critic"}), **(judges or {})}
    made = Pipeline(
        routers=routers or {"panel": panel("small", "large"), "judged": panel("small", "large", judge="pairs")},
        fleet=fleet,
        judges=known,
        store=store,
        stragglers=Stragglers(),
        config="c" * 64,
    )
    try:
        yield Workshop(made, wires, folder / "log.db")
    finally:
        await store.close()


def a_prompt(text: str) -> Prompt:
    return READER.parse(json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode())


def cut(text: str) -> Completion:
    return said(text, finish_reason="length")
