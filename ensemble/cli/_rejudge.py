"""What ``ensemble rejudge`` prints."""

from dataclasses import asdict
from typing import Any

from ensemble.cli._judges import figure, rounded
from ensemble.cli._output import columns, dollars, put, screen
from ensemble.cli._safe import safe
from ensemble.labelling.tally import Tally
from ensemble.plurals import counted
from ensemble.rejudging.again import Options
from ensemble.rejudging.anchors import Checked
from ensemble.rejudging.runner import Outcome
from judges.agreement import Rate


def outcome_plain(outcome: Outcome, options: Options) -> dict[str, Any]:
    """A run as JSON."""
    churn = outcome.churn
    tree: dict[str, Any] = rounded(
        {
            "judge": options.judge,
            "run": options.run,
            "requests": outcome.tally.rows,
            "compared": churn.cases,
            "first": churn.first,
            "reused": churn.reused,
            "undecided": churn.undecided,
            "skipped": dict(churn.skipped),
            "changed": asdict(churn.changed),
            "confidence_unchanged": churn.confidence_unchanged,
            "moved": [asdict(one) for one in churn.moved()],
        }
    )
    stopped = str(outcome.stopped) if outcome.stopped else None
    return tree | _cost_plain(outcome.tally) | {"stopped": stopped}


def put_outcome(outcome: Outcome, options: Options) -> None:
    """Print a run."""
    churn, console = outcome.churn, screen()
    put(console, (safe(options.judge), "bold"), f"  {counted(outcome.tally.rows, 'request')} looked at")
    rows = [
        ("compared", f"{churn.cases:,}, {churn.reused:,} of all by verdicts that were stored"),
        ("winners changed", figure(churn.changed)),
        ("no finding now", f"{churn.undecided:,}"),
        ("no finding before", f"{churn.first:,}"),
        *((f"skipped, {why}", f"{count:,}") for why, count in churn.skipped.items()),
        ("cost", _cost(outcome.tally)),
    ]
    columns(console, rows, {})
    moved = churn.moved()
    if moved:
        put(console)
        table = [("winner before", "winner now", "cases", "confidence before", "now")]
        table += [
            (
                safe(" = ".join(one.before)),
                safe(" = ".join(one.after)),
                f"{one.cases:,}",
                _number(one.confidence_before),
                _number(one.confidence),
            )
            for one in moved
        ]
        columns(console, table, {})
    if churn.confidence_unchanged is not None:
        put(console, f"Confidence where the winner stays: {_number(churn.confidence_unchanged)}.")


def checked_plain(found: Checked, judge: str, anchor_set: str) -> dict[str, Any]:
    """A check as JSON."""
    check = found.check
    tree: dict[str, Any] = rounded(
        {
            "set": anchor_set,
            "judge": judge,
            "digest": check.digest if check else None,
            "cases": check.cases if check else 0,
            "agreement": {"value": check.agreement, "low": check.low, "high": check.high} if check else None,
            "first": found.first,
            "drift": bool(check and check.drift),
            "why": found.why,
            "failed": found.failed,
            "gone": found.gone,
        }
    )
    return tree | _cost_plain(found.tally) | {"stopped": str(found.stopped) if found.stopped else None}


def put_checked(found: Checked, judge: str, anchor_set: str) -> None:
    """Print a check."""
    console, check = screen(), found.check
    put(console, (safe(judge), "bold"), f"  on the anchor set {safe(anchor_set)}")
    agreement = "-"
    if check is not None:
        agreement = figure(Rate(value=check.agreement, low=check.low, high=check.high, n=check.cases))
    rows = [
        ("agreement", agreement),
        ("in the first check", "this is it" if found.first is None else f"{found.first:.3f}"),
        ("failed", f"{found.failed:,}"),
        ("texts gone", f"{found.gone:,}"),
        ("cost", _cost(found.tally)),
    ]
    columns(console, rows, {})


def _cost(tally: Tally) -> str:
    unpriced = f" + {counted(tally.unpriced, 'call')} of unknown cost" if tally.unpriced else ""
    return f"{dollars(tally.nano_usd)}{unpriced}, {counted(sum(tally.calls.values()), 'call')}"


def _cost_plain(tally: Tally) -> dict[str, Any]:
    return {
        "calls": sum(tally.calls.values()),
        "failures": dict(tally.failures),
        "nano_usd": tally.nano_usd,
        "unpriced_calls": tally.unpriced,
    }


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
