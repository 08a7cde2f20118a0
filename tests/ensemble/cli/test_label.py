import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from ensemble.cli._label_progress import Progress
from ensemble.labelling.opening import run_name
from ensemble.labelling.tally import Tally
from ensemble.simulator import Simulator, SimulatorSettings
from ensemble.simulator.script import reply, status
from ensemble.store import open_store
from ensemble.store.keeping.spilled import beside
from ensemble.store.migrations import MIGRATIONS
from ensemble.store.rows import rows_of
from ensemble.store.spill import Spill
from tests.ensemble.cli.conftest import CONFIG, Run
from tests.ensemble.store.builders import a_record

NO_LOG_YET = "ensemble.db: there is no log yet, so nothing counts as stored; the run itself makes one."


@pytest.fixture
def prompts(config: Path) -> Path:
    path = config.parent / "prompts.jsonl"
    lines = [json.dumps({"prompt": f"What is {n} x 24?"}) for n in range(6)]
    path.write_text("\n".join([*lines, "{no"]))
    return path


async def test_what_a_run_came_to(config: Path, run: Run, prompts: Path) -> None:
    told = await run("label", "prompts.jsonl", "--router", "best")
    assert told.exit_code == 0, told.output
    assert "6, 0 had everything, 0 short of an answer" in told.stdout
    assert "ensemble.db.rejects-prompts.jsonl" in told.stdout
    found = json.loads((await run("label", "prompts.jsonl", "--router", "best", "--json")).stdout)
    assert (found["untouched"], found["calls"], found["stopped"], found["rejected"]) == (6, {}, None, 1)


async def test_prompts_from_standard_input(config: Path, run: Run) -> None:
    told = await run("label", "-", "--router", "small", "--column", "prompt=q", stdin='{"q": "Why?"}\n')
    assert told.exit_code == 0, told.output
    with closing(sqlite3.connect(config.parent / "ensemble.db")) as db:
        assert db.execute("SELECT dataset, row_id FROM dataset_rows").fetchall() == [("stdin", "1")]


async def test_a_cap_that_is_reached_is_status_3(config: Path, run: Run, prompts: Path) -> None:
    told = await run("label", "prompts.jsonl", "--router", "small", "--max-cost", "0.0005", "--json")
    assert told.exit_code == 3
    assert "the same command goes on from there" in told.stderr
    assert json.loads(told.stdout)["spent_nano_usd"] <= 500_000
    refused = await run("label", "prompts.jsonl", "--router", "best", "--max-cost", "1")
    assert refused.exit_code == 1
    assert "large: it has no price" in refused.stderr


async def test_a_dry_run_calls_nobody(config: Path, run: Run, prompts: Path, simulator: Simulator) -> None:
    for option in ("--dry-run", "--estimate"):
        told = await run("label", "prompts.jsonl", "--router", "best", option)
        assert told.exit_code == 0, told.output
        assert "6 of small, 6 of large" in told.stdout
        assert "the first: line 7: the line is not JSON" in told.stdout
    assert len(simulator.served) == 0


@pytest.mark.parametrize("option", ["--dry-run", "--estimate"])
async def test_who_only_looks_writes_nothing(config: Path, run: Run, prompts: Path, option: str) -> None:
    """A service would take in what was spilled, and have texts expire."""
    with_a_spill(config)
    store = await open_store(config.with_name("ensemble.db"))
    await store.record(a_record())
    await store.close()
    spill = beside(config.with_name("ensemble.db"))
    spill.append(rows_of(a_record()))
    before = await asyncio.to_thread(log_and_spill, config, spill)
    told = await run("label", "prompts.jsonl", "--router", "best", option)
    assert told.exit_code == 0, told.output
    assert await asyncio.to_thread(log_and_spill, config, spill) == before


@pytest.mark.parametrize("option", ["--dry-run", "--estimate"])
async def test_who_only_looks_makes_no_log(config: Path, run: Run, prompts: Path, option: str) -> None:
    before = sorted(config.parent.iterdir())
    told = await run("label", "prompts.jsonl", "--router", "best", option)
    assert told.exit_code == 0, told.output
    assert told.stderr == NO_LOG_YET + "\n"
    assert "6 of small, 6 of large" in told.stdout
    assert sorted(config.parent.iterdir()) == before


@pytest.mark.parametrize("option", ["--dry-run", "--estimate"])
async def test_who_only_looks_leaves_an_older_log_as_it_is(config: Path, run: Run, prompts: Path, option: str) -> None:
    path = config.with_name("ensemble.db")
    with Database(path) as db:
        MIGRATIONS.apply(db, stop_before="0002_labels")
    before = path.read_bytes(), sorted(config.parent.iterdir())
    told = await run("label", "prompts.jsonl", "--router", "best", option)
    assert told.exit_code == 1
    assert "an older version of this program wrote it" in told.stderr
    assert "`ensemble log migrate` brings it up to date" in told.stderr
    assert (path.read_bytes(), sorted(config.parent.iterdir())) == before


