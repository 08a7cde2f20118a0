"""A member that cannot hold the request, or cannot do what it needs, is skipped without being paid."""

from tests.served import PANEL, Served, a_question, a_tool
from tests.stories.conftest import Serve

TIGHT = """
[members.tiny]
provider = "sim"
model = "alpha"
context_tokens = 100

[members.mute]
provider = "sim"
model = "beta"
capabilities = ["stream"]

[routers.tight]
use = "parallel"
members = ["tiny", "mute", "gamma"]
judge = "longest"
"""


async def outcomes(served: Served, request_id: str) -> dict[str, tuple[object, object]]:
    record = await served.record(request_id)
    return {call["member"]: (call["failure"], call["nano_usd"]) for call in record["calls"] if call["failure"]}


async def test_too_long_for_one_member(serve: Serve) -> None:
    served = await serve(TIGHT)
    code, said, _ = await served.post(a_question("word " * 200, model="tight"))
    assert code == 200
    assert await outcomes(served, said["id"]) == {"tiny": ("too_long", 0)}
    assert {one.model for one in served.simulator.served} == {"beta", "gamma"}


async def test_tools_for_one_that_has_none(serve: Serve) -> None:
    served = await serve(TIGHT)
    code, said, _ = await served.post(a_question(model="tight", tools=[a_tool()]))
    assert code == 200
    assert await outcomes(served, said["id"]) == {"mute": ("skipped", 0)}


async def test_too_long_for_everyone(serve: Serve) -> None:
    served = await serve(PANEL + TIGHT)
    code, said, _ = await served.post(a_question("word " * 200, model="tiny"))
    assert (code, said["error"]["code"]) == (400, "context_length_exceeded")
    assert [one["failure"] for one in said["error"]["candidates"]] == ["too_long"]
    assert len(served.simulator.served) == 0
