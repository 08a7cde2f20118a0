import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judges.heuristics._examples import Call, Check, Program, task_of

LEETCODE = """Return the sum.
Example 1:

Input: nums = [1,2,-3], k = 2, name = "a, b = 1", ok = true, gone = null
Output: [1.5, "x"]
Explanation: Input: nums are added.

Example 2:
**Input:** nums = []
**Output:** false
"""


def test_calls_with_named_arguments_are_read() -> None:
    first, second = task_of(LEETCODE).calls
    named = (("nums", [1, 2, -3]), ("k", 2), ("name", "a, b = 1"), ("ok", True), ("gone", None))
    assert first == Call(arguments=named, result=[1.5, "x"])
    assert second == Call(arguments=(("nums", []),), result=False)


def test_arguments_may_stand_on_several_lines_or_without_a_name() -> None:
    task = task_of("Example:\nInput:\n grid = [[1,0],\n [0,1]]\nOutput: 2\n\nInput: [1,2]\nOutput: `3`\n")
    assert task.calls == (Call(arguments=((None, [1, 2]),), result=3),)
    spread = task_of("Input: grid = [[1,0],\n [0,1]]\nOutput: 2")
    assert spread.calls == (Call(arguments=(("grid", [[1, 0], [0, 1]]),), result=2),)


@pytest.mark.parametrize(
    "text",
    [
        "Input: a tree\nOutput: its depth",
        "Input: n = open('x')\nOutput: 1",
        "Input: n = 3\nOutput: see below",
        "Input: f(3), k = 2\nOutput: 1",
        "Input: \nOutput: 1",
        "Input: n = 1\nExample 2:\nOutput: 3",
        "Write a poem about an example input.",
        "Input\n\nThe first line contains n.\n\nOutput\n\nPrint n.",
        ">>> x = 3\n>>> print",
        "assert True\nassert len",
        "I must assert that 1 == 1",
    ],
)
def test_what_is_no_example_is_not_taken_for_one(text: str) -> None:
    task = task_of(text)
    assert (task.calls, task.programs, task.checks) == ((), (), ())


def test_assertions_and_sessions_are_read() -> None:
    task = task_of(
        'Pass these:\nassert f([1, 2]) == {"a": (1,)}\n`assert g(1), "why"`\n>>> f(2)\n[True, None]\n>>> f(3)\n\nend'
    )
    assert task.checks == (
        Check(expression="f([1, 2])", names=frozenset({"f"}), result={"a": (1,)}),
        Check(expression="g(1)", names=frozenset({"g"}), result=True),
        Check(expression="f(2)", names=frozenset({"f"}), result=[True, None]),
    )


CODEFORCES = """Input

The first line has t.

Output

Print it.{heading}
2

1 2

3 4



Sample Output 1:

3
7

Sample Input 2

1
2 2

Sample Output 2

4

The sum of 2 and 2 is 4.

Note

None."""


@pytest.mark.parametrize(
    "heading", ["Sample Input 1:", "\n\nSample Input 1\n", "\n\n**Example Input 1**\n", "\n### Sample Input #1\n"]
)
def test_programs_are_read_from_headings(heading: str) -> None:
    first, second = task_of(CODEFORCES.format(heading=heading)).programs
    assert first == Program(stdin="2\n1 2\n3 4\n", outputs=("3\n7",))
    assert second == Program(stdin="1\n2 2\n", outputs=("4", "4\n\nThe sum of 2 and 2 is 4."))


def test_plain_headings_count_within_an_example() -> None:
    before = "Input\nNumbers.\nOutput\nTheir sum.\n\nExamples\n"
    text = before + "Input\n```\n1 2\n\n\n3\n```\nOutput\n```\n6\n```\nIt adds up.\nNote\nInput\n"
    assert task_of(text).programs == (Program(stdin="1 2\n\n\n3\n", outputs=("6",)),)


def test_a_heading_inside_a_fence_is_data() -> None:
    text = "Sample Input 1\n```\nSample Output 1\n```\nSample Output 1\n```\nx\n```"
    assert task_of(text).programs == (Program(stdin="Sample Output 1\n", outputs=("x",)),)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ("If there are multiple answers, print any of them.", "any_answer"),
        ("You may return the answer in any order.", "any_answer"),
        ("You can output the answer in any case (upper or lower).", "any_case"),
        ("Sort it in-place.", "in_place"),
    ],
)
def test_what_the_task_allows_is_read(said: str, field: str) -> None:
    assert getattr(task_of(said), field)
    assert not getattr(task_of("Return the answer."), field)


def test_the_name_that_the_task_gives_is_read() -> None:
    assert task_of("Complete:\n\nclass Solution:\n    def two(self, a):\n").function == "two"
    assert task_of("def a():\ndef b():").function is None


@given(st.text())
@example("Input: " + "[" * 5000 + "\nOutput: 1")
@example("assert " + "-" * 50_000 + "1")
@example("Sample Input 1\n```\n```\nSample Output 1")
@example("Input: n = 1\nOutput: " + "9" * 5000)
@example("assert f(\x00)")
def test_no_text_raises(text: str) -> None:
    task_of(text)


@pytest.mark.parametrize(
    "piece", ["Input: ", "Sample Input 1 ", ". ", " ", "*", "assert f(", ">>> f(1)\n", "Input:\n", "```\n", "any of "]
)
def test_no_text_takes_long(piece: str) -> None:
    begun = time.thread_time()  # of this thread alone, whatever else the machine does
    task_of(piece * (99_000 // len(piece)))
    assert time.thread_time() - begun < 2
