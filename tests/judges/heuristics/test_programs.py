from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judges.heuristics._examples import Call, Check, Task
from judges.heuristics._programs import module, program, sources

CALL = Call(arguments=(("nums", [1]), ("k", 2)), result=3)


def expressions(
    text: str, *calls: Call, function: str | None = None, checks: Sequence[Check] = ()
) -> tuple[str, ...] | None:
    found = module(text, Task(calls=calls, function=function, checks=tuple(checks)))
    return found[1] if found else None


@pytest.mark.parametrize(
    "text",
    [
        "print(1)",
        "```python\nprint(1)\n```",
        "Here you go:\n```py\nprint(1)\n```\nIt prints.",
        "```\nprint(1)\n```",
        "  ```python\nprint(1)\n  ```",
        "```python\nprint(1)",
    ],
)
def test_a_program_is_found(text: str) -> None:
    assert [source.code.strip() for source in sources(text)] == ["print(1)"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Yes",
        "No, I think.",
        "def f(:",
        "```java\nclass A {}\n```",
        "```python\nprint 1\n```",
        "Prose, then code: x = 1",
    ],
)
def test_what_is_no_python_is_not_taken_for_it(text: str) -> None:
    assert sources(text) == ()


def test_the_last_program_that_reads_counts() -> None:
    first, last = "```python\nprint(input())\n```", "```python\nimport sys\nprint(sys.stdin.read())\n```"
    text = f"{first}\nbetter:\n{last}\nusage:\n```python\nrun()\n```"
    found = program(text)
    assert found
    assert "sys.stdin" in found.code
    assert program("def solve():\n    return 1") is None


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("class Solution:\n    def a(self, nums, k): ...", "Solution().a(**{'nums': [1], 'k': 2})"),
        ("class Solution:\n    @staticmethod\n    def a(nums, k): ...", "Solution().a(**{'nums': [1], 'k': 2})"),
        (
            "class Solution:\n    def help(self, x): ...\n    def a(self, k, nums, memo=None): ...",
            "Solution().a(**{'nums': [1], 'k': 2})",
        ),
        ("class Solution:\n    def a(self, xs, n): ...", "Solution().a(*[[1], 2])"),
        ("def a(k, nums): ...", "a(**{'nums': [1], 'k': 2})"),
        ("def help(x): ...\ndef a(x, y): ...", "a(*[[1], 2])"),
        ("def _a(x, y): ...\ndef a(x, y): ...", "a(*[[1], 2])"),
    ],
)
def test_what_is_meant_is_called(code: str, wanted: str) -> None:
    assert expressions(code, CALL) == (wanted,)


@pytest.mark.parametrize(
    "code",
    [
        "def a(x, y): ...\ndef b(x, y): ...",
        "def a(x): ...",
        "def a(nums, k, other): ...",
        "class Node:\n    def a(self, nums, k): ...",
        "async def a(nums, k): ...",
        "from x import TreeNode\ndef a(nums, k): ...",
        "x = 1",
    ],
)
def test_what_is_unclear_is_left_alone(code: str) -> None:
    assert expressions(code, CALL) is None


def test_the_name_in_the_task_settles_it() -> None:
    assert expressions("def a(x, y): ...\ndef b(x, y): ...", CALL, function="b") == ("b(*[[1], 2])",)


def test_checks_need_what_they_call() -> None:
    check = Check(expression="len(f(1))", names=frozenset({"len", "f"}), result=1)
    assert expressions("def f(x): ...", checks=[check]) == ("len(f(1))",)
    assert expressions("def g(x): ...", checks=[check]) is None


@given(st.text())
@example("(" * 50_000)
@example("```python\n" * 5000)
@example("x = '\\d'")
@example("print('\x00')")
def test_no_text_raises(text: str) -> None:
    program(text)
    module(text, Task(calls=(CALL,)))
