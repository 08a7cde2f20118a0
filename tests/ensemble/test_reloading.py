"""A configuration that is changed while it serves, over the simulated fleet and a real log."""

import asyncio
import json
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from openai import AsyncOpenAI, AuthenticationError

from ensemble.errors import ConfigError, UnknownModel
from ensemble.reloading import watching
from ensemble.simulator import reply
from ensemble.training.train import Order, train
from tests.ensemble.training.lessons import a_lesson
from tests.patience import PATIENCE_S
from tests.served import PANEL, PARTS, Served, serving

WATCHED = "\n[server]\ndrain_s = 0.2\nwatch_s = 0.02\n"
MORE = '\n[routers.more]\nuse = "single"\nmember = "alpha"\n'


def rewrite(served: Served, change: Callable[[str], str]) -> None:
    """Put another file in the place of the configuration, as editors and deployments do."""
    path = served.service.settings.path
    fresh = path.with_name("fresh.toml")
    fresh.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    fresh.replace(path)


async def in_force(served: Served, sign: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not sign():  # noqa: ASYNC110 - the service tells nobody but its log
            await asyncio.sleep(0.01)


async def test_new_requests_are_served_by_the_changed_file_and_the_record_says_by_which(tmp_path: Path) -> None:
    async with serving(tmp_path, PANEL + WATCHED) as served:
        before = served.service.settings.digest
        first = await served.service.ask("one")
        rewrite(served, lambda text: text + MORE)
        await served.service.reload()
        second = await served.service.ask("two", model="more")
        assert served.service.names()[:2] == ["panel", "more"]
        configs = [(await served.record(answer.request.id))["config"] for answer in (first, second)]
        assert configs == [before, served.service.settings.digest]
        assert configs[0] != configs[1]
        _, ready, _ = await served.get("/readyz")
        assert ready["config"]["digest"] == configs[1]


async def test_a_request_under_way_ends_as_it_began_and_the_dropped_provider_with_it(tmp_path: Path) -> None:
    async with serving(tmp_path, PANEL + WATCHED) as served:
        service = served.service
        gate = served.simulator.hold("alpha", "the longest of all " * 99)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(service.ask("one"))
            await served.simulator.until(in_flight=1)
            old = service.links["sim"]
            # Another option of the provider, so another connection; and no router any more.
            rewrite(served, lambda text: text.replace(PANEL, "").replace('"openai"', '"openai"\nmax_in_flight = 7'))
            await service.reload()
            assert service.links["sim"] is not old
            limiter = service.links["sim"].limiter
            assert (limiter.in_flight, limiter.allowed_in_flight) == (1, 7), "its provider goes on counting"
            with pytest.raises(UnknownModel):
                await service.ask("two", model="panel")
            assert (await service.ask("three", model="beta")).member == "beta"
            gate.set()
        assert asked.result().member == "alpha"


async def test_what_is_the_same_keeps_its_connection_limits_and_health(tmp_path: Path) -> None:
    async with serving(tmp_path, PANEL + WATCHED) as served:
        service = served.service
        await service.ask("one")
        link, alpha, beta, means = (
            service.links["sim"], service.fleet["alpha"], service.fleet["beta"], service.pipeline.means,
        )  # fmt: skip
        rewrite(served, lambda text: text.replace('model = "beta"', 'model = "beta"\ncomparable = true') + MORE)
        await service.reload()
        assert service.links["sim"] is link
        assert service.fleet["alpha"] is alpha
        assert service.fleet["beta"] is not beta
        assert service.fleet["beta"].limiter is link.limiter
        assert service.pipeline.means is means


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text + "\n[routers", "is not TOML"),
        (lambda text: text.replace('judge = "longest"', 'judge = "nobody"'), "there is no judge 'nobody'"),
        (lambda text: text + '\n[routers.lost]\nuse = "learned"\npath = "nowhere"\n', "nowhere holds no readable"),
        (lambda text: text.replace("drain_s = 0.2", 'api_key_env = "NOT_SET_ANYWHERE"'), "NOT_SET_ANYWHERE is not set"),
    ],
)
async def test_what_cannot_be_used_changes_nothing(
    tmp_path: Path, change: Callable[[str], str], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path, PANEL + WATCHED) as served:
        service = served.service
        held = service.settings, service.pipeline, service.links
        rewrite(served, change)
        with pytest.raises(ConfigError, match=told):
            await service.reload()
        assert (service.settings, service.pipeline, service.links) == held
        assert (await service.ask("one")).text
        assert told in caplog.text
        _, ready, _ = await served.get("/readyz")
        assert ready["status"] == "ready"
        assert ready["config"]["refused"] >= ready["config"]["since"]


