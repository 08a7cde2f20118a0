"""The models that can be called, each behind its limits, retries, price and context size."""

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

from ensemble.attempts import Seen, Send, Task, Tried, hedged, is_cancellation
from ensemble.callids import told_apart
from ensemble.errors import CallFailed
from ensemble.fitness import Unfit, estimate_tokens, is_text, needs, not_taken, unanswerable, without_foreign_state
from ensemble.habits import Habits
from ensemble.health import Circuit, Latencies
from ensemble.ledger import Aim, line, unbilled
from ensemble.limits import Limiter
from ensemble.member import MemberSettings, ProviderName, digest_of
from ensemble.money import Price, price_on, total
from ensemble.provider import Connection, EmbeddingConnection, Vectors
from ensemble.reuse import TRANSPORT, key_of, once
from ensemble.spending import set_aside, used_of
from ensemble.tracing import CURRENT, attempt
from ensemble.types import Call, Purpose, Request
from judges.deadline import Deadline
from judges.errors import ModelError
from judges.quick import replace
from judges.types import Completion, Message, Prompt, Usage

log = logging.getLogger(__name__)

__all__ = ["Fleet", "Member", "MemberModel", "MemberSettings", "ProviderName", "Seen", "Send", "digest_of", "permitted"]

_PROBE = Prompt(messages=(Message(role="user", content="?"),), top_logprobs=0)
_NO_TEXT = Completion(text="", finish_reason="stop")


