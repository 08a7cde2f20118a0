"""The supervisor over workers that are a few lines of Python: who is started, told, and ended, and when."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from ensemble.errors import ConfigError
from ensemble.server.listening import bound
from ensemble.server.workers import child, supervisor
from ensemble.server.workers.supervisor import Supervisor
from ensemble.server.workers.terms import Post
from tests.patience import PATIENCE_S

SCRIPT = """
import json, os, signal, socket, sys, time
post = json.loads(sys.argv[-1])
folder = post["folder"]
diary = open(folder + "/diary", "a", buffering=1)
def note(word):
    diary.write(f"{word} {post['number']}.{post['slot']}\\n")
def told(*_):
    note("term")
    sys.exit(0)
signal.signal(signal.SIGTERM, told)
channel = socket.socket(fileno=post["channel"])
try:
    how = open(folder + "/how").read()
except FileNotFoundError:
    how = ""
if how == "broken":
    sys.exit(3)
open(f"{folder}/{post['number']}.pid", "w").write(str(os.getpid()))
note("ready")
channel.sendall(b"ready\\n")
for line in channel.makefile():
    note(line.strip())
    if how == "mortal":
        os.kill(os.getpid(), signal.SIGKILL)
    if line.strip() == "retire":
        channel.sendall(b"ending 1\\n")
        if how != "stubborn":
            break
    if line.strip() == "stop":
        break
note("end")
"""


class Kept:
    """A supervisor at work, and what its workers wrote down."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, asyncio.Event()

    def diary(self) -> list[str]:
        file = self.folder / "diary"
        return file.read_text().splitlines() if file.exists() else []

    async def until(self, holds: Callable[[list[str]], bool]) -> list[str]:
        async with asyncio.timeout(PATIENCE_S):
            while not holds(self.diary()):  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(0.02)
        return self.diary()

    def end_one(self) -> None:
        """Have the first worker end by itself, as one does that dies."""
        os.kill(int((self.folder / "1.pid").read_text()), signal.SIGTERM)

    def become(self, how: str) -> None:
        (self.folder / "how").write_text(how)


async def heard(caplog: pytest.LogCaptureFixture, words: str, *, times: int = 1) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while caplog.text.count(words) < times:  # noqa: ASYNC110 - of a log
            await asyncio.sleep(0.02)


@asynccontextmanager
async def supervised(
    folder: Path, count: int = 2, *, python: str | Path = sys.executable
) -> AsyncIterator[tuple[Kept, "asyncio.Task[None]"]]:
    kept = Kept(folder)
    with bound("127.0.0.1", 0) as sockets:
        command = [str(python), "-S", "-c", SCRIPT]
        run = Supervisor(command, count, sockets, folder).run(kept.started.set)
        task = asyncio.get_running_loop().create_task(run)
        try:
            yield kept, task
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)
                await asyncio.wait([task])


async def test_the_first_is_ready_before_the_others_are_started(tmp_path: Path) -> None:
    async with supervised(tmp_path, 3) as (kept, task):
        await kept.started.wait()
        await kept.until(lambda diary: sum(line.startswith("go") for line in diary) == 3)
        assert kept.diary()[0] == "ready 1.0"
        os.kill(os.getpid(), signal.SIGTERM)
        await task
    assert sorted(line for line in kept.diary() if line.startswith("stop")) == ["stop 1.0", "stop 2.1", "stop 3.2"]
    assert not any(line.startswith("term") for line in kept.diary()), "a second signal would end one at once"


async def test_the_old_one_has_ended_before_the_new_one_serves(tmp_path: Path) -> None:
    async with supervised(tmp_path) as (kept, _):
        await kept.started.wait()
        await kept.until(lambda diary: len(diary) == 4)
        os.kill(os.getpid(), signal.SIGHUP)
        diary = await kept.until(lambda diary: len(diary) == 12)
    assert diary[4:] == [
        "ready 1.2", "retire 1.0", "end 1.0", "go 1.2",
        "ready 2.0", "retire 2.1", "end 2.1", "go 2.0",
    ]  # fmt: skip


async def test_what_does_not_start_replaces_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with supervised(tmp_path) as (kept, task):
        await kept.started.wait()
        kept.become("broken")
        os.kill(os.getpid(), signal.SIGHUP)
        await heard(caplog, "serve on")
        assert not task.done()
        assert not any(line.startswith("retire") for line in kept.diary())
    assert "worker 1 did not start: exit status 3" in caplog.text


async def test_one_that_takes_too_long_to_end_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(child, "CLOSING_S", -0.9)  # of the second that it asks for
    async with supervised(tmp_path, 1) as (kept, _):
        kept.become("stubborn")
        await kept.started.wait()
        await kept.until(lambda diary: "go 1.0" in diary)
        os.kill(os.getpid(), signal.SIGHUP)
        await kept.until(lambda diary: "go 1.1" in diary)
        assert "end 1.0" not in kept.diary()
    assert "worker 1 is killed" in caplog.text


async def test_the_dead_are_started_again_until_all_die_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.001)
    (tmp_path / "how").write_text("mortal")
    async with supervised(tmp_path, 1) as (kept, task):
        with pytest.raises(ConfigError, match="every worker died at once, 5 times in turn"):
            await asyncio.wait_for(task, PATIENCE_S)
    assert sum(line.startswith("go") for line in kept.diary()) == 5
    assert caplog.text.count("died: by SIGKILL") == 5


async def test_one_that_cannot_even_be_started_ends_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The program may be missing while it is installed anew, or the system have no process left."""
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_S", 0.001)
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    async with supervised(tmp_path, python=python) as (kept, task):
        await kept.until(lambda diary: len(diary) == 4)
        python.unlink()
        os.kill(os.getpid(), signal.SIGHUP)
        await heard(caplog, "serve on")
        kept.end_one()
        await heard(caplog, "worker 1 cannot be started: [Errno 2] No such file or directory", times=3)
        assert not task.done()
        python.symlink_to(sys.executable)
        diary = await kept.until(lambda diary: len(diary) == 7)
        assert [line.split(".")[0] for line in diary[4:]] == ["term 1", "ready 1", "go 1"]


def test_the_pause_before_another_start_has_an_end_however_often_it_failed() -> None:
    assert [supervisor.pause_s(deaths) for deaths in (0, 1, 2, 5_000)] == [0.0, 0.25, 0.5, 30.0]


async def test_a_first_one_that_does_not_start_ends_it(tmp_path: Path) -> None:
    (tmp_path / "how").write_text("broken")
    async with supervised(tmp_path) as (_, task):
        with pytest.raises(ConfigError, match="worker 1 did not start: exit status 3; what it said is above"):
            await asyncio.wait_for(task, PATIENCE_S)


def test_a_post_that_no_supervisor_wrote_is_refused() -> None:
    for text in ("2", "{}", json.dumps({"number": 1})):
        with pytest.raises(ValueError, match="use --workers N"):
            Post.read(text)
