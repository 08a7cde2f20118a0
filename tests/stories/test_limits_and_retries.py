"""What is done so that a provider is neither stormed nor given up: pauses, retries, circuit, hedging, rates.

Both wire formats, real HTTP; what reached the provider is read from the simulator's own log, whose clock is the loop's.
"""

import asyncio
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator import Served as Told
from ensemble.simulator import Step, reply, status
from tests.served import SERVER, Served, a_question, serving

PARTS = """
[providers.busy]
use = "{wire}"
base_url = "{url}"
{limits}

[providers.other]
use = "{wire}"
base_url = "{url}"

[members.alpha]
provider = "busy"
model = "alpha"
max_output_tokens = 100
price = {{{{ input = 1, output = 2 }}}}
{rules}

[members.beta]
provider = "busy"
model = "beta"
max_output_tokens = 100
price = {{{{ input = 1, output = 2 }}}}

[members.gamma]
provider = "other"
model = "gamma"
max_output_tokens = 100
"""
ROUTERS = """
[routers.plain]
use = "parallel"
members = ["alpha"]

[routers.hedged]
use = "parallel"
members = ["alpha"]
hedge = true
"""
OK = "Fine."
ONCE = "max_attempts = 1\ncircuit_failures = 0"


class Opened:
    """Serves alpha and beta of one provider and gamma of another, over one wire format, until the test ends."""

    def __init__(self, folder: Path, wire: str) -> None:
        self.folder, self.wire = folder, wire

    def __call__(self, rules: str = "", limits: str = "") -> AbstractAsyncContextManager[Served]:
        url = "{base_url}" if self.wire == "openai" else "{anthropic_url}"
        parts = PARTS.format(wire=self.wire, url=url, rules=rules, limits=limits)
        return serving(self.folder, ROUTERS + SERVER, parts=parts)


@pytest.fixture(params=["openai", "anthropic"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    return Opened(tmp_path, request.param)


async def ask(served: Served, model: str = "alpha", **ours: Any) -> int:
    """The status that a client gets."""
    asked = a_question(model=model) | {"ensemble": ours}
    code, _, _ = await served.post(asked)
    return code


async def ask_all(served: Served, number: int, model: str = "alpha", **ours: Any) -> list[int]:
    """As many at once."""
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ask(served, model, **ours)) for _ in range(number)]
    return [task.result() for task in asked]


def of(served: Served, model: str) -> list[Told]:
    return [one for one in served.simulator.served if one.model == model]


def ended(one: Told) -> float:
    assert one.ended is not None
    return one.ended


@pytest.mark.parametrize("code", [429, 503, 529])
async def test_retry_after_pauses_the_provider_and_no_other(opened: Opened, code: int) -> None:
    async with opened(ONCE) as served:
        served.simulator.script("alpha", [status(code, retry_after=1.5)])
        served.simulator.always("alpha", reply(OK))
        assert await ask(served) == 502
        (refused,) = of(served, "alpha")
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(served, name)) for name in ("alpha", "beta") * 3]
            assert await ask(served, "gamma") == 200
        assert {task.result() for task in asked} == {200}
        (free,) = of(served, "gamma")
        paused = [*of(served, "alpha")[1:], *of(served, "beta")]
        assert len(paused) == 6
        assert all(one.started - ended(refused) >= 1.5 for one in paused)
        assert free.started < min(one.started for one in paused)


async def test_retries_are_spread_so_that_they_do_not_come_back_together(opened: Opened) -> None:
    async with opened("max_attempts = 2\ncircuit_failures = 0") as served:
        served.simulator.always("alpha", status(500))
        async with asyncio.TaskGroup() as group:
            for number in range(16):
                group.create_task(served.post(a_question(f"Question <{number}>", model="alpha")))
        waits = []
        for number in range(16):
            first, second = (one for one in of(served, "alpha") if f"<{number}>" in str(one.body))
            waits.append(second.started - ended(first))
        # Full jitter: anything in [0, 0.5) s; that all sixteen lie in one half comes up once in 30,000 runs.
        assert min(waits) < 0.25 < max(waits)
        assert len({round(wait, 2) for wait in waits}) > 4


async def test_a_retry_succeeds_and_each_attempt_is_a_line(opened: Opened) -> None:
    async with opened() as served:
        served.simulator.script("alpha", [status(503), status(529), reply(OK)])
        code, said, headers = await served.post(a_question(model="alpha"))
        assert (code, said["choices"][0]["message"]["content"]) == (200, OK)
        record = await served.record(headers["x-ensemble-request-id"])
        lines = sorted((call["attempt"], call["failure"]) for call in record["calls"])
        assert lines == [(1, "overloaded"), (2, "overloaded"), (3, None)]
        ids = [call["provider_request_id"] for call in sorted(record["calls"], key=lambda call: call["attempt"])]
        assert ids == [one.request_id for one in of(served, "alpha")]


async def test_no_retry_is_waited_for_that_the_deadline_does_not_allow(opened: Opened) -> None:
    async with opened() as served:
        served.simulator.always("alpha", status(503, retry_after=20))
        clock = asyncio.get_running_loop().time
        begin = clock()
        assert await ask(served, deadline_s=10) == 502
        assert clock() - begin < 5
        assert len(of(served, "alpha")) == 1


async def test_retries_end_with_the_deadline(opened: Opened) -> None:
    async with opened("max_attempts = 10\ncircuit_failures = 0") as served:
        served.simulator.always("alpha", status(503))
        assert await ask(served, deadline_s=1) in (502, 504)
        calls = of(served, "alpha")
        assert len(calls) < 10
        # The deadline was set before the first call arrived.
        assert all(one.started - calls[0].started < 1 for one in calls)


