"""Made-up labels with something to learn in them: ``small`` can do the easy half alone."""

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
