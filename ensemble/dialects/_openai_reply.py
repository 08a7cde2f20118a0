"""What goes back to a client of OpenAI's Chat Completions: a reply, the chunks of a stream, an error."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from ensemble.dialects import extension
from ensemble.dialects.dialect import NOTHING, Asked, Problem, Told, frame, pieces
from ensemble.types import Answer, Request
from judges.types import Completion, TokenLogprob, ToolCall
from judges.usage import total

PREFIX = "chatcmpl-"
"""Stands before our request id in the ``id`` of a reply."""
KEEP_ALIVE = b": keep-alive\n\n"
"""A comment, which every client skips."""
PIECE = 256
"""Characters of text per chunk: the whole text is known by then, so small pieces would only cost time."""
UNLIKELY = -9999.0
"""OpenAI's number for a logprob too small to state; JSON has no infinity."""
_DONE = b"data: [DONE]\n\n"


def render(answer: Answer, asked: Asked) -> dict[str, object]:
    """The body of a reply that is not streamed.

    ``ensemble`` is in it if the client asked for a part of it, or if there is a warning or something was dropped.
    """
    wanted = asked.prompt.top_logprobs is not None
    reply = {
        **_head(answer.request, answer.member, "chat.completion", answer.completion.system_fingerprint),
        "choices": [_choice(said, index, logprobs=wanted) for index, said in enumerate(answer.choices)],
        "usage": _usage(answer),
    }
    if extension.wanted(answer, asked.include):
        reply["ensemble"] = extension.report(answer, asked.include)
    return reply


def chunks(answer: Answer, asked: Asked) -> Iterator[dict[str, object]]:
    """The reply as the objects of a stream; the last one holds ``ensemble``, always with the verdict."""
    wanted = asked.prompt.top_logprobs is not None
    every = (piece for index, said in enumerate(answer.choices) for piece in _pieces(said, index, logprobs=wanted))
    yield from _chunks(every, answer, asked)


def _chunks(every: Iterable[dict[str, object]], answer: Answer, asked: Asked) -> Iterator[dict[str, object]]:
    head = _chunk_head(answer.request, answer.member, asked, answer.completion.system_fingerprint)
    *before, last = every
    for piece in before:
        yield {**head, "choices": [piece]}
    about = {"ensemble": extension.report(answer, asked.include | {"verdict"})}
    if not asked.include_usage:
        yield {**head, "choices": [last], **about}
        return
    yield {**head, "choices": [last]}
    yield {**head, "choices": [], "usage": _usage(answer), **about}


def _choice(said: Completion, index: int, *, logprobs: bool) -> dict[str, object]:
    message: dict[str, object] = {"role": "assistant", **_content(said)}
    if said.tool_calls:
        message["tool_calls"] = [_tool_call(call) for call in said.tool_calls]
    told = _logprobs(said) if logprobs else None
    return {"index": index, "message": message, "logprobs": told, "finish_reason": _finish_reason(said)}


def _pieces(said: Completion, index: int, *, logprobs: bool, told: int = 0) -> Iterator[dict[str, object]]:
    """One choice as the ``choices[0]`` of chunks, without the first ``told`` characters of its text."""
    tokens = _logprobs(said) if logprobs else None
    for delta in _deltas(said, told, whole=tokens is not None):
        carried = tokens if "content" in delta and "role" not in delta else None
        yield _piece(index, delta, carried)
    yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": _finish_reason(said)}


def _piece(index: int, delta: Mapping[str, object], logprobs: object = None) -> dict[str, object]:
    return {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}


def frames(answer: Answer, asked: Asked) -> Iterator[bytes]:
    """As ``Dialect.frames``."""
    for chunk in chunks(answer, asked):
        yield frame(chunk)
    yield _DONE


def can_grow(asked: Asked, thought: bool) -> bool:
    """As ``Growing.can_grow``; logprobs come with the whole."""
    return asked.prompt.top_logprobs is None


def opening(request: Request, member: str, asked: Asked) -> Iterator[bytes]:
    """As ``Growing.opening``."""
    first = _piece(0, {"role": "assistant", "content": "", "refusal": None})
    yield frame({**_chunk_head(request, member, asked), "choices": [first]})


