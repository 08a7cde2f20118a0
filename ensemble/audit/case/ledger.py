"""What one request cost and how long it took: every attempt, the parts of the cost, a waterfall of what ran when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from ensemble.audit.case.texts import Tree
from ensemble.audit.shapes import Cell, Column, Table

Part = Literal["panel", "judge", "router", "retries", "stragglers", "shadow"]
PARTS: tuple[Part, ...] = ("panel", "judge", "router", "retries", "stragglers", "shadow")
_LEDGER = (
    Column("at_s", "Start", "seconds"),
    Column("member", "Member"),
    Column("purpose", "Purpose"),
    Column("candidate", "Candidate"),
    Column("seat", "Asked by"),
    Column("stage", "Stage", "count"),
    Column("attempt", "Attempt", "count"),
    Column("came", "What came"),
    Column("http_status", "HTTP", "count"),
    Column("total_s", "Took", "seconds"),
    Column("first_token_s", "First token", "seconds"),
    Column("input_tokens", "Tokens in", "count"),
    Column("cached_input_tokens", "of them cached", "count"),
    Column("output_tokens", "Tokens out", "count"),
    Column("nano_usd", "Cost", "usd"),
    Column("provider_nano_usd", "Cost as the provider says", "usd"),
    Column("after_answer", "After the answer", "truth"),
    Column("detail", "Detail"),
)


_CUT_OFF = "the answer is being streamed, or the process ended while it was"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A bar of the waterfall: from ``start_s`` after arrival for ``total_s``, None where that is unknown."""

    label: str
    kind: str
    start_s: float
    total_s: float | None
    failed: bool = False


def ledger(record: Tree, names: Mapping[str, str]) -> Table:
    """Every attempt, in the order in which they started."""
    return Table(
        name="ledger",
        title="Ledger",
        columns=_LEDGER,
        rows=[_line(call, record, names) for call in record["calls"]],
        note="one line per attempt; an unknown cost is empty, never 0",
        empty=f"What was called is not in the log: {_CUT_OFF}."
        if record["status"] == "streaming"
        else "Nothing was called for this request: it was imported, or answered from what was stored.",
    )


def costs(record: Tree) -> Table:
    """The cost in parts that add up to the whole: each attempt is in one of them."""
    rows: list[dict[str, Cell]] = []
    for part in PARTS:
        calls = [call for call in record["calls"] if part_of(call) == part]
        known = [call["nano_usd"] for call in calls if call["nano_usd"] is not None]
        if calls:
            rows.append(
                {"part": part, "calls": len(calls), "nano_usd": sum(known), "unpriced": len(calls) - len(known)}
            )
    if rows:
        whole = record["cost"]
        rows.append({
            "part": "together", "calls": len(record["calls"]), "nano_usd": whole["nano_usd"],
            "unpriced": whole["unpriced"],
        })  # fmt: skip
    return Table(
        name="costs",
        title="Cost",
        columns=[
            Column("part", "Part"),
            Column("calls", "Calls", "count"),
            Column("nano_usd", "Known cost", "usd"),
            Column("unpriced", "Calls of unknown cost", "count"),
        ],
        rows=[{**row, "nano_usd": None} if row["unpriced"] == row["calls"] else row for row in rows],
        empty=f"What was paid is not in the log: {_CUT_OFF}."
        if record["status"] == "streaming"
        else "Nothing was paid for this request.",
    )


def part_of(call: Tree) -> Part:
    """The part of the cost that an attempt belongs to, as ``store.audit.facts`` sums them over requests.

    A retry of a straggler counts as a straggler, and a second attempt beside a slow one as one of the panel.
    """
    purpose: str = call["purpose"]
    if purpose == "judge":
        return "judge"
    if purpose == "router":
        return "router"
    if purpose == "shadow":
        return "shadow"
    if call["after_answer"]:
        return "stragglers"
    return "retries" if call["attempt"] > 1 else "panel"


def waterfall(record: Tree) -> tuple[Span, ...]:
    """What ran when, seconds from arrival: attempts and findings by their start, and the answer."""
    spans = [
        Span(
            label=_label(call),
            kind=part_of(call),
            start_s=_after(record, call["started_at"]),
            total_s=call["total_s"],
            failed=call["failure"] is not None,
        )
        for call in record["calls"]
    ]
    if record["status"] == "answered":
        spans.append(Span(label="the answer", kind="answer", start_s=0.0, total_s=record["answered_s"]))
    spans += [
        Span(
            label=f"verdict of {one['judge']} ({one['phase']})",
            kind="verdict",
            start_s=_after(record, one["started_at"]),
            total_s=one["total_s"],
        )
        for one in record["verdicts"]
        if one["phase"] != "rejudged"  # judged again on another day, which would leave no room for the rest
    ]
    return tuple(sorted(spans, key=lambda span: span.start_s))


def took(calls: Sequence[Tree]) -> float | None:
    """Seconds that the attempts for a candidate took one after another, a second one beside a slow one aside."""
    known = [call["total_s"] for call in calls if not call["hedge"]]
    return sum(known) if known and None not in known else None


def paid(calls: Sequence[Tree]) -> int | None:
    """nano-USD of all of ``calls``; None where there are none or one is unknown."""
    known = [call["nano_usd"] for call in calls]
    return sum(known) if known and None not in known else None


def _line(call: Tree, record: Tree, names: Mapping[str, str]) -> dict[str, Cell]:
    own = {column.name: call[column.name] for column in _LEDGER if column.name in call}
    return own | {
        "at_s": _after(record, call["started_at"]),
        "candidate": names.get(call["candidate_id"] or "", ""),
        "came": call["failure"] or call["finish_reason"] or "",
        "purpose": f"{call['purpose']}, hedge" if call["hedge"] else call["purpose"],
    }


def _label(call: Tree) -> str:
    again = f", attempt {call['attempt']}" if call["attempt"] > 1 else ", hedge" if call["hedge"] else ""
    sample = f" #{call['sample'] + 1}" if call["sample"] else ""
    return f"{call['member']}{sample} ({call['purpose']}{again})"


def _after(record: Tree, moment: str) -> float:
    """Seconds from arrival, never negative: clocks of the two may differ by a hair."""
    begin = datetime.fromisoformat(record["arrived_at"])
    return max(0.0, (datetime.fromisoformat(moment) - begin).total_seconds())
