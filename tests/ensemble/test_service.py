"""The service as a library uses it, over the simulated fleet and a real log."""

import asyncio
from pathlib import Path

import pytest
from prometheus_client import generate_latest

import ensemble
from ensemble.errors import ConfigError, Overloaded, UnknownModel
from ensemble.simulator import reply, stall
from judges.types import Message, Prompt
from tests.served import PANEL, serving

SINGLE_FILE = '[server]\nmax_requests = 1\ndrain_s = 0.05\n[routers.one]\nuse = "single"\nmember = "alpha"\n'


async def test_it_answers_by_router_and_by_member_and_keeps_the_record(tmp_path: Path) -> None:
    async with serving(tmp_path, PANEL) as served:
        served.simulator.script("alpha", [reply("short"), reply("again")])
        served.simulator.script("beta", [reply("the longest of the three")])
        served.simulator.script("gamma", [reply("middling")])
        service = served.service
        assert service.names() == ["panel", "alpha", "beta", "gamma", "critic"]
        answer = await service.ask("Why?", system="Be brief.")
        assert (answer.member, answer.text) == ("beta", "the longest of the three")
        assert (await service.ask("Why?", model="alpha")).text == "again"
        record = await service.store.request(answer.request.id)
        assert record is not None
        with pytest.raises(UnknownModel, match="panel"):
            await service.ask("Why?", model="pane1")


async def test_more_than_it_is_made_for_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, SINGLE_FILE) as served:
        served.simulator.script("alpha", [stall(30), reply("x")])
        async with asyncio.TaskGroup() as group:
            first = group.create_task(served.service.ask("one"))
            await served.simulator.until(n_requests=1)
            with pytest.raises(Overloaded, match="under way"):
                await served.service.ask("two")
            first.cancel()
        samples = generate_latest(served.service.instruments.registry).decode()
        assert "\nensemble_overloaded_total 1.0\n" in samples


async def test_what_does_not_end_in_time_at_shutdown_is_told_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "ensemble.service")
    async with serving(tmp_path, SINGLE_FILE) as served:
        served.simulator.script("alpha", [stall(30)])
        request = served.service.request(a_prompt())
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(outcome(served.service, request))
            await served.simulator.until(n_requests=1)
            await served.service.drain(0.05)
        assert "shutting down" in asked.result()
        # Who stops it at a terminal must see what is waited for.
        told = [line for line in caplog.messages if line.startswith("stopping")]
        assert told == [
            "stopping: 1 request under way may take up to 0.05 s",
            "stopping: 1 request not done in time, and cancelled",
        ]
        with pytest.raises(Overloaded, match="shutting down"):
            await served.service.ask("more")
        with pytest.raises(Overloaded):
            await served.service.check()
        record = await served.service.store.request(request.id)
        assert record is not None
        assert record["status"] == "cancelled"


async def outcome(service: ensemble.Service, request: ensemble.Request) -> str:
    try:
        return (await service.answer(request)).text
    except Overloaded as error:
        return str(error)


def a_prompt() -> Prompt:
    return Prompt(messages=(Message(role="user", content="one"),))


async def test_a_configuration_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    file = tmp_path / "ensemble.toml"
    file.write_text('[members.a]\nprovider = "nowhere"\nmodel = "m"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="nowhere"):
        async with ensemble.open(file):
            pass


def test_the_package_offers_its_public_names_and_no_others() -> None:
    assert all(getattr(ensemble, name) for name in ensemble.__all__)
    with pytest.raises(AttributeError, match="Sevice"):
        _ = ensemble.Sevice