class Member:
    """One model of one provider, shared by every request."""

    def __init__(
        self,
        name: str,
        settings: MemberSettings,
        connection: Connection,
        limiter: Limiter,
        *,
        data: frozenset[str] | None = None,
        origin: str = "",
    ) -> None:
        self.name = name
        self.data = data
        self.origin = origin
        self.settings = settings
        self.connection = connection
        self.limiter = limiter
        self.circuit = Circuit(settings.circuit_failures, settings.circuit_open_s, _clock)
        self.latencies = Latencies()
        self.habits = Habits()
        self.digest = digest_of(settings)
        """SHA-256 over what decides the answers: provider, model id, options, system text, output limit."""
        self._priced: tuple[date, Price | None] = (date.min, None)
        # What every call looks at: taken from a pydantic model, an attribute takes ten times as long as elsewhere.
        self._model, self._timeout_s, self._strict = settings.model, settings.timeout_s, settings.strict_params
        self._system, self._most, self._options = settings.system, settings.max_output_tokens, settings.options
        self._can, self.context_tokens = settings.capabilities, settings.context_tokens

    def price(self, moment: datetime) -> Price | None:
        """The price in force at ``moment`` (UTC), or None where it is unknown."""
        day, price = self._priced
        if day != (today := moment.date()):
            price = price_on(self.settings.price, moment)
            self._priced = today, price
        return price

    def prepare(self, prompt: Prompt, purpose: Purpose) -> tuple[Prompt, tuple[str, ...]]:
        """``prompt`` as this member gets it, and what had to be left out of it."""
        messages, removed = without_foreign_state(prompt.messages, self.name)
        if self._system and purpose in ("candidate", "shadow"):
            messages = (Message(role="system", content=self._system), *messages)
        most, own = prompt.max_output_tokens, self._most
        if own is not None:
            most = own if most is None else min(most, own)
        if messages is not prompt.messages or most != prompt.max_output_tokens or self._options:
            options = {**self._options, **prompt.options}
            prompt = replace(prompt, messages=messages, max_output_tokens=most, options=options)
        return prompt, ("provider_state",) if removed else ()

    def with_logprobs(self, prompt: Prompt) -> Prompt:
        """``prompt`` asking for the logprobs of the answer too, where this member gives them: nobody is told if not."""
        if prompt.top_logprobs is not None or (self._can is not None and "logprobs" not in self._can):
            return prompt
        return prompt if not_taken(self.connection, _PROBE, self.name) else replace(prompt, top_logprobs=0)

    def permits(self, data_class: str | None) -> bool:
        """Whether what is of ``data_class`` may go to the provider: it names the class, or nothing states one."""
        return data_class is None or (self.data is not None and data_class in self.data)

    def barred(self, request: Request) -> Unfit | None:
        """Why nothing of ``request`` may be sent to this member, whatever for, or None."""
        if self.permits(request.data_class):
            return None
        where = f"{self.settings.provider}, the provider of {self.name}"
        return Unfit("not_permitted", f"data of class {request.data_class!r} may not go to {where}")

    def refusal(self, prompt: Prompt, *, strict: bool = False) -> Unfit | None:
        """Why ``prompt`` is not worth sending to this member, or None. Nothing is paid for finding out.

        With ``strict``, a parameter that would not be sent is a reason.
        """
        missing = [] if self._can is None else sorted(needs(prompt) - self._can)
        if missing:
            return Unfit("skipped", f"{self.name} cannot do {', '.join(missing)}, which the request needs")
        room = self.context_tokens
        if room is not None and (least := estimate_tokens(prompt) + (prompt.max_output_tokens or 0)) > room:
            return Unfit("too_long", f"the request needs about {least} tokens, {self.name} has room for {room}")
        unfit = unanswerable(self.connection, prompt)
        return unfit or (not_taken(self.connection, prompt, self.name) if strict else None)

    async def call(
        self,
        request: Request,
        prompt: Prompt,
        aim: Aim,
        *,
        seen: Seen,
        until: float | None = None,
        send: Send | None = None,
    ) -> Call:
        """Ask until an attempt succeeds, a failure is final, or ``until`` has come (default: the request's deadline).

        ``seen`` is told of every attempt; the last one is returned. ``send`` makes an attempt in another way than by a
        completion. Raises only ``asyncio.CancelledError``, after the cancelled attempt has been told to ``seen``.
        """
        until = request.deadline if until is None else until
        send = send or self.connection.complete
        ready, removed = self.prepare(prompt, aim.purpose)
        strict = (aim.strict or self._strict) and aim.purpose in ("candidate", "shadow")
        task = Task(request, ready, removed, aim, seen, until, send, asyncio.get_running_loop().time)
        if unfit := self.barred(request) or self.refusal(ready, strict=strict):
            failed = CallFailed(unfit.told, failure=unfit.failure, sent=False)
            call = self._line(task, 0, _now(), 0.0, error=failed)
            call = replace(call, unsupported=unfit.parameters)
            seen(call)
            return call
        if request.kept is None or aim.purpose != "candidate":
            return await self._asked(task)
        aim = replace(aim, key=key_of(self.digest, self.origin, ready))
        keyed = replace(task, aim=aim)
        call = await once(request.kept, request, self.name, self.digest, aim, lambda: self._asked(keyed), until)
        if call.transport == TRANSPORT:
            seen(call)
        return call

    async def _asked(self, task: Task) -> Call:
        """Attempts until one succeeds or the last has failed."""
        begin = task.clock()
        while True:
            try:
                call, error = await self._try(task)
            except asyncio.CancelledError:
                self._learn(task, Usage(), task.clock() - begin)  # it takes at least so long
                raise
            if error is None or call.failure == "timeout":
                self._learn(task, call.usage, task.clock() - begin)
            if error is None or not error.retryable or task.attempts >= self.settings.max_attempts:
                return call
            # Full jitter (Brooker, "Exponential Backoff and Jitter", 2015), no secret; a Retry-After is the floor.
            wait = (error.retry_after_s or 0.0) + random.uniform(0, min(8.0, 0.25 * 2**task.attempts))  # noqa: S311
            if task.clock() + wait >= task.until or wait < self.circuit.wait_s():
                return call
            await asyncio.sleep(wait)
            if self.circuit.wait_s() > 0:  # others have opened it: this failure says more than that nobody is asked
                return call

    async def embed(
        self, request: Request, texts: Sequence[str], aim: Aim, *, seen: Seen, until: float | None = None
    ) -> tuple[Call, Vectors]:
        """``texts`` (none of them empty) as vectors, by ``call``: limits, retries, price and ledger are the same.

        The vectors are empty where the call failed.
        """
        found: list[Vectors] = []

        async def send(model: str, prompt: Prompt) -> Completion:
            if not isinstance(self.connection, EmbeddingConnection):
                told = f"provider {str(self.settings.provider)!r} makes no embeddings"
                raise CallFailed(told, failure="rejected", sent=False)
            said = await self.connection.embed(model, [message.text for message in prompt.messages], prompt.options)
            found.append(said.vectors)
            return replace(_NO_TEXT, usage=said.usage, model=said.model, provider_request_id=said.provider_request_id)

        turns = tuple(Message(role="user", content=text) for text in texts)
        prompt = Prompt(messages=turns, max_output_tokens=0)  # so that a budget knows that nothing is written
        call = await self.call(request, prompt, aim, seen=seen, until=until, send=send)
        return call, found[-1] if call.failure is None else ()

    def model_for(self, request: Request, aim: Aim, *, seen: Seen, until: float | None = None) -> "MemberModel":
        """This member as a judge or router may use it, bound to the deadline and the ledger of ``request``."""
        return MemberModel(self, request, aim, seen, until)

    def _try(self, task: Task) -> Coroutine[Any, Any, Tried]:
        """One attempt; where hedging is on and the attempt is slow, a second one beside it."""
        patience = self.latencies.p95() if task.aim.hedge else None
        return self._attempt(task) if patience is None else hedged(partial(self._attempt, task), patience)

    def _attempt(self, task: Task, *, hedge: bool = False) -> Coroutine[Any, Any, Tried]:
        return (self._made if CURRENT.get() is None else self._traced)(task, hedge=hedge)

    async def _traced(self, task: Task, *, hedge: bool) -> Tried:
        with attempt(self.name, self.settings.provider, self.settings.model, task.aim) as told:
            tried = await self._made(task, hedge=hedge)
            told(tried[0])
            return tried

    async def _made(self, task: Task, *, hedge: bool) -> Tried:
        task.attempts += 1
        attempt, begin, started = task.attempts, task.clock(), _now()
        error: CallFailed | None = None
        completion: Completion | None = None
        sent: list[bool] = []
        allowance, aside = task.request.allowance, None
        entry = self.circuit.enter()
        try:
            if entry is None:
                told = f"{self.name} failed too often; it is tried again in {self.circuit.wait_s():.0f} s"
                raise CallFailed(told, failure="skipped", sent=False)
            with Deadline(None) as limit:
                if allowance is not None:
                    limit.move(task.until)
                    aside = await set_aside(allowance, self.price(started), task.prompt, self.name)
                completion = await self._send(task, sent, limit)
        except CallFailed as failed:
            error = failed
        except TimeoutError:
            waited = task.clock() - begin
            told = f"{'no answer' if sent else 'no free place at the provider'} within {waited:.3g} s"
            retryable = bool(sent) and task.clock() < task.until
            error = CallFailed(told, failure="timeout", retryable=retryable, sent=bool(sent))
        except (asyncio.CancelledError, Exception) as raised:
            if is_cancellation(raised):
                error = CallFailed("cancelled", failure="cancelled", sent=bool(sent))
                raise
            # A provider may be anybody's plugin. Its bug costs this call, never the request.
            log.exception("provider of %s raised", self.name)
            error = CallFailed(f"the provider raised {type(raised).__name__}", failure="bad_reply", sent=bool(sent))
        finally:
            # In `finally`, so that a cancelled attempt, too, is a line of the ledger before the cancellation goes on.
            if entry is not None:
                self.circuit.leave(entry, error.failure if error and sent else None if completion else "skipped")
            spent = task.clock() - begin
            own = self.own(completion, task.removed) if completion else None
            call = self._line(task, attempt, started, spent, completion=own, error=error, hedge=hedge)
            if allowance is not None and aside is not None:
                allowance.settle(aside, used_of(aside, call, unbilled=error is not None and unbilled(error)))
            task.seen(call)
        if error is None:
            self.latencies.add(spent)
        elif error.retry_after_s is not None:
            self.limiter.pause(error.retry_after_s)
        return call, error

    async def _send(self, task: Task, sent: list[bool], limit: Deadline) -> Completion:
        """Wait for a place at the provider and make the call; ``sent`` is filled once it may have gone out.

        ``limit`` is set to the time that the whole task has where there is a wait, and then to that of one call.
        """
        reserved = task.reserved()
        slot = self.limiter.at_once(reserved)
        if slot is None:
            limit.move(task.until)
            slot = await self.limiter.turn(reserved)
        with slot:
            sent.append(True)
            limit.move(min(task.until, task.clock() + self._timeout_s))
            try:
                completion = await task.send(self._model, task.prompt)
            except CallFailed as failed:
                if failed.http_status in (429, 529):
                    slot.overloaded()
                if unbilled(failed):
                    slot.settle(0)
                raise
            slot.succeeded()
            used = completion.usage
            slot.settle((used.input_tokens or 0) + (used.output_tokens or 0) or reserved)
            return completion

    def _learn(self, task: Task, usage: Usage, seconds: float) -> None:
        if task.aim.purpose in ("candidate", "shadow"):
            self.habits.add(task.tokens() if is_text(task.prompt) else None, usage, seconds)

    def own(self, completion: Completion, removed: tuple[str, ...]) -> Completion:
        """Sign provider state as this member's, tell tool calls apart, and add what was left out on the way in."""
        if not (completion.reasoning or completion.tool_calls or removed):
            return completion
        reasoning = tuple(replace(part, origin=self.name) for part in completion.reasoning)
        calls = told_apart(completion.tool_calls)
        return replace(completion, reasoning=reasoning, tool_calls=calls, dropped=(*completion.dropped, *removed))

    def _line(
        self,
        task: Task,
        attempt: int,
        started: datetime,
        total_s: float,
        *,
        completion: Completion | None = None,
        error: CallFailed | None = None,
        hedge: bool = False,
    ) -> Call:
        return line(
            task.request.id,
            self.name,
            task.aim,
            digest=self.digest,
            attempt=attempt,
            started=started,
            total_s=total_s,
            price=self.price(started),
            transport=self.connection.transport,
            completion=completion,
            error=error,
            hedge=hedge,
        )


