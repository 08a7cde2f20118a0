"""The jail, from inside: what a hostile program tries, and what comes of it. Skipped where no jail can be built."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from judges.heuristics import _sandbox
from judges.heuristics._sandbox import Limits, run, unavailable

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(unavailable() is not None, reason=f"no jail here: {unavailable()}")


async def said(code: str, **limits: int) -> str:
    ended = await run(code, limits=Limits(**limits))
    assert (ended.how, ended.code) == ("ended", 0), ended
    return ended.out.strip()


def tries(attempt: str) -> str:
    return f"try:\n    {attempt}\n    print('escaped')\nexcept OSError as error:\n    print(type(error).__name__)"


async def test_a_program_reads_and_writes() -> None:
    ended = await run("print(sum(map(int, input().split())))", stdin="1 2 3\n")
    assert (ended.how, ended.code, ended.out, ended.err) == ("ended", 0, "6\n", "")


async def test_expressions_are_evaluated_in_a_module() -> None:
    ended = await run("print('not an answer')\ndef f(x):\n    return (x, {x: {x}})", expressions=["f(1)", "f('é')"])
    assert [json.loads(line) for line in ended.out.splitlines()] == [
        [1, {"table": [[1, {"set": [1]}]]}],
        ["é", {"table": [["é", {"set": ["é"]}]]}],
    ]


async def test_the_usual_imports_are_there_for_expressions_alone() -> None:
    uses = "def f(x: List[int]) -> int:\n    return gcd(*x) + len(deque(x)) + pow(2, 3, 5)"
    assert (await run(uses, expressions=["f([4, 6])"])).out == "7\n"
    assert "NameError" in (await run(uses)).err


@pytest.mark.parametrize(
    ("code", "how", "exit_code"),
    [
        ("raise SystemExit(3)", "ended", 3),
        ("1 / 0", "ended", 1),
        ("def", "ended", 1),
        ("import ctypes\nctypes.string_at(0)", "ended", -11),
        ("while True: pass", "cpu", -9),
        ("import os\nos.close(1)\nos.close(2)\nwhile True: pass", "cpu", -9),
        ("import time\ntime.sleep(60)", "wall", -9),
        ("import time\nwhile True:\n    print('x', flush=True)\n    time.sleep(0.01)", "wall", -9),
        ("while True: print('x' * 9999)", "output", -9),
        ("import sys\nwhile True: sys.stderr.write('x' * 9999)", "cpu", -9),
    ],
)
async def test_every_end_has_its_name(code: str, how: str, exit_code: int) -> None:
    ended = await run(code, limits=Limits(cpu_s=1, wall_s=0.6 if how == "wall" else 80))
    assert (ended.how, ended.code) == (how, exit_code)
    assert len(ended.out) <= 1 << 20
    assert len(ended.err) <= 4000


@pytest.mark.parametrize(
    "attempt",
    [
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import socket; socket.create_connection(('1.1.1.1', 53))",
        "import socket; socket.socket(socket.AF_UNIX)",
        "import socket; socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)",
        "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1/')",
        "import os; os.fork()",
        "import os; os.posix_spawn('/bin/true', ['true'], {})",
        "import os; os.execv('/usr/lib/ld-linux-x86-64.so.2', ['x'])",
        "import subprocess; subprocess.run(['true'])",
        "import os; os.setuid(0)",
        "import os; os.chroot('/')",
        "import os; os.mknod('disk', 0o60600, os.makedev(8, 0))",
        "import os; os.symlink('/etc', 'etc')",
        "import os; os.chmod('/scratch', 0o777)",
        "open('/etc/shadow')",
        "open('/etc/passwd')",
        "open('/proc/self/environ')",
        "open('/proc/1/environ')",
        "open('/sys/kernel/notes', 'rb')",
        "import os; os.listdir('/home')",
        "import os; os.listdir('/tmp')",
        "import os; os.listdir('/etc')",
        "import os; os.listdir('/old')",
        "open('/written', 'w')",
        "open('/usr/lib/written', 'w')",
        "open('/dev/written', 'w')",
        "import os; open(os.__file__, 'a')",
        "import os; os.mkdir('/usr/written')",
        "open('file', 'wb').write(bytes(17 << 20))",
        "files = [open(str(n), 'wb').write(bytes(3 << 20)) for n in range(9)]",
        "files = [open(str(n), 'w') for n in range(999)]",
    ],
)
async def test_no_way_out(attempt: str) -> None:
    told = await said(tries(attempt))
    assert told != "escaped"
    assert told.endswith("Error")


async def test_raw_system_calls_are_refused() -> None:
    """ctypes reaches the kernel past Python: mounts, namespaces, tracing, io_uring, keys, 32-bit numbers."""
    calls = {
        "mount": 165,
        "unshare": 272,
        "setns": 308,
        "ptrace": 101,
        "io_uring_setup": 425,
        "add_key": 248,
        "bpf": 321,
    }
    calls |= {
        "fork": 57,
        "vfork": 58,
        "execve": 59,
        "open_by_handle_at": 304,
        "process_vm_readv": 310,
        "x32 read": 1 << 30,
    }
    code = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, number in {calls!r}.items():
    print(name, libc.syscall(number, 0, 0, 0, 0, 0), ctypes.get_errno())
print("clone", libc.syscall(56, 17, 0, 0, 0, 0), ctypes.get_errno())
"""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers are those of x86_64")
    assert all(line.endswith(" -1 1") for line in (await said(code)).splitlines())


