"""The events of a streamed response, in the order of the protocol.

Source: OpenAI's API reference, as typed by ``openai`` 3.54 in ``types/responses/response_stream_event.py``.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from ensemble.dialects import extension
from ensemble.dialects._openai_reply import PIECE, render_error
from ensemble.dialects._responses_reply import Item, begun, message, response, text_part
from ensemble.dialects.dialect import NOTHING, Asked, Problem, Told, frame, pieces
from ensemble.types import Answer, Request

Event = dict[str, Any]
_EMPTY: Mapping[str, Item] = {
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "reasoning": {"summary": []},
}
"""What of an item is not there yet when it is announced, by its type."""


def frames(answer: Answer, asked: Asked) -> Iterator[bytes]:
    """As ``Dialect.frames``; the last event holds ``ensemble``, always with the verdict."""
    yield from _numbered(chain(_begin(answer.request, answer.member), _rest(answer, asked, response(answer))))


def can_grow(asked: Asked, thought: bool) -> bool:
    """As ``Growing.can_grow``; thoughts are an item before the text, and logprobs come with the whole."""
    return not thought and asked.prompt.top_logprobs is None


def opening(request: Request, member: str, asked: Asked) -> Iterator[bytes]:
    """As ``Growing.opening``."""
    item, part = message(request, "in_progress", []), text_part("", [])
    announced = [_announced(item, 0), _part_announced(part, {**_place(item, 0), "content_index": 0})]
    yield from _numbered(chain(_begin(request, member), announced))


def growth(request: Request, member: str, asked: Asked, text: str, told: Told) -> bytes:
    """As ``Growing.growth``."""
    place = {**_place(message(request, "in_progress", []), 0), "content_index": 0}
    (event,) = _numbered([_text_delta(text, [], place)], told.events)
    return event


def closing(answer: Answer, asked: Asked, told: Told) -> Iterator[bytes]:
    """As ``Growing.closing``: the text stays the first item and a text, as it was announced."""
    said = answer.completion
    spoken = replace(said, finish_reason="other") if said.finish_reason == "refusal" else said
    whole = response(replace(answer, completion=spoken))
    whole["output"].sort(key=lambda item: item["type"] != "message")
    yield from _numbered(_rest(answer, asked, whole, told.chars), told.events)


def error_frame(problem: Problem, request_id: str, told: Told = NOTHING) -> bytes:
    """As ``Dialect.error_frame``.

    The fields stand in the event as OpenAI's reference has it, and in ``error``, since the official client raises an
    error for that alone.
    """
    said = {"code": problem.code, "message": problem.message, "param": problem.param}
    (event,) = _numbered([{"type": "error", **said, **render_error(problem, request_id)}], told.events)
    return event


def _numbered(events: Iterable[Event], first: int = 0) -> Iterator[bytes]:
    for number, event in enumerate(events, first):
        yield frame({**event, "sequence_number": number}, event["type"])


def _begin(request: Request, member: str) -> Iterator[Event]:
    before = begun(request, member)
    yield {"type": "response.created", "response": before}
    yield {"type": "response.in_progress", "response": before}


def _rest(answer: Answer, asked: Asked, whole: Item, told: int | None = None) -> Iterator[Event]:
    """From the first item on; ``told`` characters of a text that has been announced already."""
    for index, item in enumerate(whole["output"]):
        yield from _item(item, index, None if index else told)
    about = extension.report(answer, asked.include | {"verdict"})
    yield {"type": f"response.{whole['status']}", "response": {**whole, "ensemble": about}}


def _place(item: Item, index: int) -> Event:
    return {"output_index": index, "item_id": item["id"]}


def _announced(item: Item, index: int) -> Event:
    start = {**item, **_EMPTY[item["type"]], **({"status": "in_progress"} if "status" in item else {})}
    return {"type": "response.output_item.added", "output_index": index, "item": start}


def _item(item: Item, index: int, told: int | None) -> Iterator[Event]:
    if told is None:
        yield _announced(item, index)
    place = _place(item, index)
    match item["type"]:
        case "message":
            for number, part in enumerate(item["content"]):
                yield from _part(part, {**place, "content_index": number}, told)
        case "function_call":
            said, arguments = "response.function_call_arguments", item["arguments"]
            yield from _deltas(said, arguments, place)
            yield {"type": f"{said}.done", **place, "arguments": arguments, "name": item["name"]}
        case _:
            for number, text in enumerate(item["summary"]):
                yield from _thoughts(text, {**place, "summary_index": number})
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part_announced(part: Item, place: Event) -> Event:
    empty = {"refusal": ""} if part["type"] == "refusal" else {"text": "", "logprobs": []}
    return {"type": "response.content_part.added", **place, "part": {**part, **empty}}


def _part(part: Item, place: Event, told: int | None) -> Iterator[Event]:
    if told is None:
        yield _part_announced(part, place)
    if part["type"] == "refusal":
        yield from _deltas("response.refusal", part["refusal"], place)
        yield {"type": "response.refusal.done", **place, "refusal": part["refusal"]}
    else:
        tokens = [_without_bytes(token) for token in part["logprobs"]]
        # Tokens do not end where pieces do, so a text with log-probabilities comes in one.
        for piece in pieces(part["text"][told or 0 :], max(1, len(part["text"])) if tokens else PIECE):
            yield _text_delta(piece, tokens, place)
        yield {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": tokens}
    yield {"type": "response.content_part.done", **place, "part": part}


def _text_delta(piece: str, tokens: Sequence[Item], place: Event) -> Event:
    return {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": tokens}


def _without_bytes(token: Item) -> Item:
    """A token as events have it."""
    top = [{"token": one["token"], "logprob": one["logprob"]} for one in token["top_logprobs"]]
    return {"token": token["token"], "logprob": token["logprob"], "top_logprobs": top}


def _thoughts(part: Item, place: Event) -> Iterator[Event]:
    said, text = "response.reasoning_summary", part["text"]
    yield {"type": f"{said}_part.added", **place, "part": {**part, "text": ""}}
    yield from _deltas(f"{said}_text", text, place)
    yield {"type": f"{said}_text.done", **place, "text": text}
    yield {"type": f"{said}_part.done", **place, "part": part}


def _deltas(kind: str, text: str, place: Event) -> Iterator[Event]:
    for piece in pieces(text, PIECE):
        yield {"type": f"{kind}.delta", **place, "delta": piece}
