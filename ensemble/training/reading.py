"""Labels to learn from and to measure on: from the log, or from a file of one labelled request per row."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, ValidationError

from ensemble.errors import InvalidRequest
from ensemble.labelling.rows import Reject
from ensemble.labelling.sources import BadSource, Raw, format_of
from ensemble.money import NANO
from ensemble.store.address import Where, address_of
from ensemble.store.examples import Example, examples, lost, models
from ensemble.store.export.talk import content_of
from ensemble.training.shards import is_pattern, raw_rows
from ensemble.types import Label, RequestId
from judges.registry import explain
from judges.types import Message, Prompt, Role

MOST_TOLD = 10
Share = Annotated[float, Field(ge=0, le=1)]
_SQLITE = b"SQLite format 3\0"


class BadLabels(InvalidRequest):
    """A file of labels that cannot be used; the message has one line for each row to mend."""


class Turn(BaseModel):
    """One turn of the conversation."""

    role: Role = "user"
    content: StrictStr | None = None


class One(BaseModel):
    """What is known of one member on one request."""

    model_config = ConfigDict(populate_by_name=True, allow_inf_nan=False)

    name: str | None = Field(None, validation_alias=AliasChoices("member", "model", "name"))
    score: Share | None = Field(None, validation_alias=AliasChoices("score", "quality", "preference"))
    nano_usd: int | None = Field(None, ge=0)
    usd: float | None = Field(None, ge=0, validation_alias=AliasChoices("usd", "cost_usd", "cost"))
    seconds: float | None = Field(None, ge=0, validation_alias=AliasChoices("total_s", "latency_s", "seconds"))
    propensity: Share | None = None
    output: str | None = Field(None, validation_alias=AliasChoices("output", "text", "response"))
    judged: bool | None = None
    set_aside: str | None = None
    alike: int | None = None


def _json(value: object) -> object:
    """What stands as JSON in a cell of a CSV file."""
    return json.loads(value) if isinstance(value, str) and value[:1] in "[{" else value


def _by_name(value: object) -> object:
    """A list of members, each with its name, as an object by name; an object as it is."""
    value = _json(value)
    return _named(value) if isinstance(value, list) else value


def _chances(value: object) -> object:
    """The same of propensities, which stand in the list beside the names."""
    value = _json(value)
    return {name: one.get("propensity") for name, one in _named(value).items()} if isinstance(value, list) else value


def _named(value: list[Any]) -> dict[str, dict[str, Any]]:
    rows = [one for one in value if isinstance(one, dict)]
    names = [next((one[key] for key in ("member", "model", "name") if key in one), None) for one in rows]
    named = {name: one for name, one in zip(names, rows, strict=True) if isinstance(name, str)}
    if len(named) < len(value):
        raise ValueError("each needs a name of its own (member)")
    return named


def _several(value: object) -> object:
    value = _json(value)
    return [value] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]


class Row(BaseModel):
    """One labelled request; keys that are not listed here are the user's own."""

    model_config = ConfigDict(populate_by_name=True, allow_inf_nan=False)

    id: str | None = Field(None, validation_alias=AliasChoices("request_id", "id", "sample_id"))
    prompt: StrictStr | None = None
    messages: Annotated[tuple[Turn, ...] | None, BeforeValidator(_json)] = None
    models: Annotated[Mapping[str, One], BeforeValidator(_by_name)] = Field(
        default_factory=dict, validation_alias=AliasChoices("models", "members")
    )
    scores: Mapping[str, Share | None] = Field(default_factory=dict)
    nano_usd: Mapping[str, int | None] = Field(default_factory=dict)
    total_s: Mapping[str, float | None] = Field(default_factory=dict)
    best: Names | None = Field(None, validation_alias=AliasChoices("best", "winners", "winner"))
    human: Names | None = Field(None, validation_alias=AliasChoices("human", "people_best"))
    kind: Literal["full", "early", "fallback", "own_family", "all_bad", "human"] = "full"
    source: Literal["judge", "human", "reference"] = "reference"
    judged_by: str | None = None
    confidence: Share | None = None
    complete: bool = True
    usable: bool = True
    conversation: str | None = None
    domain: str | None = None
    arrived_at: str | None = None
    propensities: Annotated[Mapping[str, Share], BeforeValidator(_chances)] = Field(default_factory=dict)
    tags: Mapping[str, str] = Field(default_factory=dict)
    metadata: Mapping[str, str] = Field(default_factory=dict)
    reference: str | None = None


