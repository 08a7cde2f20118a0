"""A watched router, served: its shadows, their money, its demotion and its way back."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from ensemble.config import load
from ensemble.errors import ConfigError
from ensemble.router import Context, Shadow
from ensemble.routers.single import Single
from ensemble.routers.split import Split
from ensemble.simulator.script import reply, status
from ensemble.store.anchors import Check, note_check
from ensemble.store.filling import found
from ensemble.store.watched import Seen, Watched, note
from ensemble.types import Plan, RequestId, Stage
from ensemble.watching.watch import Watch
from tests.ensemble.doubles import a_fleet, a_member, a_request
from tests.ensemble.engine import Planned, a_pipeline, panel
from tests.served import PARTS, SERVER, Served, a_question, serving

GOOD, BAD = "A long and thorough answer to the question. " * 3, "Short."
BOUNDED = PARTS.replace("max_attempts = 1\n", "max_attempts = 1\nmax_output_tokens = 100\n")


def routed(tables: str = "", **options: Any) -> str:
    table = {"share": 1.0, "panel": '["alpha", "beta", "gamma"]', "judge": '"longest"', "anchors": 10, **options}
    lines = "".join(f"{name} = {value}\n" for name, value in table.items())
    router = '[routers.routed]\nuse = "rules"\nsmall = "alpha"\nlarge = "alpha"\n'
    return f"{router}[routers.routed.shadow]\n{lines}{tables}{SERVER}"


Watching = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def watching(tmp_path: Path) -> Watching:
    @asynccontextmanager
    async def start(**options: Any) -> AsyncIterator[Served]:
        async with serving(tmp_path, routed(**options), parts=BOUNDED) as served:
            for name, text in (("alpha", GOOD), ("beta", BAD), ("gamma", BAD)):
                served.simulator.always(name, reply(text))
            yield served

    return start


async def ask(served: Served, number: int = 1) -> list[str]:
    """Winners of so many requests, one after the other with all that comes after them."""
    winners = []
    for at in range(number):
        code, said, headers = await served.post(a_question(f"Why is {at} odd?", model="routed"))
        assert code == 200, said
        winners.append(headers["x-ensemble-winner"])
        await served.service.idle()
    return winners


def select(served: Served, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(served.service.settings.store.path)) as db:
        return db.execute(sql).fetchall()


async def test_a_shadow_comes_after_the_answer_and_becomes_a_label(watching: Watching) -> None:
    async with watching(share=0.999) as served:
        gate = served.simulator.hold("gamma", BAD)
        code, said, headers = await served.post(a_question(model="routed"))
        assert (code, headers["x-ensemble-winner"]) == (200, "alpha")
        assert not served.service.watches["routed"].state().labels
        gate.set()
        record = await served.record(said["id"])
        assert record["plan"]["shadow"] == ["beta", "gamma"]
        assert record["plan"]["propensities"] == {"alpha": 0.999, "beta": 0.999, "gamma": 0.999}
        assert {(c["member"], c["purpose"]) for c in record["calls"]} == {
            ("alpha", "candidate"), ("beta", "shadow"), ("gamma", "shadow"),
        }  # fmt: skip
        (label,) = served.service.store.labels()
        assert (sorted(label.best), label.complete, label.usable, label.kind) == (["alpha"], True, True, "full")
        report = served.service.watches["routed"].state()
        assert (report.state, report.labels, report.kept) == ("watched", 1, 1.0)


async def test_a_shadow_label_is_what_the_judge_found_and_not_shrunk(watching: Watching) -> None:
    async with watching(judge='"llm"', tables="[judging]\nshrink_labels = 1\n") as served:
        served.simulator.always("gamma", reply("A third answer."))
        served.simulator.always("critic", reply("[[A]]"))
        await ask(served, 4)  # four wins among three members, so that their means cannot be equal
        served.simulator.always("critic", reply("[[C]]"))
        await ask(served)
        *_, last = served.service.store.labels()
        assert sorted(last.best) == ["alpha", "beta", "gamma"]
        assert select(served, "SELECT count(*) FROM verdicts WHERE flags LIKE '%shrunk%'") == [(0,)]


async def test_a_share_of_the_requests_is_drawn(watching: Watching) -> None:
    async with watching(share=0.3, seed=4) as served:
        await ask(served, 40)
        drawn = len(select(served, "SELECT 1 FROM plans WHERE shadow <> '[]'"))
        assert 3 <= drawn <= 24
        assert len(select(served, "SELECT 1 FROM watched WHERE event = 'label'")) == drawn
        assert len(select(served, "SELECT DISTINCT propensities FROM plans")) == 1


async def test_the_money_of_a_day_is_not_overspent(watching: Watching, caplog: pytest.LogCaptureFixture) -> None:
    """A call of 100 tokens out can cost 0.0002 USD and more, so that a cap of 0.0007 USD holds only some."""
    async with watching(max_usd_per_day="0.0007") as served:
        assert await ask(served, 20) == ["alpha"] * 20
        ((spent, calls),) = select(served, "SELECT sum(nano_usd), count(*) FROM calls WHERE purpose = 'shadow'")
        assert 0 < spent <= 700_000
        assert calls < 40
        assert served.service.watches["routed"].skipped > 0
        last = select(served, "SELECT shadow, propensities FROM plans ORDER BY request_id DESC LIMIT 1")
        assert last == [("[]", "{}")]
    (told,) = [line for line in caplog.messages if line.startswith("router routed: no shadow is drawn any more today")]
    assert "the cap of $0.0007 does not leave" in told
    async with watching(max_usd_per_day="0.0007") as served:  # a restart brings no new money
        await ask(served, 5)
        assert select(served, "SELECT sum(nano_usd) FROM calls WHERE purpose = 'shadow'")[0][0] <= 700_000


async def test_a_bad_router_is_demoted_to_its_panel_until_it_is_promoted(watching: Watching) -> None:
    async with watching(alpha=0.05) as served:
        assert await ask(served, 12) == ["alpha"] * 12
        served.simulator.always("alpha", reply(BAD))
        served.simulator.always("gamma", reply(GOOD))
        winners = await ask(served, 60)
        switched = winners.index("gamma")
        assert winners == ["alpha"] * switched + ["gamma"] * (60 - switched)
        report = served.service.watches["routed"].state()
        assert report.state == "demoted"
        assert "quality kept is at most" in report.why
        assert "the judge agrees with 1.00 of 10 anchors" in report.why
        code, told, _ = await served.get("/readyz")
        assert (code, told["routers"]["routed"]["state"]) == (200, "demoted")
        assert told["routers"]["routed"]["since"] == report.since
    async with watching(alpha=0.05) as served:  # it survives a restart
        served.simulator.always("gamma", reply(GOOD * 2))
        assert await ask(served, 3) == ["gamma"] * 3
        assert served.service.watches["routed"].state() == report
        await noted(served, Seen(event="promoted"))
        assert await ask(served, 3) == ["alpha"] * 3
        assert (await served.get("/readyz"))[1]["routers"]["routed"]["state"] == "watched"


async def test_a_member_that_only_the_shadow_names_is_never_planned(tmp_path: Path) -> None:
    """Not even where the router's own one does not fit the limits of a request."""
    tables = routed().replace("[server]", "[members.cheap]\nprovider = 'sim'\nmodel = 'gamma'\nmax_attempts = 1\n"
                              "max_output_tokens = 10\nprice = { input = 0, output = 0 }\n[server]")  # fmt: skip
    tables = tables.replace('"gamma"]', '"cheap"]')
    async with serving(tmp_path, tables, parts=BOUNDED) as served:
        code, said, headers = await served.post(a_question(model="routed", metadata={"max_cost_usd": "0.000000001"}))
        assert (code, headers["x-ensemble-winner"]) == (200, "alpha"), said
        record = await served.record(said["id"])
        assert {c["member"] for c in record["calls"] if c["purpose"] == "shadow"} == {"beta", "cheap"}


