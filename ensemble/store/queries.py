"""Every question to the database: the only place that reads. Blocking; the engine calls it from worker threads."""

from collections.abc import Iterator, Mapping
from typing import Literal, cast

from ensemble.money import Total
from ensemble.store.api_keys import LINE
from ensemble.store.content import bind_optional, loads, messages_of, prompt_of, unbind
from ensemble.store.database import Database
from ensemble.store.label_rows import People, label_rows
from ensemble.store.texts import KEPT
from ensemble.types import Label, Request, RequestId
from judges.types import Prompt

Tree = dict[str, object]
Kind = Literal["full", "early", "fallback", "own_family", "all_bad"]
Source = Literal["judge", "human", "reference"]
Origin = Literal["served", "label", "import"]

_JSON = frozenset({
    "tags", "metadata", "messages", "options", "stages", "fallback_order", "shadow", "predicted", "propensities",
    "dropped", "tool_calls", "logprobs", "reasoning", "winners", "flags", "shown", "panel", "warnings", "ranking",
})  # fmt: skip
_TRUTH = frozenset({
    "stream", "hedge", "after_answer", "complete", "overturned", "usable", "own_family", "all_bad", "winner",
})  # fmt: skip
_LAST_WINNER = f"""
SELECT member FROM requests
WHERE (conversation = :conversation OR id = :conversation) AND model = :model
    AND CASE WHEN CAST(:key AS TEXT) IS NULL THEN key_id IS NULL ELSE key_id IN ({LINE.format(what="id")}) END
    AND CASE WHEN CAST(:tenant AS TEXT) IS NULL THEN tenant IS NULL ELSE tenant = :tenant END
    AND source = 'served' AND status = 'answered' AND member IS NOT NULL
ORDER BY id DESC LIMIT 1
"""  # noqa: S608 - own text


def steps(db: Database) -> int:
    """How many steps the schema has. Every engine keeps them in a table as sqlite-utils does."""
    return int(db.execute("SELECT count(*) FROM _sqlite_migrations WHERE migration_set = 'ensemble'").fetchone()[0])


def place(db: Database, request: RequestId) -> tuple[str, str, str]:
    """Name of the router that a stored request was sent to, the UTC day on which it arrived, what became of its texts.

    Raises:
        ValueError: there is no such request.
    """
    row = db.execute(
        "SELECT model, substr(arrived_at, 1, 10), content FROM requests WHERE id = ?", [request]
    ).fetchone()
    if row is None:
        raise ValueError(f"there is no request {request}")
    return row[0], row[1], row[2]


def counts(db: Database) -> Mapping[str, int]:
    """Rows per table, tables in alphabetical order."""
    return {
        name: db.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 - names of our own schema
        for name in sorted(db.table_names())
        if not name.startswith(("_", "search_", "sqlite_"))
    }


def ledger_total(db: Database) -> Total:
    """Known cost of every call, and the number of calls whose cost is unknown."""
    # From the daily sums, which the transactions of the calls keep: the same figure from a thousandth of the pages.
    row = db.execute("SELECT coalesce(sum(nano_usd), 0), coalesce(sum(unpriced), 0) FROM daily_calls").fetchone()
    return Total(row[0], row[1])


def last_winner(db: Database, asked: Request) -> str | None:
    """The member that answered the conversation of ``asked`` last, for the same router, key and tenant; None before.

    The keys that its own replaces are the same. A conversation may be named by the id of the request that began it,
    which has no name for it itself.
    """
    given = {name: bind_optional(getattr(asked, name)) for name in ("conversation", "model", "tenant")}
    row = db.execute(_LAST_WINNER, given | {"key": bind_optional(asked.key_id)}).fetchone()
    return unbind(row[0]) if row else None


def request(db: Database, id_: RequestId, *, logprobs: bool = True) -> Tree | None:
    """Everything about one request as a tree; None if there is none of that id.

    ``logprobs=False`` reads those of candidates and calls as None: they take longer than all else together.
    """
    found = _rows(db, "SELECT * FROM requests WHERE id = ?", id_)
    if not found:
        return None
    tree = found[0]
    plans = _rows(db, "SELECT * FROM plans WHERE request_id = ?", id_)
    leave = frozenset() if logprobs else frozenset({"logprobs"})
    calls = _rows(db, "SELECT * FROM calls WHERE request_id = ? ORDER BY started_at, id", id_, leave=leave)
    costs = [cast("int | None", call["nano_usd"]) for call in calls]
    tree["cost"] = {"nano_usd": sum(c for c in costs if c is not None), "unpriced": costs.count(None)}
    tree["plan"] = plans[0] if plans else None
    tree["calls"] = calls
    candidates = "SELECT * FROM candidates WHERE request_id = ? ORDER BY call_id"
    tree["candidates"] = _rows(db, candidates, id_, leave=leave)
    tree["verdicts"] = _verdicts(db, id_)
    return tree