class MemberModel:
    """A member seen as ``judges.types.Model``."""

    def __init__(self, member: Member, request: Request, aim: Aim, seen: Seen, until: float | None) -> None:
        self._member, self._request, self._aim, self._seen, self._until = member, request, aim, seen, until

    @property
    def context_tokens(self) -> int | None:
        """As configured for the member."""
        return self._member.context_tokens

    async def complete(self, prompt: Prompt) -> Completion:
        """Answer ``prompt``; every attempt is a line of the request's ledger, and its cost is part of the usage's.

        Raises:
            ModelError: the call failed after its retries.
        """
        attempts: list[Call] = []

        def seen(call: Call) -> None:
            attempts.append(call)
            self._seen(call)

        call = await self._member.call(self._request, prompt, self._aim, seen=seen, until=self._until)
        if call.failure is not None or call.completion is None:
            raise ModelError(f"{call.failure}: {call.detail}")
        said = call.completion
        if len(attempts) < 2:
            return said
        spent = total(one.usage.nano_usd for one in attempts).exact
        return replace(said, usage=replace(said.usage, nano_usd=spent))

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector per text; every attempt is a line of the request's ledger. ``texts`` holds no empty text.

        Raises:
            ModelError: the call failed after its retries.
        """
        call, vectors = await self._member.embed(self._request, texts, self._aim, seen=self._seen, until=self._until)
        if call.failure is not None:
            raise ModelError(f"{call.failure}: {call.detail}")
        return vectors


Fleet = Mapping[str, Member]


def permitted(fleet: Fleet, request: Request) -> Fleet:
    """The members that may see ``request``: all that a router should choose from."""
    if request.data_class is None:
        return fleet
    return {name: member for name, member in fleet.items() if member.permits(request.data_class)}


def _clock() -> float:
    return asyncio.get_running_loop().time()


def _now() -> datetime:
    return datetime.now(UTC)