async def noted(served: Served, seen: Seen) -> None:
    """As another process does it."""
    service = served.service
    about = Watched(
        router="routed", digest=service.routers["routed"].digest, judge=service.settings.judges["longest"].digest
    )
    await service.store.change(lambda db: note(db, about, seen))
    await service.watches["routed"].refresh()


SWAYED = '''
from judges.judge import JUDGES, Judge
from judges.registry import ModelName
from judges.types import Message, Prompt, Verdict


@JUDGES.register("swayed")
class Swayed(Judge):
    """Prefers the longest or the shortest text, as its model says."""

    model: ModelName

    async def judge(self, case, models):
        prompt = Prompt(messages=(Message(role="user", content="longest or shortest?"),), max_output_tokens=5)
        said = await models[self.model].complete(prompt)
        best = (max if "longest" in said.text else min)(len(one.completion.text) for one in case.candidates)
        winners = tuple(one.id for one in case.candidates if len(one.completion.text) == best)
        return Verdict(judge=self.digest, outcome="decided" if len(winners) == 1 else "tie", winners=winners)
'''


def put(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


async def test_a_suspicion_is_not_believed_of_a_judge_that_contradicts_its_anchors(
    watching: Watching, tmp_path: Path
) -> None:
    """The judge's digest stays, the model behind it changes its mind, and so the best answers look like the worst."""
    put(tmp_path / "swayed.py", SWAYED)
    judge = "[judges.swayed]\nuse = './swayed.py'\nmodel = 'critic'\n"
    async with watching(judge='"swayed"', alpha=0.05, recheck=0, tables=judge) as served:
        served.simulator.always("critic", reply("longest"))
        await ask(served, 12)
        assert served.service.watches["routed"].state().kept == 1.0
        served.simulator.always("critic", reply("shortest"))
        assert await ask(served, 40) == ["alpha"] * 40
        report = served.service.watches["routed"].state()
        assert report.state == "judge_drift"
        assert "agreement with its own anchors is 0.00 of 10 anchors, below 0.8; the router is suspected" in report.why


async def test_an_anchor_is_judged_again_now_and_then(watching: Watching, tmp_path: Path) -> None:
    put(tmp_path / "swayed.py", SWAYED)
    judge = "[judges.swayed]\nuse = './swayed.py'\nmodel = 'critic'\n"
    async with watching(judge='"swayed"', alpha=0.05, recheck=1, floor=0, tables=judge) as served:
        served.simulator.always("critic", reply("longest"))
        await ask(served, 15)
        assert served.service.watches["routed"].state().agreement == 1.0
        served.simulator.always("critic", reply("shortest"))
        await ask(served, 15)
        report = served.service.watches["routed"].state()
        assert report.state == "judge_drift"
        assert report.why.startswith("agreement with its own anchors is at most 0.")


async def test_restarts_do_not_draw_the_same_anchors_again(watching: Watching) -> None:
    drawn = []
    for label in (10, 8, 8):  # the first are the anchors
        async with watching(recheck=1) as served:
            await ask(served, label)
            rows = select(served, "SELECT request_id FROM watched WHERE event = 'anchor' ORDER BY id DESC LIMIT 8")
            drawn.append([request for (request,) in rows])
    assert len(drawn[1]) == len(drawn[2]) == 8
    assert drawn[1] != drawn[2]


async def test_a_judge_that_drifts_by_its_anchor_set_stops_the_watch(watching: Watching) -> None:
    """As ``ensemble rejudge --anchors`` finds it, on whatever set."""
    async with watching() as served:
        await ask(served, 2)
        digest = served.service.settings.judges["longest"].digest
        check = Check(
            anchor_set="gold", judge="longest", digest=digest, cases=50, agreed=20.0, low=0.3, high=0.5, drift=True,
            nano_usd=0,
        )  # fmt: skip
        await served.service.store.change(lambda db: note_check(db, check))
        await ask(served)
        report = served.service.watches["routed"].state()
        assert (report.state, report.why) == ("judge_drift", "longest agrees with the anchors gold on 0.40 of 50 cases")
        drawn = "SELECT count(*) FROM plans WHERE shadow <> '[]'"
        before = select(served, drawn)
        await ask(served, 2)
        assert select(served, drawn) == before
        await noted(served, Seen(event="promoted"))
        await ask(served, 2)
        assert served.service.watches["routed"].state().state == "watched"


async def test_what_was_spilled_is_not_in_the_log_yet(watching: Watching) -> None:
    async with watching() as served:
        unknown = RequestId("01a217bc-8321-77c6-9dc5-e3401b8bafe5")
        assert await served.service.store.read(lambda db: found(db, unknown)) is None


async def test_before_there_are_anchors_nothing_is_decided(watching: Watching) -> None:
    async with watching(alpha=0.05, anchors=1000) as served:
        served.simulator.always("alpha", reply(BAD))
        served.simulator.always("gamma", reply(GOOD))
        assert await ask(served, 60) == ["alpha"] * 60
        assert served.service.watches["routed"].state().state == "watched"


async def test_shadows_that_fail_leave_the_answer_and_the_watch_in_peace(watching: Watching) -> None:
    async with watching() as served:
        for name in ("beta", "gamma"):
            served.simulator.always(name, status(500))
        assert await ask(served, 3) == ["alpha"] * 3
        assert served.service.watches["routed"].state().labels == 0


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (routed(panel='["alpha", "nobody"]'), "shadow.panel.1: there is no member 'nobody'"),
        (routed(judge='"nobody"'), "shadow.judge: there is no judge 'nobody'"),
        (routed(panel='["alpha", "alpha"]'), "named twice"),
        (routed(share=2), "share"),
        (routed().replace('use = "rules"\n', 'use = "rules"\nstore_content = false\n'), "store_content"),
        (
            routed().replace("routers.routed", "routers.s.arms.a") + '[routers.s]\nuse = "split"\nweights = {a = 1}\n',
            "only the router that is asked is watched",
        ),
    ],
)
def test_mistakes_are_told(tmp_path: Path, table: str, says: str) -> None:
    file = tmp_path / "ensemble.toml"
    file.write_text(PARTS.format(base_url="http://127.0.0.1:1/v1") + table, encoding="utf-8")
    with pytest.raises(ConfigError, match=says):
        load(file)


