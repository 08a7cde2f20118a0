"""The models that can be called, each behind its limits, retries, price and context size."""

import asyncio
import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt
from uuid_utils import uuid7

from ensemble.errors import CallFailed
from ensemble.limits import Limiter
from ensemble.money import Price, price_on
from ensemble.provider import Connection
from ensemble.types import Call, CallId, Failure, Purpose, Request
from judges.errors import ModelError
from judges.registry import Name
from judges.types import CandidateId, Completion, FilePart, ImagePart, Message, OpaquePart, Prompt, Usage

UNBILLED: frozenset[Failure] = frozenset(
    {"rate_limited", "overloaded", "unreachable", "unauthorized", "rejected", "too_long", "skipped"}
)
"""Failures for which no provider bills; after any other failure of a request that was sent, the cost is unknown."""

ANSWERING = {"provider", "model", "options", "system", "max_output_tokens"}
"""Settings that decide what a member answers, as against what it costs and when it is asked."""

Capability = Literal["tools", "images", "files", "json_schema", "logprobs", "stream"]


class ProviderName(Name):
    """Name of a provider of the configuration."""

    __slots__ = ()
    kind = "provider"


def _rows(value: object) -> object:
    return (value,) if isinstance(value, Mapping | Price) else value


class MemberSettings(BaseModel):
    """One model of one provider, as a ``[members.NAME]`` table.

    Attributes:
        model: the provider's own model id.
        max_output_tokens: most tokens of an answer; sent where the request states no lower number.
        options: sampling options by wire name; what a request states itself goes before them.
        system: text put before the conversation as a system turn, for candidates alone.
        price: one table, or an array of tables with ``valid_from``; left out, the price is unknown.
        context_tokens: a request that cannot fit is not sent to this member.
        capabilities: what the member can do; left out, everything is assumed.
        family: who trained it; a judge of the same family is marked.
        comparable: about as good as the others so marked, so that consensus may count its answers.
        max_attempts: tries per call, the first included.
        timeout_s: most seconds of one attempt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: ProviderName
    model: str = Field(min_length=1)
    max_output_tokens: PositiveInt | None = None
    options: Mapping[str, Any] = Field(default_factory=dict)
    system: str | None = None
    price: Annotated[tuple[Price, ...], BeforeValidator(_rows)] = ()
    context_tokens: PositiveInt | None = None
    capabilities: frozenset[Capability] | None = None
    family: str | None = None
    comparable: bool = False
    tags: frozenset[str] = frozenset()
    max_attempts: int = Field(3, ge=1, le=10)
    timeout_s: float = Field(120.0, gt=0, le=3600)


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a call is for: the columns of the ledger that the caller knows and the member does not."""

    purpose: Purpose
    candidate: CandidateId | None = None
    seat: str | None = None
    sample: int = 0
    stage: int = 0


Seen = Callable[[Call], None]


