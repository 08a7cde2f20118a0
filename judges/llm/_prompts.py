"""Prompt files: what is said to a judge model, each with a hash that becomes part of the judge's digest."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from judges.types import Message

_PAGE = "{page}"
_RULE = "\n---\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """One file of ``prompts/``: instructions, a rule of three dashes, and a user turn with ``{page}`` in it."""

    name: str
    sha256: str
    system: str
    user: str

    @property
    def reference(self) -> str:
        """Name and hash, as an ``Exchange`` records them."""
        return f"{self.name}@{self.sha256}"

    def messages(self, page: str) -> tuple[Message, ...]:
        """The conversation that asks for a verdict on ``page``."""
        before, _, after = self.user.partition(_PAGE)
        return (Message(role="system", content=self.system), Message(role="user", content=before + page + after))


@lru_cache
def load(name: str) -> PromptFile:
    """The prompt file ``prompts/NAME.md`` of this package."""
    text = files("judges.llm").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    system, rule, user = text.partition(_RULE)
    if not rule or user.count(_PAGE) != 1:
        raise ValueError(f"prompts/{name}.md needs a line of three dashes and {_PAGE} once below it")
    digest = hashlib.sha256(text.encode()).hexdigest()
    return PromptFile(name=name, sha256=digest, system=system.strip(), user=user.strip())
