"""The events of a streamed response, in the order of the protocol.

Source: OpenAI's API reference, as typed by ``openai`` 3.54 in ``types/responses/response_stream_event.py``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ensemble.dialects import extension
from ensemble.dialects._openai_reply import PIECE, render_error
from ensemble.dialects._responses_reply import Item, begun, response
from ensemble.dialects.dialect import Asked, Problem, frame, pieces
from ensemble.types import Answer

Event = dict[str, Any]
_EMPTY: Mapping[str, Item] = {
    "message": {"content": []},
    "function_call": {"arguments": ""},
    "reasoning": {"summary": []},
}
"""What of an item is not there yet when it is announced, by its type."""


def frames(answer: Answer, asked: Asked) -> Iterator[bytes]:
    """As ``Dialect.frames``; the last event holds ``ensemble``, always with the verdict."""
    for number, event in enumerate(_events(answer, asked)):
        yield frame({**event, "sequence_number": number}, str(event["type"]))


def error_frame(problem: Problem, request_id: str) -> bytes:
    """As ``Dialect.error_frame``.

    The fields stand in the event as OpenAI's reference has it, and in ``error``, since the official client raises an
    error for that alone.
    """
    told = {"code": problem.code, "message": problem.message, "param": problem.param}
    return frame({"type": "error", **told, "sequence_number": 0, **render_error(problem, request_id)}, "error")


def _events(answer: Answer, asked: Asked) -> Iterator[Event]:
    before, whole = begun(answer), response(answer)
    yield {"type": "response.created", "response": before}
    yield {"type": "response.in_progress", "response": before}
    for index, item in enumerate(whole["output"]):
        yield from _item(item, index)
    about = extension.report(answer, asked.include | {"verdict"})
    yield {"type": f"response.{whole['status']}", "response": {**whole, "ensemble": about}}


def _item(item: Item, index: int) -> Iterator[Event]:
    start = {**item, **_EMPTY[item["type"]], **({"status": "in_progress"} if "status" in item else {})}
    yield {"type": "response.output_item.added", "output_index": index, "item": start}
    place: Event = {"output_index": index, "item_id": item["id"]}
    match item["type"]:
        case "message":
            for number, part in enumerate(item["content"]):
                yield from _part(part, {**place, "content_index": number})
        case "function_call":
            said, arguments = "response.function_call_arguments", item["arguments"]
            yield from _deltas(said, arguments, place)
            yield {"type": f"{said}.done", **place, "arguments": arguments, "name": item["name"]}
        case _:
            for number, text in enumerate(item["summary"]):
                yield from _thoughts(text, {**place, "summary_index": number})
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _part(part: Item, place: Event) -> Iterator[Event]:
    empty = {"refusal": ""} if part["type"] == "refusal" else {"text": "", "logprobs": []}
    yield {"type": "response.content_part.added", **place, "part": {**part, **empty}}
    if part["type"] == "refusal":
        yield from _deltas("response.refusal", part["refusal"], place)
        yield {"type": "response.refusal.done", **place, "refusal": part["refusal"]}
    else:
        yield from _text(part["text"], [_without_bytes(token) for token in part["logprobs"]], place)
    yield {"type": "response.content_part.done", **place, "part": part}


def _text(text: str, tokens: Sequence[object], place: Event) -> Iterator[Event]:
    """Tokens do not end where pieces do, so a text with log-probabilities comes in one."""
    for piece in pieces(text, max(1, len(text)) if tokens else PIECE):
        yield {"type": "response.output_text.delta", **place, "delta": piece, "logprobs": tokens}
    yield {"type": "response.output_text.done", **place, "text": text, "logprobs": tokens}


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
