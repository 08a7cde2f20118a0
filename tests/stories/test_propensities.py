"""A router that draws says with which probability, and that stays with the row: in the record, labels, a notebook."""

from pathlib import Path

import pandas

import ensemble
from ensemble.evaluating import Task, run
from ensemble.routers.single import Single
from ensemble.simulator.script import reply
from tests.served import a_question
from tests.stories.conftest import Serve

DRAWING = '''
import random

from ensemble.router import ROUTERS, JudgeName, MemberName, Router
from ensemble.types import Plan, Stage


@ROUTERS.register("drawing")
class Drawing(Router):
    """Draws one of its members by weight, and asks the others after the answer, each with a chance of a half."""

    members: tuple[MemberName, ...]
    judge: JudgeName

    async def plan(self, request, context):
        drawn = random.choices(self.members, (0.75, 0.25))[0]
        shadow = tuple(m for m in self.members if m != drawn)
        stages = (Stage(members=(drawn,), judge=self.judge),)
        chances = dict(zip(self.members, (0.75, 0.25)))
        return Plan(router=self.digest, stages=stages, shadow=shadow, propensities=chances)
'''
TABLES = """
[routers.drawn]
use = "./drawing.py"
members = ["alpha", "beta"]
judge = "longest"
"""

SPLIT = """
[routers.explored]
use = "split"
weights = { alone = 1, judged = 1 }

[routers.explored.arms.alone]
use = "single"
member = "alpha"

[routers.explored.arms.judged]
use = "parallel"
members = ["alpha", "beta"]
judge = "longest"
"""


def put(path: Path, text: str) -> None:
    path.write_text(text)


async def test_propensities_of_what_was_drawn_reach_the_labels(serve: Serve, tmp_path: Path) -> None:
    put(tmp_path / "drawing.py", DRAWING)
    served = await serve(TABLES)
    chances = {"alpha": 0.75, "beta": 0.25}
    ids = []
    for n in range(3):
        status, reply, _ = await served.post(a_question(f"What is {n} + {n}?", model="drawn"))
        assert status == 200, reply
        ids.append(reply["id"].removeprefix("chatcmpl-"))
    records = [await served.record(id_) for id_ in ids]
    assert [record["plan"]["propensities"] for record in records] == [chances] * 3
    assert [label.propensities for label in served.service.store.labels(complete=False)] == [chances] * 3
    rows = pandas.DataFrame(ensemble.read(served.service.settings.store.path).labels())
    assert rows.set_index("request_id").loc[ids].propensities.tolist() == [chances] * 3


async def test_a_split_that_has_a_share_judged_tells_of_routers_that_did_not_serve(serve: Serve) -> None:
    served = await serve(SPLIT)
    served.simulator.always("alpha", reply("A long and thorough answer."))
    served.simulator.always("beta", reply("Short."))
    for n in range(130):
        assert (await served.post(a_question(f"What is {n} + {n}?", model="explored")))[0] == 200
    await served.service.idle()
    routers = {name: Single(member=name) for name in ("alpha", "beta")}  # type: ignore[arg-type]
    task = Task(data=served.service.settings.store.address, routers=routers, off_policy="snips", draws=50)
    found = (await run(task)).offpolicy
    assert [one if isinstance(one, str) else one.value.point for one in found.values()] == [1.0, 0.0]
