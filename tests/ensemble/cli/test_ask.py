"""One question from the command line, without a server."""

import asyncio
import json
import os
import pty
import re
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from ensemble.simulator import Simulator, reply, stall, status
from tests.ensemble.cli.conftest import Run
from tests.patience import PATIENCE_S


def rows(config: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(config.parent / "ensemble.db")) as db:
        return db.execute(sql).fetchall()


def extend(config: Path, text: str) -> None:
    with config.open("a") as file:
        file.write(text)


async def test_candidates_verdict_answer_cost_and_where_it_is_logged(
    config: Path, run: Run, simulator: Simulator
) -> None:
    simulator.script("small", [reply("Paris.")])
    simulator.script("large", [reply("It is Paris, and has been for long.", wait_s=0.03)])
    told = await run("ask", "What is the capital of France?")
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert lines[0].startswith("✓ small  0.")
    assert lines[1:3] == ["  Paris.", lines[2]]
    assert lines[2].startswith("✓ large  0.")
    assert lines[2].endswith("unknown cost")
    verdict = next(line for line in lines if line.startswith("Verdict"))
    assert verdict.startswith("Verdict of house: large is best")
    assert lines[lines.index("Answer of large") + 1] == "It is Paris, and has been for long."
    assert any(line.startswith("Cost $0.0000") and "+ 1 unpriced" in line for line in lines)
    [(id_,)] = rows(config, "select id from requests")
    assert lines[-1] == f"Request {id_} is logged in ensemble.db"
    assert told.stderr == ""


async def test_a_question_may_come_from_standard_input(config: Path, run: Run, simulator: Simulator) -> None:
    told = await run("ask", "-", "--model", "small", "--system", "Be brief.", stdin="  Why?\n")
    assert told.exit_code == 0
    body = simulator.served[-1].body
    assert body is not None
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]


async def test_an_empty_question_is_wrong_usage(config: Path, run: Run) -> None:
    told = await run("ask", "-", stdin="\n")
    assert told.exit_code == 2
    assert "the question is empty" in told.stderr


async def test_json_holds_everything_and_money_is_exact(config: Path, run: Run, simulator: Simulator) -> None:
    simulator.script("small", [reply("Short.")])
    simulator.script("large", [status(500)])
    found = json.loads((await run("ask", "Why?", "--json")).stdout)
    assert (found["model"], found["member"], found["text"]) == ("best", "small", "Short.")
    candidates = {one["member"]: one for one in found["candidates"]}
    assert (candidates["small"]["chosen"], candidates["large"]["chosen"]) == (True, False)
    assert candidates["large"]["failure"] == "overloaded"
    assert found["nano_usd"] == rows(config, "select sum(nano_usd) from calls")[0][0]
    assert found["verdicts"][0]["winners"] == ["small"]


async def test_quiet_prints_the_answer_alone(config: Path, run: Run, simulator: Simulator) -> None:
    simulator.script("small", [reply("only \x1b[31mthis")])
    assert (await run("ask", "Why?", "-q", "--model", "small")).stdout == "only this\n"


async def test_a_model_cannot_speak_to_the_terminal(config: Path, run: Run, simulator: Simulator) -> None:
    simulator.script("small", [reply("\x1b]0;evil\x07one\r\n\x1b[2Jtwo")])
    told = await run("ask", "Why?", "--model", "small")
    assert "\x1b" not in told.stdout
    assert "\none\ntwo\n" in told.stdout


async def test_full_prints_candidates_whole(config: Path, run: Run, simulator: Simulator) -> None:
    for full in (False, True):
        simulator.script("small", [reply("word " * 80 + "end\nof it")])
        told = await run("ask", "Why?", *["--full"] * full)
        candidates = told.stdout.partition("Verdict")[0]
        assert ("end\n  of it" in candidates) is full


async def test_nobody_answers(config: Path, run: Run, simulator: Simulator) -> None:
    for name in ("small", "large"):
        simulator.script(name, [status(500, message="no \x1b[31mway")])
    told = await run("ask", "Why?")
    assert told.exit_code == 1
    assert "✗ small" in told.stdout
    assert told.stderr.startswith("Error: no member brought an answer: ")
    assert "\x1b" not in told.output
    assert rows(config, "select status, error from requests") == [("failed", "no_candidate")]


async def test_an_unknown_router_gets_the_nearest_names(config: Path, run: Run) -> None:
    told = await run("ask", "Why?", "--model", "bets")
    assert told.exit_code == 1
    assert told.stderr.startswith("Error: there is no model 'bets' here; try best")


async def test_late_answers_are_waited_for_and_told(config: Path, run: Run, simulator: Simulator) -> None:
    extend(config, "quorum = 1\nstraggler_s = 5\n")
    simulator.script("small", [reply("first")])
    simulator.script("large", [reply("late, and longer", wait_s=0.05)])
    told = await run("ask", "Why?")
    assert told.exit_code == 0
    answer, _, rest = told.stdout.partition("Answer of small")
    assert "✓ large" not in answer
    assert "still at work: large" in rest
    assert "✓ large" in rest
    assert "Verdict on the full panel: large is best: another winner, the verdict is overturned" in rest
    assert told.stderr == "Waiting for large, to log what they say.\n"
    assert sorted(rows(config, "select phase, overturned from verdicts")) == [("full", 1), ("served", 0)]


async def test_ctrl_c_ends_at_once_and_the_request_is_logged(config: Path, simulator: Simulator) -> None:
    for name in ("small", "large"):
        simulator.script(name, [stall(600)])
    code = "from ensemble.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "ask", "Why?", stderr=asyncio.subprocess.PIPE, cwd=config.parent
    )
    await simulator.until(n_requests=2)
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(PATIENCE_S):
        _, told = await process.communicate()
    assert process.returncode == 130
    assert told == b"Stopped; what came until then is logged in ensemble.db.\n"
    assert rows(config, "select status from requests") == [("cancelled",)]


async def test_on_a_terminal_it_says_whom_it_waits_for_and_clears_that_away(config: Path, simulator: Simulator) -> None:
    simulator.script("small", [reply("[b]plain[/b]", wait_s=0.03)])
    simulator.script("large", [reply("long " * 60, wait_s=0.05)])
    ours, theirs = pty.openpty()
    code = "from ensemble.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-c", code, "ask", "Why?"),
        cwd=config.parent,
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "60"},
        stdout=theirs,
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(theirs)
    shown = await asyncio.to_thread(_read_all, ours)
    assert await process.wait() == 0
    assert "waiting for small, large" in shown
    assert "[b]plain[/b]" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") > 0  # the cursor is back
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert all(len(line.rstrip()) <= 60 for line in re.split(r"[\r\n]+", plain))


def _read_all(terminal: int) -> str:
    read = b""
    with os.fdopen(terminal, "rb", buffering=0) as file:
        while True:
            try:
                piece = file.read(4096)
            except OSError:  # so Linux ends a terminal whose other side is closed
                break
            if not piece:
                break
            read += piece
    return read.decode()
