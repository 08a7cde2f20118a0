"""What the subcommands of ``ensemble judges`` share: options, and how a share is printed."""

import difflib
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click
from rich.console import Console

from ensemble.cli._output import columns
from ensemble.cli._safe import safe
from ensemble.config import Settings
from ensemble.judging.labelled import Labelled, LabelsError, read
from ensemble.judging.trial import Found
from ensemble.money import Total, total
from ensemble.plurals import counted
from judges.agreement import Estimate, Rate
from judges.judge import Judge

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
labels = click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="JSON lines with prompt, candidates and best.",
)


def chosen(settings: Settings, names: tuple[str, ...]) -> dict[str, Judge]:
    """The judges of those names, all of them where none is named."""
    for name in names:
        if name not in settings.judges:
            near = difflib.get_close_matches(name, settings.judges, n=1) or sorted(settings.judges)
            known = f"did you mean {near[0]!r}?" if len(near) == 1 else f"known are {', '.join(near)}"
            raise click.BadParameter(f"there is no judge {name!r}; {known}", param_hint="--judge")
    wanted = {name: settings.judges[name] for name in names or settings.judges}
    if not wanted:
        raise click.UsageError(f"{settings.path} has no judge; add a [judges.NAME] table")
    return wanted


def read_labels(path: Path) -> list[Labelled]:
    """The labelled cases of ``path``, or the lines to mend."""
    try:
        return read(path)
    except LabelsError as error:
        raise click.ClickException(safe(str(error))) from error


class Progress:
    """Cases done, cost so far and what is left, on the terminal behind standard error; silent where there is none."""

    def __init__(self, cases: int) -> None:
        self._cases, self._done, self._cost = cases, 0, Total(0, 0)
        self._shown = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __call__(self, found: Found) -> None:
        self._done += 1
        more = total(call.usage.nano_usd for call in found.calls)
        self._cost = Total(self._cost.nano_usd + more.nano_usd, self._cost.unpriced + more.unpriced)
        if self._shown:
            left = self._cost.nano_usd * (self._cases - self._done) // self._done
            line = (
                f"{self._done} of {counted(self._cases, 'case')}, {self._cost} so far, about {Total(left, 0)} to come"
            )
            sys.stderr.write(f"\r{line}\x1b[K")
            sys.stderr.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and self._done:
            sys.stderr.write("\n")


def figure(rate: Rate | Estimate) -> str:
    """A share or coefficient with its interval and its number of cases, a dash where there is none."""
    if rate.value is None:
        return "-" if rate.n == 0 else f"not defined  n={rate.n:,}"
    low, high = ("?" if bound is None else f"{bound:.3f}" for bound in (rate.low, rate.high))
    return f"{rate.value:.3f}  [{low}, {high}]  n={rate.n:,}"


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
