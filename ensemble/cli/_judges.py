"""What the subcommands of ``ensemble judges`` share: options, and how a share is printed."""

from collections.abc import Iterable, Mapping
from typing import Any

import click
from rich.console import Console

from ensemble.cli._output import columns
from judges.agreement import Estimate, Rate

NAMES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "consistency": "same finding in both orders",
    "flips": "the place decided (flipped)",
    "first": "picks the first shown",
    "longer": "picks the longer",
    "right_longer": "accuracy, right is longer",
    "right_shorter": "accuracy, right is shorter",
    "null": "no finding",
    "own": "picks its own family",
    "own_right": "own family is right there",
}
named = click.option("--judge", "judges", multiple=True, metavar="NAME", help="This judge alone; may be repeated.")


def figure(rate: Rate | Estimate) -> str:
    """A share or coefficient with its interval and its number of cases, a dash where there is none."""
    if rate.value is None:
        return "-" if rate.n == 0 else f"not defined  n={rate.n}"
    low, high = ("?" if bound is None else f"{bound:.3f}" for bound in (rate.low, rate.high))
    return f"{rate.value:.3f}  [{low}, {high}]  n={rate.n}"


def put_rates(console: Console, rates: Mapping[str, Rate], more: Iterable[tuple[str, str]] = ()) -> None:
    """One line per figure."""
    rows = [(NAMES[name], figure(rate)) for name, rate in rates.items()]
    columns(console, [*rows, *more], {})


def rounded(tree: Any) -> Any:
    """``tree`` with its floats at six decimals: JSON to read, without the noise of floating point."""
    if isinstance(tree, float):
        return round(tree, 6)
    if isinstance(tree, Mapping):
        return {name: rounded(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [rounded(value) for value in tree]
    return tree
