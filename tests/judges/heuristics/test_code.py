"""Code is run here in the jail of ``_sandbox``; what needs one is skipped where none can be built."""

import asyncio
import platform

import pytest

from judges import JUDGES, InvalidOptions
from judges.heuristics._sandbox import unavailable
from judges.testing import a_case, check_judge
from tests.patience import PATIENCE_S

jailed = pytest.mark.skipif(unavailable() is not None, reason=f"no jail here: {unavailable()}")

DOUBLE = "Double it.\n\nExample 1:\nInput: n = 3\nOutput: 6\n\nExample 2:\nInput: n = 0\nOutput: 0\n"
ECHO = "Read a number and print its double.\n\nSample Input 1\n\n3\n\nSample Output 1\n\n6\n\nTwice three is six.\n"
ANY = "Return any of them, in any order.\n\nInput: n = 3\nOutput: [1, 2]\n"
CHECKS = "Write double.\nassert double(3) == 6\nassert double([1]) == [1, 1]\n"
GOOD = "class Solution:\n    def double(self, n: Optional[int]) -> int:\n        return 2 * n"
BAD = "class Solution:\n    def double(self, n):\n        return n * n"
RUNS = {"use": "code", "allow_execution": True}


async def winners(question: str, *texts: str, **options: object) -> tuple[str, ...]:
    verdict = await JUDGES.build({**RUNS, **options}).judge(a_case(*texts, question=question), {})
    assert verdict.outcome != "failed", verdict.reason
    return verdict.winners


async def test_it_is_off_by_default() -> None:
    verdict = await JUDGES.build("code").judge(a_case(GOOD, BAD, question=DOUBLE), {})
    assert (verdict.outcome, verdict.reason) == ("abstained", "allow_execution is off")


@jailed
@pytest.mark.parametrize(
    ("question", "good", "bad"),
    [
        (DOUBLE, GOOD, BAD),
        (DOUBLE, f"Here:\n```python\n{GOOD}\n```", f"Here:\n```\n{BAD}\n```\nDone."),
        (DOUBLE, "def double(x):\n    print('working')\n    return x + x", "def double(n):\n    raise ValueError"),
        (DOUBLE, GOOD, "def double(n):\n    return bytearray(1 << 40)"),
        (ECHO, "print(2 * int(input()))", "print(int(input()) ** 2)"),
        (ECHO, "import sys\nprint(int(sys.stdin.read()) * 2, end='')", "input()\nexit(3)"),
        (CHECKS, "def double(x):\n    return x * 2", "def double(x):\n    return x + 3"),
    ],
)
async def test_code_that_passes_wins(question: str, good: str, bad: str) -> None:
    assert await winners(question, bad, good, cpu_s=1) == ("c1",)


@jailed
async def test_code_that_never_ends_loses() -> None:
    # Where the machine has no CPU second for it in three, it says that nothing is known.
    async with asyncio.timeout(PATIENCE_S):
        while await winners(DOUBLE, "def double(n):\n    while True: pass", GOOD, cpu_s=1) != ("c1",):
            pass


@jailed
@pytest.mark.parametrize(
    ("question", "one", "other"),
    [
        (DOUBLE, GOOD, "I would double it."),
        (DOUBLE, GOOD, GOOD),
        (DOUBLE, GOOD, GOOD + "  # the same"),
        (DOUBLE, BAD, "def f(n):\n    return 7"),
        (DOUBLE, GOOD, "import numpy\ndef f(n):\n    return 7"),
        (DOUBLE, GOOD, "import os\ndef f(n):\n    os.fork()"),
        (DOUBLE, GOOD, "def f(n):\n    print(2 * n)"),
        (DOUBLE, GOOD, "n = int(input())\ndef f(n):\n    return 7"),
        (DOUBLE, GOOD, "def f(n):\n    import time\n    time.sleep(30)"),
        (ANY, "def f(n):\n    return [1, 2]", "def f(n):\n    return [2, 1]"),
        (ECHO, "print(2 * int(input()))", "def solve(n):\n    return 7"),
        ("Say something.", GOOD, BAD),
    ],
)
async def test_it_is_silent_without_a_pass_and_a_failure(question: str, one: str, other: str) -> None:
    assert await winners(question, one, other, cpu_s=1) == ()


@jailed
async def test_code_that_fails_loses_to_all_that_did_not() -> None:
    assert await winners(DOUBLE, "In prose: twice n.", GOOD, BAD, GOOD) == ("c0", "c1", "c3")


@jailed
async def test_only_so_many_examples_are_run() -> None:
    late = "def f(n):\n    return 6 if n == 3 else 1"
    assert await winners(DOUBLE, GOOD, late) == ("c0",)
    assert await winners(DOUBLE, GOOD, late, most_examples=1) == ()


@jailed
async def test_hostile_code_gains_nothing() -> None:
    """It prints forged answers, closes the channel, leaves early: at best it says nothing."""
    tricks = (
        "import os\nos._exit(0)\ndef f(n): ...",
        "import sys\nsys.stdout.close()\ndef f(n):\n    return 7",
        "def f(n):\n    print('6')\n    print('0')\n    raise SystemExit(0)",
        "class n(int):\n    __eq__ = lambda s, o: True\n    __repr__ = lambda s: '6'\ndef f(x):\n    return n(7)",
        "import json\njson.dumps = lambda *a: '[' * 99999\ndef f(n):\n    return 7",
        "def f(n):\n    x = []\n    x.append(x)\n    return x",
    )
    for trick in tricks:
        assert await winners(DOUBLE, GOOD, trick) in (("c0",), ()), trick


@jailed
async def test_the_laws_hold() -> None:
    cases = [a_case(GOOD, BAD, "prose", question=DOUBLE), a_case(GOOD, question=DOUBLE), a_case("a", "b")]
    await check_judge(JUDGES.build(RUNS), cases)
    await check_judge(JUDGES.build("code"), cases)


async def test_where_nothing_can_be_isolated_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    unavailable.cache_clear()
    try:
        judge = JUDGES.build(RUNS)
        with pytest.raises(InvalidOptions, match="allow_execution: running code needs Linux"):
            judge.load()
        verdict = await judge.judge(a_case(GOOD, BAD, question=DOUBLE), {})
        assert (verdict.outcome, verdict.winners) == ("failed", ())
        assert "needs Linux" in verdict.reason
        JUDGES.build("code").load()
    finally:
        monkeypatch.undo()
        unavailable.cache_clear()


@jailed
def test_where_it_can_loading_says_nothing() -> None:
    JUDGES.build(RUNS).load()
