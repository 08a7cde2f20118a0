import time

import pytest

from ensemble.server.pages.sessions import LIFE_S, MOST, Sessions


def test_a_session_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, now = Sessions(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    token = sessions.begin("hash")
    now += LIFE_S - 1
    assert sessions.find(token) is not None
    now += 2
    assert sessions.find(token) is None


def test_the_oldest_makes_room() -> None:
    sessions = Sessions()
    tokens = [sessions.begin("hash") for _ in range(MOST + 1)]
    assert [sessions.find(token) is None for token in (tokens[0], tokens[1], tokens[-1])] == [True, False, False]


def test_tokens_of_forms_are_of_one_session_and_one_process() -> None:
    sessions = Sessions()
    first, second = sessions.begin("hash"), sessions.begin("hash")
    assert len({sessions.csrf(first), sessions.csrf(second), sessions.csrf(""), Sessions().csrf("")}) == 4
    assert first not in sessions.csrf(first)
