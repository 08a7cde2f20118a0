"""Judge models for tests: they read the page as a real one would, and prefer by a rule of their own."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby

from judges.llm._render import LABELS, Shown, read
from judges.types import Completion, Prompt, Usage


@dataclass
class Reader:
    """Prefers the candidate with the highest ``worth``; equal worth is a tie. ``pages`` is what it was shown.

    It writes the kind of label that it is asked for. With five labels "much better" begins at ``much``; an answer is
    acceptable from ``enough``; ``own`` is the answer that it would give itself.
    """

    worth: Callable[[str], float] = len
    context_tokens: int | None = None
    much: float = 3.0
    enough: float = 5.0
    own: str = "my own answer"
    pages: list[Shown] = field(default_factory=list)

    async def complete(self, prompt: Prompt) -> Completion:
        shown = read(prompt.messages[-1].text)
        self.pages.append(shown)
        spent = Usage(input_tokens=100, output_tokens=10, nano_usd=7)
        asked = "\n".join(message.text for message in prompt.messages)
        if not shown.candidates:
            return Completion(text=self.own, finish_reason="stop", usage=spent)
        worths = dict(zip(LABELS, map(self.worth, shown.candidates), strict=False))
        label = self._label(worths, asked)
        marks = ""
        if "[[acceptable: none]]" in asked:
            marks = f"[[acceptable: {', '.join(one for one in worths if worths[one] >= self.enough) or 'none'}]]\n"
        return Completion(text=f"Reason.\n{marks}[[{label}]]", finish_reason="stop", usage=spent)

    def _label(self, worths: dict[str, float], asked: str) -> str:
        if "[[B > A = C]]" in asked:
            ranked = sorted(worths, key=lambda one: -worths[one])
            return " > ".join(" = ".join(tier) for _, tier in groupby(ranked, key=lambda one: worths[one]))
        lead = worths["A"] - worths["B"]
        if "[[A>>B]]" not in asked:
            return "C" if lead == 0 else "A" if lead > 0 else "B"
        sign = "=" if lead == 0 else ">>" if abs(lead) >= self.much else ">"
        return f"A{sign}B" if lead >= 0 else f"B{sign}A"
