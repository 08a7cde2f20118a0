"""What a task is, and how one declaration both writes its prompts and reads them again.

The server gets no task, only the text of a prompt: a model that solves it has to read it. ``Form`` is the wording of a
prompt with holes; rendering fills the holes, reading finds what stands in them.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

Checker = Literal["number", "text", "sequence", "json", "tool_call"]
Values = Mapping[str, str]
NEXT_TURN = " ¦ "
"""Between two turns of the user in the wording of a conversation."""

_HOLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A question with a known answer.

    Attributes:
        difficulty: 0 for what every model can do, 1 for what none can do for certain.
        prompt: the last turn of the user.
        truth: the right answer, in the form that ``checker`` compares.
        earlier: turns before the prompt as (role, text), oldest first.
        tools: tool definitions in OpenAI's shape that go with the request.
    """

    id: str
    kind: str
    difficulty: float
    prompt: str
    truth: str
    checker: Checker
    earlier: tuple[tuple[str, str], ...] = ()
    tools: tuple[Mapping[str, object], ...] = ()

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation in OpenAI's shape."""
        turns = (*self.earlier, ("user", self.prompt))
        return [{"role": role, "content": text} for role, text in turns]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What working on a task finds.

    Attributes:
        wrongs: plausible wrong answers, the most tempting first; at least one, none equal to ``truth``.
        steps: one or two sentences that lead to the answer, which stands in them as ``{answer}``.
        spoken: said as it stands, with no words around it.
    """

    kind: str
    checker: Checker
    truth: str
    wrongs: tuple[str, ...]
    difficulty: float
    steps: str = ""
    spoken: bool = False

    def __post_init__(self) -> None:
        unlike = tuple(dict.fromkeys(wrong for wrong in self.wrongs if wrong != self.truth))
        if not unlike:
            raise ValueError("a task needs a plausible wrong answer")
        object.__setattr__(self, "wrongs", unlike)
        object.__setattr__(self, "difficulty", round(min(1.0, max(0.0, self.difficulty)), 3))


class Form:
    """One wording, with ``{holes}``; ``patterns`` are regular expressions for what fits into each."""

    def __init__(self, wording: str, patterns: Mapping[str, str]) -> None:
        self.wording = wording
        at, parts = 0, []
        seen: set[str] = set()
        for hole in _HOLE.finditer(wording):
            name = hole.group(1)
            parts.append(_loose(wording[at : hole.start()]))
            parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{patterns[name]})")
            seen.add(name)
            at = hole.end()
        parts.append(_loose(wording[at:]))
        self._pattern = re.compile("".join(parts), re.IGNORECASE)

    def render(self, values: Values) -> str:
        """The prompt with ``values`` in its holes."""
        return _HOLE.sub(lambda hole: values[hole.group(1)], self.wording)

    def read(self, text: str, *, whole: bool = False) -> dict[str, str] | None:
        """What stands in the holes, None where ``text`` holds no such wording, or is more than it if ``whole``."""
        found = self._pattern.fullmatch(text.strip()) if whole else self._pattern.search(text)
        return None if found is None else found.groupdict()


def _loose(literal: str) -> str:
    """A pattern for ``literal`` that does not mind how wide its spaces are."""
    words = re.split(r"\s+|¦", literal)
    return re.sub(r"(\\s\+)+", r"\\s+", r"\s+".join(re.escape(word) for word in words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One way to make and to solve tasks of a kind.

    Attributes:
        draw: values for the holes, at a level of difficulty in [0, 1].
        work: the answer for what stands in the holes; raises ValueError where that makes no sense.
        tool: the tool definition that its requests carry, None for none.
        replies: what the assistant said between the turns of a conversation.
        whole: nothing stands around its prompts, which mean another thing where something does.
    """

    kind: str
    forms: tuple[Form, ...]
    draw: Callable[[Random, float], Values]
    work: Callable[[Values], Work]
    tool: Mapping[str, object] | None = None
    replies: tuple[str, ...] = field(default=("Noted.", "All right.", "Understood."))
    whole: bool = False


def forms(patterns: Mapping[str, str], *wordings: str) -> tuple[Form, ...]:
    """Forms that share the patterns of their holes."""
    return tuple(Form(wording, patterns) for wording in wordings)


def ladder(level: float, rungs: Sequence[int]) -> int:
    """The rung that belongs to ``level`` in [0, 1]."""
    return rungs[min(len(rungs) - 1, int(level * len(rungs)))]


def near(truth: int, *tempting: int) -> tuple[str, ...]:
    """Wrong numbers: the ``tempting`` ones first, then some that a slip would give."""
    slips = (truth + 1, truth - 1, truth + 10, truth - 10, truth * 10, truth + 2)
    return tuple(str(each) for each in (*tempting, *slips))