def with_a_spill(config: Path) -> None:
    config.write_text(config.read_text() + '\n[store]\non_failure = "spill"\nkeep_content = "1h"\n')


def log_and_spill(config: Path, spill: Spill) -> tuple[list[str], bytes]:
    with closing(sqlite3.connect(config.with_name("ensemble.db"))) as db:
        return list(db.iterdump()), spill.path.read_bytes()


def name_secrets(config: Path, key: str, **headers: str) -> None:
    named = ", ".join(f'{header} = "{variable}"' for header, variable in headers.items())
    options = f'use = "openai"\napi_key_env = "{key}"\nheaders_env = {{ {named} }}'
    config.write_text(config.read_text().replace('use = "openai"', options))


@pytest.mark.parametrize("option", ["--dry-run", "--estimate"])
async def test_who_calls_nobody_needs_no_key(
    config: Path, run: Run, prompts: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    name_secrets(config, "A_KEY", team="A_TEAM", site="A_SITE")
    monkeypatch.setenv("A_SITE", "here")
    told = await run("label", "prompts.jsonl", "--router", "best", option)
    assert told.exit_code == 0, told.output
    assert "6 of small, 6 of large" in told.stdout
    assert told.stderr.splitlines() == [
        f"[providers.simulated] {key}: the environment variable {name} is not set; the run itself needs it."
        for key, name in (("api_key_env", "A_KEY"), ("headers_env.team", "A_TEAM"))
    ] + [NO_LOG_YET]
    refused = await run("label", "prompts.jsonl", "--router", "best")
    assert (refused.exit_code, "A_KEY is not set" in refused.stderr) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a file of prompts"),
        (("prompts.jsonl",), "--router says whose panel"),
        (("prompts.jsonl", "--router", "best", "--max-cost", "no"), "is no amount of US dollars"),
        (("prompts.jsonl", "--router", "best", "--column", "a=b"), "give FIELD=COLUMN"),
        (("--from-log", "--dry-run"), "look at a file of prompts"),
    ],
)
async def test_wrong_usage(config: Path, run: Run, prompts: Path, arguments: tuple[str, ...], told: str) -> None:
    came = await run("label", *arguments)
    assert came.exit_code == 2
    assert told in came.stderr


