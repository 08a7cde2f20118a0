"""What the formats have in common: the shape of a format, and the columns that tell where a row comes from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ensemble.money import NANO
from ensemble.store.database import Database
from ensemble.store.export.cases import Answer, Case
from ensemble.store.export.fields import Field, Row, integer, real, text, truth
from ensemble.store.export.leaving import Leaving

Pairs = Literal["one", "best", "all"]
ORIGIN = (
    text("request_id", "id of the request in the log (UUIDv7)"),
    text("prompt_hash", "SHA-256 of messages and options; of the redacted messages where texts are redacted"),
    text("conversation", "the client's id of the conversation"),
    text("dataset", "data set that the prompt is of"),
    text("row_id", "its row there"),
    text("domain", "subject"),
    text("router", "router or member that was asked"),
    text("origin", "how the prompt came into the log: served, label or import"),
)
FINDING = (
    real("confidence", "calibrated probability that the best is right; null where it is unknown, as for people"),
    text("kind", "full, early, fallback, own_family or all_bad, by how the label came to be"),
    text("source", "judge or human"),
    text("judge", "name of the judge in the configuration"),
    text("judged_by", "digest of the judge's rules, or aliases of the people"),
    integer("people", "how many people spoke; 0 where they were not asked for or were silent"),
    integer("agreed", "how many of them say this"),
    truth("complete", "every member of the plan was judged"),
    truth("usable", "a router may learn from it"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What makes one export differ from another of its format.

    Attributes:
        members: in the log's selection, sorted.
        pairs: which pairs of answers: the best against the worst, the best against each other one, or all.
        min_margin: least difference of the scores of a pair; pairs of unknown scores have none.
    """

    members: tuple[str, ...] = ()
    pairs: Pairs | None = None
    min_margin: float = 0.0


Rows = Callable[[Case, Shape], Iterator[Row]]
RawRows = Callable[[Database, str, Mapping[str, object], Leaving], Iterator[Row]]
"""Rows of one request, by its id and the parameters of the filters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One format.

    Attributes:
        made_of: ``labels``, ``verdicts`` or ``all`` requests.
        columns: of an export of this shape.
        rows: the rows of one labelled request; None for a format with ``raw`` rows of its own.
        says: whether it holds texts of members.
        task: category of the data card.
    """

    name: str
    doc: str
    made_of: str
    columns: Callable[[Shape], Sequence[Field]]
    rows: Rows | None = None
    raw: RawRows | None = None
    says: bool = True
    task: str = "text-generation"


def origin(case: Case) -> Row:
    """The columns of ``ORIGIN``."""
    return {"request_id": case.row["id"]} | {field.name: case.row[field.name] for field in ORIGIN[1:]}


def finding(case: Case) -> Row:
    """The columns of ``FINDING``."""
    return {field.name: getattr(case, field.name) for field in FINDING}


def usd(nano_usd: int | None) -> float | None:
    """A cost in US dollars; None where it is unknown."""
    return None if nano_usd is None else nano_usd / NANO


def teaches(case: Case) -> bool:
    """Some answer was found good, by a finding that decided."""
    return case.kind not in ("fallback", "all_bad") and any(answer.best for answer in case.answers)


def order(answer: Answer) -> tuple[float, str, str]:
    """Best first; equal ones by name, so that an order is stable."""
    return (-(answer.score if answer.score is not None else -1.0), answer.member, answer.id)


def margin(one: Answer, other: Answer) -> float | None:
    """How much better the first is; None where a score is unknown."""
    return None if one.score is None or other.score is None else one.score - other.score