def recent_prompts(db: Database, number: int) -> list[Prompt]:
    """What the latest requests asked whose texts are kept, newest first."""
    sql = "SELECT messages, options FROM requests WHERE content = 'kept' ORDER BY arrived_at DESC, id DESC LIMIT ?"
    return [prompt_of(messages, options) for messages, options in db.execute(sql, [number])]


def labels(db: Database, *, complete: bool, people: People = "ignore") -> Iterator[Label]:
    """Labels in order of arrival, read row by row from the open transaction of ``db``."""
    return map(label_of, label_rows(db, complete=complete, people=people))


def _verdicts(db: Database, id_: RequestId) -> list[Tree]:
    verdicts = _rows(db, "SELECT * FROM verdicts WHERE request_id = ? ORDER BY started_at, length(id), id", id_)
    by_id = {verdict["id"]: verdict for verdict in verdicts}
    for verdict in verdicts:
        verdict |= {"scores": [], "preferences": [], "exchanges": [], "ballots": []}
    parts = (
        ("scores", "candidate_id", "SELECT p.* FROM verdicts v JOIN scores p ON p.verdict_id = v.id"),
        ("preferences", "position", "SELECT p.* FROM verdicts v JOIN preferences p ON p.verdict_id = v.id"),
        ("exchanges", "position", "SELECT p.* FROM verdicts v JOIN exchanges p ON p.verdict_id = v.id"),
    )
    for name, order, sql in parts:
        for part in _rows(db, f"{sql} WHERE v.request_id = ? ORDER BY p.verdict_id, p.{order}", id_):
            _list(by_id[part.pop("verdict_id")], name).append(part)
    for verdict in verdicts:
        if verdict["parent"] is not None:
            _list(by_id[verdict["parent"]], "ballots").append(verdict)
    return [verdict for verdict in verdicts if verdict["parent"] is None]


def _list(tree: Tree, name: str) -> list[Tree]:
    return cast("list[Tree]", tree[name])


def _rows(db: Database, sql: str, *parameters: str, leave: frozenset[str] = frozenset()) -> list[Tree]:
    return [
        {name: None if name in leave else _value(name, value) for name, value in row.items()}
        for row in db.query(sql, parameters)
    ]


def _value(name: str, value: object) -> object:
    if isinstance(value, str):
        return loads(value) if name in _JSON else unbind(value)
    return bool(value) if name in _TRUTH and value is not None else value


def label_of(row: Mapping[str, str]) -> Label:
    """The label that a row of ``label_rows`` holds."""
    usable = bool(row["usable"]) and row["content"] in KEPT
    best = cast("list[str]", loads(row["best"])) if usable else ()
    return Label(
        request=RequestId(row["request_id"]),
        messages=messages_of(row["messages"]),
        best=frozenset(best),
        scores=cast("dict[str, float]", loads(row["scores"])),
        nano_usd=cast("dict[str, int | None]", loads(row["nano_usd"])),
        # Of what was imported it may be unknown.
        total_s={
            member: one
            for member, one in cast("dict[str, float | None]", loads(row["total_s"])).items()
            if one is not None
        },
        kind=cast("Kind", row["kind"]),
        source=cast("Source", row["source"]),
        by=row["judged_by"],
        confidence=cast("float | None", row["confidence"]),
        complete=bool(row["complete"]),
        usable=usable,
        conversation=_text(row["conversation"]),
        domain=_text(row["domain"]),
        propensities=cast("dict[str, float]", loads(row["propensities"] or "{}")),
        spread=cast("dict[str, float]", loads(row["spread"])),
        origin=cast("Origin", row["origin"]),
        arrived=row["arrived_at"],
        people=int(row.get("people", 0)),
        agreed=int(row.get("agreed", 0)),
    )


def _text(value: str | None) -> str | None:
    return None if value is None else unbind(value)
