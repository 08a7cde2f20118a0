"""Check the installation and the configuration, and list every part."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import click

from ensemble.cli import _options
from ensemble.cli._output import columns, dollars, put, screen
from ensemble.cli._safe import brief, safe
from ensemble.doctor import Report, examine
from ensemble.plurals import counted

STYLES = {"ok": "green", "broken": "bold red", "failed": "bold red"}


@click.command(epilog="Example: ensemble doctor --live")
@_options.config
@click.option("--live", is_flag=True, help="Call every member once; costs a few tokens and is not logged.")
@_options.as_json
def command(config: Path, *, live: bool, as_json: bool) -> None:
    """Check the installation and the configuration, and list every part and where it comes from.

    Exit status 3 says that something must be mended.
    """
    missing = not config.exists() and not _options.was_named("config")
    report = asyncio.run(examine(None if missing else config, live=live))
    if as_json:
        click.echo(json.dumps(asdict(report), default=str, indent=2))
    else:
        _print(report, live=live)
    if missing:
        click.echo(f"There is no {config}; `ensemble init` writes one, --config names another.", err=True)
    if not report.sound:
        raise SystemExit(3)


def _print(report: Report, *, live: bool) -> None:
    console = screen()
    put(console, (f"ensemble-judges {report.version}", "bold"), f", Python {report.python}")
    for origin in report.origins:
        put(console, f"{origin.name}: {origin.path or 'missing'}", indent=2)
    put(console)
    for kind in dict.fromkeys(one.kind for one in report.available):
        put(console, (f"{kind} to use", "bold"))
        rows = [
            ("broken" if one.problem else "ok", one.name, safe(one.problem or one.origin))
            for one in report.available
            if one.kind == kind
        ]
        columns(console, rows, STYLES)
    if report.config:
        put(console)
        put(
            console,
            ("configuration ", "bold"),
            f"{report.config}",
            f"  digest {report.digest}" if report.digest else "",
        )
        parts = [
            ("broken" if part.problems else "ok", part.table, safe(part.name), safe(part.use), safe(part.origin))
            for part in report.parts
        ]
        if parts:
            columns(console, parts, STYLES)
    if report.trials:
        put(console)
        put(console, ("calls", "bold"))
        trials = [
            (
                "failed" if trial.error else "ok",
                safe(trial.member),
                f"{trial.total_s:.2f} s",
                dollars(trial.nano_usd),
                brief(trial.error or f"answered as {trial.model or 'an unnamed model'}"),
            )
            for trial in report.trials
        ]
        columns(console, trials, STYLES)
    _print_findings(report, live=live)


def _print_findings(report: Report, *, live: bool) -> None:
    console = screen()
    put(console)
    for problem in report.problems:
        put(console, ("mend: ", "bold red"), safe(problem))
    for advice in report.advice:
        put(console, ("advice: ", "yellow"), safe(advice))
    if live and report.problems:
        put(console, "No member was called: mend the above first.")
    failed = sum(trial.error is not None for trial in report.trials)
    if failed:
        put(console, (f"{failed} of {counted(len(report.trials), 'member')} did not answer.", "bold red"))
    elif report.sound:
        put(console, ("Everything is in order.", "green"))
