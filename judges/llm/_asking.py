"""What every judge that asks a model shares: its options, one question with its retry, and the record of both."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt

from judges.deadline import Deadline
from judges.errors import ModelError
from judges.judge import Judge
from judges.llm._prompts import PromptFile
from judges.quick import maker, quick, replace
from judges.registry import ModelName
from judges.types import CandidateId, Completion, Exchange, Message, Model, Prompt, ResponseFormat, patient
from judges.usage import NOTHING

R = TypeVar("R")
T = TypeVar("T")
_exchange, _prompt = maker(Exchange), maker(Prompt)
Problem = Literal["failed", "too_long", "unreadable"]
Parser = Callable[[Completion], tuple[R, str] | None]
"""Makes of a reply what it says and by which rule it was read, or None."""
Blank = Callable[..., Exchange]
"""Makes the record of one attempt; it knows already what is asked."""

LEAST_ROOM = 128  # tokens; no reason and label fit into less
BYTES_PER_TOKEN = 3  # fewer than any common tokenizer needs for prose, so a page is rather refused than cut


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked(Generic[R]):
    """What came of one question: what the model said, or the problem; and every attempt as it was."""

    said: R | None
    problem: Problem | None
    exchanges: tuple[Exchange, ...]
    reason: str


class AskingJudge(Judge):
    """A judge that asks one model, by name.

    ``max_output_tokens`` holds for the first attempt; an empty or truncated reply is asked for once more, with
    ``retry_factor`` times as many. ``options`` are sampling options by their wire names.
    """

    model: ModelName
    timeout_s: PositiveFloat = 60.0
    max_output_tokens: PositiveInt = 2048
    retry_factor: PositiveInt = 4
    options: Mapping[str, object] = Field(default_factory=dict)

    @property
    def can_wait(self) -> bool:
        """It can: its own limit of time is for models that answer at once."""
        return True

    async def ask(
        self,
        models: Mapping[str, Model],
        prompt: PromptFile,
        page: str,
        shown: tuple[CandidateId, ...],
        parse: Parser[R],
        *,
        form: ResponseFormat | None = None,
        top_logprobs: int | None = None,
        of: ModelName | None = None,
    ) -> Asked[R]:
        """Ask ``model``, or ``of``, about ``page``. Whatever it does is recorded; only cancellation escapes."""
        name = of or self.model
        blank: Blank = partial(_exchange, prompt=prompt.reference, model=name, shown=shown)
        model = models.get(name)
        if model is None:
            return _gave_up(partial(blank, usage=NOTHING), "failed", f"there is no model {name!r} to ask")
        messages = prompt.messages(page)
        room = _room(messages, model.context_tokens)
        if room is not None and room < LEAST_ROOM:
            told = f"the page does not fit into the {model.context_tokens} tokens of {name!r}"
            return _gave_up(partial(blank, usage=NOTHING), "too_long", told)

        def prompt_of(attempt: int) -> Prompt:
            wanted = self.max_output_tokens * (self.retry_factor if attempt > 1 else 1)
            limit = wanted if room is None else min(wanted, room)
            return _prompt(
                messages=messages,
                max_output_tokens=limit,
                response_format=form,
                top_logprobs=top_logprobs,
                options=self.options,
            )

        first = await self._attempt(name, model, prompt_of(1), blank, parse)
        # More room helps an empty or a cut reply; a complete one that says nothing would say nothing again.
        if first.said is not None or not _wants_room(first.exchanges[0]):
            return first
        second = await self._attempt(name, model, prompt_of(2), partial(blank, attempt=2), parse)
        return replace(second, exchanges=first.exchanges + second.exchanges)

    async def _attempt(self, name: str, model: Model, prompt: Prompt, blank: Blank, parse: Parser[R]) -> Asked[R]:
        until = None if patient(model) else asyncio.get_running_loop().time() + self.timeout_s
        try:
            with Deadline(until):
                reply = await model.complete(prompt)
        except TimeoutError:
            return _gave_up(blank, "failed", f"{name!r} did not answer within {self.timeout_s:g} s")
        except ModelError as error:
            return _gave_up(blank, "failed", f"{name!r} failed: {error}")
        cut = reply.finish_reason == "length" or reply.partial
        read = None if cut else parse(reply)
        told = _unusable(reply, cut=cut) if read is None else None
        exchange = blank(
            text=reply.text,
            finish_reason=reply.finish_reason,
            logprobs=reply.logprobs,
            usage=reply.usage,
            parsed=None if read is None else read[1],
            error=told,
        )
        if read is None:
            return Asked(said=None, problem="unreadable", exchanges=(exchange,), reason=told or "")
        return Asked(said=read[0], problem=None, exchanges=(exchange,), reason=reply.text.strip())


async def together(asking: Sequence[Coroutine[object, object, T]]) -> list[T]:
    """What each of ``asking`` brings, in their order, all at once; a task is made only where there are several."""
    if len(asking) == 1:
        return [await asking[0]]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in asking]
    return [task.result() for task in tasks]


def _gave_up(blank: Blank, problem: Problem, told: str) -> Asked[R]:
    return Asked(said=None, problem=problem, exchanges=(blank(text="", error=told),), reason=told)


def _wants_room(exchange: Exchange) -> bool:
    return exchange.finish_reason == "length" or (exchange.finish_reason is not None and not exchange.text.strip())


def _unusable(reply: Completion, *, cut: bool) -> str:
    if not reply.text.strip():
        return "the reply is empty"
    if cut:
        return "the reply was cut off before its verdict"
    return "the judge refused" if reply.finish_reason == "refusal" else "the reply holds no clear verdict"


def _room(messages: tuple[Message, ...], context_tokens: int | None) -> int | None:
    """Tokens left for the reply, by a cautious estimate; None where the context is unknown."""
    if context_tokens is None:
        return None
    return context_tokens - sum(size_of(message.text) for message in messages) // BYTES_PER_TOKEN


def size_of(text: str) -> int:
    """Bytes of ``text`` in UTF-8, whatever it holds."""
    return len(text.encode(errors="surrogatepass"))
