"""From labels to a better router behind the same server: a canary, its promotion and the way back, under load."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from ensemble.cli import main
from ensemble.reloading import watching
from ensemble.service import Service
from ensemble.types import Answer
from judges.types import Message, Prompt
from tests.ensemble.training.lessons import Failing, put_answers
from tests.load import Load
from tests.patience import PATIENCE_S
from tests.served import serving

PARTS = """
[providers.sim]
use = "openai"
base_url = "{base_url}"
[members.small]
provider = "sim"
model = "alpha"
price = {{ input = 1, output = 2 }}
[members.large]
provider = "sim"
model = "beta"
price = {{ input = 20, output = 40 }}
"""
SERVER = "\n[server]\ndrain_s = 0.2\nwatch_s = 0.05\n"
ROUTER = '\n[routers.cheap]\nuse = "learned"\npath = "{path}"\n'


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Awaitable[None]]:
    """Runs a command beside the configuration, in a thread."""
    monkeypatch.chdir(tmp_path)

    async def run(*args: str) -> None:
        told = await asyncio.to_thread(CliRunner().invoke, main, list(args))
        assert told.exit_code == 0, told.output

    return run


async def greeted(service: Service, conversation: str, number: int) -> Answer:
    prompt = Prompt(messages=(Message(role="user", content=f"Hello there {number}, say hi to {number}"),))
    return await service.answer(replace(service.request(prompt, model="cheap"), conversation=conversation))


@pytest.mark.timeout(300)
async def test_a_better_router_is_tried_promoted_and_taken_back_without_a_failed_request(
    tmp_path: Path, command: Callable[..., Awaitable[None]]
) -> None:
    async def labels_come(number: int, start: int, fails: Failing) -> None:
        put_answers(tmp_path / "answers.jsonl", number=number, start=start, fails=fails)
        await command("import", "answers.jsonl", "--format", "candidates", "--name", "gold")

    async with serving(tmp_path, SERVER, parts=PARTS) as served, watching(served.service):
        service = served.service

        async def after(*args: str) -> None:
            """Run a command and wait until what it changed is served."""
            before = service.settings.digest
            await command(*args)
            async with asyncio.timeout(PATIENCE_S):
                while service.settings.digest == before:  # noqa: ASYNC110 - the service tells nobody but its log
                    await asyncio.sleep(0.01)

        async def winners(conversations: int) -> Counter[str]:
            return Counter([(await greeted(service, f"c{one}", one)).member for one in range(conversations)])

        await labels_come(200, 0, "at sums")
        await command("train", "--out", "router", "--kind", "linear")
        file = service.settings.path
        file.write_text(file.read_text() + ROUTER.format(path=tmp_path / "router"))
        await asyncio.wait_for(_served(service, "cheap"), PATIENCE_S)
        load = Load(served.url, "cheap")
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run())
            assert await winners(5) == {"small": 5}
            await labels_come(240, 200, "always")  # small does not greet well any more

            await after("retrain", "cheap", "--canary", "50%")
            first, again = await winners(20), await winners(20)
            assert first == again  # whole conversations stay with their arm
            assert min(first["small"], first["large"]) >= 3
            record = await served.record((await greeted(service, "c1", 1)).request.id)
            assert record["plan"]["propensities"] == {"small": 0.5, "large": 0.5}
            assert "(0.5): " in record["plan"]["reason"]

            await after("retrain", "cheap", "--promote")
            assert await winners(5) == {"large": 5}
            await after("retrain", "cheap", "--rollback")
            assert await winners(5) == {"small": 5}
            load.over = True
        assert load.answers > 40
        assert service.standing.refused is None


async def _served(service: Service, name: str) -> None:
    while name not in service.names():  # noqa: ASYNC110 - the service tells nobody but its log
        await asyncio.sleep(0.01)
