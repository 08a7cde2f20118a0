"""What an answer says, where it is data: equal values are equal texts, however they were written."""

import json

from judges.schemas import refuse_constant
from judges.types import Completion, ToolCall


def canonical(text: str) -> str | None:
    """``text`` in the one spelling of its JSON value, None where it is no JSON.

    Keys are sorted, blanks gone, and a number is what a double holds, so 1.0 is 1 (after RFC 8785).
    """
    try:
        value = json.loads(text, parse_float=_number, parse_constant=refuse_constant)
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):  # also 1e999, integers of thousands of digits, nesting beyond any use
        return None


def value_of(said: Completion) -> str | None:
    """The data that ``said`` is: its tool calls in any order, or a text that is a JSON object or array as a whole.

    Words around tool calls say nothing of what will be called. The kind stands before the value, so that no text can
    pass for a call. None where it is neither.
    """
    if said.tool_calls:
        return f"calls {json.dumps(sorted(map(_call, said.tool_calls)))}"
    text = said.text.strip()
    found = canonical(text) if text[:1] in ("{", "[") else None
    return None if found is None else f"json {found}"


def what_it_says(said: Completion) -> str:
    """The data that ``said`` is, else its text: equal for two answers that say the same."""
    found = value_of(said)
    return f"text {said.text}" if found is None else found


def _call(call: ToolCall) -> tuple[str, str]:
    arguments = canonical(call.arguments or "{}")
    return call.name, call.arguments if arguments is None else arguments


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value
