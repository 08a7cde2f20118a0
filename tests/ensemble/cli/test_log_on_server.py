"""The commands over a log, where the configuration names one on PostgreSQL."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ensemble.store import open_store
from tests import services
from tests.ensemble.cli.conftest import Run
from tests.ensemble.importing.intake import ROWS, put
from tests.ensemble.store.builders import a_record, a_request

USAGE = "day,model,input_tokens,output_tokens\n2026-11-23,vendor-model-1,230,19\n"
SOUND = (
    "log show {id}",
    "log tail -n 5 --json",
    "log stats --since 9d",
    "log cost --by day,member,tag",
    "log cost --by tag:team,router",
    "log incident --since 1h",
    "log search sky",
    "log check --secrets",
    "log migrate",
    "log reconcile usage.csv",
    "log prune --older-than 9000d --vacuum",
    "log redact --where model='panel' --yes",
    "keys list",
    "export --format routing",
    "judges report",
    "feedback add {id} --rating 0.5",
    "audit report {url} --json",
    "import in.jsonl --format candidates",
    "doctor",
)


def keep_at(config: Path, url: str) -> None:
    config.write_text(f'{config.read_text()}\n[store]\nurl = "{url}"\n')


@pytest.fixture
async def log(config: Path) -> AsyncIterator[tuple[str, str]]:
    """A log on a server that the configuration names: its URL, and the id of its one request."""
    async with services.postgres_schema() as schema:
        keep_at(config, schema.url)
        store = await open_store(schema.url)
        record = a_record(request=a_request("Why is the sky blue?", tags={"team": "a"}))
        await store.record(record)
        await store.close()
        yield schema.url, record.request.id


@pytest.mark.parametrize("part", [0, 1])
async def test_every_command_works_on_it(log: tuple[str, str], run: Run, config: Path, part: int) -> None:
    url, id_ = log
    put(config.with_name("in.jsonl"), ROWS)
    config.with_name("usage.csv").write_text(USAGE)
    for command in SOUND[part::2]:
        told = await run(*command.format(id=id_, url=url).split(" "))
        assert told.exit_code == 0, f"{command}: {told.output}"
    assert not config.with_name("ensemble.db").exists()


async def test_what_is_erased_is_gone(log: tuple[str, str], run: Run) -> None:
    told = await run("log", "erase", "--id", log[1], "--yes", "--json")
    assert told.exit_code == 0, told.output
    assert json.loads(told.stdout)["requests"] == 1
    shown = json.loads((await run("log", "show", log[1], "--json")).stdout)
    assert shown["content"] == "erased"
    assert "sky" not in json.dumps(shown)


async def test_a_file_is_no_backup_of_it(log: tuple[str, str], run: Run, tmp_path: Path) -> None:
    told = await run("log", "backup", "copy.db")
    assert told.exit_code == 1
    assert "pg_dump" in told.stderr
    assert (await run("log", "copy", log[0], "copy.db")).exit_code == 0
    assert log[1] in (await run("log", "tail", "--db", "copy.db")).stdout
    assert (tmp_path / "copy.db").exists()


async def test_a_key_is_made_used_and_revoked(log: tuple[str, str], run: Run) -> None:
    made = await run("keys", "create", "team", "--limit", "usd=5/day", "--json")
    assert made.exit_code == 0, made.output
    assert "team" in (await run("keys", "list")).stdout
    assert (await run("keys", "revoke", json.loads(made.stdout)["id"])).exit_code == 0
    assert json.loads((await run("keys", "list", "--all", "--json")).stdout)[0]["revoked_at"] is not None


async def test_a_dry_run_makes_no_schema(config: Path, run: Run) -> None:
    put(config.with_name("prompts.jsonl"), [{"prompt": "2 + 2?"}])
    async with services.postgres_schema() as schema:
        keep_at(config, schema.url)
        told = await run("label", "prompts.jsonl", "--router", "best", "--dry-run")
        assert (told.exit_code, "there is no log yet" in told.stderr) == (0, True), told.output
        assert (await run("log", "stats")).exit_code == 1
        assert (await run("label", "prompts.jsonl", "--router", "best")).exit_code == 0
        told = await run("label", "prompts.jsonl", "--router", "best", "--dry-run")
        assert (told.stderr, "1 have every answer" in told.stdout) == ("", True), told.output


async def test_a_server_that_is_not_there(config: Path, run: Run) -> None:
    keep_at(config, "postgresql://ann:hunter2@127.0.0.1:1/logs")
    for command in ("log stats", "export --format routing", "keys list"):
        told = await run(*command.split(" "))
        assert told.exit_code == 1, command
        assert "postgresql://ann:***@127.0.0.1:1/logs" in told.stderr
        assert "hunter2" not in told.output
