"""What the calls cost, by any combination of key, tag, router, member, purpose and day."""

from collections.abc import Sequence

from ensemble.errors import StoreError
from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.queries import Tree

DIMENSIONS = ("key", "tag", "router", "member", "purpose", "day")
_SUMMED = frozenset({"router", "member", "purpose", "day"})
"""What the daily sums tell as well, from a thousandth of the rows."""

_FROM_CALLS = {
    "key": "r.key_id",
    "router": "r.model",
    "member": "k.member",
    "purpose": "k.purpose",
    "day": "substr(k.started_at, 1, 10)",
}
_LEDGER = (
    "count(*) AS calls, count(k.failure) AS failures, coalesce(sum(k.nano_usd), 0) AS nano_usd, "
    "count(*) - count(k.nano_usd) AS unpriced FROM calls k JOIN requests r ON r.id = k.request_id"
)
_DAYS = (
    "sum(calls) AS calls, sum(failures) AS failures, sum(nano_usd) AS nano_usd, sum(unpriced) AS unpriced "
    "FROM daily_calls"
)


def costs(db: Database, by: Sequence[str], *, since: str = "", until: str = "9999") -> list[Tree]:
    """One row per combination of ``by``, the dearest first: calls, failures, known ``nano_usd``, ``unpriced`` calls.

    Where all calls are of unknown cost, so is the sum: None.
    ``since`` and ``until`` are UTC days, both included. Calls of unknown cost are counted and never summed as 0. With
    ``tag`` a call counts once for each tag of its request (``name=value``), so rows may add up to more than the whole;
    ``tag:NAME`` takes one tag, and is None where a request lacks it.

    Raises:
        StoreError: ``by`` names something else.
    """
    if wrong := [one for one in by if one not in DIMENSIONS and not (one.startswith("tag:") and one[4:])]:
        raise StoreError(f"--by {wrong[0]}: give {', '.join(DIMENSIONS)} or tag:NAME, with commas between several")
    given: dict[str, object] = {"since": since, "until": until}
    if _SUMMED.issuperset(by):
        names = [f'{one} AS "{one}"' for one in by]
        sql = f"SELECT {', '.join([*names, _DAYS])} WHERE day BETWEEN :since AND :until"
    else:
        names = [f"{_expression(one, n, given)} AS c{n}" for n, one in enumerate(by)]
        tags = " LEFT JOIN json_each(r.tags) t ON TRUE" if "tag" in by else ""
        sql = (
            f"SELECT {', '.join([*names, _LEDGER])}{tags} WHERE k.started_at >= :since AND k.started_at < :until || '~'"
        )
    if by:
        sql += f" GROUP BY {', '.join(str(n + 1) for n in range(len(by)))}"
    found = db.execute(sql + " ORDER BY nano_usd DESC, calls DESC", given).fetchall()
    names = [*by, "calls", "failures", "nano_usd", "unpriced"]
    rows = [
        {name: unbind(value) if isinstance(value, str) else value for name, value in zip(names, row, strict=True)}
        for row in found
        if row[len(by)]
    ]
    return [{**row, "nano_usd": None} if row["unpriced"] == row["calls"] else row for row in rows]


def _expression(one: str, number: int, given: dict[str, object]) -> str:
    if one == "tag":
        return "t.key || '=' || t.value"
    if one.startswith("tag:"):
        given[f"tag{number}"] = one[4:]
        return f"(SELECT value FROM json_each(r.tags) WHERE key = :tag{number})"  # noqa: S608 - an own number
    return _FROM_CALLS[one]
