"""The benchmark of the server keeps no wrong books and leaves nothing running."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ensemble.config import load
from ensemble.store import open_store
from ensemble.store.address import Where, address_of
from ensemble.store.audit.facts import missing
from ensemble.store.keeping.connect import reading
from ensemble.store.keeping.search import behind, search
from ensemble.upkeep import derive, index
from scripts.bench._audit_log import make
from scripts.bench._audit_postgres import plans
from scripts.bench._later import Later
from scripts.bench._processes import cpu_s
from scripts.bench._steps import callgrind, instructions
from scripts.bench._systems import TRANSPORTS, System, configuration, floor, service
from scripts.bench._upstream import FANS, Upstream, candidate, ranking, stream, upstream
from tests.ensemble.store.builders import a_record
from tests.patience import PATIENCE_S
from tests.services import postgres_schema

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_its_configuration_is_one_of_the_service(tmp_path: Path, transport: str) -> None:
    file = tmp_path / "ensemble.toml"
    file.write_text(configuration("http://127.0.0.1:1/0", tmp_path / "log.db", transport), encoding="utf-8")
    settings = load(file)
    assert {f"panel{fan}" for fan in FANS} < set(settings.routers)
    assert settings.routers["leader"].streaming == "leader"


def test_the_mock_says_what_a_judge_can_read() -> None:
    said = json.loads(ranking(3))["choices"][0]["message"]["content"]
    assert said.endswith("[[B > A > C]]")
    assert "[[" not in candidate()
    assert all(json.loads(line.removeprefix("data: ")) for line in stream()[:-1])


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def _runs(pid: int) -> bool:
    """Whether it does; one that has ended and that nobody has asked for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk makes the load")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_interrupted_it_leaves_nothing_running() -> None:
    command = [sys.executable, "-m", "scripts.bench.serve", "--rounds", "1", "--seconds", "1"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Mock upstream: ")
        children = _children(process.pid)
        assert children
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, said
    assert "nothing is left running" in said
    assert not [child for child in children if _runs(child)]


def test_without_valgrind_it_says_how_to_get_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripts.bench.serve", "--steps"]
    done = subprocess.run(command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "apt-get install valgrind" in done.stderr


@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("callgrind_control") is None, reason="valgrind counts the instructions")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_instructions_of_a_request_are_counted(tmp_path: Path) -> None:
    counts, cores = tmp_path / "counts", os.sched_getaffinity(0)
    with (
        upstream(tmp_path, cores) as mock,
        floor(tmp_path, mock, 0, cores, logged=True, under=callgrind(counts)) as system,
    ):
        found = [instructions(system, counts, 2, requests) for requests in (20, 40)]
    assert 200_000 < min(found) <= max(found) < min(found) * 1.2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_what_the_soak_watches_has_no_more_in_memory_than_what_is_served(tmp_path: Path) -> None:
    watch, mock = tmp_path / "watched.json", Upstream(url="http://127.0.0.1:1", kind="nobody")
    program = (sys.executable, "-m", "scripts.bench._watched", str(watch))
    with service(tmp_path, mock, "0", os.sched_getaffinity(0), TRANSPORTS[0], program=program) as system:
        while not watch.exists() or not watch.read_text(encoding="utf-8"):
            time.sleep(0.05)
        told = json.loads(watch.read_text(encoding="utf-8"))
        loaded = Path(f"/proc/{system.pid}/maps").read_text(encoding="utf-8")
    assert told["tasks"] > 0
    assert 0 <= told["own_ms"] < 1000
    assert {name for name in ("numpy", "pandas") if f"/{name}/" in loaded} == set()


async def test_the_log_of_the_audit_pages_is_whole_however_it_was_made(tmp_path: Path) -> None:
    path = tmp_path / "audit.db"
    await make(path, 60, made=20)
    whole(path)
    with reading(path) as db:
        assert db.execute("SELECT count(*) FROM pragma_foreign_key_check").fetchone() == (0,)


async def test_the_log_of_the_audit_pages_in_postgresql_and_the_plans_behind_them() -> None:
    async with postgres_schema() as schema:
        await make(schema.url, 60, made=20)
        where = address_of(schema.url)
        whole(where)
        asked = [("overview", "/ui/overview"), ("search", "/ui/disagreement?text=marmalade")]
        found = await plans(where, asked, 10_000_000)
        assert {one.page for one in found} == {"overview", "search"}
        assert any("search_candidates" in node for one in found for node in one.nodes)
        rows = [node.rpartition("(")[2].partition(" ")[0] for one in found for node in one.nodes]
        assert max(int(number.replace(",", "")) for number in rows) > 1_000_000
        with reading(where) as db:
            assert db.execute("SELECT sum(reltuples) FROM pg_class WHERE relname = 'requests'").fetchone()[0] < 1e6


def whole(where: Where) -> None:
    """Facts and search indexes of the log at ``where`` are those of 60 requests on three days."""
    with reading(where) as db:
        assert (missing(db), behind(db)) == (0, 0)
        assert len(search(db, "multiply", 1000, ("candidates",))) == 180
        for table, cases in (("audit_daily", 60), ("audit_daily_members", 180), ("audit_daily_pairs", 180)):
            found = db.execute(f"SELECT sum(cases), count(DISTINCT day) FROM {table}").fetchone()  # noqa: S608 - own
            assert found == (cases, 3)


async def test_what_a_request_costs_later_is_waited_for_and_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "some.db"
    store = await open_store(path)
    await store.record(a_record())
    busy = "import time\nwhile time.process_time() < 0.5: pass\nprint(flush=True)\ntime.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", busy], stdout=subprocess.PIPE) as process:  # noqa: ASYNC220
        try:
            system = System(name="busy", url="", process=process, log=path)
            later = Later(system)
            assert process.stdout is not None
            process.stdout.readline()
            used = cpu_s(process.pid)
            later.counted(0.2)
            assert system.behind() > 0
            counting = asyncio.get_running_loop().run_in_executor(None, later.ms)
            await derive(store)
            assert not counting.done(), "its texts are not in the search indexes yet"
            await index(store)
            assert await counting == pytest.approx((used - 0.2) * 1000, abs=60)
        finally:
            process.kill()
    await store.close()
