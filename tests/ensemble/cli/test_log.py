"""``ensemble log``: every subcommand on a log that a real run left behind, its example included."""

import asyncio
import json
import re
import shlex
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click
import pytest

from ensemble.cli import main
from ensemble.cli.log import SUBCOMMANDS
from ensemble.store import open_store
from ensemble.store.database import Database
from ensemble.store.feedback import Remark, Statement
from ensemble.store.review_seats import provide
from ensemble.store.reviews import decide
from ensemble.store.rows import rows_of
from ensemble.store.spill import Spill
from ensemble.types import Stage
from tests.ensemble.cli.conftest import Run
from tests.ensemble.store.builders import a_plan, a_record, a_request

USAGE = "day,model,input_tokens,output_tokens\n2026-11-23,vendor-model-1,230,19\n"


def name_a_key(config: Path) -> None:
    config.write_text(config.read_text().replace('use = "openai"', 'use = "openai"\napi_key_env = "SIM_KEY"'))


def spill_far_away(config: Path) -> None:
    config.write_text(config.read_text() + '\n[store]\non_failure = "spill"\nspill_path = "far/away"\n')
    config.with_name("far").mkdir()


@pytest.fixture
async def log(config: Path) -> str:
    """A log with one request of that text beside the configuration; its id."""
    store = await open_store(config.with_name("ensemble.db"))
    record = a_record(request=a_request("Why is the \x1b[31msky blue?"))
    await store.record(record)
    await store.close()
    return record.request.id


@pytest.mark.parametrize("name", SUBCOMMANDS)
async def test_the_example_of_each(name: str, log: str, config: Path, run: Run) -> None:
    config.with_name("usage.csv").write_text(USAGE)
    command = main.get_command(click.Context(main), "log")
    assert isinstance(command, click.Group)
    sub = command.get_command(click.Context(command), name)
    assert sub is not None
    assert sub.epilog is not None
    program, *args = shlex.split(sub.epilog.removeprefix("Example: ").replace("0193", log))
    assert program == "ensemble"
    assert args[:2] == ["log", name]
    told = await run(*args)
    assert told.exit_code == 0, told.output


async def test_the_place_that_was_found_is_seen_in_the_cell_of_a_table(config: Path, run: Run) -> None:
    before, behind = (" ".join(f"{side}{n:03}" for n in range(12)) for side in ("before", "behind"))
    store = await open_store(config.with_name("ensemble.db"))
    await store.record(a_record(request=a_request(f"{before} needle {behind}")))
    await store.close()
    told = await run("log", "search", "needle")
    assert "before011 [needle] behind000" in told.stdout
    assert "[before000] before001" in (await run("log", "search", "before000")).stdout


async def test_the_newest_requests(log: str, run: Run) -> None:
    told = await run("log", "tail", "--json")
    (found,) = json.loads(told.stdout)["requests"]
    assert (found["id"], found["nano_usd"], found["candidates"]) == (log, 61_400, 3)
    plain = await run("log", "tail")
    assert log in plain.stdout
    assert "\x1b" not in plain.stdout
    assert "$0.0000614" in plain.stdout


async def test_a_request_tells_from_which_score_on_a_cheap_answer_stands(config: Path, run: Run) -> None:
    stages = (Stage(members=("small",), judge="reader", accept_score=0.625), Stage(members=("large",)))
    record = a_record(plan=a_plan(stages=stages))
    store = await open_store(config.with_name("ensemble.db"))
    await store.record(record)
    await store.close()
    told = (await run("log", "show", record.request.id)).stdout
    assert "stage 0: small, judge reader, which stands from a score of 0.625 on\n  stage 1: large\n" in told


async def test_a_whole_request_is_shown_and_harmless(log: str, run: Run) -> None:
    told = await run("log", "show", log)
    assert told.exit_code == 0, told.output
    for part in ("Why is the sky blue?", "answer of medium", "Verdict of house (served): decided, small", "referee"):
        assert part in told.stdout
    assert "\x1b" not in told.stdout
    tree = json.loads((await run("log", "show", log[:-1], "--json")).stdout)
    assert tree["id"] == log
    assert len(tree["calls"]) == 5
    assert json.loads((await run("log", "show", f"chatcmpl-{log}", "--json")).stdout) == tree
    none = await run("log", "show", "ffff")
    assert none.exit_code == 1
    assert "there is no request 'ffff'" in none.output


