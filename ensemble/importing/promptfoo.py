"""``--format promptfoo``: the results of an evaluation, as ``promptfoo eval --output results.json`` writes them.

Read are ``results.results`` (version 3 and later; ``results`` may also stand at the top): one answer per provider, test
and prompt. The answers to one rendered prompt of one test make one row; ``score`` is that of its assertions. Where
promptfoo took an answer from its cache, cost and latency are unknown.
Source: https://www.promptfoo.dev/docs/configuration/reference/ (EvaluateResult).
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from ensemble.importing.given import FROM_0_TO_1, Answer, Given, Scale, dollars, encodable, member, moment, positive
from ensemble.labelling.rows import BadRow, Reject, Row, RowReader, shown
from ensemble.labelling.sources import BadSource, Raw
from ensemble.providers._shapes import count, mapping
from ensemble.store.rows import prompt_hash
from judges.types import Completion, Usage


@dataclass(frozen=True, slots=True)
class Promptfoo:
    """Groups the results of one file, which is one JSON document, by what was asked."""

    reader: RowReader
    scale: Scale = FROM_0_TO_1

    def read(self, source: Iterator[Raw]) -> Iterator[Given | Reject]:
        groups: dict[object, Given] = {}
        for raw in source:
            if isinstance(raw, Reject):
                yield raw
                continue
            position, result = raw
            try:
                key, given = self._result(position, result)
            except BadRow as error:
                yield Reject(position=position, reason=str(error), text=shown(result))
                continue
            before = groups.get(key)
            groups[key] = replace(before, answers=before.answers + given.answers) if before else given
        yield from groups.values()

    def _result(self, position: int, tree: object) -> tuple[object, Given]:
        if not isinstance(tree, Mapping):
            raise BadRow("the result is no object")
        response = mapping(tree.get("response"))
        if response.get("output") is None:
            told = response.get("error") or tree.get("error") or "there is no response.output"
            raise BadRow(f"the call failed: {str(told)[:200]}")
        row = self._row(position, tree)
        test = tree.get("testIdx", _text(tree.get("vars")))
        return (test, prompt_hash(row.prompt)), Given(row=row, answers=(self._answer(tree, response),), at=_at(tree))

    def _row(self, position: int, tree: Mapping[str, Any]) -> Row:
        raw = mapping(tree.get("prompt")).get("raw", tree.get("prompt"))
        if isinstance(raw, str) and raw[:1] == "[":
            # A chat is rendered as the JSON of its messages.
            with suppress(orjson.JSONDecodeError):
                raw = orjson.loads(raw)
        case = mapping(tree.get("testCase"))
        test = {"vars": tree.get("vars"), "description": case.get("description"), "metadata": case.get("metadata")}
        row = self.reader.read(
            position,
            {
                "messages" if isinstance(raw, list) else "prompt": raw,
                "id": f"{tree.get('testIdx', position)}-{tree.get('promptIdx', 0)}",
                "metadata": {name: value for name, value in test.items() if value},
            },
        )
        if isinstance(row, Reject):
            raise BadRow(row.reason)
        return row

    def _answer(self, tree: Mapping[str, Any], response: Mapping[str, Any]) -> Answer:
        provider = tree.get("provider")
        named = mapping(provider)
        output, tokens = response["output"], mapping(response.get("tokenUsage"))
        cached = bool(response.get("cached"))
        given = response.get("cost")
        cost = None if cached else dollars("cost", tree.get("cost") if given is None else given)
        usage = Usage(
            input_tokens=count(tokens.get("prompt")), output_tokens=count(tokens.get("completion")), nano_usd=cost
        )
        text = encodable("response.output", output if isinstance(output, str) else _text(output))
        return Answer(
            member=member("provider.id", named.get("label") or named.get("id") or provider),
            completion=Completion(text=text, finish_reason="stop", usage=usage),
            total_s=None if cached else positive("latencyMs", tree.get("latencyMs"), 0.001),
            score=self.scale.score("score", tree.get("score", mapping(tree.get("gradingResult")).get("score"))),
        )


def results_of(path: Path) -> Iterator[Raw]:
    """The results of the file with their places, from 1. Blocks, and holds the document in memory.

    Raises:
        BadSource: it cannot be read, or is none of promptfoo's.
    """
    try:
        tree = orjson.loads(path.read_bytes())
    except OSError as error:
        raise BadSource(f"{path}: cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise BadSource(f"{path}: is not JSON: {error}") from error
    found = mapping(tree).get("results")
    found = found.get("results") if isinstance(found, Mapping) else found
    if not isinstance(found, list):
        raise BadSource(f"{path}: has no results.results; write it with promptfoo eval --output FILE.json")
    yield from enumerate(found, 1)


def _at(tree: Mapping[str, Any]) -> Any:
    return moment(mapping(tree.get("metadata")).get("timestamp"))


def _text(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=str).decode()
