"""From a reply in Anthropic's wire format to a completion: whole, or event by event."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ensemble.native import ANTHROPIC, writable
from ensemble.provider import Delta
from ensemble.providers._shapes import WrongShape, array, count, known, mapping, table, text
from judges.quick import maker
from judges.types import Completion, FinishReason, OpaquePart, ToolCall, Usage

FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
"""Stop reasons; any other (``pause_turn``) is ``other``."""

_delta, _completion, _usage = maker(Delta), maker(Completion), maker(Usage)
_PIECES: Mapping[str, str] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
"""What a block grows by, and the field that holds it in the event and (but for the JSON) in the block."""


@dataclass(slots=True)
class _Block:
    """A content block in the making; ``pieces`` by field, ``said`` how many tool calls came before it."""

    head: Mapping[str, object]
    call: int
    pieces: dict[str, list[str]] = field(default_factory=dict)

    @property
    def kind(self) -> object:
        return self.head.get("type")

    def whole(self) -> dict[str, object]:
        """The block as a reply that was not streamed would have it."""
        block = dict(self.head)
        for name, pieces in self.pieces.items():
            if name == "partial_json":
                block["input"] = _parsed("".join(pieces))
            else:
                block[name] = f"{self.head.get(name) or ''}{''.join(pieces)}"
        return block


@dataclass(slots=True)
class Gathered:
    """An answer in the making, as ``Gathering``."""

    finish: str | None = None
    ended: bool = False
    _blocks: dict[int, _Block] = field(default_factory=dict)
    _usage: dict[str, object] = field(default_factory=dict)
    _model: str | None = None
    _id: str | None = None
    _explanation: str | None = None
    _stopped_by: str | None = None

    @property
    def begun(self) -> bool:
        """Something worth keeping has come: usage at least, since that comes first."""
        return bool(self._id or self._blocks or self._usage)

    @property
    def answered(self) -> bool:
        """A block of text or a tool call has come."""
        return any(block.kind in ("text", "tool_use") for block in self._blocks.values())

    def take_whole(self, document: object) -> None:
        """Take a whole reply. Raises WrongShape."""
        for _ in self.add_whole(document):
            pass

    def add_whole(self, document: object) -> Iterator[Delta]:
        """Take a whole reply and tell its pieces. Raises WrongShape."""
        message = table(document, "the reply")
        self._add_head(message)
        for index, block in enumerate(array(message.get("content"), "content")):
            yield from self._start(index, table(block, "a block"))
        self._stop(message)

    def add_event(self, document: object) -> Iterator[Delta]:
        """Take one event of a stream and tell what is new in it; kinds that are not known are passed over."""
        event = table(document, "an event")
        match text(event.get("type"), "the type of an event"):
            case None | "message":
                raise WrongShape("what should be an event is none")
            case "message_start":
                self._add_head(table(event.get("message"), "the message"))
            case "content_block_start":
                yield from self._start(_index(event), table(event.get("content_block"), "a block"))
            case "content_block_delta":
                yield from self._grow(_index(event), table(event.get("delta"), "a delta"))
            case "message_delta":
                self._stop(table(event.get("delta"), "a delta"))
                self._add_usage(event)
            case "message_stop":
                self.ended = True
            case _:
                pass

    def completion(
        self, *, partial: bool = False, request_id: str | None = None, dropped: tuple[str, ...] = ()
    ) -> Completion:
        """As ``Gathering.completion``."""
        said, calls, reasoning = [], [], []
        for block in (self._blocks[index] for index in sorted(self._blocks)):
            whole = block.whole()
            match block.kind:
                case "text":
                    said.append(str(whole.get("text") or ""))
                case "tool_use":
                    calls.append(_call(block))
                case _ if writable(whole):
                    reasoning.append(OpaquePart(origin="", data={"type": ANTHROPIC, "block": whole}))
                case _:
                    pass  # nested without end: one member's state, with which nobody's answer could be stored
        finish = FINISH.get(self.finish or "", "other")
        if not said and finish == "refusal" and self._explanation:
            said.append(self._explanation)
        return _completion(
            text="".join(said),
            finish_reason="other" if partial else finish,
            tool_calls=tuple(calls),
            usage=usage_of(self._usage),
            model=self._model,
            provider_request_id=request_id or self._id,
            dropped=dropped,
            stop_sequence=self._stopped_by,
            reasoning=tuple(reasoning),
            partial=partial,
        )

    def _add_head(self, message: Mapping[str, object]) -> None:
        if message.get("type") not in ("message", None):
            raise WrongShape(f"the reply is of the type {str(message.get('type'))[:50]!r}, not a message")
        self._model, self._id = known(message.get("model")), known(message.get("id"))
        self._add_usage(message)

    def _add_usage(self, holder: Mapping[str, object]) -> None:
        # Counts of a stream are totals so far, so a later one takes the place of an earlier one.
        self._usage |= {name: value for name, value in mapping(holder.get("usage")).items() if value is not None}

    def _start(self, index: int, head: Mapping[str, object]) -> Iterator[Delta]:
        block = _Block(head=head, call=sum(block.kind == "tool_use" for block in self._blocks.values()))
        opening = _opening(block)
        self._blocks[index] = block  # only now that it is known to be sound
        if opening is not None:
            yield opening

    def _grow(self, index: int, delta: Mapping[str, object]) -> Iterator[Delta]:
        block, name = self._blocks.get(index), _PIECES.get(str(delta.get("type")))
        if block is None:
            raise WrongShape(f"a delta for block {index}, which has not begun")
        if name is None:
            return
        piece = text(delta.get(name), name) or ""
        block.pieces.setdefault(name, []).append(piece)
        match name:
            case "text":
                yield _delta(kind="text", text=piece)
            case "thinking":
                yield _delta(kind="reasoning", text=piece)
            case "partial_json" if block.kind == "tool_use":
                yield _delta(kind="tool_call", text=piece, index=block.call)
            case _:
                pass

    def _stop(self, holder: Mapping[str, object]) -> None:
        self.finish = text(holder.get("stop_reason"), "stop_reason") or self.finish
        self._stopped_by = known(holder.get("stop_sequence")) or self._stopped_by
        self._explanation = known(mapping(holder.get("stop_details")).get("explanation")) or self._explanation


def usage_of(wire: Mapping[str, object]) -> Usage:
    """Tokens by kind. Anthropic counts input from and to the cache apart; here they are part of the input."""
    fresh, cached, written = (
        count(wire.get(name)) for name in ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    )
    return _usage(
        input_tokens=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output_tokens=count(wire.get("output_tokens")),
        cached_input_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=count(mapping(wire.get("output_tokens_details")).get("thinking_tokens")),
    )


def _opening(block: _Block) -> Delta | None:
    """What a block says as it begins: everything, in a whole reply. Raises WrongShape."""
    match block.kind:
        case "text":
            said = text(block.head.get("text"), "text")
            return _delta(kind="text", text=said) if said else None
        case "thinking":
            thought = text(block.head.get("thinking"), "thinking")
            return _delta(kind="reasoning", text=thought) if thought else None
        case "tool_use":
            call = _call(block)
            arguments = call.arguments if block.head.get("input") else ""
            return _delta(kind="tool_call", text=arguments, index=block.call, id=call.id, name=call.name)
        case _:
            return None


def _call(block: _Block) -> ToolCall:
    pieces = block.pieces.get("partial_json")
    given = block.head.get("input")
    arguments = "".join(pieces) if pieces else json.dumps(given or {}, ensure_ascii=False)
    id, name = text(block.head.get("id"), "the id of a tool call"), text(block.head.get("name"), "the name of a tool")
    return ToolCall(id=id or "", name=name or "", arguments=arguments or "{}")


def _parsed(arguments: str) -> object:
    try:
        return json.loads(arguments or "{}")
    except (ValueError, RecursionError):
        return {"arguments": arguments}


def _index(event: Mapping[str, object]) -> int:
    index = event.get("index")
    if isinstance(index, bool) or not isinstance(index, int):
        raise WrongShape("an event without the index of its block")
    return index
