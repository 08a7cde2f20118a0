"""The playground: ask a router, watch candidates come in, see the verdict."""

import asyncio
from dataclasses import dataclass, field, replace

from aiohttp import web

from ensemble.errors import EnsembleError, InvalidRequest, NotFound
from ensemble.events import Done, Event, Judged, Listener, Started
from ensemble.money import total
from ensemble.server import sse
from ensemble.server.auth import CALLER, count
from ensemble.server.pages.frame import SERVICE, context, show
from ensemble.server.pages.registry import PAGES, Page
from ensemble.server.pages.rendering import render
from ensemble.server.shape import REQUEST_ID, id_headers, told
from ensemble.service import Service
from ensemble.types import Answer, Call, Request, Ruling
from judges.types import CandidateId, Message, Prompt

routes = web.RouteTableDef()
PAGES.add(
    Page(
        name="playground",
        title="Playground",
        order=90,
        told="Ask a router, watch the candidates come in, see the verdict.",
        scope="use",
        windowed=False,
        asks=True,
    )
)


NEWS = (Started, Done, Judged)
"""Events after which there is more to see."""


FIELDS = ("model", "question", "system")


@dataclass(slots=True)
class Seat:
    """A call that was started, and what came of it; None while it is under way."""

    member: str
    sample: int
    stage: int
    call: Call | None = None


@dataclass(slots=True)
class Run:
    """What is known so far of the answer to one question."""

    request: str
    seats: list[Seat] = field(default_factory=list)
    ruling: Ruling | None = None
    answer: Answer | None = None
    problem: str = ""

    def hear(self, event: Event) -> None:
        """Take note of ``event``."""
        match event:
            case Started(member=member, sample=sample, stage=stage):
                self.seats.append(Seat(member, sample, stage))
            case Done(call=call):
                self._arrived(call)
            case Judged(ruling=ruling):
                self.ruling = ruling
            case _:
                return

    def _arrived(self, call: Call) -> None:
        """Put ``call`` where it was started; a retry goes over the attempt before it."""
        for seat in self.seats:
            if (seat.member, seat.sample, seat.stage) == (call.member, call.sample, call.stage):
                seat.call = call
                return
        self.seats.append(Seat(call.member, call.sample, call.stage, call))

    @property
    def winners(self) -> frozenset[CandidateId]:
        """The best, as far as is known."""
        return frozenset(self.ruling.verdict.winners) if self.ruling else frozenset()

    @property
    def nano_usd(self) -> int | None:
        """What it has cost when the answer left; None where a part of it is unknown."""
        return total(call.usage.nano_usd for call in self.answer.calls).exact if self.answer else None


@routes.get("/playground")
async def form(request: web.Request) -> web.Response:
    """The form, empty or as the address fills it in."""
    service = _service(request)
    asked = {name: request.query.get(name, "") for name in FIELDS}
    return await show(request, "playground.html", models=service.names(), asked=asked, run=None)


@routes.post("/playground")
async def ask(request: web.Request) -> web.StreamResponse:
    """Answer the question: as events where the browser takes them, each with all that is known, else as a page."""
    service = _service(request)
    sent = await request.post()
    asked = {name: str(sent.get(name, "")) for name in FIELDS}
    question = _request(request, service, asked)
    await count(request, request[CALLER])
    run = Run(question.id)

    async def work(listen: Listener) -> None:
        try:
            run.answer = await service.answer(question, on_event=listen)
        except EnsembleError as error:
            run.problem = str(error)
        except Exception as error:  # noqa: BLE001 - told to the log, hidden from the reader
            run.problem = str(told(error, request))

    if "text/event-stream" not in request.headers.get("Accept", ""):
        await work(run.hear)
        return await show(request, "playground.html", models=service.names(), asked=asked, run=run)
    values = context(request)

    async def frames(event: Event) -> list[bytes]:
        return [await _frame(run, values)] if isinstance(event, NEWS) else []

    async def streamed(listen: Listener) -> bytes:
        def heard(event: Event) -> None:
            run.hear(event)
            listen(event)

        await work(heard)
        return await _frame(run, values)

    keepalive_s = service.settings.server.keepalive_s
    return await sse.follow(request, streamed, frames, headers=id_headers(request), keepalive_s=keepalive_s)


async def _frame(run: Run, values: dict[str, object]) -> bytes:
    """All that is known of ``run``, as an event with the HTML that takes the place of what stood there."""
    known = replace(run, seats=[replace(seat) for seat in run.seats])  # more may come in while it is rendered
    html = await asyncio.to_thread(render, "playground_run.html", **{**values, "run": known})
    return b"".join(b"data: " + line.encode() + b"\n" for line in html.split("\n")) + b"\n"


def _service(request: web.Request) -> Service:
    service = request.app[SERVICE]
    if service is None:
        raise NotFound("nobody answers questions here: `ensemble serve` has a playground, a file has none")
    return service


def _request(request: web.Request, service: Service, asked: dict[str, str]) -> Request:
    question, system = asked["question"].strip(), asked["system"].strip()
    if not question:
        raise InvalidRequest("question: is empty; write what the models are to answer", param="question")
    turns = (Message(role="system", content=system),) if system else ()
    made = service.request(
        Prompt(messages=(*turns, Message(role="user", content=question))),
        model=asked["model"] or None,
        dialect="playground",
        caller=request[CALLER],
    )
    request[REQUEST_ID] = made.id
    return made
