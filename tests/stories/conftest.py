"""Whole paths through the served API: simulated providers, real HTTP, a real log in a file."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from ensemble.simulator.served import Served as Call
from tests import messages
from tests.served import PANEL, PARTS, SERVER, TRANSPORT, Served, serving

Serve = Callable[..., Awaitable[Served]]

TRANSPORTS = ("direct", "sdk")
_SERVING = frozenset({"serve", "served", "mixed"})


_WIRE_IS_FAR = frozenset({
    "anthropic_client", "budgets", "cache", "coding_agents", "data_as_answers", "data_classes", "echoes", "high_stakes",
    "idempotency", "judge_dies_mid_request", "llm_tool", "log_fails", "propensities", "random_reviews",
    "responses_client", "responses_earlier", "retrained_while_serving", "security_doors", "security_keys",
    "security_output", "security_tenants", "several_choices", "shrinkage_and_recusal", "singleflight", "webhooks",
})  # fmt: skip
"""Stories of what happens above the providers: to keys, the log, verdicts, repeated requests, reviews, routers that are
trained anew, and how clients of each dialect see what was answered. Told once.

That both ways of calling send the same and bring the same completions and failures, to the byte, is held by the suites
in ``tests/ensemble/providers/``; the other stories hold it for streams, cancelling, limits, parameters, tools and
thoughts (``conversations_across_members``), and for what a client of OpenAI's sees (``official_client``).
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A story that is served here is told with the providers' SDKs, and without them too where that can matter."""
    if hasattr(metafunc.module, "serving") or not _SERVING.isdisjoint(metafunc.fixturenames):
        far = metafunc.module.__name__.rpartition("test_")[2] in _WIRE_IS_FAR
        metafunc.parametrize("transport", ["sdk"] if far else TRANSPORTS, indirect=True)


@pytest.fixture(autouse=True)
def transport(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """How the providers of this story are called; None where it has a configuration of its own."""
    chosen: str | None = getattr(request, "param", None)
    before = TRANSPORT.set(chosen)
    yield chosen
    TRANSPORT.reset(before)


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    """Serves tables of a configuration, beside the usual members and judges, until the test ends."""
    async with AsyncExitStack() as stack:

        async def start(tables: str = PANEL) -> Served:
            return await stack.enter_async_context(serving(tmp_path, tables + SERVER))

        yield start


@pytest.fixture
async def served(serve: Serve) -> Served:
    """A panel of alpha, beta and gamma, judged by length."""
    return await serve()


@pytest.fixture
async def mixed(tmp_path: Path) -> AsyncIterator[Served]:
    """A panel of members of every wire format, judged by length."""
    async with serving(tmp_path, SERVER, parts=messages.PARTS) as opened:
        yield opened


@dataclass(slots=True)
class Shared:
    """A server for all tests of a module that only ask: none scripts, breaks or configures what the next would meet.

    Each starts where the one before it has ended, with ``begin``.
    """

    served: Served
    since: int = 0

    async def begin(self) -> "Shared":
        """Nothing is under way, and ``calls`` are those that come from now on."""
        await self.served.service.idle()
        self.since = len(self.served.simulator.served)
        return self

    @property
    def calls(self) -> list[Call]:
        """What providers were asked in this test."""
        return self.served.simulator.served[self.since :]


@asynccontextmanager
async def sharing(transport: str, folder: Path, tables: str, *, parts: str) -> AsyncIterator[Shared]:
    """Serve ``tables`` beside ``parts``, whose providers are called over ``transport``."""
    async with AsyncExitStack() as stack:
        before = TRANSPORT.set(transport)
        try:
            served = await stack.enter_async_context(serving(folder, tables, parts=parts))
        finally:
            TRANSPORT.reset(before)
        yield Shared(served)


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=TRANSPORTS)
async def panel(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shared]:
    """As ``served``, for tests with ``pytest.mark.asyncio(loop_scope="module")``."""
    folder = tmp_path_factory.mktemp("panel")
    async with sharing(request.param, folder, PANEL + SERVER, parts=PARTS) as opened:
        yield opened
