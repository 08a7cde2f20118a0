"""What ``ensemble label`` does once it knows what is asked of it."""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from ensemble.bench import open_pipeline
from ensemble.cli._label_progress import Progress, foretold, summary
from ensemble.cli._safe import safe
from ensemble.config import Settings
from ensemble.config.environment import missing, without_missing
from ensemble.labelling.alone import alone
from ensemble.labelling.cashier import LockedOut
from ensemble.labelling.checks import check
from ensemble.labelling.opening import Prompts
from ensemble.labelling.rejects import Rejects, beside
from ensemble.labelling.rows import Reject, Row
from ensemble.labelling.runner import Options, Outcome, Runner
from ensemble.labelling.tally import Tally
from ensemble.plurals import counted
from ensemble.service import open_service
from ensemble.shared.settings import SharedSettings
from ensemble.store import Store, open_as_it_is, open_store
from ensemble.store.address import Address
from ensemble.store.opening import made
from judges.types import Prompt

if TYPE_CHECKING:
    from ensemble.cluster.driver import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Shards:
    """How many labellers of Ray there are, and the folder that their labels go to."""

    labellers: int
    out: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The command line, as far as it says where prompts come from and what is printed; no ``prompts``: the log's."""

    prompts: Prompts | None
    where: str
    rejects: Path | None
    as_json: bool
    settle: bool = False
    shards: Shards | None = None


async def label(settings: Settings, options: Options, given: Given) -> int:
    """Make the run and print what it came to; returns the exit status."""
    rejects = given.rejects or beside(settings.store.address, options.run)
    if given.shards is not None and given.prompts is not None:
        with alone(settings.store.address, options.run):
            outcome = await _on_ray(settings, options, given.shards, given.prompts, rejects)
        return _tell(outcome, options, given, settings, rejects)
    async with open_service(settings) as service:
        check(service.pipeline, options)
        runner = Runner(service.pipeline, options)
        stops = _Stops(runner, asyncio.current_task())
        try:
            with _by_itself(settings, options, given), Progress(runner.tally):
                outcome = await _run(runner, given, rejects)
        except asyncio.CancelledError:
            if not stops.cancelled:
                raise
            outcome = Outcome(runner.tally, runner.stopped)
    return _tell(outcome, options, given, settings, rejects)


def _by_itself(settings: Settings, options: Options, given: Given) -> AbstractContextManager[None]:
    # Batches are cancelled beside whoever waits for them.
    return nullcontext() if given.settle else alone(settings.store.address, options.run)


async def _on_ray(settings: Settings, options: Options, shards: Shards, prompts: Prompts, rejects: Path) -> Outcome:
    """Make the run on a cluster."""
    from ensemble.cluster.driver import Cluster, Run, check_cluster, checked

    cluster = Cluster(labellers=shards.labellers, out=shards.out, rejects=rejects)
    check_cluster(settings, options, cluster)
    await checked(settings, options)
    run = Run(settings, options, cluster)
    stops = _Stops(run, asyncio.current_task())
    run.tally.total = await asyncio.to_thread(prompts.count)
    try:
        with Progress(run.tally):
            return await run.label(prompts)
    except asyncio.CancelledError:
        if not stops.cancelled:
            raise
        return Outcome(run.tally, run.stopped)


async def _run(runner: Runner, given: Given, path: Path) -> Outcome:
    if given.settle:
        return await runner.settle()
    if given.prompts is None:
        return await runner.label_stored(given.where)
    runner.tally.total = await asyncio.to_thread(given.prompts.count)
    with Rejects(path) as rejects:
        return await runner.label(_rows(given.prompts), rejects)


class _Stops:
    """Ctrl-C and SIGTERM: the first lets calls under way end, the second cancels them."""

    def __init__(self, runner: "Runner | Run", task: "asyncio.Task[int] | None") -> None:
        self._runner, self._task, self._asked = runner, task, False
        self.cancelled = False
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                asyncio.get_running_loop().add_signal_handler(number, self._stop)
            except (NotImplementedError, RuntimeError):
                # On Windows, and in a thread: there Ctrl-C ends the program as a KeyboardInterrupt.
                return

    def _stop(self) -> None:
        if not self._asked:
            self._asked = True
            click.echo("\nStopping: calls under way end and are stored; once more cancels them.", err=True)
            self._runner.stop("interrupted")
        elif self._task is not None and not self.cancelled:
            self.cancelled = True
            self._task.cancel()