async def test_a_cap_needs_members_whose_cost_has_a_bound(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"routers.routed.shadow\] max_usd_per_day: .*max_output_tokens"):
        async with serving(tmp_path, routed(max_usd_per_day="1")):
            await asyncio.sleep(0)


def test_the_watch_is_no_part_of_what_the_router_is(tmp_path: Path) -> None:
    digests = set()
    for number, table in enumerate((routed(), routed(share=0.5, floor=0.5))):
        file = tmp_path / f"{number}.toml"
        file.write_text(PARTS.format(base_url="http://127.0.0.1:1/v1") + table, encoding="utf-8")
        digests.add(load(file).routers["routed"].digest)
    assert len(digests) == 1


async def test_a_label_has_the_propensity_with_which_it_comes() -> None:
    """Weighted by one over it, labels come to one a request for each member, whatever arm a request was dealt to."""
    fleet, _ = a_fleet(**{name: a_member(name) for name in "abcd"})
    arms = {"pair": panel("a", "b"), "one": Single(member="c"), "new": Single(member="d")}  # type: ignore[arg-type]
    shadow = Shadow(share=0.2, panel=("a", "b", "c"), judge="picky")  # type: ignore[arg-type]
    router = Split(arms=arms, weights={"pair": 3, "one": 5, "new": 2}, shadow=shadow)
    pipeline, _ = a_pipeline(fleet, router)
    watch, weights = Watch("panel", shadow, pipeline), Counter[str]()
    context = Context(fleet=fleet, models={}, shadows=watch.drawing)
    drawn = Counter[str]()
    for _ in range(10_000):
        request = a_request()
        plan = watch.shadowed(await router.plan(request, context), request)
        arm = plan.reason.split()[1]
        drawn[arm] += bool(plan.shadow)
        labelled = {"a", "b"} if arm == "pair" else set()
        labelled |= {*plan.shadow, *plan.stages[0].members} if plan.shadow else set()
        weights.update({member: 1 / plan.propensities[member] for member in labelled})
    assert {member: weights[member] / 10_000 for member in "abcd"} == pytest.approx(
        dict.fromkeys("abcd", 1.0), abs=0.25
    )
    assert {arm: drawn[arm] / 2000 for arm in arms} == pytest.approx({"pair": 0.3, "one": 0.5, "new": 0.2}, abs=0.1)


