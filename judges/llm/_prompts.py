"""Prompt files: what is said to a judge model, each with a hash that becomes part of the judge's digest."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

from judges.types import Message

_PAGE = "{page}"
_RULE = "\n---\n"


@dataclass(frozen=True, kw_only=True)
class PromptFile:
    """One file of ``prompts/``: instructions, a rule of three dashes, and a user turn with ``{page}`` in it."""

    name: str
    sha256: str
    system: str
    user: str

    @cached_property
    def reference(self) -> str:
        """Name and hash, as an ``Exchange`` records them."""
        return f"{self.name}@{self.sha256}"

    def messages(self, page: str) -> tuple[Message, ...]:
        """The conversation that asks for a verdict on ``page``."""
        instructions, before, after = self._around
        return (instructions, Message(role="user", content=before + page + after))

    @cached_property
    def _around(self) -> tuple[Message, str, str]:
        """The instructions, and what stands before and after a page."""
        before, _, after = self.user.partition(_PAGE)
        return Message(role="system", content=self.system), before, after


@lru_cache
def load(name: str, *additions: str, package: str = "judges.llm") -> PromptFile:
    """The prompt file ``prompts/NAME.md`` of ``package``, with ``additions``: files of the same form without a page.

    What an addition says above its rule follows the instructions; what it says below stands right behind the page.
    """
    text = _text(name, package)
    system, rule, user = text.partition(_RULE)
    if not rule or user.count(_PAGE) != 1:
        raise ValueError(f"prompts/{name}.md needs a line of three dashes and {_PAGE} once below it")
    for addition in additions:
        more = _text(addition, package)
        instructions, rule, reminder = more.partition(_RULE)
        if not rule or _PAGE in more:
            raise ValueError(f"prompts/{addition}.md needs a line of three dashes and no {_PAGE}")
        system = f"{system.strip()}\n\n{instructions.strip()}"
        user = user.replace(_PAGE, f"{_PAGE}\n\n{reminder.strip()}")
        text += f"{_RULE}{more}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return PromptFile(name="+".join((name, *additions)), sha256=digest, system=system.strip(), user=user.strip())


def _text(name: str, package: str) -> str:
    return files(package).joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
