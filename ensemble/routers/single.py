"""One member, always: what a client gets who names a member instead of a router."""

from ensemble.router import ROUTERS, Context, MemberName, Router
from ensemble.types import Plan, Request, Stage


@ROUTERS.register("single")
class Single(Router):
    """Send every request to ``member``."""

    member: MemberName

    async def plan(self, request: Request, context: Context) -> Plan:
        """A plan of one stage with one member and no judge."""
        return Plan(router=self.digest, stages=(Stage(members=(self.member,)),), reason=f"always {self.member}")
