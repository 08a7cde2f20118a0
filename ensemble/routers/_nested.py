"""What routers made of routers share."""

from dataclasses import replace

from ensemble.errors import RouterError
from ensemble.router import Context, Router
from ensemble.types import Plan, Request, Stage


async def planned(part: Router, request: Request, context: Context) -> Plan | RouterError:
    """The plan of ``part``, which keeps its own ``fallback`` and ``strict_params``, or the error of one without."""
    try:
        plan = await part.plan(request, context)
    except RouterError as error:
        if not part.fallback:
            return error
        stages = tuple(Stage(members=(name,)) for name in part.fallback)
        plan = Plan(router=part.digest, stages=stages, reason=f"fallback, since the router failed: {error}")
    if part.strict_params:
        plan = replace(plan, stages=tuple(replace(stage, strict_params=True) for stage in plan.stages))
    return plan