def examples_of(source: Where, *, complete: bool = True) -> Iterator[Example]:
    """The labelled requests of ``source``, one after the other. Blocks.

    It is a log, a file of JSON lines, CSV or Parquet (``.gz`` is unpacked), the folder that ``ensemble export`` wrote,
    or a pattern such as ``shards/*.parquet``.

    A row has ``prompt`` or ``messages``, and ``models``: by name ``score`` in [0, 1], perhaps ``nano_usd`` or
    ``cost_usd``, ``total_s``, ``output``, whether it was ``judged``, why it was ``set_aside``, and ``alike``, a number
    that answers share which surely say the same. It may have ``request_id``, ``best``, ``confidence``,
    ``conversation``, ``domain``, ``arrived_at``, ``propensities``, ``tags``, ``metadata``, and ``human``, the members
    that people find best. ``ensemble export --format routing`` writes such files.

    Raises:
        StoreError: the log cannot be read.
        BadSource: the file cannot be read.
        BadLabels: rows of it are wrong.
    """
    address = address_of(source)
    path = address.file
    if path is None or _is_log(path):
        yield from examples(address, complete=complete)
        return
    problems: list[str] = []
    found = wrong = 0
    for raw in raw_rows(path):
        read = _read(raw)
        if isinstance(read, str):
            wrong += 1
            # Of a file of millions of bad rows, no more is remembered than is told.
            problems += [f"{path}, row {read}"] * (wrong <= MOST_TOLD)
            continue
        found += 1
        if not wrong and (read.label.complete or not complete):
            yield read
    if problems:
        more = [f"... and {wrong - MOST_TOLD} more"] if wrong > MOST_TOLD else []
        raise BadLabels("\n".join([*problems, *more]))
    if not found:
        raise BadLabels(f"{path} holds no label; each row is one, with prompt and models")


def _read(raw: Raw) -> Example | str:
    """The label of a row, or its position and what is wrong with it."""
    if isinstance(raw, Reject):
        return f"{raw.position}: {raw.reason}"
    position, tree = raw
    try:
        return _example(position, tree)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, detail["loc"]))
        return f"{position}: {place + ': ' if place else ''}{explain(detail, Row)}"
    except ValueError as error:
        return f"{position}: {error}"


def models_of(source: Where) -> Mapping[str, tuple[str, ...]]:
    """Model ids that providers returned, by member, where ``source`` is a log; a file of labels tells none. Blocks.

    Raises:
        StoreError: the log cannot be read.
        BadSource: the file cannot be read.
    """
    address = address_of(source)
    return models(address) if address.file is None or _is_log(address.file) else {}


def _is_log(path: Path) -> bool:
    """Whether ``path`` is a SQLite file, by what stands in it, or by its name where it is not there."""
    if path.is_dir() or is_pattern(path):
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError as error:
        if format_of(path) is None and not path.exists():
            return True  # the store says best what is missing
        raise BadSource(f"{path}: cannot be read: {error.strerror or error}") from error


def _example(position: int, tree: object) -> Example:
    if not isinstance(tree, Mapping):
        raise ValueError("must be an object with prompt and models")
    row = Row.model_validate({key: value for key, value in tree.items() if value is not None and value != ""})
    if row.prompt is None and not row.messages:
        raise ValueError("prompt: give prompt or messages")
    scores = {name: one.score for name, one in row.models.items()} | dict(row.scores)
    known = {name: score for name, score in scores.items() if score is not None}
    best = _best(row, known, {*row.models, *scores})
    turns = row.messages or (Turn(content=row.prompt or ""),)
    messages = tuple(Message(role=turn.role, content=content_of(turn.content or "")) for turn in turns)
    label = Label(
        request=RequestId(row.id or f"row-{position}"),
        messages=messages,
        best=best,
        scores=known,
        nano_usd={name: _nano(one) for name, one in row.models.items()} | dict(row.nano_usd),
        total_s=_known({name: one.seconds for name, one in row.models.items()} | dict(row.total_s)),
        kind="full" if row.kind == "human" else row.kind,
        source=row.source,
        by=row.judged_by or str(row.source),
        confidence=row.confidence,
        complete=row.complete,
        usable=row.usable,
        conversation=row.conversation,
        domain=row.domain,
        propensities=_known({name: one.propensity for name, one in row.models.items()} | dict(row.propensities)),
        origin="import",
        arrived=row.arrived_at or "",
    )
    judged = _judged(row.models)
    beaten = [name for name, one in row.models.items() if one.set_aside is not None]
    if row.source != "human":  # who rates some answers says nothing of the others
        beaten += judged or ()
    return Example(
        label=lost(label, beaten),
        prompt=Prompt(messages=messages),
        tags=row.tags,
        metadata=row.metadata,
        reference=row.reference,
        answers={name: one.output for name, one in row.models.items() if one.output is not None},
        people=frozenset(row.human) if row.human is not None else best if row.source == "human" else None,
        judged=judged,
        alike={name: one.alike for name, one in row.models.items() if one.alike is not None} or None,
    )


def _best(row: Row, scores: Mapping[str, float], members: set[str]) -> frozenset[str]:
    if not members and not row.nano_usd and not row.total_s:
        raise ValueError("models: they are not there, and who is best alone does not tell against whom")
    for name in (*(row.best or ()), *(row.human or ())):
        if members and name not in members:
            raise ValueError(f"best: {name!r} is not among the models, {', '.join(sorted(members))}")
    if row.best is not None:
        return frozenset(row.best)
    if not scores and row.human is None:
        raise ValueError("models: no member has a score, and best names none")
    top = max(scores.values(), default=0.0)
    return frozenset(name for name, score in scores.items() if score == top > 0)


def _judged(models: Mapping[str, One]) -> frozenset[str] | None:
    told = {name: one.judged for name, one in models.items() if one.judged is not None}
    return frozenset(name for name, judged in told.items() if judged) if told else None


def _nano(one: One) -> int | None:
    if one.nano_usd is not None or one.usd is None:
        return one.nano_usd
    return round(one.usd * NANO)


def _known(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
