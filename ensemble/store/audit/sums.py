"""How the daily sums of facts are made: what some cases (``:ids``) count, added or, with ``:sign`` -1, taken out."""

_OF = "WHERE c.request_id IN (SELECT value FROM json_each(:ids))"
_COSTS = ("panel", "judge", "straggler", "retry")


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
            "ties": "json_array_length(c.winners) > 1",
            "all_bad": "c.all_bad",
            "fallback": "c.fallback",
            "overturned": "c.overturned",
            "cheapest_best": "c.cheapest_best",
            "cheapest_known": "c.cheapest_best IS NOT NULL",
            **{f"{name}_nano_usd": f"c.{name}_nano_usd" for name in _COSTS},
            **{f"{name}_unknown": f"c.{name}_nano_usd IS NULL" for name in _COSTS},
            "disagreement": "c.disagreement",
            "ranked": "c.disagreement IS NOT NULL",
        },
        "audit_cases c",
    ),
    _step(
        "audit_daily_members",
        (*_KEYS, "member"),
        {
            "cases": "1",
            "won": "m.won",
            "sole_wins": "m.won = 1",
            "score": "m.score",
            "scored": "m.score IS NOT NULL",
            "nano_usd": "m.nano_usd",
            "unpriced": "m.nano_usd IS NULL",
            "served": "m.member = c.served",
        },
        "audit_cases c JOIN audit_members m ON m.request_id = c.request_id AND m.won IS NOT NULL",
    ),
    _step(
        "audit_daily_pairs",
        (*_KEYS, "a", "b"),
        {
            "cases": "1",
            "agree": "p.agree",
            "a_wins": "p.outcome = 'a'",
            "b_wins": "p.outcome = 'b'",
            "ties": "p.outcome = 'tie'",
        },
        "audit_cases c JOIN audit_pairs p ON p.request_id = c.request_id",
    ),
)
"""One statement per table of sums."""
