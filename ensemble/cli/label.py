"""Have every member of a panel answer every prompt and a judge judge it, resumably."""

import asyncio
import json
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._label_progress import Progress, summary
from ensemble.config import Settings, load
from ensemble.labelling.checks import check
from ensemble.labelling.rejects import Rejects, beside
from ensemble.labelling.rows import Reject, Row, RowReader
from ensemble.labelling.runner import Options, Outcome, Runner
from ensemble.labelling.sources import open_source
from ensemble.money import NANO
from ensemble.service import open_service
from judges.types import Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """The command line, as far as it says where prompts come from and what is printed."""

    prompts: str | None
    form: str | None
    columns: dict[str, str]
    where: str
    rejects: Path | None
    as_json: bool


def _columns(context: click.Context, parameter: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    from ensemble.labelling.rows import FIELDS

    pairs = dict(each.partition("=")[::2] for each in given)
    if wrong := [name for name, column in pairs.items() if name not in FIELDS or not column]:
        raise click.BadParameter(f"{wrong[0]!r}: give FIELD=COLUMN with a field of {', '.join(FIELDS)}")
    return pairs


def _nano(context: click.Context, parameter: click.Parameter, given: str | None) -> int | None:
    if given is None:
        return None
    try:
        dollars = Decimal(given.removeprefix("$"))
    except ArithmeticError:
        dollars = Decimal(-1)
    if not dollars.is_finite() or dollars <= 0:
        raise click.BadParameter(f"{given!r} is no amount of US dollars above 0, such as 12.50")
    return int(dollars * NANO)


@click.command(epilog="Example: ensemble label prompts.jsonl --router best")
@click.argument("prompts", required=False)
@_options.config
@click.option("--router", help="Whose panel answers and whose judge judges.")
@click.option("--judge", help="Judge to ask in the place of the router's.")
@click.option("--member", "members", multiple=True, help="Call this member beside the panel, and nobody else.")
@click.option("--name", help="Of the run and its data set; the same name goes on.  [default: the file's name]")
@click.option("--from-log", is_flag=True, help="Fill prompts that are in the log, in the place of a file.")
@click.option("--where", default="1", help="Which of them: an SQL condition on the columns of requests.")
@click.option("--max-cost", "cap", metavar="USD", callback=_nano, help="Most that the run may cost, restarts included.")
@click.option("--concurrency", type=click.IntRange(1, 10_000), default=32, show_default=True, help="Prompts at once.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "parquet"]), help="Where no file name tells it.")
@click.option("--column", "columns", multiple=True, metavar="FIELD=COLUMN", callback=_columns, help="Other names.")
@click.option("--rejects", type=click.Path(dir_okay=False, path_type=Path), help="Where bad rows go.")
@_options.as_json
def command(
    prompts: str | None,
    config: Path,
    *,
    router: str | None,
    judge: str | None,
    members: tuple[str, ...],
    name: str | None,
    from_log: bool,
    where: str,
    cap: int | None,
    concurrency: int,
    form: str | None,
    columns: dict[str, str],
    rejects: Path | None,
    as_json: bool,
) -> None:
    """Label PROMPTS, a file or folder of prompts (- reads JSON lines from standard input), into the log.

    Rows hold a prompt or messages, and may hold id, reference, schema, domain, conversation, metadata, tools, options.
    Run it again to go on: what is stored is never paid again, and a call that failed is made again.
    """
    if (prompts is None) != from_log:
        raise click.UsageError("name a file of prompts, or take those of the log with --from-log")
    if not from_log and router is None:
        raise click.UsageError("--router says whose panel is to answer")
    settings = load(config)
    # Who interrupts this is not kept waiting: what was paid is stored by then.
    settings = replace(settings, server=settings.server.model_copy(update={"drain_s": 0.0}))
    run = name or ("from-log" if from_log else "stdin" if prompts == "-" else Path(prompts or "").name.split(".")[0])
    options = Options(run=run, router=router, judge=judge, members=members, concurrency=concurrency, max_nano_usd=cap)
    given = Given(prompts=prompts, form=form, columns=columns, where=where, rejects=rejects, as_json=as_json)
    outcome = asyncio.run(_label(settings, options, given))
    _tell(outcome, options, given, settings)


async def _label(settings: Settings, options: Options, given: Given) -> tuple[Outcome, Path]:
    async with open_service(settings) as service:
        check(service.pipeline, options)
        runner = Runner(service.pipeline, options)
        path = given.rejects or beside(settings.store.path, options.run)
        task = asyncio.current_task()
        _on_signal(runner, task)
        with Progress(runner.tally):
            if given.prompts is None:
                return await runner.label_stored(given.where), path
            with Rejects(path) as rejects:
                return await runner.label(_rows(given), rejects), path


def _on_signal(runner: Runner, task: "asyncio.Task[object] | None") -> None:
    asked = list[int]()

    def stop(number: int) -> None:
        asked.append(number)
        if len(asked) == 1:
            click.echo("\nStopping: calls under way end and are stored; once more cancels them.", err=True)
            runner.stop("interrupted")
        elif task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            asyncio.get_running_loop().add_signal_handler(number, stop, number)
        except (NotImplementedError, RuntimeError):
            # On Windows, and in a thread: there Ctrl-C ends the program as a KeyboardInterrupt.
            return


def _rows(given: Given) -> Iterator[Row | Reject]:
    from ensemble.dialects import openai_chat

    def parse(body: bytes) -> Prompt:
        return openai_chat.parse(body).prompt

    reader = RowReader(parse=parse, columns=given.columns)
    for raw in open_source(given.prompts or "-", given.form):
        yield raw if isinstance(raw, Reject) else reader.read(*raw)


def _tell(ended: tuple[Outcome, Path], options: Options, given: Given, settings: Settings) -> None:
    outcome, rejects = ended
    if given.as_json:
        tree = outcome.tally.plain() | {
            "run": options.run,
            "stopped": str(outcome.stopped) if outcome.stopped else None,
            "spent_nano_usd": outcome.spent_nano_usd,
            "log": str(settings.store.path),
            "rejects": str(rejects) if outcome.tally.rejected else None,
        }
        click.echo(json.dumps(tree, indent=2))
    else:
        summary(outcome, options.run, rejects)
    if outcome.stopped is not None:
        again = "the same command goes on from there"
        click.echo(f"Stopped: {outcome.stopped}; all that was paid is stored, and {again}.", err=True)
        raise SystemExit(130 if str(outcome.stopped) == "interrupted" else 3)