@pytest.mark.parametrize("code", [429, 529])
async def test_overload_halves_the_calls_in_flight_and_success_brings_them_back(opened: Opened, code: int) -> None:
    async with opened(ONCE, "max_in_flight = 8") as served:
        limiter = served.service.pipeline.fleet["alpha"].limiter

        async def let_in(expected: int, **step: Any) -> int:
            """How many of twelve requests get to the provider at once."""
            gate = asyncio.Event()
            served.simulator.always("alpha", Step(gate=gate, **step))
            async with asyncio.TaskGroup() as group:
                asked = [group.create_task(ask(served)) for _ in range(12)]
                while served.simulator.in_flight() + limiter.waiting < 12:
                    assert (await served.get("/healthz"))[0] == 200
                came = int(served.simulator.in_flight())
                gate.set()
            assert {task.result() for task in asked} == {expected}
            return came

        assert await let_in(200) == 8
        served.simulator.always("alpha", status(code))
        gates = [asyncio.Event() for _ in range(8)]
        served.simulator.script("alpha", [Step(gate=gate, status=code) for gate in gates])
        async with asyncio.TaskGroup() as group:
            for _ in range(8):
                group.create_task(ask(served))
            await served.simulator.until(in_flight=8)
            for gate in gates:
                gate.set()
        assert await let_in(200) == 4, "eight overloads that were under way together are one"
        assert 4 <= await let_in(200) < 8, "it comes back one by one"
        served.simulator.always("alpha", reply(OK))
        for _ in range(4):
            assert set(await ask_all(served, 24)) == {200}
        assert await let_in(200) == 8


async def test_the_circuit_of_one_member_opens_probes_and_closes(opened: Opened) -> None:
    async with opened("max_attempts = 1\ncircuit_failures = 2\ncircuit_open_s = 0.1") as served:
        simulator = served.simulator
        simulator.always("alpha", status(503))
        assert [await ask(served), await ask(served)] == [502, 502]
        while True:  # on a slow machine a probe may be due already
            tried = len(of(served, "alpha"))
            code, said, _ = await served.post(a_question(model="alpha"))
            (told,) = said["error"]["candidates"]
            if told["failure"] == "skipped":
                break
        assert (code, len(of(served, "alpha"))) == (502, tried)
        assert "failed too often" in told["detail"]
        assert await ask(served, "beta") == 200, "the same provider, another member"

        async def until_calls(number: int) -> None:
            while len(of(served, "alpha")) < number:
                await ask(served)

        await until_calls(4)
        _, second, probe, again, *_ = of(served, "alpha")
        assert probe.started - ended(second) >= 0.1
        assert again.started - ended(probe) >= 0.2, "a probe that fails doubles the wait"

        gate = simulator.hold("alpha", OK)
        simulator.always("alpha", reply(OK))
        async with asyncio.TaskGroup() as group:

            async def probing() -> None:
                while await ask(served) != 200:
                    pass

            trial = group.create_task(probing())
            await simulator.until(n_requests=len(simulator.served) + 1)
            assert await ask(served) == 502, "one probe at a time"
            gate.set()
        assert trial.done()
        assert set(await ask_all(served, 3)) == {200}
        assert len(of(served, "alpha")) == 8


async def test_a_slow_call_is_hedged_where_that_is_wanted_and_its_cost_shows(opened: Opened) -> None:
    async with opened() as served:
        simulator = served.simulator
        for _ in range(20):
            simulator.script("alpha", [reply(OK, wait_s=0.01)])
            assert await ask(served, "hedged") == 200
        assert len(of(served, "alpha")) == 20, "as fast as usual"

        simulator.script("alpha", [Step(gate=asyncio.Event()), reply("From the second.")])
        code, said, headers = await served.post(a_question(model="hedged", ensemble={"include": ["candidates"]}))
        assert (code, said["choices"][0]["message"]["content"]) == (200, "From the second.")
        await simulator.until(in_flight=0)
        slow, hedge = of(served, "alpha")[20:]
        assert (slow.cancelled, hedge.cancelled) == (True, False)
        assert hedge.started - slow.started >= 0.01
        record = await served.record(headers["x-ensemble-request-id"])
        lines = sorted((call["hedge"], call["failure"], call["nano_usd"]) for call in record["calls"])
        assert lines == [
            (False, "cancelled", None),
            (True, None, (hedge.told_prompt_tokens or 0) * 1000 + (hedge.told_completion_tokens or 0) * 2000),
        ]
        assert (headers["x-ensemble-cost-usd"], said["ensemble"]["cost"]["unpriced_calls"]) == ("unknown", 1)


async def test_a_slow_call_is_not_hedged_unasked(opened: Opened) -> None:
    async with opened() as served:
        for _ in range(20):
            assert await ask(served, "plain") == 200
        gate = served.simulator.hold("alpha", OK)
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(ask(served, "plain"))
            await served.simulator.until(n_requests=21)
            await asyncio.sleep(0.05)
            gate.set()
        assert asked.result() == 200
        assert len(of(served, "alpha")) == 21


async def test_a_storm_never_exceeds_the_configured_rate(opened: Opened) -> None:
    """600 a minute are let out as ten in any second; retries count like everything else."""
    async with opened("max_attempts = 2\ncircuit_failures = 0", "requests_per_minute = 600") as served:
        served.simulator.script("alpha", [status(500)] * 3)
        assert set(await ask_all(served, 24, deadline_s=20)) == {200}
        starts = sorted(one.started for one in of(served, "alpha"))
        assert len(starts) == 27
        # Each call is under way for some time before the provider counts it: hence not the whole second, and not two.
        assert all(later - first > 0.5 for first, later in zip(starts, starts[10:], strict=False))
        assert starts[-1] - starts[0] > 1.3