class Member:
    """One model of one provider, shared by every request."""

    def __init__(self, name: str, settings: MemberSettings, connection: Connection, limiter: Limiter) -> None:
        self.name = name
        self.settings = settings
        self.connection = connection
        self.limiter = limiter
        recipe = settings.model_dump(mode="json", include=ANSWERING)
        self.digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
        """SHA-256 over what decides the answers: provider, model id, options, system text, output limit."""

    def price(self, moment: datetime) -> Price | None:
        """The price in force at ``moment`` (UTC), or None where it is unknown."""
        return price_on(self.settings.price, moment)

    def prepare(self, prompt: Prompt, purpose: Purpose) -> tuple[Prompt, tuple[str, ...]]:
        """``prompt`` as this member gets it, and what had to be left out of it."""
        settings = self.settings
        messages, removed = _without_foreign_state(prompt.messages, self.name)
        if settings.system and purpose in ("candidate", "shadow"):
            messages = (Message(role="system", content=settings.system), *messages)
        limits = [n for n in (prompt.max_output_tokens, settings.max_output_tokens) if n is not None]
        ready = replace(
            prompt,
            messages=messages,
            max_output_tokens=min(limits, default=None),
            options={**settings.options, **prompt.options},
        )
        return ready, ("provider_state",) if removed else ()

    def refusal(self, prompt: Prompt) -> tuple[Failure, str] | None:
        """Why ``prompt`` is not worth sending to this member, or None. Nothing is paid for finding out."""
        can = self.settings.capabilities
        missing = [] if can is None else sorted(_needs(prompt) - can)
        if missing:
            return "skipped", f"{self.name} cannot do {', '.join(missing)}, which the request needs"
        room = self.settings.context_tokens
        least = estimate_tokens(prompt) + (prompt.max_output_tokens or 0)
        if room is not None and least > room:
            return "too_long", f"the request needs about {least} tokens, {self.name} has room for {room}"
        return None

    async def call(self, request: Request, prompt: Prompt, aim: Aim, *, seen: Seen, until: float | None = None) -> Call:
        """Ask until an attempt succeeds, a failure is final, or ``until`` has come (default: the request's deadline).

        ``seen`` is told of every attempt; the last one is returned. Raises only ``asyncio.CancelledError``, after the
        cancelled attempt has been told to ``seen``.
        """
        until = request.deadline if until is None else until
        ready, removed = self.prepare(prompt, aim.purpose)
        if unfit := self.refusal(ready):
            failed = CallFailed(unfit[1], failure=unfit[0], sent=False)
            call = self._line(request, aim, attempt=0, started=_now(), total_s=0.0, error=failed)
            seen(call)
            return call
        clock = asyncio.get_running_loop().time
        attempt = 1
        while True:
            call, error = await self._attempt(request, ready, removed, aim, attempt, seen, until)
            seen(call)
            if error is None or not error.retryable or attempt >= self.settings.max_attempts:
                return call
            if error.retry_after_s is not None:
                self.limiter.pause(error.retry_after_s)
            # Full jitter (Brooker, "Exponential Backoff and Jitter", 2015); a stated Retry-After is the floor.
            wait = (error.retry_after_s or 0.0) + random.uniform(0, min(8.0, 0.25 * 2**attempt))  # noqa: S311 - no secret
            if clock() + wait >= until:
                return call
            await asyncio.sleep(wait)
            attempt += 1

    def model_for(self, request: Request, aim: Aim, *, seen: Seen, until: float | None = None) -> "MemberModel":
        """This member as a judge or router may use it, bound to the deadline and the ledger of ``request``."""
        return MemberModel(self, request, aim, seen, until)

    async def _attempt(
        self,
        request: Request,
        prompt: Prompt,
        removed: tuple[str, ...],
        aim: Aim,
        attempt: int,
        seen: Seen,
        until: float,
    ) -> tuple[Call, CallFailed | None]:
        clock = asyncio.get_running_loop().time
        begin, started, sent = clock(), _now(), False
        completion: Completion | None = None
        error: CallFailed | None = None
        try:
            async with asyncio.timeout_at(until):
                reserved = estimate_tokens(prompt) + (prompt.max_output_tokens or 0)
                async with self.limiter.slot(reserved) as slot:
                    sent = True
                    async with asyncio.timeout(self.settings.timeout_s):
                        completion = await self.connection.complete(self.settings.model, prompt)
                    used = completion.usage
                    slot.settle((used.input_tokens or 0) + (used.output_tokens or 0) or reserved)
        except CallFailed as failed:
            error = failed
        except TimeoutError:
            waited = clock() - begin
            told = (
                f"no answer within {waited:.1f} s" if sent else f"no free place at the provider within {waited:.1f} s"
            )
            error = CallFailed(told, failure="timeout", retryable=sent and clock() < until, sent=sent)
        except asyncio.CancelledError:
            gone = CallFailed("cancelled", failure="cancelled", sent=sent)
            seen(self._line(request, aim, attempt=attempt, started=started, total_s=clock() - begin, error=gone))
            raise
        if completion is not None:
            completion = self._own(completion, removed)
        line = self._line(
            request, aim, attempt=attempt, started=started, total_s=clock() - begin, completion=completion, error=error
        )
        return line, error

    def _own(self, completion: Completion, removed: tuple[str, ...]) -> Completion:
        """Sign provider state as this member's, and add what was left out on the way in."""
        reasoning = tuple(replace(part, origin=self.name) for part in completion.reasoning)
        return replace(completion, reasoning=reasoning, dropped=(*completion.dropped, *removed))

    def _line(
        self,
        request: Request,
        aim: Aim,
        *,
        attempt: int,
        started: datetime,
        total_s: float,
        completion: Completion | None = None,
        error: CallFailed | None = None,
    ) -> Call:
        price = self.price(started)
        said = completion if error is None else error.completion
        usage = said.usage if said else Usage()
        cost = price.cost(usage) if price else None
        if cost is None and error is not None and (not error.sent or error.failure in UNBILLED):
            cost = 0
        usage = replace(usage, nano_usd=cost)
        return Call(
            id=CallId(str(uuid7())),
            request=request.id,
            member=self.name,
            purpose=aim.purpose,
            attempt=attempt,
            started_at=started,
            total_s=total_s,
            candidate=aim.candidate,
            seat=aim.seat,
            sample=aim.sample,
            stage=aim.stage,
            completion=replace(said, usage=usage) if said else None,
            failure=error.failure if error else None,
            usage=usage,
            price=price.digest if price else None,
            http_status=200 if error is None else error.http_status,
            provider_request_id=(error or said or _NOTHING).provider_request_id,
            transport=self.connection.transport,
            detail=str(error) if error else "",
        )


