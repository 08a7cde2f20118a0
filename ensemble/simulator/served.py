"""The simulator's own ledger: what it was asked and what it served, to hold the product's ledger against."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import overload


@dataclass(slots=True, kw_only=True)
class Served:
    """One request as the simulator saw it, filled in while it runs.

    Attributes:
        request_id: as sent in the response's header.
        status: HTTP status sent, None while none is.
        prompt_tokens, completion_tokens: tokens that the simulated model worked on; 0 where it was not reached.
        told_prompt_tokens, told_completion_tokens: tokens as the client was told; None where it was told nothing,
            because a fault or its own leaving came first.
        fault: kind of the fault that was played, None for a sound answer.
        cancelled: the client left before the answer was complete.
        finished: nothing more will happen to this record.
        started, ended: seconds of the event loop's clock.
        body, headers: the request as received, where they are kept; the key is taken out.
    """

    model: str
    request_id: str
    wire: str
    stream: bool = False
    status: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    told_prompt_tokens: int | None = None
    told_completion_tokens: int | None = None
    finish: str | None = None
    fault: str | None = None
    cancelled: bool = False
    finished: bool = False
    started: float = 0.0
    ended: float | None = None
    body: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Total:
    """Sums over the finished requests of one model; the ``told`` ones leave out what the client never heard."""

    requests: int = 0
    ok: int = 0
    cancelled: int = 0
    faults: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    told_prompt_tokens: int = 0
    told_completion_tokens: int = 0

    def add(self, served: Served) -> None:
        """Count one finished request."""
        self.requests += 1
        self.ok += served.status == 200 and not served.cancelled and served.fault is None
        self.cancelled += served.cancelled
        self.faults += served.fault is not None
        self.prompt_tokens += served.prompt_tokens
        self.completion_tokens += served.completion_tokens
        self.told_prompt_tokens += served.told_prompt_tokens or 0
        self.told_completion_tokens += served.told_completion_tokens or 0


class ServedLog(Sequence[Served]):
    """The kept records, oldest first, and exact totals over all of them, dropped ones included."""

    def __init__(self, keep: int | None) -> None:
        self._kept: deque[Served] = deque(maxlen=keep)
        self._running: dict[str, int] = {}
        self.totals: dict[str, Total] = {}
        self.started = 0
        self.ended = 0
        self.peak_in_flight = 0

    def begin(self, served: Served) -> None:
        """Take in a request that has arrived."""
        self._kept.append(served)
        self.started += 1
        self._running[served.model] = self._running.get(served.model, 0) + 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight())

    def end(self, served: Served, total: str) -> None:
        """Close the record of a request and count it under ``total``."""
        served.finished = True
        self.ended += 1
        self._running[served.model] -= 1
        if not self._running[served.model]:
            del self._running[served.model]
        self.totals.setdefault(total, Total()).add(served)

    def in_flight(self, model: str | None = None) -> int:
        """Requests of ``model`` (None: of all) that have arrived and are not done."""
        return self.started - self.ended if model is None else self._running.get(model, 0)

    def __len__(self) -> int:
        return len(self._kept)

    def __iter__(self) -> Iterator[Served]:
        return iter(tuple(self._kept))

    @overload
    def __getitem__(self, index: int) -> Served: ...
    @overload
    def __getitem__(self, index: slice) -> list[Served]: ...
    def __getitem__(self, index: int | slice) -> Served | list[Served]:
        return list(self._kept)[index] if isinstance(index, slice) else self._kept[index]
