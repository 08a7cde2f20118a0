"""Run a simulated fleet on real HTTP, or write its tasks with their truth."""

import asyncio
import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import click

from ensemble.plurals import counted
from ensemble.simulator import Simulator, SimulatorSettings

CHANCE = click.FloatRange(0, 1)


def _faults(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    from ensemble.simulator.script import FAULTS

    rates: dict[str, float] = {}
    for each in given:
        kind, _, rate = each.partition("=")
        if kind not in FAULTS:
            raise click.BadParameter(f"no such fault {kind!r}; known are {', '.join(FAULTS)}")
        try:
            rates[kind] = float(rate)
        except ValueError:
            raise click.BadParameter(f"{each!r} is not KIND=RATE, such as html=0.05") from None
    if any(rate < 0 for rate in rates.values()) or sum(rates.values()) > 1:
        raise click.BadParameter("rates are shares of all requests: none below 0, together at most 1")
    return rates


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    if not os.environ.get(name):
        raise click.BadParameter(f"the environment variable {name} is not set", param_hint="--api-key-env")
    return os.environ[name]


@click.command(epilog="Example: ensemble simulate --port 8901 --fault html=0.05 --rpm 600")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="TCP port; a free one if not given.")
@click.option(
    "--recording",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Answer from recorded outputs (.jsonl.gz) instead of the procedural fleet.",
)
@click.option("--evaluator-noise", type=CHANCE, default=0.0, help="Chance that a judge prefers the worse answer.")
@click.option("--position-bias", type=CHANCE, default=0.0, help="Chance that a judge prefers the first answer.")
@click.option("--length-bias", type=CHANCE, default=0.0, help="Chance that a judge prefers the longer answer.")
@click.option("--gullibility", type=CHANCE, default=0.0, help="Chance that a model that routes obeys the request.")
@click.option("--seed", type=int, default=0, help="Seed of everything that is drawn.")
@click.option(
    "--latency",
    type=click.FloatRange(min=0),
    help="Factor on simulated latencies; 1 if not given, 0 with a recording.",
)
@click.option(
    "--fault", "faults", multiple=True, metavar="KIND=RATE", callback=_faults, help="Spoil a share of the answers."
)
@click.option("--rpm", type=click.IntRange(min=1), help="Requests per minute before 429.")
@click.option("--tpm", type=click.IntRange(min=1), help="Tokens per minute before 429.")
@click.option("--api-key-env", metavar="NAME", help="Environment variable with the only key that is let in.")
@click.option("--tasks", type=click.IntRange(min=1), help="Write this many tasks with their truth, and serve nothing.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where --tasks go; - is standard output.")
def command(
    host: str,
    port: int,
    recording: Path | None,
    evaluator_noise: float,
    position_bias: float,
    length_bias: float,
    gullibility: float,
    seed: int,
    latency: float | None,
    faults: dict[str, float],
    rpm: int | None,
    tpm: int | None,
    api_key_env: str | None,
    tasks: int | None,
    out: Path | None,
) -> None:
    """Run a simulated fleet that speaks the providers' wire formats, until Ctrl-C.

    Nothing that it says comes from a real model, except with --recording, where it repeats what real models said.

    With --tasks N --out FILE it writes tasks of the simulated fleet as JSON lines (messages, tools, kind, difficulty,
    truth, checker), so that any evaluation can be scored against the truth, apart from a judge.
    """
    if (tasks is None) != (out is None):
        raise click.UsageError("--tasks and --out go together: --tasks 500 --out tasks.jsonl")
    if tasks is not None and out is not None:
        _write_tasks(tasks, seed, out)
        return
    settings = SimulatorSettings(
        host=host,
        port=port,
        recording=recording,
        evaluator_noise=evaluator_noise,
        position_bias=position_bias,
        length_bias=length_bias,
        gullibility=gullibility,
        seed=seed,
        latency=latency if latency is not None else float(recording is None),
        faults=faults,
        rpm=rpm,
        tpm=tpm,
        api_key=_key(api_key_env),
        # A fleet that runs for days must not grow: the totals stay exact without the records.
        keep_served=10_000,
        keep_bodies=False,
    )
    try:
        asyncio.run(_serve(settings))
    except (OSError, ValueError) as error:
        taken = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
        why = f"port {port} is taken; name another, or none for a free one" if taken else error
        raise click.ClickException(f"the simulated fleet cannot start: {why}") from error


def _write_tasks(n: int, seed: int, out: Path) -> None:
    from ensemble.simulator.tasks import as_json, make_tasks

    with click.open_file(str(out), "wb") as file:
        for task in make_tasks(n, seed):
            file.write(as_json(task) + b"\n")
    click.echo(f"{counted(n, 'simulated task')} written to {out}", err=True)


async def _serve(settings: SimulatorSettings) -> None:
    stop = asyncio.Event()
    _on_signals(stop.set)
    async with Simulator(settings) as sim:
        what = "recorded outputs of real models" if settings.recording else "no real model answers"
        click.echo(f"Simulated fleet ({what}) at {sim.base_url}")
        click.echo(f"for Anthropic's SDK: {sim.anthropic_url}; other servers: {', '.join(_others())}")
        click.echo(f"models: {', '.join(profile.name for profile in sim.profiles)}")
        click.echo("Ctrl-C ends it.")
        await stop.wait()
        click.echo("\nSimulated traffic:")
        for name, total in sorted(sim.served.totals.items()):
            click.echo(
                f"  {name}: {counted(total.requests, 'request')}, {total.ok} answered, {total.cancelled} "
                f"cancelled, {counted(total.faults, 'fault')}, {total.prompt_tokens} + {total.completion_tokens} tokens"
            )
        if not sim.served.totals:
            click.echo("  no requests")


def _others() -> list[str]:
    from ensemble.simulator.quirks import PLAIN, SERVERS

    return [quirks.path for quirks in SERVERS if quirks is not PLAIN]


def _on_signals(then: Callable[[], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, then)
        except NotImplementedError:  # Windows: there Ctrl-C ends the program as a KeyboardInterrupt
            return
