"""A user's own labelled cases: JSON lines, read strictly, every bad row named by line and key."""

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from judges.registry import explain
from judges.types import Candidate, CandidateId, Case, Completion, Message, ResponseFormat, Role

MOST_TOLD = 20
Named = StrictInt | StrictStr


class LabelsError(Exception):
    """The file of labels cannot be used; the message has one line for each thing to mend."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """One case with what is right about it: ``best`` holds several for a tie, none where all candidates are bad."""

    line: int
    case: Case
    best: frozenset[CandidateId]


class Turn(BaseModel):
    """One turn of the conversation."""

    role: Role = "user"
    content: StrictStr


class Answer(BaseModel):
    """One candidate; without an ``id`` it is known by its place, from 0."""

    id: StrictStr | None = None
    text: StrictStr


def _answer(given: object) -> object:
    return {"text": given} if isinstance(given, str) else given


class Row(BaseModel):
    """One line. Keys that are not listed here are the user's own."""

    model_config = ConfigDict(populate_by_name=True)

    prompt: StrictStr | None = None
    messages: Annotated[tuple[Turn, ...], Field(min_length=1)] | None = None
    candidates: Annotated[tuple[Annotated[Answer, BeforeValidator(_answer)], ...], Field(min_length=2)]
    best: Named | tuple[Named, ...]
    reference: StrictStr | None = None
    form: Mapping[str, Any] | None = Field(default=None, alias="schema")

    @model_validator(mode="after")
    def _one_question(self) -> "Row":
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("prompt: give either prompt or messages")
        return self


def read(path: Path) -> list[Labelled]:
    """Read ``path`` (``.gz`` is unpacked). Blocks.

    A line holds ``prompt`` or ``messages``, ``candidates`` (texts, or objects with ``id`` and ``text``) and ``best``:
    an id, a place from 0, a list of them for a tie, ``"tie"`` for all, ``"all_bad"``; perhaps ``reference`` and
    ``schema``. JudgeBench's pairs (``question``, ``response_A``, ``response_B``, ``label``) and LLMBar's (``input``,
    ``output_1``, ``output_2``, ``label``) are taken as they are.

    Raises:
        LabelsError: the file cannot be read, or rows of it are wrong.
    """
    rows: list[Labelled] = []
    problems: list[str] = []
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    rows.append(_labelled(number, line))
                except ValidationError as error:
                    problems += [f"{path}, line {number}: {told}" for told in _sentences(error)]
                except ValueError as error:
                    problems.append(f"{path}, line {number}: {error}")
    except (OSError, EOFError) as error:
        raise LabelsError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if problems:
        more = [f"... and {len(problems) - MOST_TOLD} more"] if len(problems) > MOST_TOLD else []
        raise LabelsError("\n".join([*problems[:MOST_TOLD], *more]))
    if not rows:
        raise LabelsError(f"{path} holds no labelled case; each line is one, as a JSON object")
    return rows


def digest(path: Path) -> str:
    """SHA-256 of the file, 64 hex digits. Blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _labelled(number: int, line: bytes) -> Labelled:
    try:
        tree = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(tree, dict):
        raise ValueError("must be a JSON object with prompt, candidates and best")
    row = Row.model_validate(_benchmark(tree))
    answers = row.candidates
    # The ids of the file may tell the author, so a judge gets others.
    ids = [CandidateId(f"c{place}") for place in range(len(answers))]
    known = [one.id for one in answers if one.id is not None]
    if len(set(known)) != len(known):
        raise ValueError("candidates: two have the same id; give each its own")
    turns = row.messages or (Turn(content=row.prompt or ""),)
    case = Case(
        messages=tuple(Message(role=turn.role, content=turn.content) for turn in turns),
        candidates=tuple(
            Candidate(id=id_, completion=Completion(text=one.text, finish_reason="stop"))
            for id_, one in zip(ids, answers, strict=True)
        ),
        reference=row.reference,
        seed=int.from_bytes(hashlib.sha256(line.strip()).digest()[:6]),
        response_format=ResponseFormat(type="json_schema", schema=row.form) if row.form is not None else None,
    )
    return Labelled(
        line=number, case=case, best=frozenset(ids[place] for place in places(row.best, [one.id for one in answers]))
    )


def places(best: Named | tuple[Named, ...], names: Sequence[str | None]) -> list[int]:
    """The places of the ``best`` among candidates called ``names`` (None for one without a name).

    ``best`` is a name, a place from 0, several of them for a tie, ``"tie"`` for all, ``"all_bad"`` for none.

    Raises:
        ValueError: there is no such candidate.
    """
    known = {name: place for place, name in enumerate(names) if name is not None}
    if isinstance(best, str) and best not in known and best in ("tie", "all_bad"):
        return list(range(len(names))) if best == "tie" else []
    if best == ():
        raise ValueError('best: the list is empty; write "all_bad" where no candidate is acceptable')
    found = []
    for one in best if isinstance(best, tuple) else (best,):
        place = known.get(one, -1) if isinstance(one, str) else one
        if not 0 <= place < len(names):
            told = ", ".join(repr(name) for name in known) or f"0 to {len(names) - 1}"
            raise ValueError(f'best: there is no candidate {one!r}; known are {told}, "tie" and "all_bad"')
        found.append(place)
    return found


def _benchmark(tree: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of JudgeBench or LLMBar as one of ours; any other as it is."""
    if {"question", "response_A", "response_B", "label"} <= tree.keys():
        best: object = {"A>B": 0, "B>A": 1}.get(str(tree["label"]).strip())
        question, pair = tree["question"], [tree["response_A"], tree["response_B"]]
    elif {"input", "output_1", "output_2", "label"} <= tree.keys():
        best = {"1": 0, "2": 1}.get(str(tree["label"]))
        question, pair = tree["input"], [tree["output_1"], tree["output_2"]]
    else:
        return tree
    if best is None:
        raise ValueError(f"label: {tree['label']!r} names neither answer")
    return {"prompt": question, "candidates": pair, "best": best}


def _sentences(error: ValidationError) -> Iterator[str]:
    seen: set[str] = set()
    for detail in error.errors(include_url=False, include_input=False):
        # A union tells of each of its forms; the place as the user wrote it is enough, and the first reason.
        steps = [str(step) for step in detail["loc"] if not str(step).startswith(("str", "int", "tuple"))]
        place = ".".join(steps)
        # pydantic drops an item that is wrong, and then finds the list around it too short.
        if not any(f"{told}.".startswith(f"{place}.") for told in seen):
            seen.add(place)
            yield f"{place}: {explain(detail, Row)}" if place else explain(detail, Row)
