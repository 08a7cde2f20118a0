"""The queue of those that write one file."""

import threading
import time
from pathlib import Path

import pytest

from ensemble.store.turns import turn


def test_one_at_a_time_and_each_soon(tmp_path: Path) -> None:
    inside, most, done = 0, 0, list[int]()
    state = threading.Lock()

    def work(number: int) -> None:
        nonlocal inside, most
        for _ in range(20):
            with turn(tmp_path / "writing", 5.0):
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
        thread.join(20)
    assert (most, sorted(done)) == (1, [0, 1, 2, 3])


def test_nobody_waits_longer_than_said_or_keeps_the_lock_that_comes_later(tmp_path: Path) -> None:
    path = tmp_path / "writing"
    with turn(path, 5.0):
        begin = time.monotonic()
        with turn(path, 0.05):
            assert 0.05 <= time.monotonic() - begin < 2
    begin = time.monotonic()
    with turn(path, 5.0):
        assert time.monotonic() - begin < 4, "it is free, although nobody waited for it to be"


def test_a_process_alone_needs_none() -> None:
    with turn(None, 0.0), turn(None, 0.0):
        pass


def test_a_folder_that_has_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="gone"), turn(tmp_path / "gone" / "writing", 1.0):
        pytest.fail("it was entered")
