"""Opens providers, store, fleet and routers in order and closes them in reverse: the only composition root."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from uuid_utils import uuid7

from ensemble import identity
from ensemble.config import Settings, load, unloadable
from ensemble.errors import ConfigError, Overloaded, StoreError, StoreUnavailable
from ensemble.events import Listener, nobody
from ensemble.fanout import Stragglers
from ensemble.fleet import Fleet, Member
from ensemble.limits import Limiter
from ensemble.means import Means
from ensemble.pipeline import Pipeline
from ensemble.router import MemberName, Router
from ensemble.routers.single import Single
from ensemble.store import Store, open_store
from ensemble.store.findings import findings
from ensemble.types import Answer, Request, RequestId
from ensemble.upkeep import upkeep
from judges.judge import Judge
from judges.types import Message, Prompt


@dataclass(slots=True, kw_only=True)
class Service:
    """Everything that runs: open it with ``ensemble.open``."""

    settings: Settings
    fleet: Fleet
    routers: Mapping[str, Router]
    store: Store
    pipeline: Pipeline
    stragglers: Stragglers
    draining: bool = False
    _answers: set[asyncio.Task[Answer]] = field(default_factory=set)

    def names(self) -> list[str]:
        """What a client may name as ``model``: routers in the order of the file, then members."""
        return [*self.routers]

    def default_model(self) -> str:
        """The first router of the configuration, else the first member."""
        return self.names()[0]

    def request(
        self,
        prompt: Prompt,
        *,
        model: str | None = None,
        deadline_s: float | None = None,
        stream: bool = False,
        dialect: str = "library",
        user: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> Request:
        """A request that arrives now; its deadline is the router's default where ``deadline_s`` is None.

        Raises:
            UnknownModel: ``model`` names no router and no member.
        """
        name = model if model is not None else self.default_model()
        seconds = deadline_s if deadline_s is not None else self.pipeline.router(name).deadline_s
        return Request(
            id=RequestId(str(uuid7())),
            model=name,
            prompt=prompt,
            arrived_at=datetime.now(UTC),
            deadline=asyncio.get_running_loop().time() + seconds,
            stream=stream,
            dialect=dialect,
            user=user,
            metadata=metadata or {},
        )

    async def ask(
        self,
        question: str | Prompt,
        *,
        model: str | None = None,
        system: str | None = None,
        deadline_s: float | None = None,
        on_event: Listener = nobody,
    ) -> Answer:
        """Answer one question, given as text or as a whole ``Prompt``. Raises as ``Pipeline.answer`` does."""
        if isinstance(question, str):
            turns = (Message(role="system", content=system),) if system else ()
            question = Prompt(messages=(*turns, Message(role="user", content=question)))
        return await self.answer(self.request(question, model=model, deadline_s=deadline_s), on_event=on_event)

    async def answer(self, request: Request, *, on_event: Listener = nobody) -> Answer:
        """Answer ``request``; cancelling the caller finishes or cancels the work, as the router's options say.

        Raises:
            Overloaded: the service is shutting down, or ``[server] max_requests`` are under way.
        """
        if self.draining:
            raise Overloaded("the service is shutting down; ask another instance", retry_after_s=5)
        if len(self._answers) >= self.settings.server.max_requests:
            raise Overloaded(f"{len(self._answers)} requests are under way; ask again soon", retry_after_s=1)
        router = self.pipeline.router(request.model)
        task = asyncio.get_running_loop().create_task(self.pipeline.answer(request, on_event))
        self._answers.add(task)
        task.add_done_callback(self._ended)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and not caller.cancelling():
                # Not the caller was cancelled but the work: the time to finish it at shutdown is over.
                raise Overloaded("the service is shutting down; ask again", retry_after_s=1) from None
            if router.on_disconnect == "cancel":
                task.cancel()
            raise

    async def check(self) -> None:
        """Whether requests can be answered now.

        Raises:
            Overloaded: shutting down.
            StoreUnavailable: the log cannot be written.
        """
        if self.draining:
            raise Overloaded("the service is shutting down", retry_after_s=5)
        try:
            await self.store.ping()
        except StoreError as error:
            raise StoreUnavailable(str(error)) from error

    async def idle(self) -> None:
        """Wait until no answer and no straggler is under way."""
        while self._answers:
            await asyncio.wait(set(self._answers))
        await self.stragglers.idle()

    async def drain(self, patience_s: float) -> None:
        """Take no more requests, let those under way finish within ``patience_s`` seconds, then cancel them."""
        self.draining = True
        loop = asyncio.get_running_loop()
        end = loop.time() + patience_s
        if self._answers and patience_s > 0:
            await asyncio.wait(set(self._answers), timeout=patience_s)
        rest = set(self._answers)
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)
        await self.stragglers.close(max(0.0, end - loop.time()))

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        self._answers.discard(task)
        if not task.cancelled():
            task.exception()  # a client who has gone leaves nobody else to take it; it is in the log


@asynccontextmanager
async def open_service(source: str | Path | Settings) -> AsyncIterator[Service]:
    """Start everything that ``source``, a configuration file or its checked settings, describes.

    Leaving the context gives stragglers up to ``[server] drain_s`` seconds, then cancels them, flushes and closes.

    Raises:
        ConfigError: the file, a key, a plugin or the installation is not usable; the sentence says how to mend it.
        StoreError: the log cannot be opened.
    """
    identity.check()
    settings = source if isinstance(source, Settings) else load(Path(source))
    if problems := await asyncio.to_thread(lambda: list(unloadable(settings))):
        raise ConfigError("\n".join(problem.line for problem in problems))
    async with AsyncExitStack() as stack:
        store = await open_store(settings.store.path, spill=settings.store.spill)
        stack.push_async_callback(store.close)
        await stack.enter_async_context(upkeep(store, settings.store.keep_for))
        fleet = await _fleet(settings, stack)
        routers: dict[str, Router] = dict(settings.routers)
        for name in settings.members:
            routers.setdefault(name, Single(member=MemberName(name)))
        means = Means(settings=settings.judging)
        if settings.judging.shrink == "auto" and settings.judges:
            for finding in await store.read(lambda db: findings(db, settings.judging.shrink_window)):
                means.learn(finding)
        stragglers = Stragglers()
        pipeline = Pipeline(
            routers=routers,
            fleet=fleet,
            judges=settings.judges,
            store=store,
            stragglers=stragglers,
            config=settings.digest,
            means=means,
        )
        service = Service(
            settings=settings, fleet=fleet, routers=routers, store=store, pipeline=pipeline, stragglers=stragglers
        )
        try:
            yield service
        finally:
            await service.drain(settings.server.drain_s)


@asynccontextmanager
async def open_bench(settings: Settings, judges: Mapping[str, Judge]) -> AsyncIterator[Fleet]:
    """Load ``judges`` and open the fleet that they may consult: no log, no routers. Raises ConfigError."""
    needed = replace(settings, judges=judges, routers={})
    if problems := await asyncio.to_thread(lambda: list(unloadable(needed))):
        raise ConfigError("\n".join(problem.line for problem in problems))
    async with AsyncExitStack() as stack:
        yield await _fleet(needed, stack)


async def _fleet(settings: Settings, stack: AsyncExitStack) -> Fleet:
    connections, limiters = {}, {}
    for name, provider in settings.providers.items():
        connections[name] = await stack.enter_async_context(provider.connect())
        limiters[name] = Limiter(
            requests_per_minute=provider.requests_per_minute,
            tokens_per_minute=provider.tokens_per_minute,
            max_in_flight=provider.max_in_flight,
        )
    return {
        name: Member(name, member, connections[member.provider], limiters[member.provider])
        for name, member in settings.members.items()
    }
