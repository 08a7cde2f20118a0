"""Answers that are kept."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event

import pytest

from ensemble.audit.recent import Recent
from tests.patience import PATIENCE_S


def test_an_answer_is_worked_out_once_and_forgotten_after_others() -> None:
    made: list[str] = []
    recent = Recent[str](2)

    def ask(key: str) -> str:
        return recent.get(key, lambda: made.append(key) or key.upper())  # type: ignore[func-returns-value]

    assert [ask(key) for key in ("a", "b", "a", "c", "a", "b")] == ["A", "B", "A", "C", "A", "B"]
    assert made == ["a", "b", "c", "b"]


def test_who_asks_at_once_waits_for_the_same_answer() -> None:
    recent = Recent[int](2)
    begun, go = Event(), Event()

    def slow() -> int:
        begun.set()
        assert go.wait(PATIENCE_S)
        return 7

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(recent.get, "key", slow)
        assert begun.wait(PATIENCE_S)
        barrier = Barrier(2)

        def other() -> int:
            barrier.wait(PATIENCE_S)
            return recent.get("key", lambda: pytest.fail("it is being worked out"))

        second = pool.submit(other)
        barrier.wait(PATIENCE_S)
        go.set()
        assert (first.result(PATIENCE_S), second.result(PATIENCE_S)) == (7, 7)


def test_a_failure_is_told_and_tried_again() -> None:
    recent = Recent[int](2)
    with pytest.raises(ZeroDivisionError):
        recent.get("key", lambda: 1 // 0)
    assert recent.get("key", lambda: 1) == 1
