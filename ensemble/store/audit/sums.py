"""The rows of facts, and their daily sums: what some cases count is added with them and taken out with them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ensemble.store.database import Database

Row = Sequence[Any]
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "audit_cases": (
        "request_id", "arrived_at", "day", "router", "domain", "judge", "source", "candidates", "members", "winners",
        "served", "disagreement", "spread", "similarity", "margin", "flips", "conflicts", "confidence", "flags",
        "overturned", "fallback", "all_bad", "own_family", "complete", "cheapest_best", "answered_s", "nano_usd",
        "panel_nano_usd", "judge_nano_usd", "straggler_nano_usd", "retry_nano_usd",
    ),
    "audit_members": ("request_id", "member", "won", "score", "nano_usd", "total_s"),
    "audit_pairs": ("request_id", "disagreement", "a", "b", "outcome", "agree"),
}  # fmt: skip
_DAY, _DOMAIN, _SERVED = (COLUMNS["audit_cases"].index(name) for name in ("day", "domain", "served"))
_COSTS = ("panel", "judge", "straggler", "retry")
_KEYS = ("day", "router", "domain")


_Parts = dict[tuple[str, ...], list[Row]]
"""Rows by the keys under which they count."""


class Facts(NamedTuple):
    """The rows of one request, as ``COLUMNS`` has them: of ``audit_cases``, ``audit_members`` and ``audit_pairs``."""

    request: str
    case: Row
    members: Sequence[Row]
    pairs: Sequence[Row]


def count(db: Database, facts: Sequence[Facts], sign: int = 1) -> None:
    """Add what ``facts`` count to the daily sums or, with ``sign`` -1, take it out."""
    cases, members, pairs = _Parts(), _Parts(), _Parts()
    for one in facts:
        day = tuple(one.case[_DAY : _DOMAIN + 1])
        cases.setdefault(day, []).append(one.case)
        for row in one.members:
            if row[2] is not None:  # who was not judged neither won nor lost
                members.setdefault((*day, row[1]), []).append((*row, one.case[_SERVED]))
        for row in one.pairs:
            pairs.setdefault((*day, *row[2:4]), []).append(row)
    _add(db, "audit_daily", _KEYS, _of_cases, cases, sign)
    _add(db, "audit_daily_members", (*_KEYS, "member"), _of_members, members, sign)
    _add(db, "audit_daily_pairs", (*_KEYS, "a", "b"), _of_pairs, pairs, sign)


def _add(
    db: Database,
    table: str,
    keys: Sequence[str],
    summed: Callable[[Sequence[Row]], Mapping[str, float]],
    parts: _Parts,
    sign: int,
) -> None:
    """Put the sums of each of ``parts`` into ``table``, under the keys that it has there."""
    sums = [(key, summed(rows)) for key, rows in sorted(parts.items())]
    if not sums:
        return
    names = tuple(sums[0][1])
    marks = ", ".join("?" * (len(keys) + len(names)))
    added = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in names)
    db.conn.executemany(
        f"INSERT INTO {table} ({', '.join((*keys, *names))}) VALUES ({marks}) "  # noqa: S608 - own names
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {added}",
        [(*key, *(sign * one for one in told.values())) for key, told in sums],
    )


def _of_cases(rows: Sequence[Row]) -> Mapping[str, float]:
    of = dict(zip(COLUMNS["audit_cases"], zip(*rows, strict=True), strict=True))
    return {
        "cases": len(rows),
        # An array of names: within a name a quote has a backslash before it, so this stands between two of them alone.
        "ties": sum(['","' in winners for winners in of["winners"]]),
        **{name: sum(of[name]) for name in ("all_bad", "fallback", "overturned")},
        "cheapest_best": _known(of["cheapest_best"]),
        "cheapest_known": len(rows) - of["cheapest_best"].count(None),
        **{f"{name}_nano_usd": _known(of[f"{name}_nano_usd"]) for name in _COSTS},
        **{f"{name}_unknown": of[f"{name}_nano_usd"].count(None) for name in _COSTS},
        "disagreement": _known(of["disagreement"]),
        "ranked": len(rows) - of["disagreement"].count(None),
    }


def _of_members(rows: Sequence[Row]) -> Mapping[str, float]:
    _, _, won, score, nano_usd, _, served = zip(*rows, strict=True)
    return {
        "cases": len(rows),
        "won": sum(won),
        "sole_wins": won.count(1),
        "score": _known(score),
        "scored": len(rows) - score.count(None),
        "nano_usd": _known(nano_usd),
        "unpriced": nano_usd.count(None),
        "served": served.count(rows[0][1]),
    }


def _of_pairs(rows: Sequence[Row]) -> Mapping[str, float]:
    _, _, _, _, outcomes, agree = zip(*rows, strict=True)
    wins = {name: outcomes.count(told) for name, told in (("a_wins", "a"), ("b_wins", "b"), ("ties", "tie"))}
    return {"cases": len(rows), "agree": sum(agree), **wins}


def _known(column: Iterable[float | None]) -> float:
    """The sum of what is known."""
    return sum(filter(None, column))