ROUTER = """
from ensemble.errors import RouterError
from ensemble.router import ROUTERS, Router
from ensemble.types import Plan, Stage

@ROUTERS.register("NAME")
class Odd(Router):
    async def plan(self, request, context):
        BODY
"""


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("raises", "raise ZeroDivisionError", "raised ZeroDivisionError"),
        ("strays", 'return Plan(router="", stages=(Stage(members=("omega",)),))', "plans with omega"),
        ("refuses", 'raise RouterError("I know nobody")', "has a plan for no request: I know nobody"),
    ],
)
async def test_a_router_is_tried_out_before_it_serves(tmp_path: Path, name: str, body: str, told: str) -> None:
    async with serving(tmp_path, PANEL + WATCHED) as served:
        (tmp_path / f"{name}.py").write_text(ROUTER.replace("NAME", name).replace("BODY", body), encoding="utf-8")
        rewrite(served, lambda text: text + f'\n[routers.odd]\nuse = "./{name}.py"\n')
        with pytest.raises(ConfigError, match=told):
            await served.service.reload()
        assert len(served.simulator.served) == 0


ASKS = """
try:
            await context.models["alpha"].complete(request.prompt)
        except ModelError as error:
            raise RouterError(str(error)) from error
"""


async def test_a_router_that_asks_a_model_is_tried_out_without_asking_it(tmp_path: Path) -> None:
    plugin = "from judges.errors import ModelError\n" + ROUTER.replace("NAME", "asks").replace("BODY", ASKS.strip())
    async with serving(tmp_path, PANEL + WATCHED) as served:
        (tmp_path / "asks.py").write_text(plugin, encoding="utf-8")
        rewrite(served, lambda text: text + '\n[routers.odd]\nuse = "./asks.py"\n')
        await served.service.reload()
        assert "odd" in served.service.names()
        assert len(served.simulator.served) == 0


TOPICS = """
[routers.topics]
use = "semantic"
default = "alpha"
embedder = "beta"
domains.sums = { examples = ["Prove that 7 is prime", "compute 12 * 13"], members = "gamma" }
"""


async def test_a_router_that_needs_vectors_is_tried_out_without_asking_for_them(tmp_path: Path) -> None:
    async with serving(tmp_path, PANEL + WATCHED) as served:
        rewrite(served, lambda text: text + TOPICS)
        await served.service.reload()
        assert "topics" in served.service.names()
        assert len(served.simulator.served) == 0


async def test_what_holds_for_the_life_of_the_process_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, PANEL + WATCHED) as served:
        rewrite(served, lambda text: text.replace("[server]", '[store]\npath = "other.db"\n[server]\nport = 9999'))
        await served.service.reload()
        assert "[server] port is changed and takes effect when the service is started again" in caplog.text
        assert "[store] path is changed" in caplog.text
        assert "host" not in caplog.text
        await served.service.ask("one")
        assert not (tmp_path / "other.db").exists()
        caplog.clear()
        await served.service.reload()
        assert "is changed" not in caplog.text


async def test_a_plugin_file_that_changed_is_told_to_wait_for_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plugin = ROUTER.replace("NAME", "calm").replace("BODY", "raise RouterError('I am calm')")
    tables = PANEL + '\n[routers.calm]\nuse = "./calm.py"\nfallback = ["alpha"]\n' + WATCHED
    (tmp_path / "calm.py").write_text(plugin, encoding="utf-8")
    async with serving(tmp_path, tables) as served, watching(served.service):
        await asyncio.sleep(0.04)
        (tmp_path / "calm.py").write_text(plugin.replace("calm'", "angry'"), encoding="utf-8")
        await in_force(served, lambda: "calm.py is changed and takes effect when" in caplog.text)
        answer = await served.service.ask("one", model="calm")
        assert "I am calm" in answer.plan.reason


