"""A sample of labels that stream by: whole conversations, by hash, whatever the order and however many there are."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from subprocess import run
from sys import executable

import numpy as np
import pyarrow
import pyarrow.parquet

from ensemble.store.examples import Example, Stored
from ensemble.training.alike import evened
from ensemble.training.held import hold
from ensemble.training.sampling import FIXED, LEAST_MEMORY, Room, draw
from ensemble.training.splits import by_time_or_group
from tests.ensemble.training.examples import an_example

A_STORED = Stored(finish_reason="stop", tool_calls=None, logprobs="[-0.1]")
MEASURED = """
import resource, sys
from pathlib import Path
from ensemble.training.reading import examples_of
from ensemble.training.sampling import Room, draw
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
drawn = draw(examples_of(Path(sys.argv[1]), complete=False), Room(rows=1000))
print(drawn.read, len(drawn.examples), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
"""Says how many labels were read and kept, and by how many KiB the resident memory grew at most."""


def labels(number: int, *, conversations: int | None = None, text: str = "") -> Iterator[Example]:
    for row in range(number):
        yield an_example(
            f"r{row}",
            {"small": 0.5, "large": 1.0},
            f"What is {row} x 21? {text}",
            conversation=f"c{row % conversations}" if conversations else None,
        )


def ids(examples: tuple[Example, ...]) -> list[str]:
    return [one.label.request for one in examples]


def test_without_bounds_every_label_is_kept_in_its_order() -> None:
    drawn = draw(labels(30), Room())
    assert ids(drawn.examples) == [f"r{row}" for row in range(30)]
    assert not drawn.partial
    assert drawn.told() == {"labels": 30, "kept": 30, "how": "all", "room": None}


def test_a_sample_does_not_depend_on_the_order_of_labels() -> None:
    everything = list(labels(400, conversations=150))
    turned = [everything[row] for row in np.random.default_rng(1).permutation(400)]
    one, other = (draw(each, Room(rows=120), seed=4) for each in (everything, turned))
    assert sorted(ids(one.examples)) == sorted(ids(other.examples))
    assert 110 < len(one.examples) <= 120
    assert one.told()["room"] == "--sample 120"
    assert sorted(ids(draw(everything, Room(rows=120), seed=5).examples)) != sorted(ids(one.examples))


def test_a_conversation_is_kept_as_a_whole_or_not_at_all() -> None:
    drawn = draw(labels(400, conversations=100), Room(rows=99))
    kept = [one.label.conversation for one in drawn.examples]
    assert len(kept) == 96
    assert all(kept.count(each) == 4 for each in kept)


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    few, many = (set(ids(draw(labels(500), Room(rows=rows)).examples)) for rows in (50, 200))
    assert len(few) == 50
    assert few < many


def test_a_fifth_of_a_small_sample_is_held_back_as_of_everything() -> None:
    table = hold(draw(labels(4000), Room(rows=400)).examples).table
    timed, _, held = by_time_or_group(table, 0.2)
    assert not timed
    assert 0.12 < held.mean() < 0.28


def test_memory_counts_the_texts() -> None:
    room = Room(memory=FIXED + 20_000_000)
    short, long = (len(draw(labels(2000, text=text), room).examples) for text in ("", "long " * 1000))
    assert 30 < long < 50
    assert short > 1000
    assert Room(memory=LEAST_MEMORY).told == "--memory 500MB"


def test_answers_are_held_for_scorers_alone() -> None:
    one = an_example("r1", {"small": 0.5, "large": 1.0}, answers={"small": "four"}, stored={"small": A_STORED})
    (plain,), (whole,) = (draw([one], Room(answers=answers)).examples for answers in (False, True))
    assert (plain.answers, plain.stored) == ({}, {})
    assert whole.answers == {"small": "four"}
    assert Room(memory=LEAST_MEMORY, answers=True).cost(one) > Room(memory=LEAST_MEMORY).cost(plain)


def test_which_answers_say_the_same_is_held_without_them() -> None:
    """So that their labels are evened, whatever is trained."""
    one = an_example(
        "r1", {"small": 0.5, "medium": 0.25, "large": 1.0}, answers={"small": "**7**", "large": "It is 7."}
    )
    for given in (one, replace(one, answers={}, alike={"small": 1, "medium": 2, "large": 1})):
        table = evened(hold(draw([given], Room()).examples).table)
        assert dict(zip(table.members, table.quality[0], strict=True)) == {"small": 0.75, "medium": 0.25, "large": 0.75}


def test_labels_that_teach_nothing_take_no_room() -> None:
    bad = [an_example(f"b{row}", {"small": 0.0}, f"bad {row}", usable=False, kind="fallback") for row in range(300)]
    drawn = draw([*bad, *labels(50)], Room(rows=100))
    assert (drawn.read, len(drawn.examples)) == (50, 50)


def shards(folder: Path, rows: int) -> Path:
    """Short labels as ``ensemble export --format routing --as parquet`` writes them, 10,000 in a file."""
    folder.mkdir()
    for begin in range(0, rows, 10_000):
        models = [{"model": "small", "score": 0.5}, {"model": "large", "score": 1.0}]
        made = [
            {"request_id": f"r{row}", "prompt": f"What is {row} x 21?", "winners": ["large"], "models": models}
            for row in range(begin, min(rows, begin + 10_000))
        ]
        table = pyarrow.Table.from_pylist(made)
        pyarrow.parquet.write_table(table, folder / f"train-{begin:08}.parquet", row_group_size=1000)
    return folder


def test_ten_times_the_labels_take_no_more_memory(tmp_path: Path) -> None:
    few, many = (
        [
            int(word)
            for word in run([executable, "-c", MEASURED, str(path)], capture_output=True, check=True).stdout.split()
        ]
        for path in (shards(tmp_path / "few", 2_000), shards(tmp_path / "many", 20_000))
    )
    assert few[:2] == [2_000, 1000]
    assert many[:2] == [20_000, 1000]
    # All 18,000 further labels would take about 40 MiB.
    assert many[2] - few[2] < 15 * 1024
