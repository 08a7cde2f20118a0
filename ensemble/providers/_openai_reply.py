"""From a reply in OpenAI's wire format to a completion: whole, or piece by piece.

What an answer consists of must have its shape; what merely comes with it (usage, logprobs) is unknown where it has not.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal

from ensemble.money import NANO
from ensemble.native import DETAILS, THOUGHT, writable
from ensemble.provider import Delta
from ensemble.providers._shapes import MOST, array, count, known, mapping, table, text
from judges.quick import maker
from judges.types import Completion, FinishReason, OpaquePart, TokenLogprob, ToolCall, Usage

FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
    "recitation": "refusal",
    "prohibited_content": "refusal",
}
"""Finish reasons in lower case, those of lookalikes included; any other is ``other``."""


_BESIDE_TEXT = frozenset({"refusal", "reasoning_content", "reasoning", DETAILS, "tool_calls", "function_call"})
"""What of a message ``add_message`` reads beside its content."""
_UNKNOWN = Usage()
_delta, _completion, _usage = maker(Delta), maker(Completion), maker(Usage)


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list)


class Gathered:
    """An answer in the making, as ``Gathering``. A stream ends with ``[DONE]``, which is no event of its own."""

    def __init__(self) -> None:
        self.finish: str | None = None
        self.logprobs: list[TokenLogprob] | None = None
        self.ended = False
        self.usage = _UNKNOWN
        self.model: str | None = None
        self.fingerprint: str | None = None
        self.id: str | None = None
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._thoughts: list[str] = []
        self._details: list[object] = []
        self._calls: list[_Call] = []
        self._places: dict[int, int] = {}

    @property
    def begun(self) -> bool:
        """Something worth keeping has come."""
        return bool(self._text or self._refusal or self._thoughts or self._calls or self.id)

    @property
    def answered(self) -> bool:
        """A choice has ended, or has said something."""
        return self.finish is not None or bool(self._text or self._refusal or self._calls)

    def take_whole(self, document: object) -> None:
        """Take a whole reply. Raises WrongShape."""
        for message in self._messages(document):
            if (said := _plain(message)) is not None:
                self._text.append(said)
            else:
                for _ in self.add_message(message):
                    pass

    def add_whole(self, document: object) -> Iterator[Delta]:
        """As ``take_whole``, and tell its pieces."""
        for message in self._messages(document):
            yield from self.add_message(message)

    def _messages(self, document: object) -> Sequence[Mapping[str, object]]:
        """The one message of a reply, if there is one; what stands around it is taken."""
        reply = table(document, "the reply")
        self.add_head(reply)
        choices = array(reply.get("choices"), "choices")
        if not choices:
            return ()
        choice = table(choices[0], "a choice")
        message = table(choice.get("message"), "the message")
        self.finish = text(choice.get("finish_reason"), "finish_reason")
        if choice.get("logprobs"):
            self.logprobs = logprobs_of(choice["logprobs"])
        return (message,)

    def add_event(self, document: object) -> Iterator[Delta]:
        """Take one chunk of a stream and tell what is new in it. Raises WrongShape."""
        chunk = table(document, "a chunk")
        self.add_head(chunk)
        for choice in array(chunk.get("choices"), "choices"):
            choice = table(choice, "a choice")
            if choice.get("index") not in (0, None):
                continue
            if choice.get("delta") is not None:
                yield from self.add_message(table(choice["delta"], "delta"))
            self.finish = text(choice.get("finish_reason"), "finish_reason") or self.finish
            if choice.get("logprobs") and (more := logprobs_of(choice["logprobs"])):
                self.logprobs = (self.logprobs or []) + more

    def add_message(self, message: Mapping[str, object]) -> Iterator[Delta]:
        """Take a message, or the next piece of one. Raises WrongShape."""
        if said := _content(message.get("content")):
            self._text.append(said)
            yield _delta(kind="text", text=said)
        if refusal := text(message.get("refusal"), "refusal"):
            self._refusal.append(refusal)
            yield _delta(kind="text", text=refusal)
        thoughts = message.get("reasoning_content") or message.get("reasoning")
        if isinstance(thoughts, str) and thoughts:
            self._thoughts.append(thoughts)
            yield _delta(kind="reasoning", text=thoughts)
        if isinstance(details := message.get(DETAILS), list):
            self._details += details
        for number, call in enumerate(array(message.get("tool_calls") or [], "tool_calls")):
            yield self._add_call(table(call, "a tool call"), number)
        if message.get("function_call") is not None:  # the form before tools
            yield self._add_call({"index": 0, "function": message["function_call"]}, 0)

    def add_head(self, reply: Mapping[str, object]) -> None:
        """Take what stands around the message: model, fingerprint, id and usage."""
        # Every chunk says the same again, so comparing saves most of the work.
        if (model := reply.get("model")) != self.model:
            self.model = known(model) or self.model
        if (fingerprint := reply.get("system_fingerprint")) != self.fingerprint:
            self.fingerprint = known(fingerprint) or self.fingerprint
        if (id_ := reply.get("id")) != self.id:
            self.id = known(id_) or self.id
        if isinstance(usage := reply.get("usage"), dict):
            self.usage = usage_of(usage)

    def completion(
        self, *, partial: bool = False, request_id: str | None = None, dropped: tuple[str, ...] = ()
    ) -> Completion:
        """As ``Gathering.completion``."""
        calls: tuple[ToolCall, ...] = ()
        if self._calls:
            calls = tuple(ToolCall(id=one.id, name=one.name, arguments="".join(one.arguments)) for one in self._calls)
        finish = FINISH.get((self.finish or "").lower(), "other")
        if self._refusal:
            finish = "refusal"
        elif calls and finish == "stop":  # Ollama, llama.cpp and Gemini have said so
            finish = "tool_calls"
        return _completion(
            text="".join(self._text) or "".join(self._refusal),
            finish_reason="other" if partial else finish,
            tool_calls=calls,
            logprobs=tuple(self.logprobs) if self.logprobs is not None else None,
            usage=self.usage,
            model=self.model,
            system_fingerprint=self.fingerprint,
            provider_request_id=request_id or self.id,
            dropped=dropped,
            reasoning=self._reasoning(),
            partial=partial,
        )

    def _add_call(self, piece: Mapping[str, object], number: int) -> Delta:
        function = table(piece.get("function"), "the function of a tool call")
        id = text(piece.get("id"), "the id of a tool call") or ""
        name = text(function.get("name"), "the name of a tool") or ""
        index = piece.get("index")
        at = min(number, len(self._calls))
        if isinstance(index, int):
            # The latest that began under it: some servers count from 1, Gemini from 0 in every chunk.
            at = self._places.get(index, len(self._calls))
        if at < len(self._calls) and id and self._calls[at].id not in ("", id):
            at = len(self._calls)  # another call under the same index
        elif at == len(self._calls) and self._calls and not id and not name:
            at -= 1  # the rest of what has begun, under an index of its own
        if at == len(self._calls):
            self._calls.append(_Call())
        if isinstance(index, int):
            self._places[index] = at
        call = self._calls[at]
        arguments = text(function.get("arguments"), "the arguments of a tool call") or ""
        call.id, call.name = call.id or id, call.name or name
        call.arguments.append(arguments)
        return _delta(kind="tool_call", text=arguments, index=at, id=id or None, name=name or None)

    def _reasoning(self) -> tuple[OpaquePart, ...]:
        # With what is nested without end nobody's answer could be stored.
        if self._details and writable(self._details):
            return (OpaquePart(origin="", data={"type": DETAILS, "details": self._details}),)
        if self._thoughts:
            return (OpaquePart(origin="", data={"type": THOUGHT, "text": "".join(self._thoughts)}),)
        return ()


def _plain(message: Mapping[str, object]) -> str | None:
    """The text of a message that says nothing but it, as most do."""
    for name, value in message.items():
        if value is not None and name in _BESIDE_TEXT:
            return None
    said = message.get("content")
    return said if said and isinstance(said, str) else None


def usage_of(wire: Mapping[str, object]) -> Usage:
    """Tokens by kind; whatever is no count is unknown.

    xAI and Gemini leave reasoning out of ``completion_tokens`` but not out of ``total_tokens``: what is missing between
    them is added.
    """
    into, out = mapping(wire.get("prompt_tokens_details")), mapping(wire.get("completion_tokens_details"))
    given, made = count(wire.get("prompt_tokens")), count(wire.get("completion_tokens"))
    total = count(wire.get("total_tokens"))
    reasoning = count(out.get("reasoning_tokens")) if out else None
    if given is not None and made is not None and total is not None and total > given + made:
        hidden = total - given - made
        made, reasoning = made + hidden, reasoning or hidden
    if not (into or "prompt_cache_hit_tokens" in wire or "cost" in wire):  # as most say no more than these
        return _usage(input_tokens=given, output_tokens=made, reasoning_tokens=reasoning)
    cached = count(into.get("cached_tokens"))
    return _usage(
        input_tokens=given,
        output_tokens=made,
        cached_input_tokens=count(wire.get("prompt_cache_hit_tokens")) if cached is None else cached,
        cache_write_tokens=count(into.get("cache_write_tokens")),
        reasoning_tokens=reasoning,
        image_tokens=count(into.get("image_tokens")),
        provider_nano_usd=nano_usd_of(wire.get("cost")),
    )


def nano_usd_of(cost: object) -> int | None:
    """A cost in dollars as the wire has it (OpenRouter), as nano-USD; None where it is no sum of money."""
    if cost is None or isinstance(cost, bool) or not isinstance(cost, int | float | str):
        return None
    try:
        # The shortest text of a float is what the wire said, so nothing is lost on the way through it.
        exact = Decimal(str(cost)) * NANO
        if not 0 <= exact <= MOST:
            return None
    except ArithmeticError:  # no number, NaN, or one without measure
        return None
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def logprobs_of(wire: object) -> list[TokenLogprob] | None:
    """Log-probabilities per token, None where there are none or they cannot be read."""
    tokens = mapping(wire).get("content")
    if not isinstance(tokens, list):
        return None
    read = [_logprob(token) for token in tokens]
    return [token for token in read if token is not None] if None not in read else None


def _logprob(wire: object) -> TokenLogprob | None:
    pair = _pair(wire)
    if pair is None:
        return None
    others = mapping(wire).get("top_logprobs")
    top = [_pair(other) for other in others] if isinstance(others, list) else []
    return TokenLogprob(token=pair[0], logprob=pair[1], top=tuple(other for other in top if other is not None))


def _pair(wire: object) -> tuple[str, float] | None:
    token, value = mapping(wire).get("token"), mapping(wire).get("logprob")
    if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return (token, float(value)) if math.isfinite(value) else None


def _content(content: object) -> str:
    """Text of a message. Mistral and some gateways send it in parts, thoughts among them."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = [table(part, "a part of the content") for part in array(content, "content")]
    return "".join(text(part.get("text"), "text") or "" for part in parts if part.get("type") in ("text", None))