async def test_nothing_of_the_host_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    secret = tmp_path / "key.txt"
    secret.write_text("a secret")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    code = f"""
import os, gc
print(dict(os.environ), os.listdir("/scratch"), os.path.exists({str(secret)!r}), os.path.exists({__file__!r}),
      os.path.exists({str(Path.home())!r} + "/.bashrc"), os.getpid(), os.uname().nodename, os.getcwd())
libc = __import__("ctypes").CDLL(None)
libc.getenv.restype = __import__("ctypes").c_char_p
print(libc.getenv(b"OPENAI_API_KEY"))
print(any("sk-very" + "-secret" in str(thing)[:999] for thing in gc.get_objects() if isinstance(thing, (str, dict))))
"""
    assert (await said(code)).splitlines() == ["{} [] False False False 1 jail /scratch", "None", "False"]


async def test_a_run_leaves_nothing_for_the_next() -> None:
    assert await said("open('left', 'w').write('x')\nimport os\nprint(os.listdir())") == "['left']"
    assert await said("import os\nprint(os.listdir())") == "[]"


async def test_a_memory_hog_is_stopped() -> None:
    code = "kept = []\ntry:\n    while True: kept.append(bytearray(1 << 20))\nexcept MemoryError:\n    print(len(kept))"
    assert 10 < int(await said(code, memory_mib=200)) < 200


async def test_threads_work_and_a_bomb_of_them_does_not() -> None:
    worker = "import threading\nn = []\nt = threading.Thread(target=lambda: n.append(1))\nt.start()\nt.join()\nprint(n)"
    assert await said(worker) == "[1]"
    bomb = """
import threading, time
threading.stack_size(32768)
count = 0
try:
    while True:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        count += 1
except RuntimeError:
    print(count, flush=True)
    __import__("os")._exit(0)
"""
    assert int(await said(bomb, threads=20)) < 20


async def test_a_fork_bomb_never_starts() -> None:
    ended = await run("import os\nwhile True: os.fork()")
    assert (ended.how, ended.code) == ("ended", 1)
    assert "PermissionError" in ended.err


async def test_the_loop_stays_free_and_runs_queue_up() -> None:
    turns = 0
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(run("sum(range(10 ** 6))\nprint(1)")) for _ in range(6)]
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0.005)
            turns += 1
    assert {task.result().out for task in tasks} == {"1\n"}
    assert turns > 20, "a loop that waits for each run would have had a few turns, whatever the machine"