async def test_where_nothing_can_be_drawn_a_split_tells_the_chances_of_its_own_labels(tmp_path: Path) -> None:
    """So that what its arms have judged can be weighed."""
    tables = """
[routers.routed]
use = "split"
weights = { pair = 1, one = 3 }
arms.pair = { use = "parallel", members = ["alpha", "beta"], judge = "longest" }
arms.one = { use = "single", member = "alpha" }
shadow = { share = 0.5, panel = ["alpha", "beta", "gamma"], judge = "longest" }
"""
    async with serving(tmp_path, tables + SERVER) as served:
        told = []
        for event in ("promoted", "judge_drift"):
            await noted(served, Seen(event=event))
            _, said, _ = await served.post(a_question(model="routed"))
            told.append((await served.record(said["id"]))["plan"])
    watched, drifted = told
    assert watched["propensities"]["gamma"] == 0.5
    assert (drifted["shadow"], drifted["propensities"]) == ([], {"alpha": 0.25, "beta": 0.25})


async def test_of_a_panel_that_is_asked_only_on_a_weak_answer_no_propensity_is_known() -> None:
    fleet, _ = a_fleet(**{name: a_member(name) for name in "abc"})
    shadow = Shadow(share=0.2, panel=("a", "b", "c"), judge="picky")  # type: ignore[arg-type]
    pipeline, _ = a_pipeline(fleet, Planned(shadow=shadow))
    stages = (Stage(members=("a",), judge="picky", accept_score=0.8), Stage(members=("b", "c"), judge="picky"))
    plan = Watch("panel", shadow, pipeline).shadowed(Plan(router="r", stages=stages), a_request())
    assert plan.propensities == {"a": 0.2}


async def test_of_whom_a_drawn_plan_does_not_know_the_chance_the_watch_does_not_either() -> None:
    fleet, _ = a_fleet(**{name: a_member(name) for name in "abcd"})
    shadow = Shadow(share=0.2, panel=("a", "b"), judge="picky")  # type: ignore[arg-type]
    pipeline, _ = a_pipeline(fleet, Planned(shadow=shadow))
    plan = Plan(router="r", stages=(Stage(members=("c",)),), propensities={"d": 0.5})
    assert Watch("panel", shadow, pipeline).shadowed(plan, a_request()).propensities == {"a": 0.2, "b": 0.2, "d": 0.1}
