"""``scripts/ledger_run``: the ledger is what was served, and the script would notice if it were not."""

import asyncio
import dataclasses
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from scripts._ledger import Run, inspect
from scripts.ledger_run import Options, command, drive, summary, written

LINE = "every call served is one line"
TOKENS = "a line with an id has its call's tokens"
SUMS = "the sums are equal"
TOLD = "clients were told"
NEVER_0 = "what was served and not told"
MADE_UP = "a line without a call"
FIND = {
    "priced": "SELECT id FROM calls WHERE nano_usd > 0 AND after_answer = 0 AND failure IS NULL AND request_id IN told "
    "AND request_id NOT IN (SELECT request_id FROM calls WHERE nano_usd IS NULL)",
    "unknown": "SELECT id FROM calls WHERE nano_usd IS NULL AND provider_request_id IS NOT NULL",
    "refused": "SELECT id FROM calls WHERE http_status >= 500",
    "answered": "SELECT id FROM told",
}
"""Lines that every run has, whose change must show; and a request that was answered."""
GIVEN_UP = "failure = 'timeout' AND nano_usd IS NULL AND provider_request_id IS NULL"
"""All of these at once: on a busy machine one may not have arrived upstream, and alone it would not be missed."""


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Path, Options]:
    """One small run with its database."""
    options = Options(database=tmp_path_factory.mktemp("ledger") / "run.db", requests=60, seed=3)
    return asyncio.run(drive(options)), options.database, options


def broken(run: Run, database: Path) -> set[str]:
    return {promise.name for promise in inspect(run, database).broken}


def test_the_ledger_is_what_was_served(done: tuple[Run, Path, Options]) -> None:
    run, database, options = done
    report = inspect(run, database)
    assert report.broken == []
    assert len(run.asked) == 60
    assert len({call.fault for call in run.served}) > 10
    assert report.lines["unknown prices"] == sum(each.calls for each in report.unknown) > 0
    assert {"retries", "late calls", "cancelled calls"} <= report.lines.keys()
    assert all(told == held for told, held in report.sums.values())
    assert all(held.nano_usd > 0 for name, (_, held) in report.sums.items() if name != "absent")
    assert "simulated" in written(run, report, options)
    assert "equal to the token and nano-dollar" in summary(run, report)


@pytest.mark.parametrize(
    ("sql", "promises"),
    [
        ("UPDATE calls SET input_tokens = input_tokens + 1 WHERE id = :priced", {TOKENS, SUMS}),
        ("UPDATE calls SET output_tokens = output_tokens - 1 WHERE id = :priced", {TOKENS, SUMS}),
        ("UPDATE calls SET nano_usd = nano_usd + 1 WHERE id = :priced", {TOKENS, SUMS, TOLD, "the daily sums"}),
        ("UPDATE calls SET nano_usd = NULL WHERE id = :priced", {TOKENS, SUMS, TOLD}),
        ("UPDATE calls SET member = 'absent' WHERE id = :priced", {TOKENS, SUMS}),
        ("UPDATE calls SET provider_request_id = 'another' WHERE id = :priced", {LINE, MADE_UP}),
        ("UPDATE calls SET nano_usd = 0 WHERE id = :unknown", {TOKENS, NEVER_0}),
        ("UPDATE calls SET nano_usd = 0 WHERE " + GIVEN_UP, {LINE}),  # noqa: S608 - own text
        ("UPDATE calls SET nano_usd = NULL WHERE id = :refused", {TOKENS}),
        ("DELETE FROM calls WHERE id = :priced", {LINE, SUMS, TOLD, "the daily sums"}),
        ("DELETE FROM calls WHERE " + GIVEN_UP, {LINE, "the daily sums"}),  # noqa: S608 - own text
        ("DELETE FROM calls WHERE id = :refused", {LINE, "the daily sums"}),
        ("UPDATE requests SET status = 'failed' WHERE id = :answered", {"every answered request"}),
    ],
)
def test_a_database_that_was_doctored_is_noticed(
    done: tuple[Run, Path, Options], tmp_path: Path, sql: str, promises: set[str]
) -> None:
    run, database, _ = done
    copy = Path(shutil.copy(database, tmp_path))
    told = [one.reply.id for one in run.asked if one.reply is not None]
    with closing(sqlite3.connect(copy)) as db:
        db.execute("CREATE TEMP TABLE told AS SELECT value AS id FROM json_each(?)", (json.dumps(told),))
        which = {name: db.execute(find).fetchone()[0] for name, find in FIND.items() if f":{name}" in sql}
        assert db.execute(sql, which).rowcount > 0
        db.commit()
    found = broken(run, copy)
    assert {name for name in promises if not any(each.startswith(name) for each in found)} == set()


def test_a_call_that_nobody_wrote_down_is_noticed(done: tuple[Run, Path, Options]) -> None:
    run, database, _ = done
    extra = [dataclasses.replace(run.served[0], id=f"req_sim_999999{n}") for n in range(5)]
    found = broken(dataclasses.replace(run, served=[*run.served, *extra]), database)
    assert "every call served is one line of the ledger" in found


def test_a_run_that_proves_less_than_it_says_is_noticed(done: tuple[Run, Path, Options]) -> None:
    run, database, _ = done
    tame = dataclasses.replace(run, full=True, faults=("unheard-of",), asked=[one for one in run.asked if one.streamed])
    (promise,) = inspect(tame, database).broken
    assert {"no unheard-of", "only one way of asking"} <= set(promise.wrong)


def test_a_breach_ends_with_one(tmp_path: Path) -> None:
    """No fault, no hang-up: such a run does not prove what it is for."""
    result = CliRunner().invoke(command, ["--requests", "4", "--faults", "0", "--leaving", "0"])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1].startswith("scripts/ledger_run: BROKEN: the run had all that it is to prove")


def test_a_database_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "run.db").write_bytes(b"precious")
    result = CliRunner().invoke(command, ["--db", str(tmp_path / "run.db")])
    assert result.exit_code == 1
    assert "exists; its lines are to be counted" in result.output
    assert (tmp_path / "run.db").read_bytes() == b"precious"
