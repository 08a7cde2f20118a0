"""``scripts/fuzz`` for a moment, and what it must notice."""

import random
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scripts._fuzz_one import HOSTILE, Finding, Trial, mutated
from scripts._fuzz_targets import TARGETS, Target
from scripts.fuzz import _read, fuzz, written

BY_NAME = {one.name: one for one in TARGETS}


@pytest.mark.parametrize("target", TARGETS, ids=BY_NAME)
def test_what_is_known_to_be_hostile_is_answered_or_refused(target: Target, tmp_path: Path) -> None:
    trial = Trial(target.prepare(tmp_path))
    draw = random.Random(7)
    for data in (*target.seeds, *HOSTILE, *(mutated(draw.choice(target.seeds), draw) for _ in range(60))):
        trial(data)
    assert trial.tried == len(target.seeds) + len(HOSTILE) + 60


@pytest.mark.skipif(sys.platform != "linux", reason="atheris is for Linux")
async def test_a_short_search_finds_nothing() -> None:
    (result,) = await fuzz(2, 0, [BY_NAME["chat completions"]])
    assert result.finding is None
    assert result.tried > 100
    assert "chat completions" in written([result])


def test_an_undocumented_error_and_a_slow_input_are_findings() -> None:
    def fails(data: bytes) -> None:
        raise KeyError(data)

    def dawdles(data: bytes) -> None:
        until = time.thread_time() + 0.5
        while time.thread_time() < until:  # as long on every machine
            pass

    with pytest.raises(KeyError):
        Trial(fails)(b"x")
    with pytest.raises(Finding, match="1 bytes took"):
        Trial(dawdles)(b"x")


def test_a_process_that_dies_is_a_finding() -> None:
    (target,) = [BY_NAME["feedback"]]
    assert _read(target, -9, b"", b"one\nKilled").finding == "it ended with status -9: Killed"
    line = b'{"target": "feedback", "tried": 3, "slowest_s": 0, "peak_mib": 900, "finding": null, "input": null}'
    assert _read(target, 0, line, b"").finding == "it took 900 MiB"


@pytest.mark.parametrize("name", ["chat completions", "responses", "messages", "feedback", "replies of judges"])
@settings(max_examples=60, deadline=None)
@given(data=st.one_of(st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_any_bytes_are_answered_or_refused(name: str, data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    BY_NAME[name].prepare(tmp_path_factory.getbasetemp())(data)


async def test_a_reply_of_braces_alone_does_not_hold_the_loop_up(tmp_path: Path) -> None:
    Trial(BY_NAME["replies of judges"].prepare(tmp_path))(b"{" * 60_000)
