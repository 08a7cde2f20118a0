"""``ensemble log show``."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console

from ensemble.audit.case.standing import stands
from ensemble.cli import _options
from ensemble.cli._log_shared import cost, log_file, log_options, put_json
from ensemble.cli._output import dollars, put, screen
from ensemble.cli._safe import brief, safe
from ensemble.errors import StoreError
from ensemble.store.address import Address
from ensemble.store.keeping.browse import by_prefix
from ensemble.store.keeping.connect import reading
from ensemble.store.queries import request
from ensemble.store.review_seats import votes
from ensemble.store.reviews import review
from ensemble.types import RequestId

Tree = Mapping[str, Any]

_FACTS = (
    "status", "source", "model", "member", "fallback", "error", "error_detail", "conversation", "key_id", "tenant",
    "data_class", "end_user", "domain", "reference", "dialect", "tags", "metadata", "prompt_hash", "config", "content",
)  # fmt: skip


@click.command(epilog="Example: ensemble log show 0193")
@click.argument("id_", metavar="ID")
@log_options
@_options.as_json
def command(id_: str, *, config: Path, db: Address | None, as_json: bool) -> None:
    """Print everything about the request ID, of which the beginning is enough where it is the only one.

    The id of its reply, such as chatcmpl-0193, does as well.
    """
    from ensemble.feedback import bare

    with reading(log_file(config, db)) as log:
        full = RequestId(by_prefix(log, bare(id_)))
        found, waits = request(log, full), review(log, full, datetime.now(UTC))
        said = votes(log, full) if waits is not None else []
    if found is None:
        raise StoreError(f"there is no request {id_!r}")
    if waits is not None:
        found |= {"review": {**waits, "votes": [vote._asdict() for vote in said]}}
    if as_json:
        put_json(found)
        return
    show(screen(), cast("Tree", found))


def show(console: Console, tree: Tree) -> None:
    """Print a whole request; whatever a model or client wrote is escaped."""
    put(
        console,
        ("Request ", "bold"),
        tree["id"],
        f"  {tree['arrived_at']}  {tree['answered_s']:.3f} s  ",
        cost(tree["cost"]),
    )
    for name in _FACTS:
        if tree[name] not in (None, "", {}):
            put(console, f"{name}: {brief(str(tree[name]), 400)}", indent=2)
    put(console, ("\nPrompt", "bold"))
    for message in tree["messages"]:
        put(console, (f"{message['role']}: ", "bold"), _content(message["content"]), indent=2)
        for call in message.get("tool_calls", ()):
            put(console, f"calls {safe(str(call))}", indent=4)
    if tree["options"]:
        put(console, f"options: {safe(str(tree['options']))}", indent=2)
    _plan(console, tree["plan"])
    _candidates(console, tree)
    for verdict in tree["verdicts"]:
        _verdict(console, verdict, {one["id"]: one["member"] for one in tree["candidates"]})
    put(console, ("\nCalls", "bold"))
    for call in tree["calls"]:
        _call(console, call)
    if "review" in tree:
        _review(console, tree["review"], {one["id"]: one["member"] for one in tree["candidates"]})


def _review(console: Console, row: Tree, authors: Mapping[str, str]) -> None:
    """Why it was sent to people, how far they are, and what was found from each seat of a blind one."""
    put(console, ("\nReview", "bold"), f"  {row['status']}: {brief(row['reason'], 400)}")
    if row["disputed"]:
        put(console, "two differ; a third " + ("has settled it" if row["decided_by"] else "is to settle it"), indent=2)
    elif row["decided_by"] and not row["votes"]:
        put(console, f"by {safe(row['decided_by'])}", indent=2)
    for vote in row["votes"]:
        best = f": {safe(authors.get(vote['candidate'], vote['candidate']))}" if vote["candidate"] else ""
        put(console, f"{safe(vote['given_by'])}  {vote['finding'].replace('_', ' ')}{best}", indent=2)


def _content(content: object) -> str:
    if isinstance(content, str):
        return safe(content)
    parts = cast("list[dict[str, object]]", content)
    return "\n".join(safe(str(part["text"])) if part["type"] == "text" else f"[{part['type']}]" for part in parts)


def _plan(console: Console, plan: Tree | None) -> None:
    if plan is None:
        return
    put(console, ("\nPlan ", "bold"), safe(plan["reason"]))
    for number, stage in enumerate(plan["stages"]):
        judge = f", judge {safe(stage['judge'])}" if stage.get("judge") else ""
        put(console, f"stage {number}: {safe(', '.join(stage['members']))}{judge}{stands(stage)}", indent=2)
    for name in ("shadow", "predicted", "propensities"):
        if plan[name]:
            put(console, f"{name}: {safe(str(plan[name]))}", indent=2)


def _candidates(console: Console, tree: Tree) -> None:
    for one in tree["candidates"]:
        served = " (served)" if one["id"] == tree["chosen"] else " (late)" if one["after_answer"] else ""
        put(
            console, (f"\nCandidate of {safe(one['member'])}", "bold"), f"{served}  {one['id']}  {one['finish_reason']}"
        )
        put(console, safe(one["text"]), indent=2)
        for call in one["tool_calls"] or ():
            put(console, f"calls {safe(str(call))}", indent=2)


def _verdict(console: Console, verdict: Tree, authors: Mapping[str, str], depth: int = 0) -> None:
    def name(candidate: str) -> str:
        return safe(authors.get(candidate, candidate))

    indent = 2 * depth
    confidence = "" if verdict["confidence"] is None else f", confidence {verdict['confidence']:.2f}"
    winners = ", ".join(map(name, verdict["winners"])) or "nobody"
    title = f"Verdict of {safe(verdict['judge'])}" if verdict["judge"] else f"Ballot {verdict['judge_digest'][:12]}"
    money = dollars(verdict["nano_usd"])
    head = f" ({verdict['phase']}): {verdict['outcome']}, {winners}{confidence}, {verdict['total_s']:.2f} s, {money}"
    put(console, "" if depth else "\n", (title, "bold"), head, indent=indent)
    for flag in ("complete", "usable", "overturned", "own_family", "all_bad"):
        if verdict[flag]:
            put(console, flag, indent=indent + 2)
    if verdict["fallback"] or verdict["flags"]:
        put(
            console,
            f"fallback {verdict['fallback'] or '-'}; flags {safe(', '.join(verdict['flags'])) or '-'}",
            indent=2,
        )
    for score in verdict["scores"]:
        told = "-" if score["score"] is None else f"{score['score']:.3f}"
        aside = f"  set aside: {safe(score['set_aside'])}" if score["set_aside"] else ""
        put(console, f"{name(score['candidate_id'])}: {told}{aside}", indent=indent + 2)
    for one in verdict["preferences"]:
        pair = f"{name(one['shown_first'])} before {name(one['shown_second'])}"
        put(console, f"{pair}: {one['outcome']}", indent=indent + 2)
    if verdict["reason"]:
        put(console, safe(verdict["reason"]), indent=indent + 2)
    for one in verdict["exchanges"]:
        put(console, f"{safe(one['model'])} said: {safe(one['text'])}", indent=indent + 2)
    for ballot in verdict["ballots"]:
        _verdict(console, ballot, authors, depth + 1)


def _call(console: Console, call: Tree) -> None:
    went = call["failure"] or call["finish_reason"] or "-"
    tokens = f"{call['input_tokens'] if call['input_tokens'] is not None else '?'} in, "
    tokens += f"{call['output_tokens'] if call['output_tokens'] is not None else '?'} out"
    late, money = " (late)" if call["after_answer"] else "", dollars(call["nano_usd"])
    took = "?" if call["total_s"] is None else f"{call['total_s']:.2f}"
    put(
        console,
        (safe(call["member"]), "bold"),
        f"  {call['purpose']}  attempt {call['attempt']}{late}  {went}  {took} s  {tokens}  {money}",
        indent=2,
    )
    if call["detail"]:
        put(console, safe(call["detail"]), indent=4)
    if call["text"]:
        put(console, safe(call["text"]), indent=4)
