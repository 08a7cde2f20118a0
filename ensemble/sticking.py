"""A conversation stays with the member that won its last turn."""

import asyncio
import logging
from dataclasses import replace

from ensemble.errors import StoreError
from ensemble.fleet import Fleet
from ensemble.store import Store
from ensemble.store.queries import last_winner
from ensemble.types import Plan, Request, Stage

log = logging.getLogger(__name__)


async def kept_to(plan: Plan, request: Request, fleet: Fleet, store: Store) -> Plan:
    """``plan`` with the last winner of the conversation before it, alone; the rest runs where that member fails.

    The winner is read from the log, so it outlives a restart and is the same in every process on one log. Half of the
    time is left for the rest of the plan. Unchanged where there is no winner yet, it has left the fleet, or the log
    cannot be read: keeping to a member is a preference, no reason to answer nothing.
    """
    try:
        winner = await store.read(lambda db: last_winner(db, request))
    except StoreError:
        log.exception("request %s: the last winner of the conversation cannot be read", request.id)
        return plan
    if winner is None or winner not in fleet:
        return plan
    half = (request.deadline - asyncio.get_running_loop().time()) / 2
    first = Stage(members=(winner,), call_timeout_s=half)
    # The member was drawn by an earlier turn, so the probabilities of this plan are not those of being called.
    return replace(
        plan,
        stages=(first, *plan.stages),
        shadow=tuple(name for name in plan.shadow if name != winner),
        propensities={},
        reason=f"stays with {winner}, else {plan.reason}",
    )
