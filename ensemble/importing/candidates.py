"""``--format candidates``: one prompt per row with the answers to it, as they may come from anywhere.

A row is as ``ensemble label`` takes it, with ``candidates``, a list of ``{"member", "text"}`` that may also have
``id``, ``score``, ``cost_usd``, ``latency_s``, ``finish_reason`` and ``tool_calls`` (``{"id", "name", "arguments"}``);
and perhaps ``best``: a member, an id, a place from 0, a list of them, ``"tie"`` or ``"all_bad"``; and ``at``, when the
answers were made.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import get_args

import orjson

from ensemble.importing.given import (
    FROM_0_TO_1,
    Answer,
    Given,
    Scale,
    dollars,
    encodable,
    member,
    moment,
    one_by_one,
    positive,
)
from ensemble.judging.labelled import places
from ensemble.labelling.rows import BadRow, Reject, RowReader
from ensemble.labelling.sources import Raw
from judges.types import Completion, FinishReason, ToolCall, Usage

OURS = ("candidates", "best", "at")
KNOWN = frozenset({"member", "text", "id", "score", "cost_usd", "latency_s", "finish_reason", "tool_calls"})


@dataclass(frozen=True, slots=True)
class Candidates:
    """Reads rows with ``candidates``."""

    reader: RowReader
    scale: Scale = FROM_0_TO_1

    def read(self, source: Iterator[Raw]) -> Iterator[Given | Reject]:
        return one_by_one(source, self._given)

    def _given(self, position: int, tree: Mapping[str, object]) -> Given:
        row = self.reader.read(position, {name: value for name, value in tree.items() if name not in OURS})
        if isinstance(row, Reject):
            raise BadRow(row.reason)
        listed = _json(tree.get("candidates"))
        if not isinstance(listed, list) or not listed:
            raise BadRow("candidates: it must be a list of objects with member and text")
        answers = tuple(self._answer(f"candidates.{at}", one) for at, one in enumerate(listed))
        return Given(row=row, answers=answers, best=_best(tree.get("best"), listed), at=moment(tree.get("at")))

    def _answer(self, name: str, one: object) -> Answer:
        if not isinstance(one, Mapping):
            raise BadRow(f"{name}: it must be an object with member and text")
        # Columnar formats fill up what an object does not have.
        given = {key: value for key, value in one.items() if value is not None}
        if strange := sorted(given.keys() - KNOWN):
            raise BadRow(f"{name}.{strange[0]}: unknown key; known are {', '.join(sorted(KNOWN))}")
        calls = _tool_calls(f"{name}.tool_calls", given.get("tool_calls", []))
        finish = given.get("finish_reason", "tool_calls" if calls and not given.get("text") else "stop")
        if finish not in get_args(FinishReason):
            raise BadRow(f"{name}.finish_reason: it must be one of {', '.join(get_args(FinishReason))}")
        cost = dollars(f"{name}.cost_usd", given.get("cost_usd"))
        text = encodable(f"{name}.text", given.get("text", "" if calls else None))
        return Answer(
            member=member(f"{name}.member", given.get("member")),
            completion=Completion(text=text, finish_reason=finish, tool_calls=calls, usage=Usage(nano_usd=cost)),
            total_s=positive(f"{name}.latency_s", given.get("latency_s")),
            score=self.scale.score(f"{name}.score", given.get("score")),
        )


def _tool_calls(name: str, given: object) -> tuple[ToolCall, ...]:
    try:
        return tuple(
            ToolCall(id=one["id"], name=one["name"], arguments=encodable(name, one["arguments"]))
            for one in given  # type: ignore[attr-defined] # whatever it is, what does not fit is told below
        )
    except (TypeError, KeyError, AttributeError):
        raise BadRow(f"{name}: it must be a list of objects with id, name and arguments (JSON text)") from None


def _best(given: object, listed: list[Mapping[str, object]]) -> frozenset[int] | None:
    given = _json(given)
    if given is None or given == "":
        return None
    names = [str(one.get("id") or one.get("member")) for one in listed]
    # A name that several have names none of them.
    counted = Counter(names)
    known = [name if counted[name] == 1 else None for name in names]
    parts = tuple(given) if isinstance(given, list) else (given,)
    if not all(isinstance(one, int | str) and not isinstance(one, bool) for one in parts):
        raise BadRow('best: it must be a member, an id, a place from 0, a list of them, "tie" or "all_bad"')
    try:
        return frozenset(places(parts if isinstance(given, list) else parts[0], known))
    except ValueError as error:
        raise BadRow(str(error)) from None


def _json(given: object) -> object:
    """A cell of a table may hold a list as JSON."""
    if isinstance(given, str) and given[:1] == "[":
        try:
            return orjson.loads(given)
        except orjson.JSONDecodeError:
            return given
    return given
