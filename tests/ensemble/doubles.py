"""Builders for tests of the floors below the wire: members that answer by script, requests, a fleet."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from uuid_utils import uuid7

from ensemble.answers import Flying, Owner
from ensemble.errors import CallFailed
from ensemble.fleet import Fleet, Member, MemberSettings
from ensemble.limits import Limiter
from ensemble.provider import Delta
from ensemble.types import Call, Request, RequestId
from judges.types import Completion, Message, Prompt, Usage


@dataclass
class Scripted:
    """A connection that answers from a list: a text, a completion, a failure; after the list its last entry again."""

    replies: Sequence[str | Completion | CallFailed]
    delay_s: float = 0.0
    prompts: list[Prompt] = field(default_factory=list)
    cancelled: int = 0
    transport: str = "sdk"

    async def complete(self, model: str, prompt: Prompt) -> Completion:
        self.prompts.append(prompt)
        number = len(self.prompts)
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        reply = self.replies[min(number, len(self.replies)) - 1]
        if isinstance(reply, Exception):
            raise reply
        return said(reply) if isinstance(reply, str) else reply

    async def stream(self, model: str, prompt: Prompt) -> AsyncIterator[Delta | Completion]:
        yield await self.complete(model, prompt)


def said(text: str, **changes: Any) -> Completion:
    """A whole answer of 10 tokens in and 5 out."""
    known: dict[str, Any] = {"finish_reason": "stop", "usage": Usage(input_tokens=10, output_tokens=5)}
    return Completion(text=text, **{**known, **changes})


def failed(failure: Any = "overloaded", **changes: Any) -> CallFailed:
    """A failed attempt."""
    return CallFailed(f"scripted {failure}", failure=failure, **changes)


def a_member(
    name: str, *replies: str | Completion | CallFailed, delay_s: float = 0.0, **settings: Any
) -> tuple[Member, Scripted]:
    """A member with its script; a price of 1 USD in and 2 USD out per million tokens unless ``settings`` say else."""
    wire = Scripted(replies or (f"answer of {name}",), delay_s=delay_s)
    given = {"price": {"input": 1, "output": 2}, **settings}
    limiter = Limiter(requests_per_minute=None, tokens_per_minute=None, max_in_flight=None)
    table = MemberSettings.model_validate({"provider": "local", "model": f"{name}-id", **given})
    return Member(name, table, wire, limiter), wire


def a_fleet(**members: tuple[Member, Scripted]) -> tuple[Fleet, Mapping[str, Scripted]]:
    """A fleet and the scripts behind it."""
    return {n: m for n, (m, _) in members.items()}, {n: s for n, (_, s) in members.items()}


def a_request(text: str = "Why is the sky blue?", *, seconds: float = 60.0, **changes: Any) -> Request:
    """A request that has ``seconds`` from now; call it inside a running loop."""
    prompt = changes.pop("prompt", None) or Prompt(messages=(Message(role="user", content=text),))
    return Request(
        id=RequestId(str(uuid7())),
        model=changes.pop("model", "panel"),
        prompt=prompt,
        arrived_at=datetime.now(UTC),
        deadline=asyncio.get_running_loop().time() + seconds,
        **changes,
    )


@dataclass
class NothingKept:
    """Looks for answers that were given before, and finds none."""

    flying: Flying
    owner: Owner = (None, None, False)

    async def find(self, key: str, sample: int) -> None:
        await asyncio.sleep(0.01)


def ledger() -> list[Call]:
    """An empty list of calls, typed."""
    return []
