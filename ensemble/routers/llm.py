"""Let a small model read the request and name the member for it."""

import asyncio
import hashlib
import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from ensemble.errors import RouterError
from ensemble.router import ROUTERS, Context, MemberName, Router
from ensemble.routers._memo import Memo
from ensemble.routers._pleas import without_pleas
from ensemble.routers._tasks import ends
from ensemble.types import Plan, Request, Stage
from judges.errors import ModelError
from judges.llm._prompts import load
from judges.llm._render import render, turns
from judges.registry import ModelName
from judges.types import Case, Message, Model, Prompt, ResponseFormat

SHARE = 0.2
"""Most of the time left to a request that the choice may take."""
MOST_TOOLS = 20
"""How many of the tools of a request the model is told of."""
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"  # without vowels, so that a code is no word
_CODE_LENGTH = 4
# The codes are no part of the schema: providers compile each new one, which takes them seconds.
_FORM = ResponseFormat(
    type="json_schema",
    name="choice",
    strict=True,
    schema={
        "type": "object",
        "properties": {"choice": {"type": "string"}},
        "required": ["choice"],
        "additionalProperties": False,
    },
)
_PROMPT = load("route", package="ensemble.routers")


@dataclass(frozen=True, slots=True)
class Choice:
    """The member that was named, or None with the reason why there is none."""

    member: str | None
    told: str