async def test_a_watched_file_is_reloaded_once_and_a_bad_one_waits_to_be_mended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ensemble.service")
    async with serving(tmp_path, PANEL + WATCHED) as served, watching(served.service):
        service = served.service
        await asyncio.sleep(0.05)
        assert "in force" not in caplog.text
        rewrite(served, lambda text: text + MORE)
        await in_force(served, lambda: "more" in service.names())
        rewrite(served, lambda text: text + '\n[routers.lost]\nuse = "learned"\npath = "' + str(tmp_path / "r") + '"\n')
        await in_force(served, lambda: service.standing.refused is not None)
        assert "more" in service.names()
        refused = service.standing.refused
        (tmp_path / "r").mkdir()
        (tmp_path / "r" / "manifest.json").write_text("{}")  # no router yet, but what the file names is watched
        await in_force(served, lambda: service.standing.refused != refused)
        assert caplog.text.count("is in force") == 1


async def test_a_plugin_with_a_bug_in_its_options_ends_no_watch(tmp_path: Path) -> None:
    options = "    def model_post_init(self, context):\n        raise KeyError('a bug')\n"
    plugin = ROUTER.replace("NAME", "buggy").replace("BODY", "pass") + "\n" + options
    async with serving(tmp_path, PANEL + WATCHED) as served, watching(served.service):
        await asyncio.sleep(0.05)
        (tmp_path / "buggy.py").write_text(plugin, encoding="utf-8")
        rewrite(served, lambda text: text + '\n[routers.buggy]\nuse = "./buggy.py"\n')
        await in_force(served, lambda: served.service.standing.refused is not None)
        rewrite(served, lambda text: text.split("[routers.buggy]")[0] + MORE)
        await in_force(served, lambda: "more" in served.service.names())


async def test_a_file_that_still_changes_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(tmp_path, PANEL + WATCHED) as served, watching(served.service):
        path = served.service.settings.path
        whole = path.read_text() + MORE
        for size in range(len(whole) - 40, len(whole) + 1):
            path.write_text(whole[:size])
            os.utime(path)
            await asyncio.sleep(0.005)
        await in_force(served, lambda: "more" in served.service.names())
        assert caplog.text.count("refused") <= 1  # this machine may have been busy for a while


async def test_a_new_key_file_is_what_clients_and_providers_are_asked_with(tmp_path: Path) -> None:
    for name in ("client", "provider"):
        (tmp_path / f"{name}.key").write_text("first")
    parts = PARTS.replace('use = "openai"', 'use = "openai"\napi_key_file = "provider.key"', 1)
    tables = PANEL + WATCHED + 'api_key_file = "client.key"\n'
    async with serving(tmp_path, tables, parts=parts) as served, watching(served.service):
        service = served.service
        link = service.links["sim"]

        async def asked(key: str) -> str:
            async with served.client(api_key=key) as client:
                return await said(client)

        assert await asked("first")
        for name in ("client", "provider"):
            (tmp_path / f"{name}.key").write_text("second")
        await in_force(served, lambda: service.links["sim"] is not link and service.standing.refused is None)
        await in_force(served, lambda: bool(service.key and service.key.get_secret_value() == "second"))
        with pytest.raises(AuthenticationError):
            await asked("first")
        served.simulator.script("alpha", [reply("with the new key")])
        assert await asked("second")


async def said(client: AsyncOpenAI) -> str:
    answer = await client.chat.completions.create(model="panel", messages=[{"role": "user", "content": "one"}])
    return answer.choices[0].message.content or ""


LEARNED = """
[routers.cheap]
use = "learned"
path = "{path}"
"""


async def test_a_router_folder_is_swapped_and_one_of_another_scikit_learn_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "router"
    lesson = replace(a_lesson(), members=("alpha", "beta"))
    await asyncio.to_thread(train, lesson, Order(out=folder, kind="linear", command="ensemble train --seed 4"))
    async with serving(tmp_path, PANEL + LEARNED.format(path=folder) + WATCHED) as served, watching(served.service):
        service = served.service
        first = await service.ask("Hello there", model="cheap")
        before = service.settings.digest
        await asyncio.to_thread(train, lesson, Order(out=folder, kind="knn"))
        await in_force(served, lambda: service.settings.digest != before)
        second = await service.ask("Hello there", model="cheap")
        assert first.plan.router != second.plan.router

        manifest = folder / "manifest.json"
        told = json.loads(manifest.read_text())
        told["versions"]["sklearn"] = "0.24.2"
        manifest.write_text(json.dumps(told | {"command": "ensemble train --seed 4"}))
        with pytest.raises(ConfigError, match=r"scikit-learn 0\.24\.2.*train it again: ensemble train --seed 4"):
            await service.reload()
        third = await service.ask("Hello there", model="cheap")
        assert third.plan.router == second.plan.router
