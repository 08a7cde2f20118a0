"""The newest requests, and the log in figures."""

from collections.abc import Mapping, Sequence

from ensemble.errors import StoreError
from ensemble.store.address import Where, address_of
from ensemble.store.audit import traffic
from ensemble.store.audit.window import Window
from ensemble.store.content import messages_of, unbind
from ensemble.store.database import Database
from ensemble.store.keeping.connect import understood
from ensemble.store.keeping.engines import sizes
from ensemble.store.keeping.searchable import text_of
from ensemble.store.queries import Tree, steps
from judges.types import Message

_PAGE = """
SELECT r.id, r.arrived_at, r.source, r.status, r.model, r.member, r.fallback, r.error, r.answered_s, r.content,
    (SELECT coalesce(sum(k.nano_usd), 0) FROM calls k WHERE k.request_id = r.id) AS nano_usd,
    (SELECT count(*) FROM calls k WHERE k.request_id = r.id AND k.nano_usd IS NULL) AS unpriced,
    (SELECT count(*) FROM candidates c WHERE c.request_id = r.id) AS candidates,
    r.messages
FROM requests r WHERE {where} ORDER BY r.id DESC LIMIT :most
"""


_BOUNDS = (("after", ">"), ("before", "<"))


def page(
    db: Database, most: int, *, where: str = "TRUE", after: str | None = None, before: str | None = None
) -> list[Tree]:
    """The newest ``most`` requests, newest first: how they went, what they cost, the last words of the user.

    ``where`` is a condition in SQL on the columns of ``requests``; ``after`` and ``before`` are ids.

    Raises:
        StoreError: ``where`` is no condition that the engine understands.
    """
    behind, ahead = (f"(CAST(:{one} AS TEXT) IS NULL OR r.id {sign} :{one})" for one, sign in _BOUNDS)
    bounds = f"{behind} AND {ahead} AND ({where}\n)"
    sql = _PAGE.format(where=bounds if after is None else f"r.id > :after AND {bounds}")
    with understood(db):
        rows = list(db.query(sql, {"most": most, "after": after, "before": before}))
    return [_line(row) for row in rows]


def _line(row: Mapping[str, object]) -> Tree:
    tree = {name: unbind(value) if isinstance(value, str) else value for name, value in row.items()}
    tree["prompt"] = last_words(messages_of(str(row["messages"])))
    del tree["messages"]
    return tree


def last_words(messages: Sequence[Message]) -> str:
    """The last turn of the user, else the last turn."""
    turns = [message for message in messages if message.role == "user"] or list(messages)
    return text_of(turns[-1]) if turns else ""


def stats(db: Database, where: Where, since: str = "") -> Tree:
    """The log in figures since the UTC day ``since``, from the daily sums alone, so that its size does not matter.

    A tree: ``file`` (bytes on the disk, schema), ``total``, and lists ``routers``, ``days`` and ``members``.
    """
    window = Window(since=since)
    (total,) = traffic.requests(db, "total", window) or [{"total": "all", **traffic.NOTHING}]
    return {
        "file": {"path": str(address_of(where)), "schema": steps(db)} | sizes(db, where),
        "total": {name: value for name, value in total.items() if name != "total"},
        "routers": traffic.requests(db, "router", window),
        "days": traffic.requests(db, "day", window),
        "members": traffic.calls(db, "member", window),
    }


def by_prefix(db: Database, start: str) -> str:
    """The one id that begins with ``start``, which may be a whole one.

    Raises:
        StoreError: there is none, or several.
    """
    found = [row[0] for row in db.execute("SELECT id FROM requests WHERE id >= ? ORDER BY id LIMIT 2", [start])]
    found = [id_ for id_ in found if id_.startswith(start)]
    if not found or not start:
        raise StoreError(f"there is no request {start!r}; `ensemble log tail` lists the newest")
    if len(found) > 1 and found[0] != start:
        raise StoreError(f"several requests begin with {start!r}; give more of the id")
    return str(found[0])