@ROUTERS.register("llm")
class LlmRouter(Router):
    """Let the model ``model`` read the request and name the one of ``members`` whose description fits best.

    The request is data: it stands on a fenced page, and the members stand there in a shuffled order under codes that
    are drawn for each request and occur nowhere in it, so that no text can name one; sentences that ask for a model are
    left out. Only such a code counts as a choice. Whatever else the model says, the ``default`` answers and the plan
    says why. A request that lies about how hard it is may still be believed. The quality of members is not predicted.

    Attributes:
        model: the member that reads the requests; each question is in the ledger with the purpose ``router``.
        members: what each member is for, in words; one that cannot take a request is not offered.
        default: answers where no member was named in time, and where the one that was named fails.
        timeout_s: most seconds for the choice; never more than a fifth of what is left of the request's deadline.
        max_chars: characters of the conversation that the model reads, the latest; of a longer turn its two ends.
        max_output_tokens: of its reply; a model that thinks first needs more.
        options: sampling options by wire name.
        cache_size: how many choices are remembered, by all that the model was shown.
    """

    model: ModelName
    members: Mapping[MemberName, str] = Field(min_length=2)
    default: MemberName
    timeout_s: float = Field(5.0, gt=0, le=600)
    max_chars: int = Field(6_000, ge=200, le=20_000)
    max_output_tokens: PositiveInt = 256
    options: Mapping[str, object] = Field(default_factory=dict)
    cache_size: NonNegativeInt = 4_096

    @cached_property
    def _memo(self) -> Memo[Choice]:
        return Memo(self.cache_size, lambda choice: choice.member is not None)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.default not in self.members:
            raise ValueError(f"default: {self.default!r} is not among members")
        if empty := [name for name, what in self.members.items() if not what.strip()]:
            raise ValueError(f"members.{empty[0]}: say in some words what it is for")
        return self

    def ingredients(self) -> Mapping[str, str]:
        """The prompt file."""
        return {"prompt": _PROMPT.reference}

    async def plan(self, request: Request, context: Context) -> Plan:
        """A plan of the member that was named, and of the default for when it fails.

        Raises:
            RouterError: none of the members is in the fleet.
        """
        known = [name for name in self.members if name in context.fleet]
        able = [name for name in known if context.fleet[name].refusal(request.prompt) is None] or known
        if not able:
            raise RouterError("none of its members is in the fleet")
        spare = self.default if self.default in able else able[0]
        choice = await self._choice(request, context, able)
        order = dict.fromkeys((choice.member or spare, spare))
        return Plan(
            router=self.digest,
            stages=tuple(Stage(members=(name,)) for name in order),
            fallback=self.fallback,
            reason=choice.told if choice.member else f"default {spare}: {choice.told}",
        )

    async def _choice(self, request: Request, context: Context, able: Sequence[MemberName]) -> Choice:
        if len(able) == 1:
            return Choice(able[0], f"{able[0]}: nobody else can take the request")
        model = context.models.get(self.model)
        if model is None:
            return Choice(None, f"{self.model} cannot be asked here")
        case = await asyncio.to_thread(self._case, request)
        if not any(turn.role != "system" and turn.text.strip() for turn in case.messages):
            return Choice(None, "nothing is left of the request to choose by")
        text = render(case, ())
        key = hashlib.sha256("\0".join((self.digest, *able, text)).encode(errors="surrogatepass")).hexdigest()
        codes = _codes(key, able, text)
        page = render(case, (), choices=[f"{code}: {_line(self.members[name])}" for code, name in codes.items()])
        member = context.fleet.get(self.model)  # not there where it may not see the request: the call tells so
        can = member.settings.capabilities if member is not None else None
        form = _FORM if can is None or "json_schema" in can else None
        seconds = min(self.timeout_s, SHARE * (request.deadline - asyncio.get_running_loop().time()))
        try:
            async with asyncio.timeout(seconds):
                return await self._memo.get(key, lambda: self._ask(model, page, codes, form))
        except TimeoutError:
            return Choice(None, f"{self.model} did not choose within {max(0.0, seconds):.3g} s")

    def _case(self, request: Request) -> Case:
        """The latest turns of the conversation and the names of the first tools, as text without pleas."""
        asked, left, kept = request.prompt, self.max_chars, list[Message]()
        for message, (_, text) in zip(reversed(asked.messages), reversed(turns(asked.messages)), strict=True):
            kept.append(Message(role=message.role, content=without_pleas(ends(text, left // 2), self.members)))
            left -= len(text)
            if left <= 0:
                break
        functions = [tool.get("function") for tool in asked.tools[:MOST_TOOLS]]
        tools = [str(each.get("name")).replace("_", " ") for each in functions if isinstance(each, Mapping)]
        named = tuple({"name": without_pleas(name, self.members)} for name in tools)
        return Case(messages=tuple(reversed(kept)), candidates=(), tools=named)

    async def _ask(self, model: Model, page: str, codes: Mapping[str, str], form: ResponseFormat | None) -> Choice:
        prompt = Prompt(
            messages=_PROMPT.messages(page),
            response_format=form,
            max_output_tokens=self.max_output_tokens,
            options=self.options,
        )
        try:
            reply = await model.complete(prompt)
        except ModelError as error:
            return Choice(None, f"{self.model} failed: {_line(str(error))[:200]}")
        if reply.partial or reply.finish_reason == "length":
            return Choice(None, f"the reply of {self.model} was cut off")
        code = read_code(reply.text, codes)
        if code is None:
            return Choice(None, f"{self.model} named no member of the list")
        return Choice(codes[code], f"{self.model} chose {codes[code]}")


def read_code(reply: str, codes: Collection[str]) -> str | None:
    """The one of ``codes`` that ``reply`` ends with, alone or in JSON, if it holds no other one; else None."""
    words = re.findall(r"\w+", reply)
    named = {word for word in words if word in codes}
    return words[-1] if len(named) == 1 and words[-1] in named else None


def _codes(key: str, names: Sequence[MemberName], text: str) -> dict[str, MemberName]:
    """``names`` by codes that stand nowhere in ``text``, in an order that ``key`` draws."""
    rng, shown = random.Random(key), text.upper()  # noqa: S311 - it repeats on purpose
    codes: dict[str, MemberName] = {}
    for name in rng.sample(names, len(names)):
        code = ""
        while not code or code in shown or code in codes:
            code = "".join(rng.sample(_LETTERS, _CODE_LENGTH))
        codes[code] = name
    return codes


def _line(text: str) -> str:
    return " ".join(text.split())
