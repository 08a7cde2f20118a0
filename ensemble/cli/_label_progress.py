"""How far a labelling run is: a bar on a terminal, a line now and then in a pipe; and what it came to in the end."""

import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ensemble.cli._output import columns, dollars, put, screen
from ensemble.cli._safe import brief, safe
from ensemble.labelling.runner import Outcome
from ensemble.labelling.tally import Tally
from ensemble.plurals import counted

EVERY_S, LOOK_S = 10.0, 0.25
"""Seconds between two lines in a pipe, and between two looks at the pace."""
MOST_REASON = 700
"""Characters of the reason for a reject."""
LATEST = 1000
"""Rows by which the pace is told: what is stored goes by at once and for nothing, and says nothing of what is not."""


class Progress:
    """Shows ``tally`` on standard error while the context lasts."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._marks = deque([(time.monotonic(), 0, 0)])
        self._console = Console(file=sys.stderr, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, name="label-progress", daemon=True)

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live = Live(console=self._console, get_renderable=self._shown, refresh_per_second=4)
            self._live.start()
        else:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        if self._live is not None:
            self._live.stop()
            return
        self._thread.join()
        if self._tally.done:
            self._console.file.write(self.line() + "\n")

    def line(self) -> str:
        """Rows, rate, cost so far and projected, time to go, failures by kind."""
        tally = self._tally
        rate, each = self._pace()
        parts = [
            counted(tally.done, "row") if tally.total is None else f"{tally.done:,} of {counted(tally.total, 'row')}",
            f"{rate:.1f}/s",
        ]
        parts.append(dollars(tally.nano_usd) + (f" + {tally.unpriced} unpriced" if tally.unpriced else ""))
        if tally.total is not None and rate > 0:
            left = max(0, tally.total - tally.done)
            if tally.prompts:
                parts.append(f"about {dollars(tally.nano_usd + round(each * left))} in the end")
            parts.append(f"{_clock(left / rate)} to go")
        if tally.rejected:
            parts.append(f"{tally.rejected} rejected")
        if at_work := [*tally.at_work.values()]:
            parts.append(f"{counted(len(at_work), 'batch', 'batches')} at work ({at_work[0]})")
        parts += [f"{count} {kind}" for kind, count in sorted(tally.failures.items())]
        return ", ".join(parts)

    def _pace(self) -> tuple[float, float]:
        """Rows per second and nano-USD per row, over the latest rows."""
        marks, now = self._marks, (time.monotonic(), self._tally.done, self._tally.nano_usd)
        if now[1] > marks[-1][1]:
            marks.append(now)
        while len(marks) > 1 and now[1] - marks[1][1] >= LATEST:
            marks.popleft()
        seconds, rows, paid = (one - other for one, other in zip(now, marks[0], strict=True))
        return (rows / seconds if seconds > 0 else 0.0), (paid / rows if rows else 0.0)

    def _shown(self) -> Text:
        tally = self._tally
        if not tally.total:
            return Text(self.line())
        full = min(30, 30 * tally.done // tally.total)
        return Text.assemble(("━" * full, "green"), ("━" * (30 - full), "dim"), "  ", self.line())

    def _write(self) -> None:
        looks = 0
        while not self._ended.wait(LOOK_S):
            self._pace()
            looks += 1
            if looks * LOOK_S >= EVERY_S:
                looks = 0
                self._console.file.write(self.line() + "\n")
                self._console.file.flush()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"


def summary(outcome: Outcome, run: str, rejects: Path) -> None:
    """Print what a run came to."""
    tally = outcome.tally
    failed = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.failures.items()))
    calls = ", ".join(f"{count:,} {purpose}" for purpose, count in sorted(tally.calls.items()))
    unpriced = f" + {counted(tally.unpriced, 'call')} of unknown cost" if tally.unpriced else ""
    labels = [f"{tally.labelled:,} made", f"{counted(tally.replayed, 'reply', 'replies')} of judges replayed"]
    if tally.undecided:
        labels.insert(1, f"{tally.undecided:,} judged without a finding")
    rows = [
        ("rows", f"{tally.rows:,}, {tally.rejected:,} rejected, {tally.duplicates:,} of a prompt under way"),
        ("prompts", f"{tally.prompts:,}, {tally.untouched:,} had everything, {tally.unfinished:,} short of an answer"),
        ("labels", ", ".join(labels)),
        ("calls", f"{calls or 'none'}{f'; failed: {failed}' if failed else ''}"),
        ("cost", f"{dollars(tally.nano_usd)}{unpriced}"),
    ]
    if tally.batches or tally.at_work:
        rows.append(("batches", f"{tally.batches:,} taken in, {len(tally.at_work):,} at work"))
    if outcome.spent_nano_usd is not None:
        rows.append(
            ("whole run", f"{dollars(outcome.spent_nano_usd)} spent or set aside, earlier invocations included")
        )
    rows += [
        ("lacking", f"{counted(count, 'answer')} of {safe(member)}: {failure}")
        for (member, failure), count in sorted(tally.lacking.items())
    ]
    rows += [("not done", f"{count:,}: {why}") for why, count in tally.problems.items()]
    if tally.rejected:
        rows.append(("rejects", f"{rejects}; the first: {brief(tally.rejection or '', MOST_REASON)}"))
    console = screen()
    put(console, ("run ", "bold"), run)
    columns(console, rows, {})


def foretold(found: Mapping[str, Any], run: str) -> None:
    """Print a forecast."""
    sampled = found["sampled_rows"]
    basis = f", from a sample of {sampled:,}" if sampled else ""
    calls = ", ".join(f"{count:,} of {safe(name)}" for name, count in found["calls"].items())
    pages = ", ".join(f"{count:,} of {safe(name)}" for name, count in found["judge_calls_at_most"].items())
    rests = "; ".join(f"{safe(name)}: {told}" for name, told in found["basis"].items())
    rows = [
        ("rows", f"{found['rows']:,}, {found['rejected']:,} cannot be used{basis}"),
        ("prompts", f"{found['prompts']:,} that differ, {found['stored']:,} have every answer"),
        ("to call", calls or "nobody"),
        ("judge", f"at most {pages}" if pages else "asks nobody"),
        ("expected", dollars(found["expected_nano_usd"])),
        ("at most", f"{dollars(found['most_nano_usd'])}, each call made once"),
        ("output by", rests or "no call"),
    ]
    rows += [("not done", f"{count:,}: {why}") for why, count in found["problems"].items()]
    if found["rejection"]:
        rows.append(("rejects", f"the first: {brief(found['rejection'], MOST_REASON)}"))
    console = screen()
    put(console, ("plan of ", "bold"), run)
    columns(console, rows, {})
