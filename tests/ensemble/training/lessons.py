"""Made-up labels with something to learn in them: ``small`` can do the easy half alone."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from ensemble.training.table import Table
from tests.ensemble.training.tables import a_table

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


def put_labels(path: Path, *, number: int, start: int, fails: Literal["at sums", "always"], seed: int = 0) -> None:
    """Add ``number`` labels of ``small`` and ``large`` to the file ``path``, one per minute from minute ``start`` on.

    Half of them are sums. ``small`` costs a twentieth of ``large`` and ``fails`` where it says.
    """
    random = np.random.default_rng(seed + start)
    with path.open("a", encoding="utf-8") as file:
        for minute in range(start, start + number):
            a, b = random.integers(100, 999, 2)
            hard = minute % 2 == 0
            text = f"Prove that {a} is prime and compute {a} * {b} = ?" if hard else f"Hello there {a}, say hi to {b}"
            models = {
                "small": {"score": float(not (hard or fails == "always")), "nano_usd": 1_000, "output": "short"},
                "large": {"score": 1.0, "nano_usd": 20_000, "output": "a longer answer"},
            }
            moment = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute)
            row = {"id": f"r{minute}", "prompt": text, "models": models, "arrived_at": moment.isoformat()}
            file.write(json.dumps(row) + "\n")
