"""From a prompt to the body of a message in Anthropic's wire format."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ensemble.callids import portable
from ensemble.errors import CallFailed
from ensemble.native import ANTHROPIC, LEAST_BUDGET, as_object
from ensemble.providers._files import file_for_anthropic, image_for_anthropic
from ensemble.providers._shapes import mapping
from judges.types import FilePart, ImagePart, Message, OpaquePart, Part, Prompt, TextPart

SAMPLING_ENDED = "2026-10-21"
"""From this version of the API on, ``temperature``, ``top_p`` and ``top_k`` are answered with a 400."""

_SAMPLING = ("temperature", "top_p", "top_k")
_OWN = frozenset(
    {"cache_control", "container", "diagnostics", "inference_geo", "output_config", "speed", "thinking"}
    | {"user_profile_id", "context_management", "mcp_servers"}
)
_EFFORTS: Mapping[str, str] = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_THOUGHTS = frozenset({"thinking", "redacted_thinking"})
"""Blocks of thoughts; no cache marker may stand on them."""
_INSTRUCTING = frozenset({"system", "developer"})
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
UNASKED = "there is no user's text to answer, which Anthropic's API needs; write some into the last turn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How one server wants to be spoken to.

    Attributes:
        api_version: a date; older than ``SAMPLING_ENDED`` it takes sampling parameters.
        in_body: what goes into the body instead of a header (Bedrock, Vertex).
        unsupported: parameters by wire name, OpenAI's or Anthropic's, that are not sent.
    """

    api_version: str
    in_body: Mapping[str, object]
    unsupported: frozenset[str]

    @property
    def samples(self) -> bool:
        """The API takes sampling parameters. Bedrock and Vertex put their own name before the date."""
        return self.api_version[-10:] < SAMPLING_ENDED


def body_of(model: str, prompt: Prompt, manner: Manner, *, stream: bool) -> tuple[dict[str, object], tuple[str, ...]]:
    """The body, and the names of what was asked for and is not in it: OpenAI's names, since prompts are in those.

    Raises:
        CallFailed: there is no limit of output tokens, no turn to answer, or a file that this format cannot carry.
    """
    if prompt.max_output_tokens is None:
        told = "max_output_tokens is required: set it for this member"
        raise CallFailed(told, failure="rejected", sent=False)
    wishes = _Wishes(manner)
    wishes.take(prompt)
    body: dict[str, object] = {"model": model, "max_tokens": prompt.max_output_tokens}
    if system := _system([m for m in prompt.messages if m.role in _INSTRUCTING and m.text]):
        body["system"] = system
    if unasked(prompt.messages):
        raise CallFailed(UNASKED, failure="rejected", sent=False)
    body["messages"] = turns = _turns(portable(prompt.messages, _CALL_ID))
    thinking = mapping(wishes.body.pop("thinking", None))
    fitting = _fitting(thinking, prompt.max_output_tokens, turns)
    if fitting != thinking:
        wishes.left_out.append("thinking")
    if fitting:
        wishes.body["thinking"] = fitting
    body |= wishes.body
    if stream:
        body["stream"] = True
    return {**body, **manner.in_body}, tuple(dict.fromkeys(wishes.left_out))


class _Wishes:
    """Everything but the conversation: what of it can be said, and what cannot."""

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self.body: dict[str, object] = {}
        self.left_out: list[str] = []

    def take(self, prompt: Prompt) -> None:
        for name, value in prompt.options.items():
            if name == ANTHROPIC:
                for own, wanted in mapping(value).items():
                    self._option(own, wanted)
            elif value is not None:
                self._option(name, value)
        self._put("stop", "stop_sequences", [stop for stop in prompt.stop if stop.strip()] or None)
        if any(not stop.strip() for stop in prompt.stop):
            self.left_out.append("stop")
        self._tools(prompt)
        self._format(prompt)
        if prompt.seed is not None:
            self.left_out.append("seed")
        if prompt.top_logprobs is not None:
            self.left_out.append("logprobs")

    def _put(self, asked: str, name: str, value: object) -> None:
        if value is None:
            return
        if not self._manner.unsupported.isdisjoint((asked, name)):
            self.left_out.append(asked)
        else:
            self.body[name] = value

    def _option(self, name: str, value: object) -> None:
        if name in _SAMPLING:
            self._sampling(name, value)
        elif name == "reasoning_effort" and isinstance(value, str) and value in _EFFORTS:
            self._put(name, "output_config", {**mapping(self.body.get("output_config")), "effort": _EFFORTS[value]})
        elif name == "output_config":
            self._put(name, name, {**mapping(self.body.get(name)), **mapping(value)})
        elif name == "user" and isinstance(value, str):
            self._put(name, "metadata", {"user_id": value})
        elif name in _OWN or _means_the_same(name, value):
            self._put(name, name, value)
        elif name != "parallel_tool_calls":  # that one goes with the tools
            self.left_out.append(name)

    def _sampling(self, name: str, value: object) -> None:
        if not self._manner.samples:
            self.left_out.append(name)
        elif name == "temperature" and isinstance(value, int | float) and value > 1:
            self._put(name, name, 1.0)  # OpenAI's scale ends at 2; not sent as asked, so it is recorded
            self.left_out.append(name)
        else:
            self._put(name, name, value)

    def _tools(self, prompt: Prompt) -> None:
        tools = [_tool(tool) for tool in prompt.tools if tool.get("type") == "function"]
        self.left_out += [f"tools.{tool.get('type')}" for tool in prompt.tools if tool.get("type") != "function"]
        self._put("tools", "tools", tools or None)
        choice = _choice(prompt.tool_choice)
        if prompt.options.get("parallel_tool_calls") is False and prompt.tool_choice != "none":
            choice = {**(choice or {"type": "auto"}), "disable_parallel_tool_use": True}
        if "tools" in self.body:
            self._put("tool_choice", "tool_choice", choice)
        if prompt.tool_choice is not None and "tool_choice" not in self.body and "tool_choice" not in self.left_out:
            self.left_out.append("tool_choice")

    def _format(self, prompt: Prompt) -> None:
        wanted = prompt.response_format
        if wanted is None:
            return
        if wanted.type == "json_object" or wanted.schema is None:
            self.left_out.append("response_format")  # only a schema can be asked for
            return
        form = {"type": "json_schema", "schema": wanted.schema}
        self._put("response_format", "output_config", {**mapping(self.body.get("output_config")), "format": form})