async def test_a_request_tells_of_its_review_and_that_two_differ(log: str, config: Path, run: Run) -> None:
    assert "Review" not in (await run("log", "show", log)).stdout

    def for_two(db: Database) -> None:
        db.execute(
            "INSERT INTO reviews (status, request_id, created_at, reason, overturned, blind) "
            "VALUES ('waiting', ?, '2026-11-23T12:00:00.000000Z', 'drawn at random', 0, 1)",
            [log],
        )
        provide(db, [log])

    store = await open_store(config.with_name("ensemble.db"))
    await store.change(for_two)
    best = Remark(kind="preferred", candidate="medium")
    words = (("ann\x1b[31m", Remark(kind="all_bad")), ("bob", best), ("cat", best))
    told = ["waiting", "waiting", "two differ; a third is to settle it", "two differ; a third has settled it"]
    for at, (by, said) in enumerate(words):
        assert told[at] in (await run("log", "show", log)).stdout
        word = Statement(remarks=(said,), given_by=by, source="review", request=log)
        await store.change(partial(decide, statement=word, now=datetime.now(UTC)))
    await store.close()
    shown = (await run("log", "show", log)).stdout
    assert "Review  decided: drawn at random\n  two differ; a third has settled it\n  ann  all bad\n" in shown
    assert shown.endswith("  bob  preferred: medium\n  cat  preferred: medium\n")
    row = json.loads((await run("log", "show", log, "--json")).stdout)["review"]
    assert (row["disputed"], row["decided_by"], [vote["seat"] for vote in row["votes"]]) == (True, "cat", [1, 2, 3])


async def test_figures_and_costs(log: str, run: Run) -> None:
    tree = json.loads((await run("log", "stats", "--json")).stdout)
    assert tree["total"]["requests"] == 1
    told = await run("log", "cost", "--by", "member,purpose", "--json")
    assert json.loads(told.stdout)["total"]["nano_usd"] == 61_400
    plain = await run("log", "cost", "--by", "purpose")
    assert plain.stdout.splitlines()[-1].split() == ["all", "5", "0", "$0.0000614"]
    wrong = await run("log", "cost", "--by", "colour")
    assert (wrong.exit_code, "--by colour" in wrong.output) == (1, True)


