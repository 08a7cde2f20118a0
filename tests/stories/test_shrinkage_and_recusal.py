"""What is known of the members weighs in with a verdict, and judges stand aside from their own family's candidates."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from ensemble.service import open_service
from ensemble.simulator import reply, status
from tests.served import Served, a_question
from tests.stories.conftest import Serve

WANTS = '''
"""A judge model that prefers the answer which the question asks for, and records its comparison."""
from judges import JUDGES, Judge, Preference, Verdict


@JUDGES.register("wants")
class Wants(Judge):
    """Prefer the candidate that says what the question says last."""

    async def judge(self, case, models):
        wanted = case.messages[-1].text.split()[-1]
        one, other = case.candidates
        first = wanted in one.completion.text
        met = Preference(shown=(one.id, other.id), outcome="first" if first else "second")
        best = one if first else other
        return Verdict(judge=self.digest, outcome="decided", winners=(best.id,), preferences=(met,))
'''
SHRUNK = """
[judges.wants]
use = "./wants.py"

[routers.panel]
use = "parallel"
members = ["alpha", "beta"]
judge = "wants"
straggler_s = 5

[judging]
shrink_labels = 6
"""


async def ask(served: Served, wanted: str) -> dict[str, Any]:
    for name in ("alpha", "beta"):
        served.simulator.script(name, [reply(f"this is {name}")])
    code, said, _ = await served.post(a_question(f"I want {wanted}", ensemble={"include": ["verdict"]}))
    assert code == 200, said
    return dict(said)


async def test_a_verdict_against_all_that_is_known_is_outweighed_and_both_are_kept(
    serve: Serve, tmp_path: Path
) -> None:
    (tmp_path / "wants.py").write_text(WANTS)
    served = await serve(SHRUNK)
    for _ in range(5):
        assert (await ask(served, "alpha"))["model"] == "alpha"
    early = await ask(served, "beta")
    assert (early["model"], early["ensemble"]["verdict"]["flags"]) == ("beta", [])  # the sixth label is not there yet
    for _ in range(6):
        await ask(served, "alpha")
    late = await ask(served, "beta")
    assert (late["model"], late["ensemble"]["fallback"]) == ("alpha", None)
    assert late["ensemble"]["verdict"]["flags"] == ["shrunk", "shrunk_overruled"]
    told = late["ensemble"]["verdict"]["plain"]
    assert ([one["member"] for one in told["winners"]], len(told["means"])) == (["beta"], 2)
    assert early["ensemble"]["verdict"]["plain"] is None
    record = await served.record(late["id"])
    (verdict,) = record["verdicts"]
    authors = {one["id"]: one["member"] for one in record["candidates"]}
    found, known = verdict["ballots"]
    assert [authors[one] for one in verdict["winners"]] == ["alpha"]
    assert [authors[one] for one in found["winners"]] == ["beta"]
    assert (found["judge_digest"], len(found["preferences"])) == (verdict["judge_digest"], 1)
    assert {authors[one["candidate_id"]]: one["score"] for one in known["scores"]} == {
        "alpha": pytest.approx(11.5 / 13),
        "beta": pytest.approx(1.5 / 13),
    }
    assert verdict["weights"]


async def test_means_come_from_plain_findings_and_are_the_same_after_a_restart(serve: Serve, tmp_path: Path) -> None:
    """Else shrinkage would feed on itself: alpha would never lose a label again."""
    (tmp_path / "wants.py").write_text(WANTS)
    served = await serve(SHRUNK)
    for wanted in [*["alpha"] * 12, *["beta"] * 4]:
        assert (await ask(served, wanted))["model"] == "alpha" or wanted == "beta"
    await served.service.idle()
    digest = served.service.settings.judges["wants"].digest
    authors = {"1": "alpha", "2": "beta"}
    online = served.service.pipeline.means.priors(digest, authors)  # type: ignore[arg-type]  # ids
    assert online == {"1": pytest.approx(12.5 / 17), "2": pytest.approx(4.5 / 17)}
    async with open_service(tmp_path / "ensemble.toml") as again:
        assert again.pipeline.means.priors(digest, authors) == pytest.approx(online)  # type: ignore[arg-type]  # ids


async def test_shrinkage_can_be_switched_off(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "wants.py").write_text(WANTS)
    served = await serve(SHRUNK + 'shrink = "off"\n')
    for _ in range(12):
        await ask(served, "alpha")
    assert (await ask(served, "beta"))["model"] == "beta"


FAMILIES = """
[members.oak]
provider = "sim"
model = "alpha"
family = "oak"
max_attempts = 1

[members.birch]
provider = "sim"
model = "beta"
family = "birch"
max_attempts = 1

[members.oak-judge]
provider = "sim"
model = "gamma"
family = "oak"
max_attempts = 1

