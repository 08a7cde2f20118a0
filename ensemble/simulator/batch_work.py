"""What both batch protocols share: when a batch is done, and answering its requests without a connection."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

import orjson

from ensemble.simulator.fleet import Fleet
from ensemble.simulator.served import Served
from ensemble.simulator.talk import Problem
from ensemble.simulator.wire import Reply, Wire, text

T = TypeVar("T")
MOST_KEPT = 200
_BREATH = 64

Outcome = Literal["succeeded", "errored", "expired", "canceled"]


class Shelf(Generic[T]):
    """Things by id; the oldest go when there are too many. ``kind`` stands in ids and in errors."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._things: OrderedDict[str, T] = OrderedDict()
        self._made = 0

    def new_id(self) -> str:
        """An id that no other thing has."""
        self._made += 1
        return f"{self._kind}_sim_{self._made:06d}"

    def put(self, name: str, thing: T) -> None:
        """Keep ``thing``."""
        self._things[name] = thing
        if len(self._things) > MOST_KEPT:
            self._things.popitem(last=False)

    def get(self, name: str) -> T:
        """The thing of that id; raises Problem (404) where there is none."""
        if name not in self._things:
            raise Problem(404, f"No {self._kind} with id {name!r}.", code="not_found")
        return self._things[name]

    def drop(self, name: str) -> None:
        """Forget the thing of that id; raises Problem (404) where there is none."""
        self.get(name)
        del self._things[name]

    def newest(self) -> list[T]:
        """All that is kept, newest first."""
        return list(reversed(self._things.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of one request of a batch. ``body`` is the answer or the error as the wire shapes it."""

    custom_id: str
    outcome: Outcome
    status: int
    request_id: str
    body: Mapping[str, object]


@dataclass(slots=True, kw_only=True)
class Batch:
    """One batch. ``created`` is in seconds since 1970, ``due`` on the event loop's clock."""

    id: str
    created: int
    due: float
    requests: list[tuple[str, Mapping[str, object]]]
    headers: Mapping[str, str]
    results: list[Result] | None = None
    canceled: bool = False
    details: dict[str, object] = field(default_factory=dict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def settle(self, fleet: Fleet, wire: Wire) -> bool:
        """Answer the requests once the batch is due; returns whether it is done."""
        async with self.lock:
            if self.results is None and self.canceled:
                self.results = [_undone(name, "canceled") for name, _ in self.requests]
            if self.results is None and (fleet.hurried or asyncio.get_running_loop().time() >= self.due):
                results = []
                for at, (name, body) in enumerate(self.requests):
                    results.append(_answer(fleet, wire, name, body, self.headers))
                    if at % _BREATH == 0:
                        await asyncio.sleep(0)
                self.results = results
        return self.results is not None

    def count(self, outcome: Outcome) -> int:
        """How many requests came to ``outcome``; 0 before the batch is done."""
        return sum(result.outcome == outcome for result in self.results or ())


def _undone(name: str, outcome: Outcome) -> Result:
    return Result(custom_id=name, outcome=outcome, status=0, request_id="", body={})


def _answer(fleet: Fleet, wire: Wire, name: str, body: Mapping[str, object], headers: Mapping[str, str]) -> Result:
    served = Served(model=text(body.get("model")), request_id=fleet.next_id(), wire=f"{wire.name}-batch")
    if fleet.settings.keep_bodies:
        served.body = body
    fleet.begin(served)
    try:
        ask = wire.parse(body, headers)
        model = fleet.model(ask.model)
        step = fleet.next_step(ask.model)
        served.fault = str(step.status) if step.status else step.fault
        if step.fault == "silence":
            return _undone(name, "expired")
        if served.fault is not None:
            raise Problem(
                step.status or 500, step.message or f"Simulated failure: {served.fault}.", type=step.error_type
            )
        said = (step.said or model.brain.answer(ask)).within(ask)
        usage = said.usage(ask.prompt_tokens)
        reply = Reply(
            id=f"sim-{served.request_id[8:]}", created=0, ask=ask, said=said, usage=usage, version=model.version
        )
        served.status, served.finish = 200, said.finish
        served.prompt_tokens = served.told_prompt_tokens = usage.prompt
        served.completion_tokens = served.told_completion_tokens = usage.completion
        served.cached_tokens, served.cache_write_tokens = usage.cached, usage.cache_write
        return Result(
            custom_id=name,
            outcome="succeeded",
            status=200,
            request_id=served.request_id,
            body=orjson.loads(wire.whole(reply)),
        )
    except Problem as problem:
        served.status = problem.status
        error = orjson.loads(wire.problem(problem, served.request_id))
        return Result(
            custom_id=name, outcome="errored", status=problem.status, request_id=served.request_id, body=error
        )
    finally:
        fleet.end(served)
