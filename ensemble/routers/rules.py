"""Fixed rules: the kind of task and what can be seen of a request choose the member."""

import re
from collections.abc import Mapping
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from ensemble.router import ROUTERS, Context, MemberName, Router
from ensemble.routers._tasks import SCAN_CHARS, Task, has_code, task_of
from ensemble.types import Plan, Request, Stage
from judges.types import ImagePart, Message

Tier = Literal["small", "balanced", "large"]

TIERS: Mapping[Task, Tier] = {
    "greeting": "small",
    "simple_fact": "small",
    "arithmetic": "balanced",
    "extraction": "balanced",
    "rewriting": "balanced",
    "mechanical": "balanced",
    "everyday": "balanced",
    "code": "large",
    "maths": "large",
    "reasoning": "large",
    "critical_decision": "large",
    "unknown": "large",
}
"""Which size a kind of task gets where nothing else is said. It errs upward: what is not recognised is hard."""


class Condition(BaseModel):
    """What a request must show; everything that is named must hold, and a list holds if one of it does.

    Attributes:
        tasks: kinds of task.
        min_chars: least length of the whole conversation, in characters.
        max_chars: greatest length of the whole conversation, in characters.
        scripts: writing systems of which the last turn of the user holds a letter, such as ``cyrillic`` or ``cjk``.
        code: whether the last turn (its ends, if long) holds code or asks for some.
        tools: whether the request offers tools.
        images: whether the conversation holds an image.
        metadata: values that the request's metadata must have.
        pattern: regular expression to be found in the first 2,000 characters of the last turn; case does not matter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    tasks: tuple[Task, ...] = ()
    min_chars: NonNegativeInt = 0
    max_chars: PositiveInt | None = None
    scripts: tuple[Literal["latin", "cyrillic", "greek", "arabic", "hebrew", "devanagari", "cjk"], ...] = ()
    code: bool | None = None
    tools: bool | None = None
    images: bool | None = None
    metadata: Mapping[str, str] = Field(default_factory=dict)
    pattern: str | None = Field(None, min_length=1, max_length=500)

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from error
        return pattern

    def holds(self, request: Request, task: Task, last: str) -> bool:
        """Whether ``request``, whose last turn of the user is ``last`` and sets a ``task``, shows all of it."""
        turns = request.prompt.messages
        length = sum(len(turn.text) for turn in turns)
        return (
            (not self.tasks or task in self.tasks)
            and self.min_chars <= length <= (length if self.max_chars is None else self.max_chars)
            and (not self.scripts or any(_SCRIPTS[script].search(last) for script in self.scripts))
            and self.code in (None, has_code(last))
            and self.tools in (None, bool(request.prompt.tools))
            and self.images in (None, any(_has_image(turn) for turn in turns))
            and all(request.metadata.get(key) == value for key, value in self.metadata.items())
            and (self.pattern is None or re.search(self.pattern, last[:SCAN_CHARS], re.IGNORECASE) is not None)
        )


class Rule(BaseModel):
    """A member for the requests that show ``when``.

    Attributes:
        when: the condition; an empty one holds always.
        member: who answers them.
        name: how the log names the rule; left out, its number.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    when: Condition
    member: MemberName
    name: str = ""


@ROUTERS.register("rules")
class Rules(Router):
    """Send a request to the member of the first of ``rules`` that holds, else to the one for its kind of task.

    Greetings and plain look-ups go to ``small``; sums, extraction, rewriting, mechanical work (convert, sort, count)
    and everyday questions to ``balanced``; all else, and what is not recognised, to ``large``; so does a request with
    tools or images that no rule names. A word of medicine, law, money, safety or running systems makes a text critical
    before anything else. The words are English, the greetings of some twenty languages: other texts count as unknown.
    The quality of members is not predicted.

    Attributes:
        small: member for what every model can do.
        balanced: member for what most can do; left out, ``large``.
        large: member for everything else.
        tasks: member of a kind of task, before its size is asked.
        rules: conditions with their members, the first that holds wins.
    """

    small: MemberName
    balanced: MemberName | None = None
    large: MemberName
    tasks: Mapping[Task, MemberName] = Field(default_factory=dict)
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        names = [rule.name for rule in self.rules if rule.name]
        if len(set(names)) < len(names):
            raise ValueError("rules: two rules have one name")
        return self

    async def plan(self, request: Request, context: Context) -> Plan:
        """A plan of one stage with one member."""
        task, last = task_set_by(request)
        member, reason = self._choice(request, task, last)
        return Plan(
            router=self.digest, stages=(Stage(members=(member,)),), fallback=self.fallback, reason=f"{task}: {reason}"
        )

    def _choice(self, request: Request, task: Task, last: str) -> tuple[MemberName, str]:
        for number, rule in enumerate(self.rules, 1):
            if rule.when.holds(request, task, last):
                return rule.member, f"rule {rule.name or number}"
        if task in self.tasks:
            return self.tasks[task], "member for this task"
        if request.prompt.tools or any(_has_image(turn) for turn in request.prompt.messages):
            return self.large, "large, since there are tools or images"
        tier = TIERS[task]
        members = {"small": self.small, "balanced": self.balanced or self.large, "large": self.large}
        return members[tier], tier


def task_set_by(request: Request) -> tuple[Task, str]:
    """The kind of task that ``request`` sets, and the last turn of its user."""
    turns = request.prompt.messages
    place = max((index for index, turn in enumerate(turns) if turn.role == "user"), default=-1)
    last = turns[place].text if place >= 0 else ""
    before = "\n\n".join(turn.text for index, turn in enumerate(turns) if index != place and turn.role != "system")
    return task_of(last, before), last


_SCRIPTS = {
    "latin": re.compile("[A-Za-z\u00c0-\u024f]"),
    "cyrillic": re.compile("[\u0400-\u052f]"),
    "greek": re.compile("[\u0370-\u03ff]"),
    "arabic": re.compile("[\u0600-\u06ff]"),
    "hebrew": re.compile("[\u0590-\u05ff]"),
    "devanagari": re.compile("[\u0900-\u097f]"),
    "cjk": re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]"),
}


def _has_image(turn: Message) -> bool:
    return not isinstance(turn.content, str) and any(isinstance(part, ImagePart) for part in turn.content)