def _means_the_same(name: str, value: object) -> bool:
    """OpenAI has parameters of these names too, and mostly means something else by them."""
    if name == "metadata":
        return set(mapping(value)) == {"user_id"}
    return name == "service_tier" and value in ("auto", "standard_only")


def _tool(tool: Mapping[str, object]) -> dict[str, object]:
    function = mapping(tool.get("function"))
    extras = {key: function[key] for key in ("description", "strict") if function.get(key) is not None}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function.get("name"), "input_schema": schema, **extras, **mapping(tool.get(ANTHROPIC))}


def _choice(choice: str | Mapping[str, object] | None) -> dict[str, object] | None:
    if isinstance(choice, str):
        kind = {"auto": "auto", "required": "any", "none": "none"}.get(choice)
        return {"type": kind} if kind else None
    name = mapping(mapping(choice).get("function")).get("name")
    return {"type": "tool", "name": name} if name else None


def _system(said: Sequence[Message]) -> str | list[dict[str, object]]:
    """One text, or a block for each turn where a cache marker has to stand between them."""
    if not any(message.cache_control for message in said):
        return "\n\n".join(message.text for message in said)
    return [_marked({"type": "text", "text": message.text}, message) for message in said]


def _marked(block: Mapping[str, object], message: Message) -> dict[str, object]:
    return {**block, "cache_control": message.cache_control} if message.cache_control else {**block}


def unasked(messages: Sequence[Message]) -> bool:
    """Whether there is no question to answer: empty texts are left out, since the API refuses them."""
    turns = [message for message in messages if message.role not in _INSTRUCTING]
    said = next((message for message in reversed(turns) if _says(message)), None)
    return said is None or (said.role == "assistant" and turns[-1].role != "assistant")


def _says(message: Message) -> bool:
    """Whether anything of a turn is sent, as ``_blocks`` has it."""
    if message.role == "tool" or message.tool_calls:
        return True
    if isinstance(message.content, str):
        return bool(message.content.strip())
    return any(not isinstance(part, TextPart) or part.text.strip() for part in message.content)


def _fitting(thinking: Mapping[str, object], most: int, turns: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """``thinking`` as the API takes it with at most ``most`` tokens in all and after ``turns``; empty where it cannot.

    A limit of a member's or client's may be lower than the budget that another has set, and must be higher: so half of
    it goes to the thoughts.
    """
    budget = thinking.get("budget_tokens")
    if thinking.get("type") != "enabled" or not isinstance(budget, int):
        return thinking
    if _begun_without_thoughts(turns):
        return {}
    if budget < most:
        return thinking
    return {**thinking, "budget_tokens": most // 2} if most // 2 >= LEAST_BUDGET else {}


def _begun_without_thoughts(turns: Sequence[Mapping[str, object]]) -> bool:
    """A tool loop is under way whose last call another member made: the API takes up thinking in none such.

    https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking, "Preserving thinking blocks"
    """
    if len(turns) < 2 or not _kinds(turns[-1]) & {"tool_result"}:
        return False
    return not _kinds(turns[-2]) & _THOUGHTS


def _kinds(turn: Mapping[str, object]) -> set[object]:
    blocks = turn.get("content")
    return {mapping(block).get("type") for block in blocks} if isinstance(blocks, list) else set()


def _turns(messages: Iterable[Message]) -> list[dict[str, object]]:
    """Turns of user and assistant in alternation; results of tools are a user's, and stand at the start of the turn."""
    turns: list[tuple[str, list[Mapping[str, object]]]] = []
    for message in messages:
        if message.role in _INSTRUCTING:
            continue
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message))
        if blocks and blocks[-1].get("type") not in _THOUGHTS:
            blocks[-1] = _marked(blocks[-1], message)
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    return [{"role": role, "content": blocks} for role, blocks in turns]


def _blocks(message: Message) -> Iterator[Mapping[str, object]]:
    parts = (TextPart(text=message.content),) if isinstance(message.content, str) else message.content
    content = [block for part in parts if (block := _block(part)) is not None]
    if message.role == "tool":
        failed = {"is_error": True} if message.failed else {}
        yield {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": content, **failed}
        return
    yield from content
    for call in message.tool_calls:
        yield {"type": "tool_use", "id": call.id, "name": call.name, "input": as_object(call.arguments)}


def _block(part: Part) -> Mapping[str, object] | None:
    match part:
        case TextPart():
            return {"type": "text", "text": part.text} if part.text.strip() else None  # an empty one is refused
        case ImagePart():
            return image_for_anthropic(part)
        case FilePart():
            return file_for_anthropic(part)
        case OpaquePart():
            return mapping(part.data.get("block")) if part.data.get("type") == ANTHROPIC else None
