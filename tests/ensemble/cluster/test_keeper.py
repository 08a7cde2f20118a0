"""What labellers ask the keeper of the log: who may ask a prompt, what was counted, and whether there is an end."""

import asyncio
import sys
from pathlib import Path

import pytest

from ensemble.cluster.driver import Cluster, check_cluster
from ensemble.cluster.keeper import End, Keeper
from ensemble.config import load
from ensemble.errors import ConfigError, InvalidRequest
from ensemble.labelling.rows import Reject
from ensemble.labelling.runner import Options
from ensemble.labelling.tally import Tally
from ensemble.labelling.till import LogTill
from ensemble.types import Late
from tests.ensemble.cli.conftest import CONFIG
from tests.ensemble.store.builders import a_record, a_request
from tests.patience import PATIENCE_S


def a_keeper(folder: Path) -> Keeper:
    return Keeper(str(folder / "log.db"), None, folder / "rejects.jsonl", "run")


async def test_a_prompt_is_with_one_batch_at_a_time(tmp_path: Path) -> None:
    keeper = a_keeper(tmp_path)
    assert await keeper.claim(1, ["a", "b"]) == {"a", "b"}
    assert await keeper.claim(2, ["b", "c"]) == {"c"}
    waiting = asyncio.get_running_loop().create_task(keeper.claim(3, ["a", "b"]))
    await keeper.release(2)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert await keeper.claim(1, ["a", "b"]) == {"a", "b"}  # a batch that is begun again has what it had
    await keeper.release(1)
    async with asyncio.timeout(PATIENCE_S):
        assert await waiting == {"a", "b"}


async def test_counts_of_labellers_and_rejects_add_up(tmp_path: Path) -> None:
    keeper = a_keeper(tmp_path)
    await keeper.open()
    try:
        for rows in (3, 4):
            tally = Tally(rows=rows, labelled=rows)
            tally.calls["candidate"] = 2 * rows
            await keeper.count(tally)
        await keeper.rejected([Reject(position=9, reason="no prompt")])
        found = await keeper.tally()
        assert (found.rows, found.labelled, found.rejected, found.calls) == (8, 7, 1, {"candidate": 14})
        assert await keeper.reserve("r1", 60, 100)
        assert await keeper.spent() == 60
    finally:
        await keeper.close()
    assert "no prompt" in (tmp_path / "rejects.jsonl").read_text()


async def test_who_finds_no_room_waits_for_money_that_comes_back(tmp_path: Path) -> None:
    keeper = a_keeper(tmp_path)
    await keeper.open()
    try:
        request = a_request("Why?")
        await keeper.record(a_record(request=request))
        assert await keeper.reserve("r1", 60, 100)
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            waiting = group.create_task(keeper.reserve("r2", 60, 100))
            await keeper.record_late(Late(request=request.id, calls=(), authors={}, settled=("r1",)))
        assert waiting.result()
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            waiting = group.create_task(keeper.reserve("r3", 60, 100))
            await keeper.end(End("Stopped", "interrupted"))
        assert not waiting.result()
        assert await keeper.spent() == 60
    finally:
        await keeper.close()


async def test_money_that_comes_back_while_the_log_says_no_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, ask, request = a_keeper(tmp_path), LogTill.reserve, a_request("Why?")

    async def slow(till: LogTill, id_: str, nano_usd: int, cap: int) -> bool:
        if granted := await ask(till, id_, nano_usd, cap):
            return granted
        await keeper.record_late(Late(request=request.id, calls=(), authors={}, settled=("r1",)))
        return False

    monkeypatch.setattr(LogTill, "reserve", slow)
    await keeper.open()
    try:
        await keeper.record(a_record(request=request))
        assert await keeper.reserve("r1", 60, 100)
        assert await keeper.reserve("r2", 60, 100)
        assert await keeper.spent() == 60
    finally:
        await keeper.close()


async def test_the_first_end_is_the_one_that_counts(tmp_path: Path) -> None:
    keeper = a_keeper(tmp_path)
    assert await keeper.ended() is None
    await keeper.end(End("CapReached", "no room"))
    await keeper.end(End("Stopped", "interrupted"))
    assert await keeper.until_end() == End("CapReached", "no room")


def test_no_password_is_in_what_ray_shows_of_the_keeper(tmp_path: Path) -> None:
    keeper = Keeper("postgresql://me:hidden@host/db", None, tmp_path / "rejects.jsonl", "run")
    assert "hidden" not in repr(keeper)


@pytest.mark.parametrize(
    ("more", "strange", "told"),
    [
        ("", "", "pip install"),
        ("requests_per_minute = 10", "", "name a Redis"),
        ("", "notes.txt", "holds 'notes.txt'"),
    ],
)
def test_what_cannot_be_is_refused_before_any_cluster_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, strange: str, told: str
) -> None:
    config = CONFIG.format(base_url="http://127.0.0.1:1").replace('use = "openai"', f'use = "openai"\n{more}')
    (tmp_path / "ensemble.toml").write_text(config)
    out = tmp_path / "labels"
    if strange:
        out.mkdir()
        (out / strange).touch()
    if not more and not strange:
        monkeypatch.setitem(sys.modules, "ray", None)  # as where the extra is not installed
    cluster = Cluster(out=out, rejects=tmp_path / "rejects.jsonl")
    with pytest.raises((ConfigError, InvalidRequest), match=told):
        check_cluster(load(tmp_path / "ensemble.toml"), Options(run="run", router="best"), cluster)
