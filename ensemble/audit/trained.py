"""What training measured of the routers that serve, as their folders tell it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ensemble.audit.cells import known, ranged
from ensemble.audit.shapes import Cell, Column, Table
from judges.errors import InvalidOptions
from judges.learning.folder import read_manifest


def trained_table(folders: Mapping[str, Path]) -> Table:
    """The table ``trained`` from the router folders, by the name of who reads them. Blocks."""
    rows = [row for name, folder in folders.items() for row in _rows(name, folder)]
    return Table(
        name="trained",
        title="As trained",
        columns=(
            Column(name="router", title="Router"),
            Column(name="made", title="Trained", kind="time"),
            Column(name="kind", title="Kind"),
            Column(name="learned", title="Learned from", kind="count"),
            Column(name="n", title="Measured on", kind="count"),
            Column(name="figure", title="Figure"),
            *ranged("value", "Value", "number"),
        ),
        rows=rows,
        note="Measured by `ensemble train` on labels that it held back, when the router was made.",
        empty="No router that serves was trained: `ensemble train` makes one from the labels of the log.",
    )


def _rows(name: str, folder: Path) -> Iterator[Mapping[str, Cell]]:
    try:
        manifest: Mapping[str, Any] = read_manifest(folder)
    except InvalidOptions:
        return  # it serves from memory, and the next start tells what is wrong with its folder
    data = manifest.get("data")
    origin: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    metrics = manifest.get("metrics")
    for figure, value in metrics.items() if isinstance(metrics, Mapping) else ():
        yield {
            "router": name,
            "made": str(manifest.get("made", "")),
            "kind": str(manifest.get("kind", "")),
            "learned": _count(origin.get("learned")),
            "n": _count(origin.get("measured")),
            "figure": str(figure).replace("_", " "),
            "value": _number(value, "point"),
            "value_low": _number(value, "low"),
            "value_high": _number(value, "high"),
        }


def _count(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: object, part: str) -> float | None:
    found = value.get(part) if isinstance(value, Mapping) else None
    return known(found) if isinstance(found, int | float) else None