class MemberModel:
    """A member seen as ``judges.types.Model``."""

    def __init__(self, member: Member, request: Request, aim: Aim, seen: Seen, until: float | None) -> None:
        self._member, self._request, self._aim, self._seen, self._until = member, request, aim, seen, until

    @property
    def context_tokens(self) -> int | None:
        """As configured for the member."""
        return self._member.settings.context_tokens

    async def complete(self, prompt: Prompt) -> Completion:
        """Answer ``prompt``; every attempt is a line of the request's ledger.

        Raises:
            ModelError: the call failed after its retries.
        """
        call = await self._member.call(self._request, prompt, self._aim, seen=self._seen, until=self._until)
        if call.failure is not None or call.completion is None:
            raise ModelError(f"{call.failure}: {call.detail}")
        return call.completion


Fleet = Mapping[str, Member]


def estimate_tokens(prompt: Prompt) -> int:
    """Roughly how many tokens ``prompt`` has: a quarter of its UTF-8 bytes, which is near the mean for English text.

    It only reserves a share of the rate limit and keeps hopeless requests from being sent; money is never computed from
    it.
    """
    size = sum(len(message.text.encode("utf-8", "replace")) for message in prompt.messages)
    size += sum(len(call.arguments) for message in prompt.messages for call in message.tool_calls)
    size += len(json.dumps(list(prompt.tools), default=str)) if prompt.tools else 0
    return size // 4 + 4 * len(prompt.messages)


def _needs(prompt: Prompt) -> set[Capability]:
    parts = [part for message in prompt.messages if not isinstance(message.content, str) for part in message.content]
    asked: dict[Capability, bool] = {
        "tools": bool(prompt.tools),
        "images": any(isinstance(part, ImagePart) for part in parts),
        "files": any(isinstance(part, FilePart) for part in parts),
        "json_schema": prompt.response_format is not None and prompt.response_format.type == "json_schema",
        "logprobs": prompt.top_logprobs is not None,
    }
    return {capability for capability, wanted in asked.items() if wanted}


def _without_foreign_state(messages: tuple[Message, ...], owner: str) -> tuple[tuple[Message, ...], bool]:
    kept, removed = [], False
    for message in messages:
        if isinstance(message.content, tuple):
            own = tuple(p for p in message.content if not isinstance(p, OpaquePart) or p.origin == owner)
            removed = removed or len(own) < len(message.content)
            message = replace(message, content=own)
        kept.append(message)
    return tuple(kept), removed


_NOTHING = Completion(text="", finish_reason="other")


def _now() -> datetime:
    return datetime.now(UTC)
