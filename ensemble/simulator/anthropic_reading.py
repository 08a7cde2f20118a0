"""Reading requests in Anthropic's format."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b

import orjson

from ensemble.simulator import tokens
from ensemble.simulator.talk import Ask, Problem, ToolUse, Turn
from ensemble.simulator.wire import number, rows, table, text, whole_number

CURRENT_VERSION = "2026-10-21"
OLD_VERSION = "2023-06-01"
VERSIONS = ("2023-01-01", OLD_VERSION, CURRENT_VERSION)
LEAST_BUDGET = 1024
_OLD_ONLY = ("temperature", "top_p", "top_k")


def signature(thinking: str) -> str:
    """What proves that thoughts are the model's own when a client sends them back."""
    return "sim-" + blake2b(thinking.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def read_ask(body: Mapping[str, object], headers: Mapping[str, str]) -> Ask:
    """The request in ``body``; raises Problem (400) where Anthropic would refuse it."""
    model = text(body.get("model"))
    if not model:
        raise Problem(400, "model: Field required")
    _check_version(body, headers)
    limit = whole_number(body, "max_tokens")
    if limit is None:
        raise Problem(400, "max_tokens: Field required")
    turns = (*_system(body.get("system")), *_turns(body.get("messages")))
    _check_thoughts(body, limit)
    tools, tool_tokens = _tools(body.get("tools"))
    return Ask(
        model=model,
        turns=turns,
        stream=body.get("stream") is True,
        include_usage=True,
        max_tokens=limit,
        stop=tuple(text(each) for each in rows(body.get("stop_sequences"))),
        tools=tools,
        tool_choice=_tool_choice(table(body.get("tool_choice"))),
        tool_tokens=tool_tokens,
        schema=_schema(table(table(body.get("output_config")).get("format"))),
        temperature=number(body, "temperature"),
        thinks=text(table(body.get("thinking")).get("type")) in ("enabled", "adaptive", "between_tools"),
    )


def _check_version(body: Mapping[str, object], headers: Mapping[str, str]) -> None:
    version = headers.get("anthropic-version")
    if version is None:
        raise Problem(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise Problem(400, f"anthropic-version: {version!r} is not a valid version")
    for name in _OLD_ONLY:
        if name in body and version == CURRENT_VERSION:
            raise Problem(400, f"{name}: Extra inputs are not permitted in version {version}")


def _check_thoughts(body: Mapping[str, object], limit: int) -> None:
    """A budget for thoughts is below the limit; with one, a tool loop goes on only from a call that came with them."""
    thinking = table(body.get("thinking"))
    if thinking.get("type") != "enabled":
        return
    budget = whole_number(thinking, "budget_tokens")
    if budget is None or budget < LEAST_BUDGET:
        raise Problem(400, f"thinking.enabled.budget_tokens: Input should be greater than or equal to {LEAST_BUDGET}")
    if budget >= limit:
        raise Problem(400, "`max_tokens` must be greater than `thinking.budget_tokens`")
    messages = [table(each) for each in rows(body.get("messages"))]
    if len(messages) < 2:
        return
    last, before = ([table(block).get("type") for block in rows(each.get("content"))] for each in messages[:-3:-1])
    if "tool_result" in last and before and before[0] not in ("thinking", "redacted_thinking"):
        where = f"messages.{len(messages) - 2}.content.0.type"
        raise Problem(400, f"{where}: Expected `thinking` or `redacted_thinking`, but found `{before[0]}`")


def _system(system: object) -> Iterator[Turn]:
    words = text(system) or "\n".join(text(table(block).get("text")) for block in rows(system))
    if words:
        yield Turn(role="system", text=words)


def _turns(messages: object) -> Iterator[Turn]:
    if not isinstance(messages, list) or not messages:
        raise Problem(400, "messages: at least one message is required")
    for at, message in enumerate(messages):
        body = table(message)
        role = body.get("role")
        if role not in ("user", "assistant"):
            raise Problem(400, f"messages.{at}.role: Input should be 'user' or 'assistant'")
        content = body.get("content")
        if isinstance(content, str):
            yield Turn(role=str(role), text=content)
        elif isinstance(content, list) and content:
            yield from _blocks(str(role), [table(block) for block in content], at)
        else:
            raise Problem(400, f"messages.{at}.content: Input should be a string or a list of at least one block")


def _blocks(role: str, blocks: list[Mapping[str, object]], at: int) -> Iterator[Turn]:
    words, calls, images = [], [], 0
    for place, block in enumerate(blocks):
        match block.get("type"):
            case "text":
                words.append(text(block.get("text")))
            case "image":
                images += 1
            case "tool_use":
                calls.append(_tool_use(block))
            case "tool_result":
                yield Turn(role="tool", text=_result(block), answers=text(block.get("tool_use_id")) or None)
            case "thinking":
                if block.get("signature") != signature(text(block.get("thinking"))):
                    where = f"messages.{at}.content.{place}"
                    raise Problem(400, f"{where}: Invalid `signature` in `thinking` block")
            case "redacted_thinking" | "document":
                pass
            case other:
                raise Problem(
                    400, f"messages.{at}.content.{place}: Input tag {other!r} does not match any expected tag"
                )
    if words or calls or images:
        yield Turn(role=role, text="\n".join(words), images=images, tool_calls=tuple(calls))


def _tool_use(block: Mapping[str, object]) -> ToolUse:
    if not isinstance(block.get("input"), dict):
        raise Problem(400, "tool_use.input: Input should be a valid dictionary")
    arguments = orjson.dumps(block["input"]).decode()
    return ToolUse(id=text(block.get("id")), name=text(block.get("name")), arguments=arguments)


def _result(block: Mapping[str, object]) -> str:
    content = block.get("content")
    return text(content) or "\n".join(text(table(part).get("text")) for part in rows(content))


def _tools(listed: object) -> tuple[dict[str, Mapping[str, object]], int]:
    found: dict[str, Mapping[str, object]] = {}
    for tool in (table(each) for each in rows(listed)):
        if not isinstance(tool.get("input_schema"), dict):
            raise Problem(400, "tools.0.input_schema: Field required")
        found[text(tool.get("name"))] = table(tool["input_schema"])
    return found, tokens.count(orjson.dumps(listed).decode()) if found else 0


def _tool_choice(choice: Mapping[str, object]) -> str:
    kind = choice.get("type")
    if kind == "tool":
        return text(choice.get("name"))
    return {"any": "required", "none": "none"}.get(text(kind), "auto")


def _schema(wanted: Mapping[str, object]) -> Mapping[str, object] | None:
    if not wanted:
        return None
    if wanted.get("type") != "json_schema" or not isinstance(wanted.get("schema"), dict):
        raise Problem(400, "output_config.format.schema: Field required")
    return table(wanted["schema"])
