"""Sessions: how they end, and what belongs to one alone."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ensemble.server.pages.sessions import LIFE_S, MOST, Sessions, SharedSessions

Make = Callable[[], Sessions]


@pytest.fixture(params=["one process", "workers"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    return Sessions if request.param == "one process" else lambda: SharedSessions(tmp_path)


async def test_a_session_ends_by_itself(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, now = make(), time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    token = await sessions.begin("hash")
    now += LIFE_S - 1
    assert await sessions.find(token) is not None
    now += 2
    assert await sessions.find(token) is None


async def test_the_oldest_makes_room(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ensemble.server.pages.sessions.MOST", 5)
    assert MOST > 5
    sessions = make()
    tokens = [await sessions.begin("hash") for _ in range(6)]
    assert [await sessions.find(token) is None for token in (tokens[0], tokens[1], tokens[-1])] == [True, False, False]


async def test_tokens_of_forms_are_of_one_session_and_one_process() -> None:
    sessions = Sessions()
    first, second = await sessions.begin("hash"), await sessions.begin("hash")
    assert len({sessions.csrf(first), sessions.csrf(second), sessions.csrf(""), Sessions().csrf("")}) == 4
    assert first not in sessions.csrf(first)


async def test_workers_share_sessions_and_the_tokens_of_forms(tmp_path: Path) -> None:
    first, second = SharedSessions(tmp_path), SharedSessions(tmp_path)
    token = await first.begin("hash")
    found = await second.find(token)
    assert found is not None
    assert found.hash == "hash"
    assert first.csrf(token) == second.csrf(token)
    assert first.csrf("") == second.csrf("") != first.csrf(token)
    assert await second.find("../forms") is None
    files = list(tmp_path.rglob("*"))  # noqa: ASYNC240 - a few
    assert not any(token in file.name for file in files), "no file tells what a cookie holds"
    await second.end(token)
    assert await first.find(token) is None
