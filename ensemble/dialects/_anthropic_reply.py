"""What goes back to a client of Anthropic's Messages: a message, the events of a stream, an error."""

from collections.abc import Iterable, Iterator, Mapping

from ensemble.dialects import extension, state
from ensemble.dialects._anthropic_turns import RedactedThinkingBlock, ThinkingBlock
from ensemble.dialects.dialect import NOTHING, Asked, Problem, Told, dumps, frame, pieces
from ensemble.native import ANTHROPIC, THOUGHT, as_object
from ensemble.types import Answer, Request
from judges.types import Completion, OpaquePart, Prompt, Usage

PREFIX = "msg_"
"""Stands before our request id in the ``id`` of a message."""
KEEP_ALIVE = b'event: ping\ndata: {"type":"ping"}\n\n'
PIECE = 256
"""Characters of text per event: the whole text is known by then, so small pieces would only cost time."""

NO_THREADS = "thread_unsupported_request"
"""Told so, the official client's tool runner, which asks for a thread by itself, goes on without one."""

_STOPS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "refusal": "refusal"}
_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}


def render(answer: Answer, asked: Asked) -> dict[str, object]:
    """As ``Dialect.render``.

    ``ensemble`` is in it if the client asked for a part of it, or if there is a warning or something was dropped.
    """
    said = answer.completion
    reply = {
        **_head(answer.request, answer.member),
        "content": list(_blocks(said, asked.prompt)),
        **_end(said),
        "usage": _usage(said.usage),
    }
    if extension.wanted(answer, asked.include):
        reply["ensemble"] = extension.report(answer, asked.include)
    return reply


def frames(answer: Answer, asked: Asked) -> Iterator[bytes]:
    """As ``Dialect.frames``; ``message_delta`` holds ``ensemble``, always with the verdict."""
    said = answer.completion
    yield _start(answer.request, answer.member, said.usage)
    yield from _told_blocks(_blocks(said, asked.prompt), 0)
    yield from _ending(answer, asked)


def can_grow(asked: Asked, thought: bool) -> bool:
    """As ``Growing.can_grow``; thoughts stand before the text and are sealed once they are whole."""
    return not thought


def opening(request: Request, member: str, asked: Asked) -> Iterator[bytes]:
    """As ``Growing.opening``; what the input has cost is told at the end, and takes the place of the counts so far."""
    yield _start(request, member, Usage(input_tokens=0, output_tokens=0))
    yield _event("content_block_start", index=0, content_block=_text(""))


def growth(request: Request, member: str, asked: Asked, text: str, told: Told) -> bytes:
    """As ``Growing.growth``."""
    return _event("content_block_delta", index=0, delta={"type": "text_delta", "text": text})


def closing(answer: Answer, asked: Asked, told: Told) -> Iterator[bytes]:
    """As ``Growing.closing``."""
    said = answer.completion
    for delta in _deltas("text_delta", "text", said.text[told.chars :]):
        yield _event("content_block_delta", index=0, delta=delta)
    yield _event("content_block_stop", index=0)
    rest = (block for block in _blocks(said, asked.prompt) if block["type"] != "text")
    yield from _told_blocks(rest, 1)
    yield from _ending(answer, asked)


def _start(request: Request, member: str, usage: Usage) -> bytes:
    nothing = dict.fromkeys(("stop_reason", "stop_sequence", "stop_details"))
    message = {**_head(request, member), "content": [], **nothing, "usage": _usage(usage)}
    return _event("message_start", message=message)


def _told_blocks(blocks: Iterable[Mapping[str, object]], first: int) -> Iterator[bytes]:
    for index, block in enumerate(blocks, first):
        start, deltas = _unfolded(block)
        yield _event("content_block_start", index=index, content_block=start)
        for delta in deltas:
            yield _event("content_block_delta", index=index, delta=delta)
        yield _event("content_block_stop", index=index)


def _ending(answer: Answer, asked: Asked) -> Iterator[bytes]:
    said = answer.completion
    about = extension.report(answer, asked.include | {"verdict"})
    yield _event("message_delta", delta=_end(said), usage=_usage(said.usage), ensemble=about)
    yield _event("message_stop")


def render_error(problem: Problem, request_id: str) -> dict[str, object]:
    """As ``Dialect.render_error``; ``details.error_code`` is our own code."""
    kind = _ERRORS.get(problem.status, "api_error" if problem.status >= 500 else "invalid_request_error")
    code = NO_THREADS if problem.param == "thread" else problem.code
    said: dict[str, object] = {
        "type": kind,
        "message": problem.message,
        "details": {"error_code": code, "param": problem.param},
    }
    if problem.candidates:
        said["candidates"] = problem.candidates
    return {"type": "error", "error": said, "request_id": request_id}


