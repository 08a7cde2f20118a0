"""The recorded games as fields of ballots, for tests of what is fit to labels."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path

from judges.verification._ballots import Field, Read


def reader(shared_data: Path) -> Read:
    """Reads the rows of one recorded file by name."""

    def read(name: str) -> Iterator[dict[str, object]]:
        with gzip.open(shared_data / "judging" / name, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    return read


def folds(field: Field, seed: int, parts: int = 5) -> Iterator[tuple[list[str], list[str]]]:
    """Pairs to fit on and pairs to judge, each pair judged once."""
    pairs = list(field.pairs)
    random.Random(seed).shuffle(pairs)
    for part in range(parts):
        held = pairs[part::parts]
        yield [pair for pair in pairs if pair not in held], held
