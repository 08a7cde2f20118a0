"""``scripts/crash_run``: no answer is lost to ``kill -9``, and the script would notice if one were."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from scripts._crash import inspect
from scripts.crash_run import Options, Outcome, crash, summary, written


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outcome, Path]:
    """One crash and one restart, with the database that is left."""
    database = tmp_path_factory.mktemp("crash") / "crash.db"
    return asyncio.run(crash(Options(database=database, in_flight=24, rounds=1, seed=4))), database


def test_every_answer_survives_and_the_server_starts_again(done: tuple[Outcome, Path]) -> None:
    outcome, database = done
    assert outcome.wrong == []
    (only,) = outcome.rounds
    assert only.in_flight == 24
    assert only.answered > 0
    assert len(outcome.replies) == only.answered + 4
    assert {reply.streamed for reply in outcome.replies} == {True, False}
    assert inspect(database, outcome.replies).requests >= len(outcome.replies)
    assert summary(outcome).startswith("scripts/crash_run: 1 times kill -9 with 24 requests under way: all ")
    assert "| round |" in written(outcome, Options(database=database))


@pytest.mark.parametrize(
    ("sql", "breach"),
    [
        ("DELETE FROM requests WHERE id = ?", "was answered and is lost"),
        ("DELETE FROM plans WHERE request_id = ?", 'not whole: {"plans": 0}'),
        ("DELETE FROM verdicts WHERE request_id = ?", "foreign_key_check"),
        ("UPDATE candidates SET text = 'another' WHERE request_id = ?", "another text than is stored"),
        ("UPDATE requests SET chosen = NULL WHERE id = ?", "and not whole"),
        ("UPDATE requests SET status = 'failed' WHERE id = ?", "is failed and not whole"),
        ("UPDATE calls SET failure = 'timeout' WHERE request_id = ?", '"candidate calls": 0'),
        ("UPDATE calls SET nano_usd = nano_usd + 1 WHERE request_id = ?", "daily_calls.nano_usd says"),
    ],
)
def test_a_request_that_is_there_by_half_is_noticed(
    done: tuple[Outcome, Path], tmp_path: Path, sql: str, breach: str
) -> None:
    outcome, database = done
    copy = Path(shutil.copy(database, tmp_path))
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute(sql, (outcome.replies[0].id,)).rowcount > 0
        db.commit()
    assert [wrong for wrong in inspect(copy, outcome.replies).wrong if breach in wrong]
