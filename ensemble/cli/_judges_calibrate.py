"""``ensemble judges calibrate``."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import click

from ensemble.bench import open_bench
from ensemble.cli import _options
from ensemble.cli._judges import Progress, chosen, figure, named, read_labels
from ensemble.cli._output import columns, put, screen
from ensemble.cli._safe import safe
from ensemble.config import Settings, load
from ensemble.identity import DISTRIBUTION
from ensemble.judging.calibrating import LEAST, Calibrated, Samples, calibrate, from_labels, in_order, unlearned
from ensemble.judging.calibrating import from_log as stored
from ensemble.judging.labelled import Labelled, digest
from ensemble.judging.seats import Seats
from ensemble.judging.trial import find
from ensemble.plurals import counted
from ensemble.store.judged import judged
from judges.calibration import Calibration, write
from judges.judge import Judge


@click.command(epilog="Example: ensemble judges calibrate --labels labels.jsonl --out calibration.json")
@_options.config
@click.option(
    "--labels",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Labelled cases, as `ensemble judges test` reads them; the judges are asked about each.",
)
@click.option("--from-log", is_flag=True, help="Take stored verdicts instead, and call nobody.")
@named
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The file to write.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the folds of the cross-validation.")
def command(
    config: Path, *, labels: Path | None, from_log: bool, judges: tuple[str, ...], out: Path, seed: int
) -> None:
    """Learn from labels how often a verdict is right, by how sure it looks, and write it for `[judges.X] calibration`.

    Isotonic regression per judge, and per seat of a judge made of judges. With --from-log the labels are what people
    said of stored answers, else, for the seats of a jury, what the other seats found.

    Printed are the numbers of labels, the expected calibration error before and after, by cross-validation, and how
    often verdicts of each stated confidence were right.
    """
    if (labels is None) != from_log:
        raise click.UsageError("give either --labels FILE or --from-log")
    settings = load(config, secrets=not from_log)
    wanted = {name: unlearned(judge, out) for name, judge in chosen(settings, judges).items()}
    seats = Seats.of(wanted)
    made: dict[str, object] = {"software": _software(), "date": datetime.now(UTC).isoformat(timespec="seconds")}
    made["seed"] = seed
    if labels is not None:
        samples = asyncio.run(_ask(settings, wanted, seats, read_labels(labels)))
        made["labels"] = digest(labels)
    else:
        with judged(settings.store.address) as verdicts:
            samples, sources = stored(verdicts, seats, tuple(wanted))
        made |= {"labels": str(settings.store.address), **sources}
    learned = [calibrate(of_one, key, name, seed=seed) for key, name, of_one in in_order(samples, seats)]
    kept = {one.digest: one.fitted for one in learned if one.refused is None}
    _print([one for one in learned if one.refused is None])
    for name, judge in wanted.items():
        if judge.digest not in samples:
            click.echo(f"{safe(name)}: no labelled verdict that names a winner; {LEAST} would do", err=True)
    for one in learned:
        if one.refused is not None:
            click.echo(f"{safe(one.fitted.name)}: {one.refused}", err=True)
    if not kept:
        raise click.ClickException(f"nothing was learned, so {out} was not written")
    try:
        write(out, Calibration(made=made, judges=kept))
    except OSError as error:
        raise click.ClickException(f"{out} cannot be written: {error.strerror}") from error
    click.echo(f"{out} is written: name it as calibration in [judges.NAME].", err=True)


async def _ask(settings: Settings, wanted: Mapping[str, Judge], seats: Seats, cases: list[Labelled]) -> Samples:
    samples: Samples = {}
    async with open_bench(settings, wanted) as fleet:
        with Progress(len(cases) * len(wanted)) as progress:
            for name, judge in wanted.items():
                found = await find(name, judge, cases, fleet, both_orders=False, told=progress)
                for key, of_one in from_labels(found, seats).items():
                    samples.setdefault(key, []).extend(of_one)
    return samples


def _software() -> str:
    try:
        return f"{DISTRIBUTION} {version(DISTRIBUTION)}"
    except PackageNotFoundError:
        return f"{DISTRIBUTION}, run from its source"


def _print(learned: list[Calibrated]) -> None:
    console = screen()
    for one in learned:
        put(
            console,
            (safe(one.fitted.name), "bold"),
            f"  {counted(one.fitted.n, 'labelled verdict')}, digest {one.digest[:12]}",
        )
        rows = [("right", figure(one.accuracy))]
        if one.ece_before is not None and one.ece_after is not None:
            rows.append(("calibration error", f"{one.ece_before:.3f} before, {one.ece_after:.3f} after"))
        else:
            rows.append(("confidence", "none: its verdicts show no degree of certainty; its accuracy weighs its vote"))
        for each in one.curve:
            if each.stated is not None and each.right is not None:
                told = f"stated {each.stated:.2f}, right {each.right:.2f}, n={each.n}"
                rows.append((f"{each.low:.1f} to {each.high:.1f}", told))
        columns(console, rows, {})
        put(console)
