"""A provider goes down and comes back, and everybody retries: what arrives there, counted by the provider itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scripts._chaos_stage import GOOD, PANEL, Stage, ask, staged

FAILURES, OPEN_S, ATTEMPTS = 3, 2.0, 2
DOWN = 8
"""Requests, one after another, while the provider is down."""
RPM = 600
"""Calls a minute that a provider allows in the storm: ten a second."""
BURST = 10
"""How many of them may come at once."""
CLIENTS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One part of the play: what arrived and what was allowed."""

    name: str
    arrived: str
    allowed: str
    breaches: Sequence[str]


async def outage(folder: Path) -> list[Act]:
    """One member is down: its circuit opens, probes, and closes when it is back. Every request is answered."""
    member = f"circuit_failures = {FAILURES}\ncircuit_open_s = {OPEN_S}\n"
    await asyncio.to_thread(folder.mkdir)
    async with staged(folder, member=member) as stage:
        from ensemble.simulator import reply, status

        for name in PANEL:
            stage.simulator.always(name, reply(f"{GOOD} So says {name}."))
        stage.simulator.always("large", status(503))
        got = [await ask(stage, "panel", stream=at % 2 == 1) for at in range(DOWN)]
        opened = _arrived(stage)
        first = [f"a request got {each.status} {each.error}" for each in got if each.error]
        # The circuit opens with the third failure; what is under way then may still end.
        if opened > FAILURES + ATTEMPTS:
            first.append(f"{opened} calls reached a provider that was down, of at most {FAILURES + ATTEMPTS}")
        acts = [Act(name="circuit opens", arrived=str(opened), allowed=f"{FAILURES + ATTEMPTS}", breaches=first)]
        acts.append(await _probe(stage, opened))
        stage.simulator.always("large", reply(f"{GOOD} So says large."))
        acts.append(await _closes(stage))
    return acts


async def _probe(stage: Stage, before: int) -> Act:
    """After the pause one call goes through, whatever else is asked at the same time."""
    await asyncio.sleep(OPEN_S * 1.05)
    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(ask(stage, "panel", stream=False))
    probes = _arrived(stage) - before
    wrong = [] if probes == 1 else [f"{probes} calls went through as the probe"]
    return Act(name="circuit probes, 8 at once", arrived=str(probes), allowed="1", breaches=wrong)


async def _closes(stage: Stage) -> Act:
    """Back again, the member takes part in every request after its probe."""
    before, clock = _arrived(stage), asyncio.get_running_loop().time
    end = clock() + 4 * OPEN_S  # each failed probe has doubled the pause
    while _arrived(stage) == before and clock() < end:
        await asyncio.sleep(0.1)
        await ask(stage, "panel", stream=False)
    await stage.service.idle()
    before = _arrived(stage)
    for _ in range(4):
        await ask(stage, "panel", stream=False)
    await stage.service.idle()
    back = _arrived(stage) - before
    wrong = [] if back == 4 else [f"{back} of 4 requests reached the member after it had come back"]
    return Act(name="circuit closes", arrived=str(back), allowed="4", breaches=wrong)


def _arrived(stage: Stage) -> int:
    return sum(served.model == "large" for served in stage.simulator.served)


async def storm(folder: Path, seconds: float = 4.0) -> list[Act]:
    """Every member fails and every call is tried again, for so many seconds: no provider gets more than it allows."""
    member = "circuit_failures = 0\n"
    await asyncio.to_thread(folder.mkdir)
    async with staged(folder, member=member, provider=f"requests_per_minute = {RPM}\n") as stage:
        from ensemble.simulator import status

        # Clients, service and provider share this process: what each loads for its first call would hold up arrivals.
        await ask(stage, "panel", stream=False)
        for name in PANEL:
            stage.simulator.always(name, status(503))
        end = asyncio.get_running_loop().time() + seconds

        async def work() -> None:
            while asyncio.get_running_loop().time() < end:
                await ask(stage, "panel", stream=False)

        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(work())
        await stage.service.idle()
        return [_conforms(stage, name) for name in PANEL]


def _conforms(stage: Stage, name: str) -> Act:
    """Over every stretch of time at most the rate times its length, and one burst, as the provider counts it.

    Calls that were let go in order may arrive closer together, so a second alone says little.
    """
    times = sorted(served.started for served in stage.simulator.served if served.model == name)
    rate = RPM / 60
    over = max(
        (
            at - first + 1 - rate * (times[at] - times[first])
            for first in range(len(times))
            for at in range(first, len(times))
        ),
        default=0.0,
    )
    wrong = [] if times and over <= BURST + 1 else [f"{over:.1f} calls beyond the rate reached {name} at some time"]
    took = times[-1] - times[0] if times else 0.0
    told = f"{len(times)} in {took:.1f} s"
    return Act(name=f"retry storm on {name}", arrived=told, allowed=f"{rate * took + BURST:.0f}", breaches=wrong)