def _parse(body: bytes) -> Prompt:
    from ensemble.dialects import openai_chat

    return openai_chat.parse(body).prompt


def _rows(prompts: Prompts) -> Iterator[Row | Reject]:
    return prompts.rows(_parse)


def _tell(outcome: Outcome, options: Options, given: Given, settings: Settings, rejects: Path) -> int:
    if twice := outcome.tally.displaced:
        had = "the id of another row with another prompt, which is labelled and in the data set no more"
        mend = "give each prompt an id of its own, and each file a --name of its own"
        click.echo(f"{counted(twice, 'row')} had {had}; {mend}.", err=True)
    if given.as_json:
        tree = outcome.tally.plain() | {
            "run": options.run,
            "stopped": str(outcome.stopped) if outcome.stopped else None,
            "spent_nano_usd": outcome.spent_nano_usd,
            "log": str(settings.store.address),
            "rejects": str(rejects) if outcome.tally.rejected else None,
        }
        click.echo(json.dumps(tree, indent=2))
    else:
        summary(outcome, options.run, rejects)
    if outcome.stopped is None:
        tally = outcome.tally
        for lack in _lacks(tally):
            click.echo(lack, err=True)
        if tally.in_vain:
            click.echo("No prompt was completed.", err=True)
        return int(tally.in_vain)
    again = "the same command goes on from there"
    if at_work := len(outcome.tally.at_work):
        again = (
            f"{counted(at_work, 'batch goes', 'batches go')} on at the providers; {again} and takes their results in"
        )
    click.echo(f"Stopped: {safe(str(outcome.stopped))}; what was paid is stored, and {again}.", err=True)
    if str(outcome.stopped) == "interrupted":
        return 130
    return 1 if isinstance(outcome.stopped, LockedOut) else 3


def _lacks(tally: Tally) -> Iterator[str]:
    """What prompts are short of, and what the same command would do about it."""
    of, again = f"of {counted(tally.prompts, 'prompt')}", "the same command makes the calls again that failed."
    if tally.unanswered:
        yield f"{tally.unanswered:,} {of} short of an answer; {again}"
    if unasked := tally.unfinished - tally.unanswered:
        told = "of a member that was not to be called; nor does the same command call it"
        yield f"{unasked:,} {of} short of an answer {told}."
    if failed := tally.undecided - tally.abstained:
        yield f"{failed:,} {of} short of a finding of the judge; {again}"
    if tally.abstained:
        stands = "the same command does not ask it again about the same answers; --judge names another"
        yield f"{tally.abstained:,} {of} without a finding, since the judge abstained; {stands}."


async def forecast(settings: Settings, options: Options, given: Given, size: int | None) -> None:
    """Print what the run would do and cost, from all prompts or from a sample of ``size``; nobody is called."""
    from ensemble.labelling.forecast import Forecaster, sample

    if given.prompts is None:
        return
    providers = settings.providers.items()
    for name, provider in providers:
        for key, wrong in missing(provider):
            click.echo(f"[providers.{name}] {key}: {wrong}; the run itself needs it.", err=True)
    known = {name: without_missing(provider) for name, provider in providers}
    settings = replace(settings, providers=known, shared=SharedSettings())
    async with _untouched(settings.store.address) as store, open_pipeline(settings, store) as pipeline:
        check(pipeline, options)
        teller = Forecaster(pipeline, options)
        if size is None:
            found = await teller.look(_rows(given.prompts))
        else:
            rows, count = await asyncio.to_thread(partial(sample, _rows(given.prompts), size))
            found = await teller.look(iter(rows))
            found.scale = count / len(rows) if rows else 1.0
    if given.as_json:
        click.echo(json.dumps(found.plain(), indent=2))
    else:
        foretold(found.plain(), options.run)


@asynccontextmanager
async def _untouched(log: Address) -> AsyncIterator[Store]:
    """The log as it stands, to look at; an empty one of its own where there is none. Raises StoreError."""
    with ExitStack() as stack:
        if await asyncio.to_thread(made, log):
            store = await open_as_it_is(log)
        else:
            click.echo(f"{log}: there is no log yet, so nothing counts as stored; the run itself makes one.", err=True)
            folder = stack.enter_context(TemporaryDirectory())
            store = await open_store(Path(folder, "empty.db"))
        try:
            yield store
        finally:
            await store.close()