async def test_one_process_at_a_time_and_an_interrupt_lets_calls_end_and_says_how_to_go_on(
    config: Path, run: Run, prompts: Path, simulator: Simulator
) -> None:
    for name in ("small", "large"):
        simulator.script(name, [reply("Slow.", wait_s=3.0)] * 6)
    program = str(Path(sys.executable).with_name("ensemble"))
    process = await asyncio.create_subprocess_exec(
        program, "label", "prompts.jsonl", "--router", "best", "--concurrency", "2",
        cwd=config.parent, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    while simulator.served.in_flight() < 4:  # noqa: ASYNC110 - the simulator tells nobody
        await asyncio.sleep(0.01)
    second = await run("label", "prompts.jsonl", "--router", "best")
    assert (second.exit_code, simulator.served.in_flight()) == (1, 4)
    assert f"run prompts is under way in process {process.pid}, and what it does would be paid twice" in second.stderr
    process.send_signal(signal.SIGINT)
    _, errors = await process.communicate()
    assert process.returncode == 130
    assert b"the same command goes on from there" in errors
    with closing(sqlite3.connect(config.parent / "ensemble.db")) as db:
        assert db.execute("SELECT failure, count(*) FROM calls GROUP BY 1").fetchall() == [(None, 4)]
    assert not list(config.parent.glob("*.lock"))


async def test_where_no_reject_can_be_written_nobody_is_asked(config: Path, prompts: Path, run: Run) -> None:
    (shut := config.parent / "shut").mkdir(mode=0o500)
    if os.access(shut, os.W_OK):
        pytest.skip("this user may write everywhere")
    told = await run("label", prompts.name, "--router", "best", "--rejects", "shut/rejects.jsonl")
    assert told.exit_code == 1
    assert told.stderr.startswith("Error: shut/rejects.jsonl: nothing can be written there; name another file")


@pytest.mark.parametrize("name", ["none.jsonl", "none.csv", "none.parquet"])
async def test_a_file_that_is_not_there_is_told_in_a_sentence(config: Path, run: Run, name: str) -> None:
    told = await run("label", name, "--router", "best")
    assert told.exit_code == 1
    assert told.stderr.endswith(f"Error: {name}: there is no such file\n")


async def test_rejects_replace_nothing_but_rejects(config: Path, run: Run, prompts: Path) -> None:
    before = await asyncio.to_thread(prompts.read_bytes)
    told = await run("label", "prompts.jsonl", "--router", "best", "--rejects", "prompts.jsonl")
    assert told.exit_code == 1
    assert "prompts.jsonl: what is there holds no rejects; name another file with --rejects" in told.stderr
    assert await asyncio.to_thread(prompts.read_bytes) == before
    told = await run("label", "prompts.jsonl", "--router", "best", "--rejects", "none/bad.jsonl")
    assert "there is no such folder" in told.stderr
    for _ in range(2):
        told = await run("label", "prompts.jsonl", "--router", "best", "--rejects", "bad.jsonl")
        assert told.exit_code == 0, told.output
        assert len((config.parent / "bad.jsonl").read_text().splitlines()) == 1


async def test_stored_prompts_took_no_time(config: Path, run: Run, prompts: Path) -> None:
    assert (await run("ask", "Why?")).exit_code == 0
    served = json.loads((await run("log", "stats", "--json")).stdout)["total"]["mean_s"]
    assert (await run("label", "prompts.jsonl", "--router", "best")).exit_code == 0
    assert json.loads((await run("log", "stats", "--json")).stdout)["total"]["mean_s"] == served > 0
    assert "best   -            -" in (await run("log", "tail")).stdout


async def test_a_file_that_is_no_parquet_is_told_in_a_sentence(config: Path, run: Run) -> None:
    config.with_name("broken.parquet").write_bytes(b"no")
    told = await run("label", "broken.parquet", "--router", "best")
    assert told.exit_code == 1
    assert "Error: broken.parquet: is no Parquet file" in told.stderr


async def test_prompts_that_lack_an_answer_are_told(config: Path, run: Run, prompts: Path) -> None:
    dead = CONFIG.format(base_url="http://127.0.0.1:9/v1")
    await asyncio.to_thread(config.write_text, dead)
    told = await run("label", "prompts.jsonl", "--router", "small")
    assert "6 of 6 prompts short of an answer; the same command makes the calls again that failed." in told.stderr
    assert told.exit_code == 1, "nothing at all came of it"
    mixed = await run("label", "prompts.jsonl", "--router", "best", "--json")
    assert (mixed.exit_code, json.loads(mixed.stdout)["labelled"]) == (1, 0)


async def test_a_member_that_is_dead_leaves_no_prompt_complete_which_is_status_1(
    config: Path, run: Run, simulator: Simulator
) -> None:
    simulator.always("large", status(500))
    rows = "".join(
        json.dumps({"prompt": f"What is {n} x 24?"}) + "\n" for n in range(3)
    )  # too few to be left alone for
    told = await run("label", "-", "--router", "best", stdin=rows)
    assert re.search("lacking +3 answers of large: overloaded", told.stdout)
    assert "3 of 3 prompts short of an answer" in told.stderr
    assert (told.exit_code, told.stderr.endswith("No prompt was completed.\n")) == (1, True)
    again = await run("label", "-", "--router", "best", "--json", stdin=rows)
    found = json.loads(again.stdout)
    assert (again.exit_code, found["lacking"]) == (1, [{"member": "large", "failure": "overloaded", "answers": 3}])


async def test_an_answer_that_nobody_was_asked_for_is_not_lacking(config: Path, run: Run, prompts: Path) -> None:
    for calls in ({"candidate": 6}, {}):
        told = await run("label", "prompts.jsonl", "--router", "best", "--member", "small", "--json")
        found = json.loads(told.stdout)
        assert (told.exit_code, found["unfinished"], found["calls"]) == (0, 6, calls)
        assert "No prompt" not in told.stderr
        assert "6 of 6 prompts short of an answer of a member that was not to be called" in told.stderr
        assert "that failed" not in told.stderr


async def test_a_prompt_by_another_name_is_told_with_the_option_that_names_it(config: Path, run: Run) -> None:
    told = await run("label", "-", "--router", "best", stdin='{"question": "Why?\\u001b[31m", "no\\u001b[31m": 1}\n')
    assert "the first: there is neither a prompt nor messages, but question, no; where" in told.stdout
    assert "--column prompt=NAME" in told.stdout
    assert told.exit_code == 1


async def test_an_id_on_two_rows_is_told(config: Path, run: Run) -> None:
    rows = [("a", "One?"), ("a", "Two?"), ("b", "Three?"), ("c", "Three?")]

    def write() -> None:
        lines = [json.dumps({"id": id_, "prompt": prompt}) for id_, prompt in rows]
        config.with_name("rows.jsonl").write_text("\n".join(lines))

    write()
    told = await run("label", "rows.jsonl", "--router", "best", "--json")
    assert (told.exit_code, json.loads(told.stdout)["displaced"]) == (0, 1)
    assert "1 row had the id of another row with another prompt" in told.stderr
    told = await run("label", "rows.jsonl", "--router", "best", "--json")
    assert json.loads(told.stdout)["displaced"] == 1, "one id, though it goes to and fro"
    rows[:2] = [("a2", "One?"), ("a", "Two!")]  # mended, and edited in its place
    write()
    told = await run("label", "rows.jsonl", "--router", "best", "--json")
    assert json.loads(told.stdout)["displaced"] == 0
    assert "another prompt" not in told.stderr


def with_a_critic(config: Path, simulator: Simulator) -> None:
    critic = '[members.critic]\nprovider = "simulated"\nmodel = "critic"\nmax_attempts = 1\n'
    config.write_text(config.read_text().replace('"longest"', '"pairwise"\nmodel = "critic"') + critic)
    simulator.always("small", reply("One."))
    simulator.always("large", reply("Another."))


async def test_what_the_judge_did_not_find_is_no_label(
    config: Path, run: Run, prompts: Path, simulator: Simulator
) -> None:
    with_a_critic(config, simulator)
    simulator.always("critic", status(500))
    told = await run("label", "prompts.jsonl", "--router", "best")
    assert "0 made, 6 judged without a finding" in told.stdout
    assert "6 of 6 prompts short of a finding of the judge; the same command makes the calls again" in told.stderr
    assert told.exit_code == 1, "nothing at all came of it"
    simulator.always("critic", reply("[[C]]"))
    mended = json.loads((await run("label", "prompts.jsonl", "--router", "best", "--json")).stdout)
    assert (mended["labelled"], mended["undecided"], mended["calls"]) == (6, 0, {"judge": 6})


async def test_a_judge_that_abstained_is_not_said_to_be_asked_again(
    config: Path, run: Run, prompts: Path, simulator: Simulator
) -> None:
    with_a_critic(config, simulator)
    simulator.always("critic", reply("I cannot say."))
    told = await run("label", "prompts.jsonl", "--router", "best")
    assert [line for line in told.stderr.splitlines() if "of 6" in line] == [
        "6 of 6 prompts without a finding, since the judge abstained; "
        "the same command does not ask it again about the same answers; --judge names another."
    ]
    again = json.loads((await run("label", "prompts.jsonl", "--router", "best", "--json")).stdout)
    assert (again["untouched"], again["calls"]) == (6, {})


@pytest.mark.parametrize(
    ("given", "name"),
    [(".", "rows"), ("v1.2.jsonl", "v1.2"), ("../v1.2.JSONL.gz", "v1.2"), ("-", "stdin")],
)
async def test_a_run_is_called_like_its_file_or_folder(config: Path, monkeypatch: Any, given: str, name: str) -> None:
    (config.parent / "rows").mkdir()
    monkeypatch.chdir(config.parent / "rows")
    assert run_name(given) == name


def test_what_is_left_is_told_by_the_latest_rows_since_stored_ones_go_by_for_nothing() -> None:
    tally = Tally(total=4000, prompts=2000)
    progress = Progress(tally)
    assert "about $0.00 in the end" in progress.line()
    tally.prompts, tally.nano_usd = 3000, 10**9
    assert "$1.00, about $2.00 in the end" in progress.line()


async def test_a_file_of_which_no_row_can_be_used_is_status_1(config: Path, run: Run) -> None:
    told = await run("label", "-", "--router", "best", stdin='{no\n{"prompt": 3}\n')
    assert (told.exit_code, "2, 2 rejected" in told.stdout) == (1, True), told.output


async def test_a_part_that_fails_is_no_failure_of_the_run(config: Path, run: Run, simulator: Simulator) -> None:
    simulator.script("small", [status(500)])
    told = await run("label", "-", "--router", "small", stdin='{"prompt": "Why?"}\n{"prompt": "How?"}\n')
    assert "1 of 2 prompts short of an answer" in told.stderr
    assert told.exit_code == 0, told.output


async def test_a_wrong_key_stops_the_run(config: Path, run: Run) -> None:
    lines = "".join(json.dumps({"prompt": f"What is {n} x 24?"}) + "\n" for n in range(60))
    async with Simulator(SimulatorSettings(api_key="sk-right-0123456789abcdef")) as locked:
        await asyncio.to_thread(config.write_text, CONFIG.format(base_url=locked.base_url))
        told = await run("label", "-", "--router", "small", "--concurrency", "4", "--json", stdin=lines)
    assert told.exit_code == 1, told.output
    assert "Stopped: the last 10 calls of small were refused: " in told.stderr
    assert (
        "mend the key of its provider; what was paid is stored, and the same command goes on from there." in told.stderr
    )
    found = json.loads(told.stdout)
    assert 10 <= found["failures"]["unauthorized"] <= 14, "those that were under way end"
