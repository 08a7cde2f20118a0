"""Headers by which clients see how their limits stand, by the names that their protocols have for them."""

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from aiohttp import web

from ensemble.allowance import seconds_left
from ensemble.store.budgets import Standing

STANDINGS = web.RequestKey("standings", list)
"""How the limits of the caller's key stood when the request came; absent where it has none."""
ANTHROPIC = "/v1/messages"


async def add_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add them to every response, streams and errors included (a signal of the application)."""
    standings: Sequence[Standing] = request.get(STANDINGS, ())
    if not standings:
        return
    now = datetime.now(UTC)
    for what in ("requests", "tokens"):
        tight = min((one for one in standings if one.limit.what == what), key=_share, default=None)
        if tight is not None:
            named = _anthropic if request.path.startswith(ANTHROPIC) else _openai
            for name, value in named(what, tight, seconds_left(tight.limit.per, now), now):
                response.headers.setdefault(name, value)


def _share(standing: Standing) -> float:
    return standing.left / standing.limit.most if standing.limit.most else 0.0


def _openai(what: str, one: Standing, wait_s: float | None, now: datetime) -> Iterator[tuple[str, str]]:
    yield f"x-ratelimit-limit-{what}", str(one.limit.most)
    yield f"x-ratelimit-remaining-{what}", str(one.left)
    if wait_s is not None:
        yield f"x-ratelimit-reset-{what}", f"{math.ceil(wait_s)}s"


def _anthropic(what: str, one: Standing, wait_s: float | None, now: datetime) -> Iterator[tuple[str, str]]:
    yield f"anthropic-ratelimit-{what}-limit", str(one.limit.most)
    yield f"anthropic-ratelimit-{what}-remaining", str(one.left)
    if wait_s is not None:
        reset = now.replace(microsecond=0) + timedelta(seconds=math.ceil(wait_s))
        yield f"anthropic-ratelimit-{what}-reset", reset.isoformat().replace("+00:00", "Z")
