"""What one wire format alone knows of, on its way through prompts and answers that are in the words of all."""

import json
from collections.abc import Mapping

import orjson

ANTHROPIC = "anthropic"
"""In ``Prompt.options`` and beside a tool's function: parameters of Anthropic's that no other format has, by name.

As ``OpaquePart.data["type"]``: a content block that only Anthropic can read; ``data["block"]`` holds it unchanged.
"""
LEAST_BUDGET = 1024
"""Tokens: fewer of thoughts Anthropic does not take as ``thinking.budget_tokens``."""
THOUGHT = "reasoning_content"
"""``OpaquePart.data["type"]`` of plain thoughts (DeepSeek, vLLM, llama.cpp); ``data["text"]`` holds them."""
DETAILS = "reasoning_details"
"""The same of OpenRouter's list, in ``data["details"]``."""


def writable(value: object) -> bool:
    """Whether ``value``, read from JSON, can be written again: what is nested without end is neither sent nor kept."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True


def as_object(arguments: str) -> Mapping[str, object]:
    """Arguments of a tool call as an object, Anthropic's only form; what else a model wrote stays readable.

    Whatever it is, it can be written as JSON again: what is nested without end, or no text, stays as it was written.
    """
    try:
        value = json.loads(arguments or "{}")
        orjson.dumps(value)
    except (ValueError, TypeError, RecursionError):
        value = arguments
    return value if isinstance(value, dict) else {"arguments": value}
