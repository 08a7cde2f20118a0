"""Tasks are solvable from their text alone, their truth is true, and the checker knows right from wrong."""

import json
from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.simulator.tasks import Task, as_json, check, from_json, make_tasks, solve
from ensemble.simulator.tasks.arithmetic import evaluate
from ensemble.simulator.tasks.base import Checker
from ensemble.simulator.tasks.patterns import BY_KIND
from ensemble.simulator.tasks.solving import tool_name
from ensemble.simulator.wording import put


@pytest.fixture(scope="module")
def tasks() -> list[Task]:
    return list(make_tasks(1500, seed=11))


def test_each_task_is_solved_from_its_text_alone(tasks: list[Task]) -> None:
    for task in tasks:
        work = solve([*task.earlier, ("user", task.prompt)], [tool_name(tool) for tool in task.tools])
        assert work is not None, task
        assert (work.kind, work.truth, work.difficulty) == (task.kind, task.truth, task.difficulty), task


def test_the_checker_tells_right_answers_from_wrong_ones_in_any_wording(tasks: list[Task]) -> None:
    for task in tasks:
        work = solve([*task.earlier, ("user", task.prompt)])
        assert work is not None
        for sample in range(4):
            wrong = work.wrongs[sample % len(work.wrongs)]
            if task.checker == "tool_call":
                texts = task.truth, wrong
            else:
                tier = ("small", "balanced", "large")[sample % 3]
                texts = put(work, task.truth, tier, task.prompt, sample), put(work, wrong, tier, task.prompt, sample)
            assert check(task, texts[0]), (task, texts[0])
            assert not check(task, texts[1]), (task, texts[1])


def test_two_thirds_are_easy_and_every_kind_occurs(tasks: list[Task]) -> None:
    easy = sum(task.difficulty < 0.4 for task in tasks) / len(tasks)
    assert 0.58 < easy < 0.75
    assert {task.kind for task in tasks} == set(BY_KIND)
    assert len({task.prompt for task in tasks}) > 0.8 * len(tasks)


def test_equal_seeds_give_equal_tasks_and_other_seeds_others() -> None:
    assert list(make_tasks(50, seed=3)) == list(make_tasks(50, seed=3))
    assert list(make_tasks(50, seed=3)) != list(make_tasks(50, seed=4))


def test_a_task_survives_its_line_of_json(tasks: list[Task]) -> None:
    for task in tasks[:200]:
        assert from_json(as_json(task)) == task
        assert json.loads(as_json(task))["simulated"] is True


def test_truths_agree_with_a_reckoning_made_apart() -> None:
    day = date(2023, 5, 17)
    asked = {
        "What is 17 + 25?": "42",
        "What is (1200 - 34) * 7?": str((1200 - 34) * 7),
        "what's 17*23": "391",
        "Calculate 12 x 12": "144",
        "What is 15% of 80?": "12",
        "Convert 3 kilometres to metres.": "3000",
        "How many centimetres are 10 inches?": "25.4",
        "What is 100 degrees Celsius on the other common scale?": "212",
        f"What day of the week is {day.isoformat()}?": day.strftime("%A"),
        "What date is 45 days after May 17, 2023? Answer as YYYY-MM-DD.": (day + timedelta(days=45)).isoformat(),
        "How many days are there from 1 March 2024 to 2 May 2024?": "62",
        "Is 1900 a leap year? Answer yes or no.": "no",
        'How many times does the letter "r" appear in "strawberry"?': "3",
        "Sort these numbers in descending order: 3, 20, 100.": "100, 20, 3",
        "Ann is taller than Bob. Cid is taller than Ann. Who is the shortest?": "Bob",
        "What number comes next: 1, 1, 2, 3, 5, 8?": "13",
        "What is the value of sum(i for i in range(0, 10) if i % 3 == 0) in Python?": "18",
        'In Python, what string is "planet"[::-1]?': "tenalp",
        "What is the capital of Australia?": "Canberra",
        "Which element has the atomic number 79?": "gold",
    }
    for prompt, truth in asked.items():
        work = solve([("user", prompt)])
        assert work is not None, prompt
        assert work.truth == truth, prompt


