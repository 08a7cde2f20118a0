"""``--format openai-log``: requests of OpenAI's chat completions with their responses, one pair per line.

Three shapes are understood:

- ``{"request": BODY, "response": REPLY}``, as proxies log them; perhaps with ``latency_s`` or ``latency_ms`` and
  ``cost_usd`` beside. Either may stand one level deeper, under ``body``.
- a line of the Batch API's output file (``custom_id`` and ``response.body``); the input file that has the request of
  the same ``custom_id`` is named with ``--requests``.
- a stored completion: the reply with its ``messages`` (a list, or ``{"data": [...]}``) and perhaps ``tools`` in it.

Every choice of a reply is one answer. The member is the model that was asked for, else the one that replied.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from ensemble.errors import InvalidRequest
from ensemble.importing.given import Answer, Given, dollars, encodable, member, moment, one_by_one, positive
from ensemble.labelling.rows import BadRow, Parse, Reject, Row
from ensemble.labelling.sources import BadSource, Raw
from ensemble.providers._openai_reply import Gathered
from ensemble.providers._shapes import WrongShape, array, mapping
from judges.types import Completion, Prompt, Usage

PROMPT = (
    "messages", "tools", "tool_choice", "response_format", "max_tokens", "max_completion_tokens", "stop", "seed",
    "temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias", "parallel_tool_calls",
    "reasoning_effort", "verbosity",
)  # fmt: skip
"""What of a request decides its answer; the rest (user, stream, n, ...) is how it was sent."""


@dataclass(frozen=True, slots=True)
class OpenAILog:
    """Reads pairs. ``requests`` finds the request of a batch's line by its ``custom_id``."""

    parse: Parse
    requests: "BatchInput | None" = None

    def read(self, source: Iterator[Raw]) -> Iterator[Given | Reject]:
        return one_by_one(source, self._given)

    def _given(self, position: int, tree: Mapping[str, object]) -> Given:
        request, reply = self._pair(tree)
        if problem := _failed(tree, reply):
            raise BadRow(problem)
        completions = _completions(reply)
        asked = request.get("model") or reply.get("model")
        at = moment(reply.get("created") or tree.get("timestamp") or tree.get("created_at"))
        cost = dollars("cost_usd", tree.get("cost_usd"))
        if cost is None and len(completions) == 1:
            cost = completions[0].usage.provider_nano_usd
        if cost is not None and len(completions) > 1:
            raise BadRow("cost_usd: it is that of several choices, so that of each is unknown; leave it out")
        total_s = positive("latency_s", tree.get("latency_s"))
        if total_s is None:
            total_s = positive("latency_ms", tree.get("latency_ms"), 0.001)
        answers = tuple(
            Answer(
                member=member("request.model", asked),
                completion=replace(one, usage=replace(one.usage, nano_usd=cost)),
                total_s=total_s,
            )
            for one in completions
        )
        metadata = request.get("metadata") or reply.get("metadata") or {}
        return Given(
            row=Row(
                position=position,
                row_id=str(tree.get("custom_id") or reply.get("id") or position),
                prompt=self._prompt(request),
                metadata=dict(metadata) if isinstance(metadata, Mapping) else {},
            ),
            answers=answers,
            at=at,
        )

    def _pair(self, tree: Mapping[str, object]) -> tuple[Mapping[str, object], Mapping[str, object]]:
        if "choices" in tree and "messages" in tree:  # a stored completion
            held = tree["messages"]
            messages = held.get("data") if isinstance(held, Mapping) else held
            return {**tree, "messages": _turns(messages)}, tree
        reply = mapping(tree.get("response"))
        reply = mapping(reply["body"]) if "body" in reply else reply
        if "request" in tree:
            request = mapping(tree["request"])
            return (mapping(request["body"]) if "body" in request else request), reply
        if "custom_id" not in tree:
            raise BadRow("there is neither request and response, nor a batch's custom_id, nor choices with messages")
        if self.requests is None:
            raise BadRow("a batch's output does not have the requests; name its input file with --requests")
        return self.requests.body(tree["custom_id"]), reply

    def _prompt(self, request: Mapping[str, object]) -> Prompt:
        body = {name: request[name] for name in PROMPT if request.get(name) is not None}
        try:
            return self.parse(orjson.dumps({**body, "model": "imported"}))
        except InvalidRequest as error:
            raise BadRow(f"request: {error}") from None
        except TypeError as error:
            raise BadRow(f"request: it cannot be written as JSON: {error}") from None


def _failed(tree: Mapping[str, object], reply: Mapping[str, object]) -> str | None:
    status = mapping(tree.get("response")).get("status_code", 200)
    error = tree.get("error") or reply.get("error")
    if error:
        told = mapping(error).get("message") or error
        return f"the call failed: {str(told)[:200]}"
    return None if status == 200 else f"the call failed with status {status}"


def _completions(reply: Mapping[str, object]) -> list[Completion]:
    try:
        choices = array(reply.get("choices"), "response.choices")
        if not choices:
            raise BadRow("response.choices: it is empty")
        found = []
        for choice in choices:
            gathered = Gathered()
            gathered.take_whole({**reply, "choices": [choice]})
            said = gathered.completion()
            encodable("response.choices", said.text)
            # Of several choices only their sum is known.
            found.append(said if len(choices) == 1 else replace(said, usage=Usage()))
    except WrongShape as error:
        raise BadRow(f"response: {error}") from None
    return found


def _turns(messages: object) -> object:
    """Stored messages without what is no part of a conversation (their ids, empty fields)."""
    if not isinstance(messages, list):
        return messages
    return [
        {key: value for key, value in one.items() if key not in ("id", "content_parts") and value is not None}
        if isinstance(one, Mapping)
        else one
        for one in messages
    ]


@dataclass(slots=True)
class BatchInput:
    """The input file of a batch. Only where each line begins is held in memory."""

    path: Path
    _places: dict[str, int] = field(default_factory=dict)

    def load(self) -> None:
        """Find the lines. Blocks.

        Raises:
            BadSource: the file cannot be read, or a line of it is none of a batch.
        """
        place, number = 0, 0
        try:
            with self.path.open("rb") as file:
                while line := file.readline():
                    number += 1
                    if line.strip():
                        self._places[str(_line(line)["custom_id"])] = place
                    place = file.tell()
        except OSError as error:
            raise BadSource(f"{self.path}: cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError):
            raise BadSource(f"{self.path}: line {number} is no request with a custom_id and a body") from None

    def body(self, custom_id: object) -> Mapping[str, object]:
        """The request of that id. Raises BadRow."""
        place = self._places.get(str(custom_id))
        if place is None:
            raise BadRow(f"custom_id: {self.path.name} has no request {custom_id!r}")
        with self.path.open("rb") as file:
            file.seek(place)
            return mapping(_line(file.readline()).get("body"))


def _line(line: bytes) -> Any:
    return orjson.loads(line)
