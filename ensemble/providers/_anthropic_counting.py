"""Anthropic's count of tokens.

https://docs.anthropic.com/en/api/messages-count-tokens
"""

import sys
from dataclasses import replace

from ensemble.errors import CallFailed
from ensemble.providers._anthropic_batches import AnthropicBatches
from ensemble.providers._anthropic_request import UNASKED, unasked
from ensemble.providers._batches import object_of
from ensemble.providers._connection import encoded
from ensemble.providers._shapes import count
from judges.types import Prompt

PATH = "/v1/messages/count_tokens"
_COUNTED = frozenset(
    {"model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control", "speed"}
)
"""What counts; the API refuses the rest of a message's parameters."""


class AnthropicConnection(AnthropicBatches):
    """Messages, one by one, in bulk, or only counted."""

    def unsaid(self, prompt: Prompt) -> str | None:
        """As ``Demanding.unsaid``."""
        return UNASKED if unasked(prompt.messages) else None

    async def count_tokens(self, model: str, prompt: Prompt) -> int:
        """As ``TokenCounter.count_tokens``."""
        limited = replace(prompt, max_output_tokens=prompt.max_output_tokens or sys.maxsize)  # no limit, no thought cut
        document, _ = self._format.body(model, limited, stream=False)
        body, _ = encoded({name: value for name, value in document.items() if name in _COUNTED})
        counted = count((await object_of(self._wire.exchange(PATH, body))).get("input_tokens"))
        if counted is None:
            raise CallFailed("the reply holds no count", failure="bad_reply", http_status=200)
        return counted
