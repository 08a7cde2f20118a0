"""The simulated fleet as a server on a loopback port, with everything that a test wants to know of it."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Self

from aiohttp import web

from ensemble.simulator.app import make_app
from ensemble.simulator.assemble import assemble
from ensemble.simulator.fleet import Fleet
from ensemble.simulator.models import Profile
from ensemble.simulator.script import Step, hold
from ensemble.simulator.served import ServedLog
from ensemble.simulator.settings import SimulatorSettings
from ensemble.simulator.talk import Problem


class Simulator:
    """A fleet of simulated models on real HTTP; an async context manager that serves while it is open."""

    def __init__(self, settings: SimulatorSettings | None = None) -> None:
        """Read what ``settings`` name; raises OSError or ValueError for a recording that cannot be read."""
        self.settings = settings or SimulatorSettings()
        self._fleet: Fleet = assemble(self.settings)
        self._runner: web.AppRunner | None = None
        self._port: int | None = None

    async def __aenter__(self) -> Self:
        # Cancelling the handler of a client that left is how a provider notices, and how the ledger here knows.
        runner = web.AppRunner(make_app(self._fleet), handler_cancellation=True, access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        self._runner = runner
        site = web.TCPSite(runner, self.settings.host, self.settings.port, backlog=1024)
        try:
            await site.start()
        except OSError:
            await runner.cleanup()
            raise
        self._port = int(runner.addresses[0][1])
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._fleet.closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def port(self) -> int:
        """The TCP port; raises RuntimeError before the simulator is open."""
        if self._port is None:
            raise RuntimeError("the simulator is not open: use `async with Simulator(...)`")
        return self._port

    @property
    def anthropic_url(self) -> str:
        """Base URL for Anthropic's SDK, and of the whole server."""
        host = self.settings.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def base_url(self) -> str:
        """Base URL for OpenAI's SDK."""
        return f"{self.anthropic_url}/v1"

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """Price, speed and limits of every model of the fleet."""
        return tuple(model.profile for model in self._fleet.models.values())

    @property
    def served(self) -> ServedLog:
        """The simulator's own ledger, oldest first."""
        return self._fleet.log

    @property
    def peak_in_flight(self) -> int:
        """Most requests that were in flight at once."""
        return self._fleet.log.peak_in_flight

    @property
    def redirects_followed(self) -> int:
        """Requests that arrived where the ``redirect`` fault points to."""
        return self._fleet.redirects_followed

    def in_flight(self, model: str | None = None) -> int:
        """Requests of ``model`` (None: of all) that are being answered."""
        return self._fleet.log.in_flight(model)

    def script(self, model: str, steps: list[Step]) -> None:
        """Let the next requests to ``model`` take ``steps`` in order, then behave as usual.

        A name that the fleet does not have joins it.
        """
        self._fleet.script(model, steps)

    def always(self, model: str, step: Step | None) -> None:
        """Let every request to ``model`` take ``step`` once its script is used up; None ends that."""
        self._fleet.always(model, step)

    def hold(self, model: str, text: str | None = None) -> asyncio.Event:
        """Let the next request to ``model`` wait until the returned event is set, then answer ``text`` or as usual."""
        gate = asyncio.Event()
        self._fleet.script(model, [hold(gate, text)])
        return gate

    def degrade(self, model: str, kind: str = "*", by: float = 0.5) -> None:
        """Make ``model`` worse at one kind of task (``*``: at all) by ``by`` in difficulty; 0 gives the ability back.

        Raises:
            ValueError: no such model, or none that solves tasks.
        """
        try:
            self._fleet.degrade(model, kind, by)
        except Problem as problem:
            raise ValueError(problem.message) from problem

    def mislead(self, model: str, *, noise: float = 0.0, position: float = 0.0, length: float = 0.0) -> None:
        """Spoil the judge ``model``: probabilities in [0, 1] of going wrong, as ``Bias`` has them; 0 mends it.

        Raises:
            ValueError: no such model, or none that judges.
        """
        try:
            self._fleet.mislead(model, noise=noise, position=position, length=length)
        except Problem as problem:
            raise ValueError(problem.message) from problem

    def replace(self, model: str, like: str) -> None:
        """Put the model ``like`` in the place of ``model``, under its old name.

        Raises:
            ValueError: no such model.
        """
        try:
            self._fleet.replace(model, like)
        except Problem as problem:
            raise ValueError(problem.message) from problem

    def hurry(self) -> None:
        """Let every batch be done when somebody looks at it next, whatever ``batch_s`` says; those to come, too."""
        self._fleet.hurried = True

    async def until(
        self,
        holds: Callable[[], bool] | None = None,
        *,
        n_requests: int | None = None,
        n_finished: int | None = None,
        in_flight: int | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """Wait until all that is asked for holds: requests arrived, requests done, requests in flight exactly.

        Raises:
            TimeoutError: it did not come to hold within ``timeout_s``.
        """
        log = self._fleet.log

        def all_hold() -> bool:
            return (
                (holds is None or holds())
                and (n_requests is None or log.started >= n_requests)
                and (n_finished is None or log.ended >= n_finished)
                and (in_flight is None or log.in_flight() == in_flight)
            )

        async with asyncio.timeout(timeout_s):
            await self._fleet.until(all_hold)
