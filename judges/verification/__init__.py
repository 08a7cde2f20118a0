"""Proof of the readers: recorded texts of real judges, read again, against the counts that a correct reading gives."""

import gzip
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from judges.errors import JudgingError
from judges.verification import _attacks, _code, _judgebench, _juries, _llmbar, _schemes, _single
from judges.verification._rows import Record, Row, compare

Check = Callable[[Callable[[str], Iterator[Record]], Mapping[str, object]], Iterator[Row]]

CHECKS: Mapping[str, Check] = {
    "judgebench": _judgebench.games,
    "rubric_parse_failure_as_abstain": _judgebench.rubrics,
    "llmbar": _llmbar.games,
    "alpaca_logprob_rows_with_logprobs": _single.logprobs,
    "alpaca_winrate_pct": _single.win_rates,
    "mtbench_single_mean": _single.ratings,
    "tricky_verdicts": _single.tricky,
    "real_attacks": _single.attacks,
    "pandalm": _single.people,
    "attacks": _attacks.texts,
    "verifiers_judgebench": _code.pairs,
    "weights": _juries.table,
    "schemes": _schemes.table,
}
"""What reproduces each part of EXPECTED.json; attacks, verifiers and weights have bounds of their own."""


class UnreadableData(JudgingError):
    """The folder does not hold what its README promises; the message names file and line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Every count that was compared. ``wrong`` are those that fail the verification."""

    rows: tuple[Row, ...]

    @property
    def wrong(self) -> tuple[Row, ...]:
        """The rows that differ, information apart."""
        return tuple(row for row in self.rows if not row.right and not row.informative)


def schemes(folder: Path) -> str:
    """Accuracy against number of judge calls as a Markdown table, from the recorded games under ``folder``. Blocks.

    Raises:
        UnreadableData: a file is missing or is not what it should be.
    """
    return _schemes.markdown(lambda name: _records(folder / name))


def verify(folder: Path, *, parts: Collection[str] | None = None) -> Report:
    """Read the texts under ``folder`` again and compare with its ``EXPECTED.json``, or only ``parts`` of it.

    No verdict is taken from a recorded one: the fields ``decision_recorded``, ``winner_recorded``, ``winner_12``,
    ``winner_21`` and MT-Bench's ``score`` may be blank. A part of EXPECTED.json that nothing reproduces is a
    difference, and so is one that is missing there, and code that cannot be isolated here and so was not run. Blocks
    for half a minute, and needs a thread without a running event loop.

    Raises:
        UnreadableData: a file is missing or is not what it should be.
    """

    def read(name: str) -> Iterator[Record]:
        return _records(folder / name)

    expected = _expected(folder / "EXPECTED.json")
    rows: list[Row] = []
    for part, check in CHECKS.items():
        if parts is not None and part not in parts:
            continue
        said = expected.get(part)
        try:
            rows.extend(check(read, said if isinstance(said, Mapping) else {"": said}))
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise UnreadableData(f"{part}: a record does not have the fields it should: {error!r}") from error
    unknown = sorted(set(expected) - set(CHECKS)) if parts is None else ()
    rows.extend(compare(part, "", expected[part], None) for part in unknown)
    return Report(rows=tuple(rows))


def _expected(path: Path) -> Mapping[str, object]:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableData(f"{path}: {error}") from error
    if not isinstance(said, Mapping):
        raise UnreadableData(f"{path}: an object of parts is expected")
    return said


def _records(path: Path) -> Iterator[Record]:
    read = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)
                read += 1
    except (OSError, EOFError, ValueError) as error:
        raise UnreadableData(f"{path}, after line {read}: {error}") from error