def growth(request: Request, member: str, asked: Asked, text: str, told: Told) -> bytes:
    """As ``Growing.growth``."""
    return frame({**_chunk_head(request, member, asked), "choices": [_piece(0, {"content": text})]})


def closing(answer: Answer, asked: Asked, told: Told) -> Iterator[bytes]:
    """As ``Growing.closing``."""
    rest = islice(_pieces(answer.completion, 0, logprobs=False, told=told.chars), 1, None)
    for chunk in _chunks(rest, answer, asked):
        yield frame(chunk)
    yield _DONE


def render_error(problem: Problem, request_id: str) -> dict[str, object]:
    """As ``Dialect.render_error``; OpenAI's errors have no place for the id of the request."""
    if problem.status == 429:
        kind = problem.code if problem.code == "insufficient_quota" else "rate_limit_error"
    else:
        kind = "server_error" if problem.status >= 500 else "invalid_request_error"
    said = {"message": problem.message, "type": kind, "param": problem.param, "code": problem.code}
    return {"error": {**said, "candidates": problem.candidates} if problem.candidates else said}


def error_frame(problem: Problem, request_id: str, told: Told = NOTHING) -> bytes:
    """As ``Dialect.error_frame``."""
    return frame(render_error(problem, request_id))


def _head(request: Request, member: str, kind: str, fingerprint: str | None) -> dict[str, object]:
    return {
        "id": PREFIX + request.id,
        "object": kind,
        "created": int(request.arrived_at.timestamp()),
        "model": member,
        "system_fingerprint": fingerprint,
    }


def _chunk_head(request: Request, member: str, asked: Asked, fingerprint: str | None = None) -> dict[str, object]:
    head = _head(request, member, "chat.completion.chunk", fingerprint)
    # As OpenAI does: null in every chunk but the last.
    return {**head, "usage": None} if asked.include_usage else head


def _finish_reason(said: Completion) -> str:
    match said.finish_reason:
        case "refusal":
            # A refusal in words ends with "stop", as OpenAI's do; one without words was a filter.
            return "stop" if said.text else "content_filter"
        case "other":
            return "stop"
        case reason:
            return reason


def _content(said: Completion) -> dict[str, object]:
    if said.finish_reason == "refusal":
        return {"content": None, "refusal": said.text or None}
    return {"content": None if said.tool_calls and not said.text else said.text, "refusal": None}


def _deltas(said: Completion, told: int, *, whole: bool) -> Iterator[dict[str, object]]:
    key = "refusal" if said.finish_reason == "refusal" else "content"
    yield {"role": "assistant", "content": None if said.tool_calls or key == "refusal" else "", "refusal": None}
    for piece in pieces(said.text[told:], max(1, len(said.text)) if whole else PIECE):
        yield {key: piece}
    for index, call in enumerate(said.tool_calls):
        made = _tool_call(call)
        yield {"tool_calls": [{"index": index, **made, "function": {"name": call.name, "arguments": ""}}]}
        for piece in pieces(call.arguments, PIECE):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


def _tool_call(call: ToolCall) -> dict[str, object]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(answer: Answer) -> dict[str, object] | None:
    """The tokens of what is served; null where a count is unknown, since the protocol has no unknown number."""
    usage = total([said.usage for said in answer.choices])
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": _known(
            ("cached_tokens", usage.cached_input_tokens),
            ("cache_write_tokens", usage.cache_write_tokens),
            ("image_tokens", usage.image_tokens),
        ),
        "completion_tokens_details": _known(("reasoning_tokens", usage.reasoning_tokens)),
    }


def _known(*counts: tuple[str, int | None]) -> dict[str, int]:
    return {name: count for name, count in counts if count is not None}


def _logprobs(said: Completion) -> dict[str, object] | None:
    if said.logprobs is None:
        return None
    return {"content": [told_token(token) for token in said.logprobs], "refusal": None}


def told_token(token: TokenLogprob) -> dict[str, object]:
    """A token with its log-probability and the alternatives."""
    return {
        **_named(token.token, token.logprob),
        "top_logprobs": [_named(text, logprob) for text, logprob in token.top],
    }


def _named(token: str, logprob: float) -> dict[str, object]:
    stated = logprob if logprob > UNLIKELY else UNLIKELY  # also for NaN
    return {"token": token, "logprob": stated, "bytes": list(token.encode("utf-8", "replace"))}