async def test_a_list_fits_a_terminal(config: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    store = await open_store(config.with_name("ensemble.db"))
    record = a_record(request=a_request("sky \x1b[31mblue " * 20))
    await store.record(record)
    await store.close()
    piped = (await run("log", "tail")).stdout.splitlines()[1]
    monkeypatch.setenv("FORCE_COLOR", "1")

    async def lines(columns: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        return [re.sub("\x1b\\[[0-9;]*m", "", line) for line in (await run("log", "tail")).stdout.splitlines()]

    _, whole = await lines(1000)
    assert (whole.split()[0], whole[-60:], piped) == (record.request.id, "sky blue " * 6 + "sky b…", whole)
    assert (await lines(len(whole) - 30))[1] == f"{whole[:-60]}{'sky blue ' * 3}sk…"
    first, second = await lines(80)  # one line would leave no room for the prompt
    assert first.split()[0] == record.request.id
    assert " s | $0.0000614 | sky blue sky" in second
    assert max(map(len, (first, second))) <= 80


async def test_a_list_goes_on_under_one_heading(log: str, config: Path) -> None:
    """In columns that stay where they are, though what comes needs less room."""
    follow = (sys.executable, "-m", "ensemble", "log", "tail", "-f")
    program = await asyncio.create_subprocess_exec(*follow, cwd=config.parent, stdout=asyncio.subprocess.PIPE)
    assert program.stdout is not None
    try:
        async with asyncio.timeout(30):
            shown = [(await program.stdout.readline()).decode() for _ in range(2)]
            store = await open_store(config.with_name("ensemble.db"))
            record = a_record(request=a_request("And the sea?", model="p"))
            await store.record(record)
            await store.close()
            shown.append((await program.stdout.readline()).decode())
    finally:
        program.kill()
        await program.wait()
    head, first, second = shown
    assert (head.split()[0], first.split()[0], second.split()[0]) == ("id", log, record.request.id)
    assert head.index("prompt") == first.index("Why is the sky") == second.index("And the sea?")


@pytest.mark.parametrize("command", ["log stats", "log cost", "log check", "log tail", "audit report"])
async def test_a_log_is_named_as_a_file_by_an_option_or_by_the_configuration(log: str, run: Run, command: str) -> None:
    as_json = (*command.split(), "--json")

    async def found(*named: str) -> object:
        told = await run(*as_json, *named)
        assert told.exit_code == 0, told.stderr
        return {key: value for key, value in json.loads(told.stdout).items() if key != "made_at"}

    by_configuration = await found()
    for named in (("ensemble.db",), ("--db", "ensemble.db"), ("ensemble.db", "--db", "./ensemble.db")):
        assert (await found(*named) == by_configuration) is True, "what differs would be pages"
    for named in (("none.db",), ("--db", "none.db")):
        lost = await run(*as_json, *named)
        assert (lost.exit_code, "none.db: there is no log" in lost.stderr) == (1, True)
    two = await run(*as_json, "ensemble.db", "--db", "none.db")
    assert (two.exit_code, "FILE is ensemble.db and --db is none.db: name one log" in two.stderr) == (2, True)


async def test_what_differs_ends_with_three(log: str, config: Path, run: Run) -> None:
    file = config.with_name("theirs.csv")
    file.write_text(USAGE)
    assert (await run("log", "reconcile", str(file))).exit_code == 0
    file.write_text(USAGE.replace("230", "231"))
    told = await run("log", "reconcile", str(file))
    assert told.exit_code == 3
    assert "input tokens -1" in told.stdout
    other = await run("log", "reconcile", str(file), "--provider", "nobody")
    assert "no member of the configuration belongs to 'nobody'" in other.output


async def test_a_key_of_the_configuration_in_the_log(
    log: str, config: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIM_KEY", "sk-configured-key-1")
    name_a_key(config)
    clean = await run("log", "check", "--secrets")
    assert (clean.exit_code, "no findings, 1 secret looked for" in clean.stdout) == (0, True), clean.output
    store = await open_store(config.with_name("ensemble.db"))
    leaked = a_record(request=a_request("it is sk-configured-key-1"))
    await store.record(leaked)
    await store.close()
    told = await run("log", "check", "--secrets")
    assert told.exit_code == 3
    assert "SIM_KEY stands in requests.messages, rows 2" in told.stdout
    assert "sk-configured-key-1" not in told.output


async def test_without_a_key_no_secret_was_looked_for(log: str, config: Path, run: Run) -> None:
    told = await run("log", "check", "--secrets")
    assert (told.exit_code, "No secret was looked for" in told.stderr) == (0, True), told.output
    assert "secret" not in (await run("log", "check")).output


async def test_a_spill_elsewhere_and_a_copy(log: str, config: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIM_KEY", "sk-configured-key-1")
    name_a_key(config)
    spill_far_away(config)
    Spill(config.with_name("far") / "away").append(
        rows_of(a_record(request=a_request("it is sk-configured-key-1", key_id="k")))
    )
    copy = config.with_name("ensemble.db.schema-6")
    copy.write_bytes(config.with_name("ensemble.db").read_bytes())
    copy.chmod(0o600)
    told = await run("log", "check", "--secrets")
    assert (told.exit_code, "away, at byte" in told.stdout) == (3, True), told.output
    done = await run("log", "erase", "--key", "k", "--id", "none", "--yes")
    assert "0 requests erased" in done.output  # both must hold
    assert "1 spilled record was taken into the log first" in done.output
    assert (await run("log", "erase", "--key", "k", "--yes")).exit_code == 0
    clean = await run("log", "check", "--secrets")
    assert clean.exit_code == 0, clean.output
    loud = await run("log", "erase", "--id", log, "--yes")
    assert "STILL HOLDS erased texts: `rm -- " in loud.stderr
    assert copy.exists()
    gone = await run("log", "erase", "--id", log, "--copies", "--yes")
    assert "schema-6 deleted" in gone.stdout
    assert not copy.exists()


async def test_redaction_takes_in_what_was_spilled_and_names_rejected_rows(log: str, config: Path, run: Run) -> None:
    spill_far_away(config)
    Spill(config.with_name("far") / "away").append(rows_of(a_record(request=a_request("I am ann@example.org"))))
    told = await run("import", "-", "--format", "candidates", "--name", "a b", stdin='{"ask": "ann@example.org"}\n')
    assert told.exit_code == 3, told.output
    bad = config.with_name("ensemble.db.rejects-a_b.jsonl")
    done = await run("log", "redact", "--where", "1", "--yes")
    assert "1 of 2 requests changed" in done.stdout, done.output
    assert "1 spilled record was taken into the log first" in done.stdout
    assert f"MAY STILL HOLD what was to go: look into it, or `rm -- {bad.name}`" in done.stderr
    again = json.loads((await run("log", "redact", "--where", "1", "--yes", "--json")).stdout)
    assert (again["requests"], again["changed"], again["spilled"], again["left"]) == (2, 0, 0, [bad.name])


async def test_no_log_no_report(config: Path, run: Run) -> None:
    told = await run("log", "stats", "--db", "nowhere.db")
    assert told.exit_code == 1
    assert "nowhere.db: there is no log" in told.output


async def test_an_empty_log_has_figures(config: Path, run: Run) -> None:
    await run("label", "-", "--router", "best", stdin="")
    told = await run("log", "stats")
    assert told.exit_code == 0, told.output
    assert "all     0 " in told.stdout


def configure_learned_routers(config: Path, trained_on: dict[str, list[str] | None]) -> None:
    """A router folder of each name; None for a manifest that cannot be read."""
    for name, ids in trained_on.items():
        config.with_name(name).mkdir()
        manifest = "{" if ids is None else json.dumps({"format": 1, "trained_on": ids})
        (config.with_name(name) / "manifest.json").write_text(manifest)
    tables = [f'[routers.by-{name}]\nuse = "learned"\npath = "{name}"\n' for name in trained_on]
    config.write_text(config.read_text() + "\n" + "\n".join(tables))


async def test_who_was_trained_on_what_went_is_named(log: str, config: Path, run: Run) -> None:
    configure_learned_routers(config, {"mine": [log, "other"], "theirs": ["other"], "broken": None})
    done = await run("log", "erase", "--id", f"resp_{log}", "--yes", "--json")
    assert json.loads(done.stdout)["trained"] == [
        "[routers.by-mine]",
        "[routers.by-broken], perhaps: its manifest cannot be read",
    ]
    again = await run("log", "erase", "--id", log, "--yes")
    assert "none that is configured" in again.stdout


async def test_a_password_does_not_belong_on_the_command_line(run: Run) -> None:
    done = await run("log", "stats", "--db", "postgresql://ann:hunter2@host/logs")
    assert done.exit_code == 2
    assert "postgresql://ann:***@host/logs" in done.output
    assert "PGPASSWORD" in done.output
    assert "hunter2" not in done.output


async def test_the_server_backs_its_log_up_itself(run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    done = await run("log", "backup", str(copy), "--db", "postgresql://ann@host/logs?schema=team")
    assert done.exit_code == 1
    assert "pg_dump --format=custom --schema=team --file=ensemble.dump postgresql://ann@host/logs" in done.output
    assert not copy.exists()


async def test_a_log_is_copied_and_looked_over(log: str, config: Path, run: Run) -> None:
    told = await run("log", "copy", "ensemble.db", "copy.db", "--json")
    assert told.exit_code == 0, told.output
    tables = {one["table"]: one for one in json.loads(told.stdout)["tables"]}
    assert (tables["requests"]["rows"], tables["requests"]["written"]) == (1, 1)
    assert all(one["whole"] and one["digest"] == one["found"] for one in tables.values())
    assert (config.with_name("copy.db").stat().st_mode & 0o777) == 0o600
    again = await run("log", "copy", "ensemble.db", "sqlite:///copy.db")
    assert again.exit_code == 0, again.output
    assert "requests: 1 row, 0 of them to bring over" in again.stderr
    assert log in (await run("log", "tail", "--db", "copy.db")).stdout


async def test_nothing_is_copied_from_nowhere(run: Run, config: Path) -> None:
    told = await run("log", "copy", "nowhere.db", "copy.db")
    assert told.exit_code == 1
    assert "nowhere.db: there is no log to copy" in told.stderr
    assert not config.with_name("copy.db").exists()
