"""The log in a notebook: ``ensemble.read("log.db").labels()`` and its like, as typed rows that pandas takes.

Read-only and synchronous. Each iterator reads from one snapshot of its own, row by row, while the service goes on
writing; exhaust or close it, since an open snapshot keeps the file from being tidied up.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, get_args, get_type_hints

from ensemble.errors import StoreError
from ensemble.store.address import Address, Where, address_of
from ensemble.store.content import loads, unbind
from ensemble.store.database import Database
from ensemble.store.label_rows import People, label_rows
from ensemble.store.notebook_rows import CallRow, CandidateRow, FeedbackRow, LabelRow, VerdictRow
from ensemble.store.opening import exists, open_reader, reading

R = TypeVar("R")


class Log:
    """A log that is read. Every iterator raises StoreError where it cannot be read."""

    def __init__(self, address: Address) -> None:
        self.address = address

    def __repr__(self) -> str:
        return f"ensemble.read({str(self.address)!r})"

    def labels(self, *, complete: bool = False, people: People = "ignore") -> Iterator[LabelRow]:
        """One row per judged request, in order of arrival.

        ``complete`` leaves out those for which not every member of the plan was judged; ``people="first"`` lets what
        people said outrank what judges found.
        """
        return self._read(LabelRow, lambda db: label_rows(db, complete=complete, people=people))

    def candidates(self) -> Iterator[CandidateRow]:
        """One row per answer of a member, with what it cost and how long it took."""
        return self._select(CandidateRow, _CANDIDATES)

    def verdicts(self, *, ballots: bool = False) -> Iterator[VerdictRow]:
        """One row per verdict, and with ``ballots`` one more for each that a jury combined."""
        return self._select(VerdictRow, f"{_VERDICTS} {'' if ballots else 'WHERE v.parent IS NULL'} ORDER BY v.id")

    def calls(self) -> Iterator[CallRow]:
        """One row per attempt at a member, whatever came of it: the ledger."""
        return self._select(CallRow, "SELECT * FROM calls ORDER BY request_id, id")

    def feedback(self) -> Iterator[FeedbackRow]:
        """One row for each thing that people or systems said of an answer or conversation."""
        return self._select(FeedbackRow, "SELECT * FROM feedback ORDER BY id")

    def _select(self, cls: Callable[..., R], sql: str) -> Iterator[R]:
        return self._read(cls, lambda db: db.query(sql))

    def _read(self, cls: Callable[..., R], rows: Callable[[Database], Iterator[dict[str, Any]]]) -> Iterator[R]:
        made = _converters(cls)
        with reading(self.address) as db:
            for row in rows(db):
                yield cls(**{name: convert(row[name]) for name, convert in made.items() if name in row})


def read(where: Where) -> Log:
    """The log at ``where``, to be read in a notebook or script; nothing is called and nothing is written.

    It is a path, or an URL such as ``postgresql://user@host/database``.

    Raises:
        StoreError: there is no log, or a newer or older version of this program wrote it.
    """
    address = address_of(where)
    if not exists(address):
        raise StoreError(f"{address}: there is no log; give the path of [store] in the configuration")
    open_reader(address).close()
    return Log(address)


_CANDIDATES = """
SELECT c.*, k.member_digest, k.started_at, k.total_s, k.input_tokens, k.output_tokens, k.nano_usd,
    r.prompt_hash, r.source AS origin, CASE WHEN r.chosen = c.id THEN 1 ELSE 0 END AS chosen
FROM candidates c JOIN requests r ON r.id = c.request_id
LEFT JOIN calls k ON k.request_id = c.request_id AND k.id = c.call_id
ORDER BY c.request_id, c.call_id
"""
_VERDICTS = """
SELECT v.*,
    (
        SELECT json_group_object(candidate_id, score) FROM (
            SELECT s.candidate_id, s.score FROM scores s
            WHERE s.verdict_id = v.id AND s.score IS NOT NULL ORDER BY s.candidate_id
        ) o
    ) AS scores,
    (
        SELECT json_group_array(member) FROM (
            SELECT DISTINCT c.member FROM json_each(v.winners) w
            JOIN candidates c ON c.request_id = v.request_id AND c.id = w.value ORDER BY c.member
        ) o
    ) AS best
FROM verdicts v
"""


@cache
def _converters(cls: object) -> Mapping[str, Callable[[Any], Any]]:
    """By field of ``cls``, how its value comes from its column; decided by its type."""
    return {name: _converter(hint) for name, hint in get_type_hints(cls).items()}


def _converter(hint: Any) -> Callable[[Any], Any]:
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] if type(None) in get_args(hint) else [hint]
    kind = kinds[0]
    origin = getattr(kind, "__origin__", kind)
    if kind is str:
        return lambda value: None if value is None else _whole(unbind(value))
    if kind is bool:
        return lambda value: None if value is None else bool(value)
    if kind is datetime:
        return lambda value: None if value is None else datetime.fromisoformat(value)
    if origin is tuple:
        lacking = () if kind is hint else None
        return lambda value: tuple(loads(value)) if value else lacking  # type: ignore[arg-type] # our own JSON array
    if origin is dict:
        return lambda value: loads(value) if value else {}
    return lambda value: value


def _whole(text: str) -> str:
    """``text`` with a replacement character for each half of a surrogate pair, which pandas and Arrow refuse."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