[members.elm-judge]
provider = "sim"
model = "critic"
family = "elm"
max_attempts = 1

[judges.two]
use = "jury"
seats = [{ use = "pairwise", model = "oak-judge" }, { use = "pairwise", model = "elm-judge" }]

[judges.staged]
use = "staged"
stages = [{ use = "pairwise", model = "oak-judge" }, { use = "pairwise", model = "elm-judge" }]

[judges.one]
use = "pairwise"
model = "oak-judge"
"""


def family_panel(judge: str, more: str = "") -> str:
    return f'{FAMILIES}\n[routers.panel]\nuse = "parallel"\nmembers = ["oak", "birch"]\njudge = "{judge}"\n{more}'


@pytest.mark.parametrize("judge", ["two", "staged"])
async def test_a_seat_stands_aside_where_another_can_judge(serve: Serve, judge: str) -> None:
    served = await serve(family_panel(judge))
    served.simulator.script("critic", [reply("[[A]]")])
    record = await judged(served)
    assert [call["member"] for call in record["calls"] if call["purpose"] == "judge"] == ["elm-judge"]
    (verdict,) = record["verdicts"]
    assert (verdict["outcome"], verdict["own_family"]) == ("decided", False)
    assert verdict["ballots"][0]["flags"] == ["recused"]
    assert "recused" in verdict["flags"]
    assert await kinds(served) == [("full", True)]


async def test_it_judges_after_all_where_the_other_one_cannot(serve: Serve) -> None:
    served = await serve(family_panel("two"))
    served.simulator.script("critic", [status(401)] * 2)
    served.simulator.script("gamma", [reply("[[A]]")])
    (verdict,) = (await judged(served))["verdicts"]
    assert (verdict["outcome"], verdict["own_family"]) == ("decided", True)
    assert "recusal_lifted" in verdict["flags"]


async def test_a_lone_judge_judges_all_and_its_label_is_usable(serve: Serve) -> None:
    served = await serve(family_panel("one"))
    served.simulator.script("gamma", [reply("[[A]]")])
    (verdict,) = (await judged(served))["verdicts"]
    assert (verdict["outcome"], verdict["own_family"]) == ("decided", True)
    assert await kinds(served) == [("own_family", True)]


async def test_nobody_stands_aside_where_that_is_switched_off(serve: Serve) -> None:
    served = await serve(family_panel("two", '\n[judging]\nrecuse = "off"\n'))
    for name in ("gamma", "critic"):
        served.simulator.script(name, [reply("[[A]]")])
    (verdict,) = (await judged(served))["verdicts"]
    assert (verdict["own_family"], [one["own_family"] for one in verdict["ballots"]]) == (True, [True, False])


async def test_own_family_preference_can_be_counted_from_the_rows(serve: Serve, tmp_path: Path) -> None:
    """Who preferred whom: seat's model and candidates' authors, whose families the configuration knows."""
    served = await serve(family_panel("two", '\n[judging]\nrecuse = "off"\n'))
    served.simulator.always("critic", reply("[[A]]"))
    for _ in range(4):
        await judged(served, ["[[A]]"])
    await served.service.idle()
    families = {name: member.family for name, member in served.service.settings.members.items()}

    def count() -> list[tuple[str, str]]:
        with sqlite3.connect(tmp_path / "ensemble.db") as db:
            rows = db.execute(
                "SELECT e.model, c.member FROM verdicts v "
                "JOIN exchanges e ON e.verdict_id = v.id JOIN preferences p ON p.verdict_id = v.id "
                "JOIN candidates c ON c.request_id = v.request_id "
                "AND c.id = CASE p.outcome WHEN 'first' THEN p.shown_first ELSE p.shown_second END"
            ).fetchall()
        db.close()
        return rows

    rows = await asyncio.to_thread(count)
    by_seat = {model: [families[author] for seat, author in rows if seat == model] for model, _ in rows}
    assert {model: len(preferred) for model, preferred in by_seat.items()} == {"oak-judge": 4, "elm-judge": 4}
    assert {family for preferred in by_seat.values() for family in preferred} <= {"oak", "birch"}


async def judged(served: Served, replies: list[str] | None = None) -> dict[str, Any]:
    served.simulator.script("alpha", [reply("a long answer")])
    served.simulator.script("beta", [reply("another one")])
    if replies:
        served.simulator.script("gamma", [reply(text) for text in replies])
    code, said, _ = await served.post()
    assert code == 200, json.dumps(said)
    return await served.record(said["id"])


async def kinds(served: Served) -> list[tuple[str, bool]]:
    labels = await asyncio.to_thread(lambda: [*served.service.store.labels(complete=False)])
    return [(label.kind, label.usable) for label in labels]
