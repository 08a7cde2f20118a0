"""Labelled requests, for tests of routers and panels on them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ensemble.store.examples import Example
from ensemble.training.held import Held, hold
from ensemble.types import Label, RequestId
from judges.types import Message, Prompt

MEMBERS = ("small", "medium", "large")


def an_example(name: str, scores: Mapping[str, float], text: str = "", **changes: Any) -> Example:
    """A full-panel label: small, medium and large cost 1, 10 and 100 nano-USD and take 1, 2 and 3 seconds."""
    top = max(scores.values())
    messages = (Message(role="user", content=text or f"question {name}"),)
    known: dict[str, Any] = {
        "request": RequestId(name),
        "messages": messages,
        "best": frozenset(member for member, score in scores.items() if score == top > 0),
        "scores": dict(scores),
        "nano_usd": {"small": 1, "medium": 10, "large": 100},
        "total_s": {"small": 1.0, "medium": 2.0, "large": 3.0},
        "kind": "full",
        "source": "judge",
        "by": "j" * 64,
        "confidence": None,
        "complete": True,
        "usable": True,
    }
    beside = {
        key: changes.pop(key)
        for key in ("people", "answers", "stored", "digests", "judge_nano_usd", "metadata", "ballots")
        if key in changes
    }
    return Example(label=Label(**{**known, **changes}), prompt=Prompt(messages=messages), **beside)


def a_hold(rows: int = 120, *, seed: int = 0, **changes: Any) -> Held:
    """Requests of which the short ones are easy: small can do them; large can do nearly all."""
    random = np.random.default_rng(seed)
    examples = []
    for row in range(rows):
        hard = bool(random.random() < 0.5)
        chances = (0.1, 0.5, 0.95) if hard else (0.9, 0.9, 0.95)
        scores = {name: float(random.random() < chance) for name, chance in zip(MEMBERS, chances, strict=True)}
        examples.append(an_example(f"r{row:03}", scores, f"question {row} " + "and so on " * (20 * hard), **changes))
    return hold(examples, members=MEMBERS)