def error_frame(problem: Problem, request_id: str, told: Told = NOTHING) -> bytes:
    """As ``Dialect.error_frame``."""
    return frame(render_error(problem, request_id), "error")


def thoughts(block: ThinkingBlock | RedactedThinkingBlock) -> OpaquePart:
    """State that a client sends back; without our seal it belongs to no member, so none gets it."""
    if isinstance(block, RedactedThinkingBlock):
        return state.opened(block.data) or OpaquePart(origin="", data={"type": ANTHROPIC, "block": block.model_dump()})
    part = state.opened(block.signature)
    if part is None:
        return OpaquePart(origin="", data={"type": ANTHROPIC, "block": block.model_dump()})
    if part.data.get("type") == THOUGHT:
        return OpaquePart(origin=part.origin, data={"type": THOUGHT, "text": block.thinking})
    inner = part.data.get("block")
    held = {**(inner if isinstance(inner, Mapping) else {}), "thinking": block.thinking}
    return OpaquePart(origin=part.origin, data={**part.data, "block": held})


def _head(request: Request, member: str) -> dict[str, object]:
    return {"id": PREFIX + request.id, "type": "message", "role": "assistant", "model": member, "container": None}


def _text(text: str) -> dict[str, object]:
    # Without citations, as Anthropic's own: Vercel's AI SDK takes an array there and no null.
    return {"type": "text", "text": text}


def _end(said: Completion) -> dict[str, object]:
    reason = _STOPS.get(said.finish_reason, "end_turn")
    if said.tool_calls and reason == "end_turn":
        reason = "tool_use"  # some servers say "stop" there, and clients go on with the loop by this word
    elif said.stop_sequence is not None and reason == "end_turn":
        reason = "stop_sequence"
    return {
        "stop_reason": reason,
        "stop_sequence": said.stop_sequence if reason == "stop_sequence" else None,
        "stop_details": {"type": "refusal", "category": None, "explanation": None} if reason == "refusal" else None,
    }


def _blocks(said: Completion, prompt: Prompt) -> Iterator[dict[str, object]]:
    if said.tool_calls or _thinks(prompt):
        yield from map(_thinking, said.reasoning)
    if said.text:
        yield _text(said.text)
    for call in said.tool_calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": as_object(call.arguments)}


def _thinks(prompt: Prompt) -> bool:
    """The client asked for thoughts; one that did not may know no such block, but needs them to go on with a tool."""
    native = prompt.options.get(ANTHROPIC)
    wanted = native.get("thinking") if isinstance(native, Mapping) else None
    return isinstance(wanted, Mapping) and wanted.get("type") != "disabled"


def _thinking(part: OpaquePart) -> dict[str, object]:
    """A block that holds ``part``, readable where it can be read; ``thoughts`` undoes it."""
    data, block = part.data, part.data.get("block")
    if data.get("type") == THOUGHT:
        seal = state.sealed(OpaquePart(origin=part.origin, data={"type": THOUGHT}))
        return {"type": "thinking", "thinking": str(data.get("text") or ""), "signature": seal}
    if isinstance(block, Mapping) and block.get("type") == "thinking":
        rest = {name: value for name, value in block.items() if name != "thinking"}
        seal = state.sealed(OpaquePart(origin=part.origin, data={**data, "block": rest}))
        return {"type": "thinking", "thinking": str(block.get("thinking") or ""), "signature": seal}
    return {"type": "redacted_thinking", "data": state.sealed(part)}


def _unfolded(block: Mapping[str, object]) -> tuple[Mapping[str, object], list[dict[str, object]]]:
    """A block as the start of itself and what it grows by."""
    match block["type"]:
        case "text":
            return {**block, "text": ""}, _deltas("text_delta", "text", str(block["text"]))
        case "thinking":
            grown = _deltas("thinking_delta", "thinking", str(block["thinking"]))
            proof = {"type": "signature_delta", "signature": block["signature"]}
            return {**block, "thinking": "", "signature": ""}, [*grown, proof]
        case "tool_use":
            written = dumps(block["input"]).decode()
            return {**block, "input": {}}, _deltas("input_json_delta", "partial_json", written)
        case _:
            return block, []


def _deltas(kind: str, field: str, text: str) -> list[dict[str, object]]:
    return [{"type": kind, field: piece} for piece in pieces(text, PIECE)]


def _event(kind: str, **said: object) -> bytes:
    return frame({"type": kind, **said}, kind)


def _usage(usage: Usage) -> dict[str, object]:
    """The winner's tokens, null where unknown; Anthropic counts input from and to the cache apart."""
    fresh = usage.input_tokens
    if fresh is not None:
        fresh = max(0, fresh - (usage.cached_input_tokens or 0) - (usage.cache_write_tokens or 0))
    thought = usage.reasoning_tokens
    return {
        "input_tokens": fresh,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": None if thought is None else {"thinking_tokens": thought},
    }
