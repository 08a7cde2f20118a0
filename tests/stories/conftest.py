"""Whole paths through the served API: simulated providers, real HTTP, a real log in a file."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests import messages
from tests.served import PANEL, SERVER, TRANSPORT, Served, serving

Serve = Callable[..., Awaitable[Served]]

_SERVING = frozenset({"serve", "served", "mixed"})


_WIRE_IS_FAR = frozenset({
    "budgets", "cache", "coding_agents", "data_as_answers", "echoes", "high_stakes", "idempotency",
    "judge_dies_mid_request", "llm_tool", "log_fails", "propensities", "random_reviews", "responses_earlier",
    "security_doors", "security_keys", "security_output", "security_tenants", "shrinkage_and_recusal", "singleflight",
    "webhooks",
})  # fmt: skip
"""Stories of what happens above the providers: to keys, the log, verdicts, repeated requests, reviews. Told once.

That both ways of calling bring the same completions and failures, to the byte, is held by the suites in
``tests/ensemble/providers/``; the other stories hold it for streams, cancelling, limits and parameters.
"""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A story that is served here is told with the providers' SDKs, and without them too where that can matter."""
    if hasattr(metafunc.module, "serving") or not _SERVING.isdisjoint(metafunc.fixturenames):
        far = metafunc.module.__name__.rpartition("test_")[2] in _WIRE_IS_FAR
        metafunc.parametrize("transport", ["sdk"] if far else ["direct", "sdk"], indirect=True)


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
