"""``judge`` and ``calls``: the findings with every question behind them, and the ledger."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from ensemble.store.content import loads, unbind
from ensemble.store.database import Database
from ensemble.store.export.fields import Field, Row, integer, messages, real, several, text, texts, truth
from ensemble.store.export.filters import OF_JUDGE, below
from ensemble.store.export.formats import Format, Shape, usd
from ensemble.store.export.leaving import Leaving
from ensemble.store.export.talk import answer_text, said, turns_of

_ROOTS = f"""
SELECT w.id FROM verdicts w WHERE w.request_id = :id AND w.parent IS NULL AND {OF_JUDGE} ORDER BY w.id
"""  # noqa: S608 - own constants
_TREE = "SELECT * FROM verdicts WHERE request_id = ? AND (id = ? OR id BETWEEN ? AND ?) ORDER BY length(id), id"
_EXCHANGES = "SELECT * FROM exchanges WHERE verdict_id = ? ORDER BY position"
_PREFERENCES = "SELECT * FROM preferences WHERE verdict_id = ? ORDER BY position"
_SCORES = "SELECT candidate_id, score, winner, set_aside FROM scores WHERE verdict_id = ?"

_CALL_TEXTS = (
    "member", "purpose", "seat", "candidate_id", "started_at", "failure", "detail", "finish_reason",
    "provider_request_id", "model", "system_fingerprint", "transport", "member_digest", "price", "run", "batch",
)  # fmt: skip
_CALL_INTEGERS = (
    "stage", "sample", "attempt", "http_status", "input_tokens", "output_tokens", "cached_input_tokens",
    "cache_write_tokens", "reasoning_tokens", "image_tokens", "nano_usd", "provider_nano_usd",
)  # fmt: skip


def _judge_columns(shape: Shape) -> Sequence[Field]:
    candidate = (text("id", ""), text("model", ""), text("text", ""), real("score", ""), truth("winner", ""))
    preference = (text("first", ""), text("second", ""), text("outcome", ""), real("strength", ""))
    exchange = (
        text("prompt", ""), text("model", ""), texts("shown", ""), text("text", ""), text("parsed", ""),
        text("error", ""), integer("attempt", ""), integer("input_tokens", ""), integer("output_tokens", ""),
        real("cost_usd", ""),
    )  # fmt: skip
    return (
        text("verdict_id", "id of the finding"),
        text("parent", "the finding that this ballot went into; null for a finding"),
        text("request_id", "id of the request in the log (UUIDv7)"),
        text("judge", "name of the judge in the configuration; null for a ballot"),
        text("judge_digest", "equal digests judged by equal rules"),
        text("phase", "served chose the answer, full counts what came later too, rejudged is a later finding"),
        text("outcome", "decided, tie, abstained or failed"),
        texts("winners", "ids of the best candidates"),
        real("confidence", "calibrated probability that the winners hold the best candidate"),
        truth("all_bad", "no candidate is acceptable"),
        truth("own_family", "the judge is of the family of a candidate"),
        truth("usable", "a router may learn from it"),
        texts("flags", "what a reviewer should know"),
        messages("messages", "the conversation"),
        text("reference", "a known right answer"),
        several("candidates", candidate, "what was judged"),
        several("preferences", preference, "the comparisons, in the order shown"),
        several("exchanges", exchange, "every question to a judge model, with its raw answer"),
        text("reason", "why, in the judge's words"),
        text("judged_at", "UTC"),
        real("cost_usd", "of the judging; null if unknown"),
    )


def _judge(db: Database, id_: str, judge: Mapping[str, object], leaving: Leaving) -> Iterator[Row]:
    request = next(iter(db.query("SELECT messages, reference, conversation FROM requests WHERE id = ?", [id_])))
    turns = leaving.turns(db, request["conversation"], turns_of(request["messages"]))
    reference = None if request["reference"] is None else leaving.text(unbind(request["reference"]))
    written = _written(db, id_, leaving)
    for (root,) in db.execute(_ROOTS, {**judge, "id": id_}).fetchall():
        for verdict in list(db.query(_TREE, [id_, root, *below(root)])):
            yield _finding(db, verdict, written, leaving) | {"messages": turns, "reference": reference}


def _written(db: Database, id_: str, leaving: Leaving) -> dict[str, Row]:
    """Every candidate of a request with its author, and its text where that may leave."""
    out = {}
    for candidate, member, said_, calls in db.execute(
        "SELECT id, member, text, tool_calls FROM candidates WHERE request_id = ? ORDER BY id", [id_]
    ):
        name = unbind(member)
        turn = leaving.answer(name, said(unbind(said_), loads(calls) if calls else None))
        out[candidate] = {"id": candidate, "model": name, "text": answer_text(turn)}
    return out


def _finding(db: Database, verdict: Mapping[str, Any], written: Mapping[str, Row], leaving: Leaving) -> Row:
    scores = {row[0]: row[1:] for row in db.execute(_SCORES, [verdict["id"]])}
    named = set(scores) | set(_list(verdict["panel"]))
    exchanges = [_exchange(one, written, leaving) for one in db.query(_EXCHANGES, [verdict["id"]])]
    # A judge's reasons quote what it read, so they stay where a text that it read, or wrote, stays.
    shown = [written[one]["text"] for one in named if one in written]
    kept = None in shown or any(one["text"] is None for one in exchanges)
    return {
        "verdict_id": verdict["id"],
        "parent": verdict["parent"],
        "request_id": verdict["request_id"],
        "judge": _text(verdict["judge"]),
        "judge_digest": verdict["judge_digest"],
        "phase": verdict["phase"],
        "outcome": verdict["outcome"],
        "winners": _list(verdict["winners"]),
        "confidence": verdict["confidence"],
        "all_bad": bool(verdict["all_bad"]),
        "own_family": bool(verdict["own_family"]),
        "usable": bool(verdict["usable"]),
        "flags": _list(verdict["flags"]),
        "messages": None,
        "reference": None,
        "candidates": [
            candidate | {"score": scores.get(one, (None,))[0], "winner": bool(scores.get(one, (0, 0))[1])}
            for one, candidate in written.items()
            if one in named
        ],
        "preferences": [
            {"first": p["shown_first"], "second": p["shown_second"], "outcome": p["outcome"], "strength": p["strength"]}
            for p in db.query(_PREFERENCES, [verdict["id"]])
        ],
        "exchanges": exchanges,
        "reason": None if kept else leaving.text(unbind(verdict["reason"])),
        "judged_at": verdict["started_at"],
        "cost_usd": usd(verdict["nano_usd"]),
    }


def _exchange(row: Mapping[str, Any], written: Mapping[str, Row], leaving: Leaving) -> Row:
    shown = _list(row["shown"])
    quotes = any(written[one]["text"] is None for one in shown if one in written)
    told = None if quotes else leaving.words(unbind(row["model"]), unbind(row["text"]))
    return {
        "prompt": row["prompt"],
        "model": unbind(row["model"]),
        "shown": shown,
        "text": told,
        "parsed": None if told is None else leaving.text(_text(row["parsed"])),
        "error": leaving.text(_text(row["error"])),
        "attempt": row["attempt"],
        "input_tokens": row["input_tokens"],
        "output_tokens": row["output_tokens"],
        "cost_usd": usd(row["nano_usd"]),
    }


def _call_columns(shape: Shape) -> Sequence[Field]:
    return (
        text("id", "id of the attempt (UUIDv7)"),
        text("request_id", "for which request"),
        text("router", "router or member that was asked"),
        *(text(name, f"`calls.{name}` of the log") for name in _CALL_TEXTS),
        *(integer(name, f"`calls.{name}` of the log") for name in _CALL_INTEGERS),
        truth("hedge", "a second attempt beside a slow first one"),
        truth("after_answer", "it ended after the answer had gone out"),
        real("total_s", "seconds, waiting for the limiter included"),
        real("first_token_s", "seconds to the first token of a stream"),
        real("cost_usd", "nano_usd in US dollars; null if unknown"),
    )


def _calls(db: Database, id_: str, judge: Mapping[str, object], leaving: Leaving) -> Iterator[Row]:
    sql = (
        "SELECT k.*, r.model AS router FROM calls k JOIN requests r ON r.id = k.request_id "
        "WHERE k.request_id = ? ORDER BY k.started_at, k.id"
    )
    for call in db.query(sql, [id_]):
        yield {
            "id": call["id"],
            "request_id": id_,
            "router": _text(call["router"]),
            **{name: _text(call[name]) for name in _CALL_TEXTS},
            **{name: call[name] for name in _CALL_INTEGERS},
            "hedge": bool(call["hedge"]),
            "after_answer": bool(call["after_answer"]),
            "total_s": call["total_s"],
            "first_token_s": call["first_token_s"],
            "cost_usd": usd(call["nano_usd"]),
            "detail": leaving.text(unbind(call["detail"])),
        }


def _list(text_: str | None) -> list[str]:
    return cast("list[str]", loads(text_)) if text_ else []


def _text(value: str | None) -> str | None:
    return None if value is None else unbind(value)


JUDGE = Format(
    name="judge",
    doc="one finding, or one ballot of a jury, with what was judged and every question behind it",
    made_of="verdicts",
    columns=_judge_columns,
    raw=_judge,
    task="text-classification",
)
CALLS = Format(
    name="calls",
    doc="one attempt at one member: the ledger, without texts",
    made_of="all",
    columns=_call_columns,
    raw=_calls,
    says=False,
    task="other",
)
