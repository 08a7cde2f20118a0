"""Anchors: frozen once, judged anew each time, and drift told."""

from pathlib import Path
from typing import Any

import pytest

from ensemble.errors import InvalidRequest
from ensemble.rejudging.anchors import Checked, Checker, drifted, freeze_set
from ensemble.store.feedback import Noted, Remark, Statement, add
from judges.judge import JUDGES
from tests.ensemble.labelling.workshop import MEMBERS, Workshop, a_workshop
from tests.ensemble.rejudging.benches import Shy, labelled

ONE_ORDER = JUDGES.build({"use": "pairwise", "model": "critic", "order": "single"})


async def freeze(shop: Workshop, number: int = 12) -> None:
    await labelled(shop, number)
    frozen = await freeze_set(shop.pipeline.store, "gold", "1")
    assert (frozen.added, frozen.looked_at) == (number, number)


async def check(shop: Workshop, judge: str = "picky", **options: Any) -> Checked:
    return await Checker(shop.pipeline, judge, "gold", **options).run()


async def test_a_judge_that_stays_the_same_agrees(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await freeze(shop)
        first, second = await check(shop), await check(shop)
        assert first.check is not None
        assert (first.check.agreement, first.check.cases, first.first, first.why) == (1.0, 12, None, None)
        assert (second.first, second.why) == (1.0, None)
        rows = shop.select("SELECT anchor_set, judge, cases, agreed, drift, nano_usd FROM anchor_checks")
        assert rows == [("gold", "picky", 12, 12.0, 0, 0)] * 2


async def test_drift_of_the_model_behind_a_judge(tmp_path: Path) -> None:
    """The digest stays, the model changes its mind: every question is asked anew, and the row says drift."""
    script = {**MEMBERS, "critic": ("[[A]]",) * 12 + ("[[B]]",)}
    async with a_workshop(tmp_path, script=script, judges={"one": ONE_ORDER}) as shop:
        await labelled(shop, 12)
        await shop.label([{"id": f"q{n}", "prompt": f"Question {n}?"} for n in range(12)], judge="one", run="one")
        await freeze_set(shop.pipeline.store, "gold", "1")
        asked = shop.asked()["critic"]
        assert asked == 12
        wire = shop.wires["critic"]
        wire.replies = ("[[A]]",)
        first = await check(shop, "one")
        assert first.check is not None
        assert (first.check.agreement, shop.asked()["critic"], first.check.nano_usd) == (1.0, 24, 240_000)
        wire.replies = ("[[B]]",)
        second = await check(shop, "one")
        assert second.check is not None
        assert (second.check.agreement, second.check.drift, second.first) == (0.0, True, 1.0)
        assert second.why is not None
        assert shop.asked()["critic"] == 36
        assert shop.select("SELECT agreed, drift FROM anchor_checks ORDER BY id") == [(12.0, 0), (0.0, 1)]


async def test_people_are_frozen_before_judges(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await labelled(shop, 3)
        ids = [row[0] for row in shop.select("SELECT id FROM requests ORDER BY id")]
        said = [Remark(kind="preferred", candidate="small")], [Remark(kind="all_bad")]
        for request, remarks in zip(ids, said, strict=False):
            statement = Statement(remarks=tuple(remarks), given_by="ann", source="api", request=request)
            noted = await shop.pipeline.store.change(lambda db, told=statement: add(db, told))  # type: ignore[misc]
            assert isinstance(noted, Noted)
        frozen = await freeze_set(shop.pipeline.store, "gold", "1")
        assert (frozen.added, frozen.looked_at) == (2, 3)
        by = dict(shop.select("SELECT request_id, judged_by FROM anchors"))
        assert (by[ids[0]], len(by[ids[2]]), ids[1] in by) == ("ann", 64, False)
        found = await check(shop)
        assert found.check is not None
        assert found.check.agreement == 0.5


async def test_what_is_frozen_stays(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"shy": Shy()}) as shop:
        await freeze(shop, 3)
        before = shop.select("SELECT * FROM anchors")
        await shop.label([{"prompt": f"Question {n}?"} for n in range(4)], judge="shy", run="again")
        frozen = await freeze_set(shop.pipeline.store, "gold", "1")
        assert (frozen.added, shop.select("SELECT * FROM anchors")[:3]) == (1, before)


async def test_a_judge_that_fails_does_not_drift(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"shy": Shy(outcome="failed"), "mute": Shy(outcome="abstained")}) as shop:
        await freeze(shop, 3)
        failed = await check(shop, "shy", floor=0.9)
        assert (failed.check, failed.failed, failed.why) == (None, 3, None)
        mute = await check(shop, "mute", floor=0.9)
        assert mute.check is not None
        assert (mute.check.agreement, mute.check.drift) == (0.0, True)
        assert shop.select("SELECT count(*) FROM anchor_checks") == [(1,)]


async def test_texts_that_are_gone_are_left_out(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        await freeze(shop, 3)
        await shop.pipeline.store.change(
            lambda db: db.conn.execute("UPDATE requests SET content = 'erased' WHERE messages LIKE '%Question 1?%'")
        )
        found = await check(shop)
        assert found.check is not None
        assert (found.gone, found.check.cases) == (1, 2)


async def test_a_check_under_a_cap_is_whole_or_not_stored(tmp_path: Path) -> None:
    async with a_workshop(tmp_path, judges={"one": ONE_ORDER}) as shop:
        await freeze(shop, 6)
        found = await check(shop, "one", max_nano_usd=1_700_000, concurrency=1)
        assert found.stopped is not None
        assert found.check is None
        assert shop.select("SELECT count(*) FROM anchor_checks") == [(0,)]


async def test_an_unknown_set(tmp_path: Path) -> None:
    async with a_workshop(tmp_path) as shop:
        with pytest.raises(InvalidRequest, match="there is no anchor set 'gold'; make it with --freeze gold"):
            await check(shop)


@pytest.mark.parametrize(
    ("high", "first", "floor", "drift"),
    [(0.9, None, None, False), (0.9, 0.91, None, True), (0.9, 0.9, None, False), (0.9, None, 0.95, True)],
)
def test_the_rule(high: float, first: float | None, floor: float | None, drift: bool) -> None:
    assert (drifted(high, first, floor) is not None) == drift
