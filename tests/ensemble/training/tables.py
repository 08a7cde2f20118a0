"""Tables of made-up labels, for tests of what is measured on them."""

from typing import Any

import numpy as np

from ensemble.training.table import Table, winners


def a_table(quality: Any, cost: Any = None, **changes: Any) -> Table:
    """A table of those qualities; member k costs k + 1 unless ``cost`` says else, and every row is its own group."""
    values = np.asarray(quality, dtype=np.float64)
    n, m = values.shape
    price = np.arange(1, m + 1, dtype=np.float64) if cost is None else np.asarray(cost, dtype=np.float64)
    known: dict[str, Any] = {
        "ids": tuple(f"r{row}" for row in range(n)),
        "texts": tuple(f"question {row}" for row in range(n)),
        "members": tuple("abcdefghij"[:m]),
        "quality": values,
        "nano_usd": np.broadcast_to(price, values.shape).copy(),
        "seconds": np.full(values.shape, np.nan),
        "best": winners(values),
        "groups": tuple(f"g{row}" for row in range(n)),
        "arrived": tuple(f"2026-11-{row // 24 + 1:02}T{row % 24:02}:00:00.000000Z" for row in range(n)),
        "weights": np.ones(n),
        "usable": np.ones(n, dtype=np.bool_),
    }
    return Table(**{**known, **changes})


def a_random_table(rows: int = 60, members: int = 3, *, seed: int = 0, levels: int = 4) -> Table:
    """Qualities in a few levels, so that there are ties; dearer members are better on the whole."""
    random = np.random.default_rng(seed)
    base = np.linspace(0.2, 0.6, members)
    quality = np.clip(np.round((random.random((rows, members)) * 0.6 + base) * levels) / levels, 0, 1)
    cost = random.integers(1, 5, (rows, members)) * 10.0 ** np.arange(members)
    groups = tuple(f"g{place}" for place in random.integers(0, rows // 2 + 1, rows))
    return a_table(quality, cost, groups=groups)
