"""The queue of those that write one file."""

import threading
import time
from pathlib import Path

import pytest

from ensemble.store.turns import turn
from tests.patience import PATIENCE_S


def test_one_at_a_time_and_each_soon(tmp_path: Path) -> None:
    inside, most, done = 0, 0, list[int]()
    state = threading.Lock()

    def work(number: int) -> None:
        nonlocal inside, most
        for _ in range(20):
            with turn(tmp_path / "writing", PATIENCE_S):
                with state:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.0005)
                with state:
                    inside -= 1
        done.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert (most, sorted(done)) == (1, [0, 1, 2, 3])


def test_nobody_waits_longer_than_said_or_keeps_the_lock_that_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "writing"
    with turn(path, 5.0):
        begin = time.monotonic()
        with turn(path, 0.05):
            assert 0.05 <= time.monotonic() - begin < PATIENCE_S / 2
    begin = time.monotonic()
    with turn(path, PATIENCE_S):
        assert time.monotonic() - begin < PATIENCE_S / 2, "it is free, although nobody waited for it to be"


@pytest.mark.parametrize("folder", [None, "gone"])
def test_without_a_folder_nobody_waits(tmp_path: Path, folder: str | None) -> None:
    path = tmp_path / folder / "writing" if folder else None
    begin = time.monotonic()
    with turn(path, PATIENCE_S), turn(path, PATIENCE_S):
        assert time.monotonic() - begin < PATIENCE_S / 2
