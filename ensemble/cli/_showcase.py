"""What the demo runs on: a simulated fleet, a configuration for it, and questions whose answers are known."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from ensemble.simulator import Simulator, SimulatorSettings
from ensemble.simulator.models import Profile
from ensemble.simulator.tasks import Task, check, make_tasks
from ensemble.types import Answer

JUDGE = "simulated-house"
PANEL = ("large", "birch-balanced", "small")
"""Models of two families, each spoken to in its provider's own wire format; the most trusted first."""
SPEED = 0.3
"""Factor on the simulated latencies: enough to see candidates arrive one by one."""
PICKED = ("sim-7-000022", "sim-7-000029", "sim-7-000039", "sim-7-000046")
"""Picked to show all there is: all are right, all but the cheapest, the cheapest where a dearer one is not, nobody."""
MARK = "# Written by `ensemble demo`"


@dataclass(slots=True)
class Score:
    """How often each member, and the choice of the judge, was right by the simulated truth."""

    asked: int = 0
    chosen: int = 0
    right: dict[str, int] = field(default_factory=dict)
    costs: dict[str, list[int | None]] = field(default_factory=dict)
    spent: list[int | None] = field(default_factory=list)

    def add(self, task: Task, answer: Answer) -> tuple[list[str], list[str]]:
        """Count one question; returns who was right and who was wrong."""
        verdicts = {
            answer.authors[candidate.id]: check(task, candidate.completion.text) for candidate in answer.candidates
        }
        self.asked += 1
        self.chosen += check(task, answer.text)
        for name, good in verdicts.items():
            self.right[name] = self.right.get(name, 0) + good
        for call in answer.calls:
            self.spent.append(call.usage.nano_usd)
            if call.purpose == "candidate":
                self.costs.setdefault(call.member, []).append(call.usage.nano_usd)
        return [name for name, good in verdicts.items() if good], [name for name, good in verdicts.items() if not good]


@asynccontextmanager
async def simulated_fleet(port: int) -> AsyncIterator[Simulator]:
    """The simulated fleet, at a known port, so that the configuration still fits tomorrow; else at a free one."""
    async with AsyncExitStack() as stack:
        try:
            simulator = await stack.enter_async_context(Simulator(SimulatorSettings(port=port, latency=SPEED)))
        except OSError:
            simulator = await stack.enter_async_context(Simulator(SimulatorSettings(latency=SPEED)))
        yield simulator


def some_tasks(n: int) -> list[Task]:
    """Short questions whose answers are known: those that were picked, then whatever comes."""
    plain = {
        task.id: task
        for task in make_tasks(20 * n + 60, seed=7)
        if not task.earlier and not task.tools and task.checker in ("number", "text") and "\n" not in task.prompt
    }
    order = dict.fromkeys([*(id_ for id_ in PICKED if id_ in plain), *plain])
    return [plain[id_] for id_ in order][:n]


def write_config(folder: Path, simulator: Simulator) -> Path:
    """Write a configuration for ``simulator`` into ``folder``; one that the demo did not write is left alone.

    Raises:
        ClickException: it is of somebody else, or cannot be written there.
    """
    path = folder / "ensemble.toml"
    try:
        return _written(path, simulator)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written ({error.strerror}): name another folder with --dir"
        ) from error


def _written(path: Path, simulator: Simulator) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and not path.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise click.ClickException(f"{path} is not of the demo: name another folder with --dir")
    profiles = {one.name: one for one in simulator.profiles}
    judge = next(one for one in simulator.profiles if one.tier == "judge")
    panel = [profiles[name] for name in PANEL]
    parts = [
        f"{MARK} for its simulated fleet; `ensemble simulate --port {simulator.port}` starts the fleet again.\n",
        f'[providers.simulated-openai]\nuse = "openai"\nbase_url = "{simulator.base_url}"\n',
        f'[providers.simulated-anthropic]\nuse = "anthropic"\nbase_url = "{simulator.anthropic_url}"\n',
        *(_member(profile) for profile in [*panel, judge]),
        _house(_name(judge)),
        f'[routers.best]\nuse = "parallel"\nmembers = {[_name(one) for one in panel]}\njudge = "{JUDGE}"\n',
        '[store]\npath = "ensemble.db"\n',
    ]
    path.write_text("\n".join(parts), encoding="utf-8")
    return path


def _house(judge: str) -> str:
    """As the starter's, but for the seats: the one simulated judge is asked again, both ways, where unsure."""
    free = "\n".join(f'    "{use}",' for use in ("schema", "format", "arithmetic", "citations", "answer"))
    asked = (
        f'{{ use = "pairwise", model = "{judge}" }},\n    {{ use = "pairwise", model = "{judge}", order = "both" }},'
    )
    return f'[judges.{JUDGE}]\nuse = "staged"\nstages = [\n{free}\n    {asked}\n]\n'


def _name(profile: Profile) -> str:
    return f"simulated-{profile.name}"


def _member(profile: Profile) -> str:
    price = f"input = {profile.usd_in}, output = {profile.usd_out}, cache_read = {profile.usd_cached}"
    return (
        f"[members.{_name(profile)}]\n"
        f'provider = "simulated-{profile.wire}"\n'
        f'model = "{profile.name}"\n'
        f'family = "simulated-{profile.family}"\n'
        "max_output_tokens = 1000\n"
        f"price = {{ {price} }}\n"
    )