@pytest.mark.parametrize("prompt", ["Tell me about love.", "", "What is 7?", "What is 1/0?", "9" * 3000, "(" * 900])
def test_what_is_no_task_is_left_alone(prompt: str) -> None:
    assert solve([("user", prompt)]) is None


def test_a_conversation_needs_its_earlier_turns() -> None:
    last = ("user", "Now take away 8. Which number do you have?")
    earlier = [("user", "Think of the number 5."), ("assistant", "ok"), ("user", "Multiply it by 4.")]
    work = solve([*earlier, last])
    assert work is not None
    assert work.truth == "12"
    assert solve([last]) is None


def test_a_tool_task_needs_its_tool() -> None:
    prompt = ("user", "I need the forecast for Oslo, 3 days ahead.")
    assert solve([prompt], ["get_weather"]) is not None
    assert solve([prompt], ["other"]) is None


@pytest.mark.parametrize(
    ("checker", "truth", "text", "is_right"),
    [
        ("number", "42", "The answer is 42, not 17.", True),
        ("number", "42", "17 + 25 = 42", True),
        ("number", "1234", "**1,234**", True),
        ("number", "42", "I do not know.", False),
        ("number", "42", "It is 420.", False),
        ("number", "-3", "Answer: -3", True),
        ("number", "2.54", "about 2.54 cm", True),
        ("text", "Paris", "It is **Paris**.", True),
        ("text", "Paris", "Paris or Rome", False),
        ("text", "yes", "Answer: Yes.", True),
        ("sequence", "1, 2, 3", "1\n2\n3", False),
        ("sequence", "1, 2, 3", "The answer is: 1,2,3.", True),
        ("json", '{"a": 1}', '```json\n{"a": 1.0}\n```', True),
        ("json", '{"a": 1}', '{"a": 1, "b": 2}', False),
        ("json", '{"a": 1}', "{" * 2000 + "}", False),
        ("tool_call", '{"name": "f", "arguments": {"x": 1}}', '{"name": "f", "arguments": "{\\"x\\": 1}"}', True),
        (
            "tool_call",
            '{"name": "f", "arguments": {"x": 1}}',
            '{"text": "", "tool_calls": [{"name": "f", "arguments": "{\\"x\\": 1}"}]}',
            True,
        ),
        ("tool_call", '{"name": "f", "arguments": {"x": 1}}', "The weather is fine.", False),
    ],
)
def test_checking(checker: Checker, truth: str, text: str, is_right: bool) -> None:
    assert check(a_task(checker, truth), text) is is_right


def a_task(checker: Checker, truth: str) -> Task:
    return Task(id="t", kind="k", difficulty=0.1, prompt="p", truth=truth, checker=checker)


@given(st.text(), st.sampled_from(["number", "text", "sequence", "json", "tool_call"]))
def test_checking_takes_any_text(text: str, checker: Checker) -> None:
    truth = {"number": "7", "json": "{}", "tool_call": '{"name": "f", "arguments": {}}'}.get(checker, "x")
    assert check(a_task(checker, truth), text) in (True, False)


@given(st.text(alphabet="0123456789+-*/() x.,abc", max_size=80))
def test_an_expression_is_worked_out_or_refused(text: str) -> None:
    try:
        value, effort = evaluate(text)
    except ValueError:
        return
    assert effort > 0
    assert value.denominator > 0


def test_every_pattern_draws_what_it_can_work() -> None:
    rng = Random(5)
    for patterns in BY_KIND.values():
        for pattern in patterns:
            for level in (0.0, 0.2, 0.5, 0.8, 1.0):
                work = pattern.work(pattern.draw(rng, level))
                assert work.wrongs
                assert work.truth not in work.wrongs
