import json
from pathlib import Path

import pytest

from ensemble.errors import RouterError, StoreError
from ensemble.labelling.entry import NO_PLAN
from ensemble.router import Context, Router
from ensemble.types import Plan, Request
from judges.judge import JUDGES
from tests.ensemble.doubles import failed
from tests.ensemble.engine import panel
from tests.ensemble.labelling.workshop import MEMBERS, a_workshop, asking, prompts


class Undecided(Router):
    """Asks a model, and has no plan all the same."""

    use = "undecided"

    async def plan(self, request: Request, context: Context) -> Plan:
        await context.models["critic"].complete(request.prompt)
        raise RouterError("nobody was named")


async def test_every_prompt_gets_a_whole_panel_and_a_label(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        outcome = await shop.label(prompts(7))
        assert outcome.stopped is None
        assert (outcome.tally.rows, outcome.tally.prompts, outcome.tally.labelled) == (7, 7, 7)
        assert shop.asked() == {"small": 7, "large": 7, "critic": 0}
        assert shop.select("SELECT DISTINCT kind, usable, best, origin, phase FROM labels") == [
            ("full", 1, '["large"]', "label", "full")
        ]
        assert shop.select("SELECT DISTINCT status, source, model FROM requests") == [("stored", "label", "panel")]
        assert shop.select("SELECT row_id, position FROM dataset_rows ORDER BY position") == [
            (f"q{n}", n + 1) for n in range(7)
        ]
        assert shop.select("SELECT DISTINCT run FROM calls") == [("test",)]
        assert outcome.tally.nano_usd == shop.select("SELECT sum(nano_usd) FROM calls")[0][0]


async def test_a_panel_that_wants_logprobs_is_asked_for_them(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, routers={"panel": panel("small", "large", logprobs=True)}) as shop:
        await shop.label(prompts(2))
        assert {prompt.top_logprobs for wire in shop.wires.values() for prompt in wire.prompts} == {0}


async def test_a_second_run_pays_nothing_and_writes_nothing(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await shop.label(prompts(5), router="judged")
        before = shop.select("SELECT * FROM calls"), shop.select("SELECT * FROM verdicts")
    async with a_workshop(tmp_path) as again:
        outcome = await again.label(prompts(5), router="judged")
        assert again.asked() == {"small": 0, "large": 0, "critic": 0}
        assert (again.select("SELECT * FROM calls"), again.select("SELECT * FROM verdicts")) == before
        assert outcome.tally.untouched == outcome.tally.prompts == 5


async def test_what_a_router_asks_is_in_the_ledger_for_a_stored_prompt_too(tmp_path: Path) -> None:
    broken = {**MEMBERS, "small": (failed("timeout"),), "large": (failed("timeout"),)}
    for run in (1, 2):
        async with a_workshop(tmp_path, script=broken, routers={"panel": asking()}) as shop:
            outcome = await shop.label(prompts(3))
            assert (shop.asked()["critic"], outcome.tally.members["critic"]) == (3, 3)
            assert shop.select("SELECT count(*) FROM calls WHERE purpose = 'router'") == [(3 * run,)]


async def test_what_is_filled_needs_no_plan(tmp_path: Path) -> None:
    """A router that asks a model is not paid again where its panel has answered, and is where somebody did not."""
    async with a_workshop(tmp_path, routers={"panel": asking()}) as shop:
        await shop.label(prompts(3))
    async with a_workshop(tmp_path, routers={"panel": asking()}) as again:
        outcome = await again.label(prompts(4))
        assert again.asked() == {"small": 0, "large": 1, "critic": 1}
        assert (outcome.tally.untouched, outcome.tally.prompts) == (3, 4)
        other = await again.label(prompts(4), judge="picky")
        assert (again.asked()["critic"], other.tally.labelled) == (1, 4)
    async with a_workshop(tmp_path, routers={"panel": asking(timeout_s=9)}) as changed:
        await changed.label(prompts(4))
        assert changed.asked()["critic"] == 4, "it is another router"


async def test_a_plan_that_a_served_request_had_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    """It may have been narrowed."""
    async with a_workshop(tmp_path, routers={"panel": asking()}) as shop:
        await shop.label(prompts(1))
        await shop.pipeline.store.change(lambda db: db.execute("UPDATE requests SET status = 'ok'"))
    async with a_workshop(tmp_path, routers={"panel": asking()}) as again:
        await again.label(prompts(1))
        assert again.asked()["critic"] == 1


async def test_what_a_router_asks_is_in_the_ledger_though_it_has_no_plan_then(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, routers={"panel": Undecided()}) as shop:
        outcome = await shop.label(prompts(3))
        assert (shop.asked()["critic"], outcome.tally.members["critic"]) == (3, 3)
        assert shop.select("SELECT count(*) FROM calls WHERE purpose = 'router'") == [(3,)]
        assert outcome.tally.problems == {NO_PLAN: 3}


async def test_a_prompt_that_comes_twice_is_one_request(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        outcome = await shop.label([{"prompt": "Same?", "id": f"r{n}"} for n in range(150)])
        assert shop.asked()["small"] == 1
        assert shop.select("SELECT count(*), count(DISTINCT request_id) FROM dataset_rows") == [(150, 1)]
        assert outcome.tally.done == 150


async def test_bad_rows_go_to_the_rejects_and_the_run_goes_on(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        outcome = await shop.label([{"prompt": "One?"}, {"prompt": " "}, ["no"], {"prompt": "Two?"}])
        assert (outcome.tally.prompts, outcome.tally.rejected) == (2, 2)
        file = tmp_path / "rejects.jsonl"
        assert file.stat().st_mode & 0o777 == 0o600
        told = [json.loads(line) for line in file.read_text().splitlines()]
        assert [(one["line"], one["reason"]) for one in told] == [
            (2, "prompt: it is empty"),
            (3, "the row is no object with a prompt or messages"),
        ]


async def test_a_failed_seat_is_asked_again_and_a_good_one_never(tmp_path: Path) -> None:
    broken = {**MEMBERS, "large": (failed("timeout"),)}
    async with a_workshop(tmp_path, script=broken) as shop:
        outcome = await shop.label(prompts(2))
        assert outcome.tally.unfinished == 2
        assert outcome.tally.failures == {"timeout": 2}
        assert shop.select("SELECT DISTINCT kind, usable FROM labels") == [("early", 0)]
    async with a_workshop(tmp_path) as again:
        outcome = await again.label(prompts(2))
        assert again.asked() == {"small": 0, "large": 2, "critic": 0}
        assert again.select("SELECT DISTINCT kind, usable, best FROM labels") == [("full", 1, '["large"]')]
        assert outcome.tally.unfinished == 0


async def test_one_member_more_calls_that_member_alone_and_judges_again(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await shop.label(prompts(3))
    script = {**MEMBERS, "huge": ("fine!!!!",)}
    async with a_workshop(tmp_path, script=script) as again:
        outcome = await again.runner(router=None, members=("huge",), run="more").label_stored()
        assert again.asked() == {"small": 0, "large": 0, "critic": 0, "huge": 3}
        assert outcome.tally.labelled == 3
        assert again.select("SELECT DISTINCT kind, best FROM labels") == [("full", '["huge"]')]
        assert again.select("SELECT count(*) FROM labels") == [(3,)]


async def test_a_new_judge_calls_only_the_judge(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await shop.label(prompts(3))
    async with a_workshop(tmp_path) as again:
        await again.label(prompts(3), judge="pairs")
        assert again.asked() == {"small": 0, "large": 0, "critic": 3}
        assert again.select("SELECT DISTINCT judge FROM labels") == [("pairs",)]


async def test_a_stored_prompt_can_be_chosen_by_a_condition(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await shop.label([{"prompt": "A?", "conversation": "c1"}, {"prompt": "B?", "conversation": "c2"}])
        outcome = await shop.runner(judge="pairs", router=None).label_stored("conversation = 'c2'")
        assert outcome.tally.prompts == 1
        with pytest.raises(StoreError, match=r"--where: .*no such column"):
            await shop.runner(judge="pairs", router=None).label_stored("absent = 1")


async def test_a_judge_by_its_replies_finds_the_same_after_a_crash(tmp_path: Path) -> None:
    """The verdicts are gone, the judge's calls are not: they are replayed, exchanges and usage included."""
    async with a_workshop(tmp_path) as shop:
        await shop.label(prompts(4), router="judged")
        found = shop.select("SELECT request_id, winners, nano_usd FROM verdicts ORDER BY request_id")
        await shop.pipeline.store.change(lambda db: db.conn.execute("DELETE FROM verdicts"))
    async with a_workshop(tmp_path) as again:
        outcome = await again.label(prompts(4), router="judged")
        assert again.asked() == {"small": 0, "large": 0, "critic": 0}
        assert outcome.tally.replayed == 4
        assert again.select("SELECT request_id, winners, nano_usd FROM verdicts ORDER BY request_id") == found
        assert again.select("SELECT count(*) FROM exchanges WHERE call_id IS NULL") == [(0,)]


async def test_a_judge_is_not_asked_again_about_tools_whose_keys_the_log_sorts(tmp_path: Path) -> None:
    function = {"name": "add", "description": "Adds.", "parameters": {"type": "object", "properties": {}}}
    rows = [{"prompt": "What is due?", "tools": [{"type": "function", "function": function}]}]
    async with a_workshop(tmp_path) as shop:
        await shop.label(rows, router="judged")
        await shop.pipeline.store.change(lambda db: db.conn.execute("DELETE FROM verdicts"))
    async with a_workshop(tmp_path) as again:
        await again.label(rows, router="judged")
        assert again.asked() == {"small": 0, "large": 0, "critic": 0}


async def test_several_samples_are_seats_of_their_own(tmp_path: Path) -> None:
    routers = {"panel": panel("small", "large", samples={"small": 3})}
    async with a_workshop(tmp_path, routers=routers) as shop:
        await shop.label(prompts(2))
        assert shop.asked() == {"small": 6, "large": 2, "critic": 0}
        [(spread,)] = shop.select("SELECT DISTINCT spread FROM labels")
        assert json.loads(spread) == {"small": 0.0}
    more = {"panel": panel("small", "large", samples={"small": 4})}
    async with a_workshop(tmp_path, routers=more) as again:
        await again.label(prompts(2))
        assert again.asked() == {"small": 2, "large": 0, "critic": 0}


async def test_what_a_row_knows_is_kept(tmp_path: Path) -> None:
    row = {"prompt": "2 + 2?", "reference": "4", "domain": "sums", "conversation": "c9", "metadata": {"a": 1}, "b": [2]}
    async with a_workshop(tmp_path) as shop:
        await shop.label([{"prompt": "2 + 2?"}])
        await shop.label([row])
        sql = "SELECT reference, domain, domain_by, conversation FROM requests"
        assert shop.select(sql) == [("4", "sums", None, "c9")]
        assert [json.loads(m) for (m,) in shop.select("SELECT metadata FROM dataset_rows")] == [{"a": 1, "b": [2]}]


async def test_a_run_that_was_stopped_takes_up_nothing_new(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        runner = shop.runner()
        runner.stop("interrupted")
        outcome = await runner.label_stored()
        assert str(outcome.stopped) == "interrupted"
        assert shop.asked()["small"] == 0


async def test_a_log_that_cannot_be_written_ends_the_run(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await shop.label(prompts(1))
        shop.path.unlink()
        with pytest.raises(StoreError):
            await shop.label(prompts(3))


async def test_a_failed_verdict_is_asked_for_again(tmp_path: Path) -> None:
    judges = {"pairs": JUDGES.build({"use": "pairwise", "model": "critic"})}
    async with a_workshop(tmp_path, script={**MEMBERS, "critic": (failed("timeout"),)}, judges=judges) as shop:
        await shop.label(prompts(2), router="judged")
        assert shop.select("SELECT DISTINCT kind, usable FROM labels") == [("fallback", 0)]
    async with a_workshop(tmp_path, judges=judges) as again:
        await again.label(prompts(2), router="judged")
        assert again.asked() == {"small": 0, "large": 0, "critic": 2}
        assert again.select("SELECT DISTINCT kind, usable FROM labels") == [("full", 1)]
