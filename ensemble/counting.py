"""How many tokens a request would have, as a member's provider counts them. Nothing is answered, paid or logged."""

import asyncio
from collections.abc import Sequence

from ensemble.errors import CallFailed, DeadlineExceeded, InvalidRequest, NoCandidate, NotPermitted, RouterError
from ensemble.fleet import Fleet, permitted
from ensemble.provider import TokenCounter
from ensemble.router import Context, Router
from ensemble.types import Request
from judges.errors import ModelError
from judges.types import Completion, Prompt


async def count_tokens(request: Request, router: Router, fleet: Fleet) -> int:
    """Input tokens of ``request`` at the first member of its plan whose provider counts.

    Raises:
        InvalidRequest: no member of the plan has a provider that counts.
        NotPermitted: none of them may see data of the request's class.
        NoCandidate: every one of them failed.
        DeadlineExceeded: the deadline came first.
    """
    names = await _planned(request, router, permitted(fleet, request))
    failed = []
    barred = {name: unfit.told for name in names if (unfit := fleet[name].barred(request)) is not None}
    if names and len(barred) == len(names):
        raise NotPermitted(f"no member may see the request: {'; '.join(barred.values())}")
    for name in names:
        member = fleet[name]
        if name in barred or not isinstance(member.connection, TokenCounter):
            continue
        ready, _ = member.prepare(request.prompt, "candidate")
        try:
            async with asyncio.timeout_at(request.deadline):
                return await member.connection.count_tokens(member.settings.model, ready)
        except TimeoutError as error:
            raise DeadlineExceeded(f"the deadline came before {name} had counted") from error
        except CallFailed as error:
            failed.append(f"{name}: {error.failure} ({error})")
    if failed:
        raise NoCandidate(f"no member counted the tokens: {'; '.join(failed)}")
    told = f"model: no provider of {', '.join(names)} counts tokens; name a member that Anthropic serves"
    raise InvalidRequest(told, param="model")


async def _planned(request: Request, router: Router, fleet: Fleet) -> Sequence[str]:
    """Members of the plan, in its order. A router that would have to ask a model, and so cost money, falls back."""
    try:
        plan = await router.plan(request, Context(fleet=fleet, models=dict.fromkeys(fleet, _Silent())))
    except (RouterError, ModelError) as error:
        if not router.fallback:
            raise NoCandidate(f"the router {request.model!r} has no plan without asking a model: {error}") from error
        return router.fallback
    return tuple(dict.fromkeys(member for stage in plan.stages for member in stage.members))


class _Silent:
    """A model that may not be asked."""

    context_tokens = None

    async def complete(self, prompt: Prompt) -> Completion:
        raise ModelError("no model is asked for a count of tokens")
