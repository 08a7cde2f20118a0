"""Made-up labels with something to learn in them: ``small`` can do the easy half alone."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from ensemble.training.table import Table
from tests.ensemble.training.tables import a_table

Failing = Literal["at sums", "always"]
RARE = "Ximena Quillfeather"


def a_lesson(rows: int = 240, *, seed: int = 0) -> Table:
    """Greetings, which both members answer, and sums, which the dear one answers; one rare name in three requests."""
    random = np.random.default_rng(seed)
    hard = random.random(rows) < 0.5
    texts = [
        f"Prove that {a} is prime and compute {a} * {b} = ?" if difficult else f"Hello there, please say hi to {name}"
        for difficult, a, b, name in zip(
            hard,
            random.integers(100, 999, rows),
            random.integers(100, 999, rows),
            random.choice(["Ann", "Bob", "Eve"], rows),
            strict=True,
        )
    ]
    for row in range(3):
        texts[row] += f" and to {RARE}"
    luck = random.random((rows, 2)) < 0.05
    quality = np.stack([np.where(hard, 0.0, 1.0), np.ones(rows)], axis=1)
    quality = np.where(luck, 1 - quality, quality)
    return a_table(quality, [1e3, 2e4], texts=tuple(texts), members=("small", "large"), arrived=("",) * rows)


def put_answers(path: Path, *, number: int, start: int, fails: Failing, seed: int = 0) -> None:
    """Write scored answers of ``small`` and ``large`` for ``ensemble import``, one per minute from minute ``start`` on.

    Half of them are sums. ``small`` costs a twentieth of ``large`` and ``fails`` where it says.
    """
    random = np.random.default_rng(seed + start)
    with path.open("w", encoding="utf-8") as file:
        for minute in range(start, start + number):
            a, b = random.integers(100, 999, 2)
            hard = minute % 2 == 0
            text = f"Prove that {a} is prime and compute {a} * {b} = ?" if hard else f"Hello there {a}, say hi to {b}"
            candidates = [
                {"member": "small", "score": float(not (hard or fails == "always")), "cost_usd": 1e-6, "text": "short"},
                {"member": "large", "score": 1.0, "cost_usd": 2e-5, "text": "a longer answer"},
            ]
            moment = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute)
            file.write(json.dumps({"prompt": text, "candidates": candidates, "at": moment.isoformat()}) + "\n")
