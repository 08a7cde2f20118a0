"""How the daily sums of facts are made: what some cases (``:ids``) count, added or, with ``:sign`` -1, taken out."""

_OF = "WHERE c.request_id IN (SELECT value FROM json_each(:ids))"
_COSTS = ("panel", "judge", "straggler", "retry")


def _times(condition: str) -> str:
    """1 where ``condition`` holds, else 0: PostgreSQL has no sum of truth values."""
    return f"CASE WHEN {condition} THEN 1 ELSE 0 END"


def _step(table: str, keys: tuple[str, ...], sums: dict[str, str], source: str) -> str:
    """One statement: ``sums`` over ``source``, each by an expression, go into ``table`` under its ``keys``."""
    columns = ", ".join((*keys, *sums))
    values = ", ".join((*(f"{key}" for key in keys), *(f":sign * coalesce(sum({one}), 0)" for one in sums.values())))
    kept = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    return (
        f"INSERT INTO {table} ({columns}) SELECT {values} FROM {source} {_OF} GROUP BY {', '.join(keys)} "  # noqa: S608
        f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {kept}"
    )


_KEYS = ("day", "router", "domain")
SUMS: tuple[str, ...] = (
    _step(
        "audit_daily",
        _KEYS,
        {
            "cases": "1",
            "ties": _times("json_array_length(c.winners) > 1"),
            "all_bad": "c.all_bad",
            "fallback": "c.fallback",
            "overturned": "c.overturned",
            "cheapest_best": "c.cheapest_best",
            "cheapest_known": _times("c.cheapest_best IS NOT NULL"),
            **{f"{name}_nano_usd": f"c.{name}_nano_usd" for name in _COSTS},
            **{f"{name}_unknown": _times(f"c.{name}_nano_usd IS NULL") for name in _COSTS},
            "disagreement": "c.disagreement",
            "ranked": _times("c.disagreement IS NOT NULL"),
        },
        "audit_cases c",
    ),
    _step(
        "audit_daily_members",
        (*_KEYS, "member"),
        {
            "cases": "1",
            "won": "m.won",
            "sole_wins": _times("m.won = 1"),
            "score": "m.score",
            "scored": _times("m.score IS NOT NULL"),
            "nano_usd": "m.nano_usd",
            "unpriced": _times("m.nano_usd IS NULL"),
            "served": _times("m.member = c.served"),
        },
        "audit_cases c JOIN audit_members m ON m.request_id = c.request_id AND m.won IS NOT NULL",
    ),
    _step(
        "audit_daily_pairs",
        (*_KEYS, "a", "b"),
        {
            "cases": "1",
            "agree": "p.agree",
            "a_wins": _times("p.outcome = 'a'"),
            "b_wins": _times("p.outcome = 'b'"),
            "ties": _times("p.outcome = 'tie'"),
        },
        "audit_cases c JOIN audit_pairs p ON p.request_id = c.request_id",
    ),
)
"""One statement per table of sums."""
