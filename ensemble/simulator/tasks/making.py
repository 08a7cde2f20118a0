"""Making tasks from a seed."""

from collections.abc import Iterator
from random import Random

import orjson

from ensemble.simulator.tasks.base import NEXT_TURN, Pattern, Task
from ensemble.simulator.tasks.patterns import BY_KIND

EASY_SHARE = 2 / 3
"""Of the traffic about two thirds is easy: that is what makes a cheap model worth having."""
_OPENINGS = ("", "", "", "Quick question: ", "Hi! ", "Hello, could you help me with this? ", "I was wondering. ")
_CLOSINGS = ("", "", "", " Thanks!", " Just the answer, please.", " Please explain briefly.", " Show your steps.")
_TRIES = 8


def make_tasks(n: int, seed: int = 0) -> Iterator[Task]:
    """``n`` tasks, about two thirds of them easy (difficulty below 0.4); equal seeds give equal tasks."""
    for at in range(n):
        yield _task(Random(f"{seed}:{at}"), f"sim-{seed}-{at:06d}")  # noqa: S311 - no secret depends on it


def as_json(task: Task) -> bytes:
    """One line of JSON with everything of ``task`` and its conversation in OpenAI's shape."""
    return orjson.dumps(
        {
            "id": task.id,
            "kind": task.kind,
            "difficulty": task.difficulty,
            "messages": task.messages,
            "tools": task.tools,
            "prompt": task.prompt,
            "truth": task.truth,
            "checker": task.checker,
            "simulated": True,
        }
    )


def from_json(line: bytes | str) -> Task:
    """The task of a line that ``as_json`` made; raises ValueError, KeyError or TypeError for another."""
    row = orjson.loads(line)
    return Task(
        id=row["id"],
        kind=row["kind"],
        difficulty=row["difficulty"],
        prompt=row["prompt"],
        truth=row["truth"],
        checker=row["checker"],
        earlier=tuple((turn["role"], turn["content"]) for turn in row["messages"][:-1]),
        tools=tuple(row["tools"]),
    )


def _task(rng: Random, name: str) -> Task:
    level = rng.uniform(0.0, 0.35) if rng.random() < EASY_SHARE else rng.uniform(0.5, 1.0)
    pattern = rng.choice(BY_KIND[rng.choice(sorted(BY_KIND))])
    drawn = [pattern.draw(rng, level) for _ in range(_TRIES)]
    found = [(pattern.work(values), values) for values in drawn]
    # A pattern draws only roughly at the level, so the nearest of a few tries is taken.
    work, values = min(found, key=lambda each: abs(each[0].difficulty - level))
    turns = rng.choice(pattern.forms).render(values).split(NEXT_TURN)
    if not pattern.whole:
        turns[0] = rng.choice(_OPENINGS) + turns[0]
        turns[-1] += rng.choice(_CLOSINGS) if work.checker in ("number", "text") else ""
    return Task(
        id=name,
        kind=work.kind,
        difficulty=work.difficulty,
        prompt=turns[-1],
        truth=work.truth,
        checker=work.checker,
        earlier=_earlier(pattern, turns[:-1]),
        tools=() if pattern.tool is None else (pattern.tool,),
    )


def _earlier(pattern: Pattern, turns: list[str]) -> tuple[tuple[str, str], ...]:
    said: list[tuple[str, str]] = []
    for at, turn in enumerate(turns):
        said += [("user", turn), ("assistant", pattern.replies[at % len(pattern.replies)])]
    return tuple(said)
