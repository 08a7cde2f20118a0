"""Opens providers, store, fleet and routers in order and closes them in reverse: the only composition root."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import SecretStr
from uuid_utils import uuid7

from ensemble import identity
from ensemble.answers import Flying
from ensemble.assembly import assemble, means_of, sittings_of
from ensemble.audit.drawing import drawing
from ensemble.caching import LogAnswers
from ensemble.config import Settings, load, unloadable
from ensemble.connections import Link, Links, close, connect, dropped, enforce, fleet_of
from ensemble.counting import count_tokens
from ensemble.errors import ConfigError, Overloaded, StoreError, StoreUnavailable
from ensemble.events import Listener, nobody
from ensemble.fanout import Stragglers, wake
from ensemble.fleet import Fleet
from ensemble.keys.caller import ANYBODY, Caller
from ensemble.keys.keeping import keeping
from ensemble.keys.keyring import Keyring
from ensemble.keys.reservations import LogReservations
from ensemble.observing.instruments import Instruments
from ensemble.observing.observed import ObservedStore
from ensemble.observing.telemetry import Telemetry, exporting
from ensemble.pipeline import Pipeline
from ensemble.plurals import counted
from ensemble.recalling import recalled
from ensemble.reloading import TRIED, Standing, successor, try_out, unchangeable
from ensemble.router import Router
from ensemble.shared.link import Shared, open_shared
from ensemble.store import Store, open_store
from ensemble.store.queries import recent_prompts
from ensemble.timing import decided_by
from ensemble.types import Answer, Request, RequestId
from ensemble.upkeep import upkeep
from ensemble.watching.keeping import keeping_watch
from ensemble.webhooks.delivering import delivering
from judges.quick import maker
from judges.types import Message, Prompt

if TYPE_CHECKING:
    from ensemble.watching.watch import Watch

log = logging.getLogger(__name__)
_request = maker(Request)


@dataclass(slots=True, kw_only=True)
class Service:
    """Everything that runs: open it with ``ensemble.open``.

    ``settings``, ``pipeline``, ``watches`` and ``links`` are those for new requests: ``reload`` puts others in their
    place, and a request goes on with those that it began with. ``key`` is what clients of the server must send.
    """

    settings: Settings
    store: Store
    pipeline: Pipeline
    watches: Mapping[str, "Watch"]
    stragglers: Stragglers
    links: Links
    standing: Standing
    instruments: Instruments
    telemetry: Telemetry | None
    keyring: Keyring
    reservations: LogReservations
    shared: Shared | None = None
    key: SecretStr | None = None
    flying: Flying = field(default_factory=Flying)
    draining: bool = False
    _written: Settings
    _answers: set[asyncio.Task[object]] = field(default_factory=set)
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)
    _changing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def fleet(self) -> Fleet:
        """The members, for new requests."""
        return self.pipeline.fleet

    @property
    def routers(self) -> Mapping[str, Router]:
        """Routers in the order of the file, then one for each member."""
        return self.pipeline.routers

    @property
    def under_way(self) -> int:
        """Requests that are being answered."""
        return len(self._answers)

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
        conversation: str | None = None,
        stream: bool = False,
        dialect: str = "library",
        user: str | None = None,
        metadata: Mapping[str, str] | None = None,
        caller: Caller = ANYBODY,
        idempotency_key: str | None = None,
        repeats: RequestId | None = None,
        cache: Literal["use", "refresh", "off"] = "use",
        tags: Mapping[str, str] | None = None,
        n: int = 1,
    ) -> Request:
        """A request that arrives now and is answered in ``deadline_s`` seconds, the router's default where it is None.

        Raises:
            UnknownModel: ``model`` names no router and no member.
        """
        name = model if model is not None else self.default_model()
        seconds = deadline_s if deadline_s is not None else self.pipeline.router(name).deadline_s
        id_, metadata, key = RequestId(str(uuid7())), metadata or {}, caller.key
        return _request(
            id=id_,
            model=name,
            prompt=prompt,
            arrived_at=datetime.now(UTC),
            deadline=decided_by(asyncio.get_running_loop().time(), seconds),
            conversation=conversation,
            stream=stream,
            dialect=dialect,
            user=user,
            metadata=metadata,
            key_id=key.id if key else None,
            tenant=key.tenant if key else None,
            data_class=metadata.get("data_class") or caller.data_class or self.settings.server.data_class,
            idempotency_key=idempotency_key,
            repeats=repeats,
            kept=None if cache == "off" else self._kept(name, caller, fresh=cache == "refresh"),
            allowance=caller.allowance(id_, seconds),
            tags=tags or {},
            n=n,
        )

    def _kept(self, name: str, caller: Caller, *, fresh: bool) -> LogAnswers | None:
        """What the log holds that may be told once more; ``fresh`` takes nothing of it and adds to it."""
        router = self.pipeline.router(name)
        if router.cache_s is None or not router.store_content:
            return None
        key_id, tenant = (caller.key.id, caller.key.tenant) if caller.key else (None, None)
        age = timedelta(seconds=router.cache_s)
        return LogAnswers(store=self.store, flying=self.flying, key_id=key_id, tenant=tenant, age=age, fresh=fresh)

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
        if request.repeats is not None:
            return await recalled(self.store, request, request.repeats)
        self._admit()
        pipeline = self.pipeline
        loop = asyncio.get_running_loop()
        task, over = loop.create_task(pipeline.answer(request, on_event)), loop.create_future()
        self._answers.add(task)
        task.add_done_callback(self._ended)
        if (allowance := request.allowance) is not None:
            task.add_done_callback(lambda _: allowance.end())
        if request.kept is not None:
            self.flying.board(request.id)
            task.add_done_callback(lambda _: self.flying.leave(request.id))
        task.add_done_callback(lambda _: wake(over))
        try:
            await over  # as `asyncio.shield` does it, for half of what that costs
            return task.result()
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if caller is not None and not caller.cancelling():
                # Not the caller was cancelled but the work: the time to finish it at shutdown is over.
                raise Overloaded("the service is shutting down; ask again", retry_after_s=1) from None
            if pipeline.router(request.model).on_disconnect == "cancel":
                task.cancel()
            raise

    async def count_tokens(self, request: Request) -> int:
        """Input tokens of ``request``, which is not answered. Raises as ``answer`` and ``counting.count_tokens``."""
        self._admit()
        pipeline = self.pipeline
        work = count_tokens(request, pipeline.router(request.model), pipeline.fleet)
        task = asyncio.get_running_loop().create_task(work)
        self._answers.add(task)
        task.add_done_callback(self._ended)
        return await task

    def _admit(self) -> None:
        if self.draining:
            raise Overloaded("the service is shutting down; ask another instance", retry_after_s=5)
        if len(self._answers) >= self.settings.server.max_requests:
            self.instruments.overloaded.inc()  # the only trace that it leaves
            raise Overloaded(f"{len(self._answers)} requests are under way; ask again soon", retry_after_s=1)

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

    async def reload(self) -> None:
        """Serve new requests by the configuration as its file is now; those under way end by the one they began with.

        Everything is checked, loaded and tried out before. Providers go on counting; those whose options and keys are
        the same keep their connections, such members their health; dropped ones end with their last call.

        Raises:
            ConfigError: it cannot be used; the old one serves on, and ``standing`` and the log say so.
        """
        async with self._changing:
            try:
                await self._change()
            except Exception as error:
                # Whatever a plugin of the new configuration raises, the old one serves on.
                self.standing = replace(self.standing, refused=datetime.now(UTC))
                if isinstance(error, ConfigError):
                    log.error("the new configuration is refused, the old one serves on:\n%s", error)
                    raise
                log.exception("the new configuration is refused, the old one serves on")
                raise ConfigError(f"the new configuration raised {type(error).__name__}") from error

    async def _change(self) -> None:
        old = self.settings
        settings, written = await asyncio.to_thread(successor, old)
        for place in await asyncio.to_thread(unchangeable, written, self._written):
            log.warning("%s is changed and takes effect when the service is started again", place)
        self._written = written
        key = await asyncio.to_thread(settings.server.api_key)
        links = await connect(settings.providers, self.links, self.shared)
        try:
            fleet = fleet_of(settings, links, self.fleet)
            await try_out(settings.routers, fleet, await self._latest_prompts())
            means = self.pipeline.means
            if settings.judging != old.judging:
                means = await means_of(settings, self.store)
            sittings = await sittings_of(settings, self.store, fleet, self.pipeline)
            pipeline, watches = await assemble(settings, fleet, self.store, self.stragglers, means, sittings)
        except BaseException:
            await close(dropped(links, self.links))
            raise
        ended = dropped(self.links, links)
        # Without a pause from here on, so that no request sees half of the change.
        enforce(dropped(links, self.links))
        self.pipeline, self.watches = pipeline, watches
        self.settings, self.links, self.key = settings, links, key
        self.standing = Standing(config=settings.digest)
        if ended:
            task = asyncio.get_running_loop().create_task(self._retire(ended, set(self._answers)))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
        log.info("configuration %s is in force", settings.digest[:12])

    async def _latest_prompts(self) -> Sequence[Prompt]:
        try:
            return await self.store.read(lambda db: recent_prompts(db, TRIED))
        except StoreError as error:
            log.warning("the new configuration is tried out without logged prompts: %s", error)
            return ()

    async def _retire(self, links: Iterable[Link], answers: set[asyncio.Task[object]]) -> None:
        if answers:
            await asyncio.wait(answers)
        await self.stragglers.settled()  # those that the last of these answers left behind are among them
        await close(links)

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
            log.info("stopping: %s under way may take up to %g s", counted(len(self._answers), "request"), patience_s)
            await asyncio.wait(set(self._answers), timeout=patience_s)
        rest = set(self._answers)
        if rest and patience_s > 0:
            log.warning("stopping: %s not done in time, and cancelled", counted(len(rest), "request"))
        for task in rest:
            task.cancel()
        if rest:
            await asyncio.wait(rest)
        await self.stragglers.close(max(0.0, end - loop.time()))

    async def hang_up(self) -> None:
        """Close every connection; after ``drain``, when no call is under way."""
        if self._retiring:
            await asyncio.wait(self._retiring)
        await close(self.links.values())

    def _ended(self, task: asyncio.Task[object]) -> None:
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
        telemetry = await asyncio.to_thread(exporting, settings.telemetry)
        if telemetry is not None:
            stack.push_async_callback(asyncio.to_thread, telemetry.close)
        instruments = Instruments()
        store = ObservedStore(await open_store(settings.store.address, spill=settings.store.spill), instruments)
        stack.push_async_callback(store.close)
        await stack.enter_async_context(upkeep(store, settings.store.keep_for))
        keyring, reservations = Keyring(store), LogReservations(store)
        await stack.enter_async_context(keeping(keyring, reservations))
        means, stragglers = await means_of(settings, store), Stragglers()
        shared = await stack.enter_async_context(open_shared(settings.shared))
        links = await connect(settings.providers, shared=shared)
        fleet = fleet_of(settings, links)
        try:
            sittings = await sittings_of(settings, store, fleet)
            pipeline, watches = await assemble(settings, fleet, store, stragglers, means, sittings)
        except BaseException:
            await close(links.values())
            raise
        service = Service(
            settings=settings,
            store=store,
            pipeline=pipeline,
            watches=watches,
            stragglers=stragglers,
            links=links,
            standing=Standing(config=settings.digest),
            instruments=instruments,
            telemetry=telemetry,
            keyring=keyring,
            reservations=reservations,
            shared=shared,
            _written=settings,
        )
        stack.push_async_callback(service.hang_up)
        await stack.enter_async_context(delivering(store, lambda: service.settings.webhooks))
        await stack.enter_async_context(drawing(store, lambda: service.settings.reviews))
        await stack.enter_async_context(keeping_watch(lambda: service.watches))
        try:
            yield service
        finally:
            await service.drain(settings.server.drain_s)