def jails(service: int | None = None) -> set[int]:
    """Wardens and prisoners that descend from ``service``, by default this process; uncollected ones included."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    wardens = {one for one, parent in parents.items() if parent == (service or os.getpid())}
    return wardens | {one for one, parent in parents.items() if parent in wardens}


@pytest.mark.parametrize("wall_s", [30.0, 0.3])
async def test_cancelled_or_late_nobody_lives_on(wall_s: float) -> None:
    before, seen = jails(), set[int]()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run("import time\ntime.sleep(60)", limits=Limits(wall_s=wall_s)))
        while len(seen) < 2:  # warden and prisoner
            await asyncio.sleep(0.01)
            seen |= jails() - before
        if wall_s > 1:
            task.cancel()
    assert not [one for one in seen if _state(one)]


async def test_a_service_that_is_killed_takes_its_jails_along(tmp_path: Path) -> None:
    code = "import asyncio\nfrom judges.heuristics._sandbox import run\nasyncio.run(run('import time; time.sleep(60)'))"
    service = await asyncio.create_subprocess_exec(sys.executable, "-c", code, cwd=ROOT)
    seen: set[int] = set()
    while len(seen) < 2:
        await asyncio.sleep(0.02)
        seen = {one for one in jails(service.pid) if _state(one)}
    service.kill()
    await service.wait()
    for _ in range(200):
        if not any(_state(one) not in ("", "Z") for one in seen):  # whether they are collected is up to init
            return
        await asyncio.sleep(0.02)
    pytest.fail("a jail outlived its service")


def _told(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _state(process: int) -> str:
    return (_told(f"/proc/{process}/stat").rpartition(")")[2].split() or [""])[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="the test's interpreter may be root's alone")
def test_an_ordinary_user_gets_the_same_jail(tmp_path: Path) -> None:
    """The module is copied to where that user can read it: a checkout may lie in root's home."""
    source = Path(_sandbox.__file__)
    shared = Path("/tmp") / f"jail-{os.getpid()}-{time.monotonic_ns()}"
    shared.mkdir()
    try:
        for name in ("_sandbox.py", "_jail.py"):
            shutil.copy(source.with_name(name), shared / name)
            (shared / name).chmod(0o644)
        shared.chmod(0o755)
        code = (
            "import asyncio, os, _sandbox as s\n"
            "told = s.unavailable()\n"
            "print(os.getuid(), told, asyncio.run(s.run('import os; print(os.getuid())')).out.strip())"
        )
        done = subprocess.run(
            ["/usr/bin/python3", "-c", code],
            cwd=shared,
            env={"PYTHONPATH": str(shared), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            user=54321,
            group=54321,
            extra_groups=(),
            check=True,
        )
    finally:
        shutil.rmtree(shared)
    if "does not let a jail be built" in done.stdout:
        pytest.skip(f"users may not build a jail here: {done.stdout.strip()}")
    assert done.stdout.split() == ["54321", "None", "1000"]


async def test_an_interpreter_that_cannot_be_started_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "_base_executable", "/nonexistent/python")
    unavailable.cache_clear()
    try:
        assert "cannot be started" in (unavailable() or "")
        assert (await run("print(1)")).how == "refused"
    finally:
        monkeypatch.undo()
        unavailable.cache_clear()


async def test_a_jail_that_cannot_be_built_runs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is not there stands for whatever a system may deny."""
    files = {**_sandbox._files(), "readable": ["/nonexistent"]}
    monkeypatch.setattr(_sandbox, "_files", lambda: files)
    unavailable.cache_clear()
    try:
        assert "does not let a jail be built: FileNotFoundError" in (unavailable() or "")
        refused = await run("print(1)")
        assert (refused.how, refused.out) == ("refused", "")
    finally:
        monkeypatch.undo()
        unavailable.cache_clear()
