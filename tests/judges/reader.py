"""Judge models for tests: they read the page as a real one would, and prefer by a rule of their own."""

from collections.abc import Callable
from dataclasses import dataclass, field

from judges.llm._render import Shown, read
from judges.types import Completion, Prompt, Usage


@dataclass
class Reader:
    """Prefers the candidate with the highest ``worth``; equal worth is a tie. ``pages`` is what it was shown."""

    worth: Callable[[str], float] = len
    context_tokens: int | None = None
    pages: list[Shown] = field(default_factory=list)

    async def complete(self, prompt: Prompt) -> Completion:
        shown = read(prompt.messages[-1].text)
        self.pages.append(shown)
        first, second = map(self.worth, shown.candidates)
        label = "C" if first == second else "A" if first > second else "B"
        spent = Usage(input_tokens=100, output_tokens=10, nano_usd=7)
        return Completion(text=f"Reason.\n[[{label}]]", finish_reason="stop", usage=spent)
