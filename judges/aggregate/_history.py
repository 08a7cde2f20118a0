"""A history of ballots: read from a file, and fit to what each judge is worth and how far they err together."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from judges.aggregate._dawid_skene import Floats, errors_guessed, errors_known, estimate
from judges.aggregate._weights import PRIOR, Counted, accuracy
from judges.errors import InvalidOptions
from judges.types import CandidateId, Verdict

LEAST = 20
"""Rows that two judges must share before anything is said of their errors; below, they count as one."""


class Row(BaseModel):
    """One case of the past: a line of JSON.

    ``candidates`` are any names, equal within the row; ``ballots`` holds the winners by digest of the judge, several
    for a tie; ``best`` the right ones where somebody knows them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    candidates: tuple[str, ...] = Field(min_length=2)
    ballots: Mapping[str, tuple[str, ...]]
    best: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What a history says of its judges: ``accuracy`` in (0, 1), and ``together``, the correlation of two's errors."""

    accuracy: Mapping[str, float]
    together: Mapping[frozenset[str], float]
    rows: int
    converged: bool

    def shared(self, judges: Sequence[str]) -> float:
        """Mean correlation of the errors of ``judges``; 1 for a pair of which it is not known, and for twins."""
        pairs = [self.together.get(frozenset(pair), 1.0) for pair in combinations(judges, 2)]
        return sum(pairs) / len(pairs) if pairs else 0.0


def row_of(ballots: Iterable[Verdict], candidates: Iterable[CandidateId], best: Collection[str] = ()) -> Row:
    """``ballots`` on ``candidates`` as a row of a history; write it with ``model_dump_json``, one row a line."""
    ids = tuple(map(str, candidates))
    heard = {one.judge: tuple(map(str, one.winners)) for one in ballots if one.winners}
    return Row(candidates=ids, ballots=heard, best=tuple(one for one in ids if one in best))


def read(path: Path) -> list[Row]:
    """Every row of a file. Blocks.

    Raises:
        OSError: it cannot be read.
        InvalidOptions: a line is no row; the sentence names line and key.
    """
    rows = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = Row.model_validate_json(line)
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                place = ".".join(str(step) for step in first["loc"])
                raise _wrong(f"{path}, line {number}: {f'{place}: ' if place else ''}{first['msg']}") from None
            if len(set(row.candidates)) < len(row.candidates):
                raise _wrong(f"{path}, line {number}: two of its candidates have one name")
            if strangers := {*row.best, *(one for votes in row.ballots.values() for one in votes)} - {*row.candidates}:
                raise _wrong(f"{path}, line {number}: {min(strangers)!r} is none of its candidates")
            rows.append(row)
    return rows


def _wrong(told: str) -> InvalidOptions:
    return InvalidOptions(f"history_file: {told}", (("history_file", told),))


def fit(rows: Sequence[Row], labelled: Mapping[str, Counted], prior: float = PRIOR) -> Fit:
    """Fit the judges of ``labelled`` to ``rows``; their labelled verdicts count as votes cast before. Blocks: numpy.

    ``prior`` further right and as many wrong votes are imagined for each.

    Candidates stand in a drawn order, so their places mean nothing: each judge has one accuracy, the same for every
    place, and its errors fall evenly on the others.
    """
    names = sorted(labelled)
    used = [row for row in rows if any(row.ballots.get(name) for name in names)]
    if not names or not used:
        alone = {name: accuracy(one, prior) for name, one in labelled.items()}
        return Fit(accuracy=alone, together={}, rows=0, converged=True)
    import numpy as np

    votes, exists, known = _arrays(used, names)
    right, of = ([getattr(labelled[name], key) for name in names] for key in ("right", "n"))
    before = np.stack([np.array(right), np.array(of) - right], axis=1) + prior
    found = estimate(votes, exists=exists, known=known, imagined=before, tied=True)
    # Barely shrunken: an accuracy that is put too low would make every agreement look shared.
    labels = np.array([accuracy(labelled[name], 1.0) for name in names])
    sure = known.sum(axis=1) > 0
    together = errors_known(votes[sure], known[sure], least=LEAST)
    guessed = errors_guessed(votes, exists.sum(axis=1), labels, least=LEAST)
    together = np.where(np.isnan(together), guessed, together)
    return Fit(
        accuracy={name: float(found.confusion[judge, 0, 0]) for judge, name in enumerate(names)},
        together={
            frozenset((names[i], names[j])): float(together[i, j])
            for i, j in combinations(range(len(names)), 2)
            if not np.isnan(together[i, j])
        },
        rows=len(used),
        converged=found.converged,
    )


def _arrays(rows: Sequence[Row], names: Sequence[str]) -> "tuple[Floats, Floats, Floats]":
    """Votes (rows, judges, candidates), a tie in shares; which candidates exist and which are best."""
    import numpy as np

    most = max(len(row.candidates) for row in rows)
    votes = np.zeros((len(rows), len(names), most))
    exists, known = np.zeros((len(rows), most)), np.zeros((len(rows), most))
    for item, row in enumerate(rows):
        exists[item, : len(row.candidates)] = 1
        places = {name: place for place, name in enumerate(row.candidates)}
        for one in row.best:
            known[item, places[one]] = 1
        for judge, name in enumerate(names):
            winners = row.ballots.get(name, ())
            for one in winners:
                votes[item, judge, places[one]] = 1 / len(winners)
    return votes, exists, known
