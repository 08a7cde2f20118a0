import numpy as np
import pytest

from ensemble.training.splits import by_group, by_time, folds
from tests.ensemble.training.tables import a_random_table, a_table


def test_no_group_is_split() -> None:
    table = a_random_table(200)
    for train, test in (by_group(table, 0.3), *folds(table, 5)):
        assert (train ^ test).all()
        sides = [{group for group, held in zip(table.groups, side, strict=True) if held} for side in (train, test)]
        assert not sides[0] & sides[1]


def test_every_row_is_tested_once() -> None:
    table = a_random_table(200)
    assert (np.sum([test for _, test in folds(table, 5)], axis=0) == 1).all()


@pytest.mark.parametrize("part", [0, 1], ids=["what is left to learn from", "what is held back"])
def test_folds_are_even_on_either_side_of_a_split_by_group(part: int) -> None:
    table = a_table(np.ones((3000, 2)), groups=tuple(f"g{row}" for row in range(3000)))
    side = table.take(by_group(table, 0.3)[part])
    sizes = [test.mean() for _, test in folds(side, 3)]
    assert max(sizes) - min(sizes) < 0.1, sizes


def test_a_group_stays_on_its_side_however_the_log_grows() -> None:
    table = a_random_table(200)
    _, whole = by_group(table)
    _, part = by_group(table.take(np.arange(50, 120)))
    assert (whole[50:120] == part).all()
    assert 0.05 < whole.mean() < 0.4
    assert (by_group(table, seed=1)[1] != whole).any()


def test_what_comes_last_is_tested_and_nothing_of_it_learnt() -> None:
    table = a_table(np.ones((10, 2)), groups=("old", *[f"g{row}" for row in range(8)], "old"))
    train, test = by_time(table, 0.2)
    assert train.tolist() == [True] * 8 + [False] * 2
    assert test.tolist() == [False] * 8 + [True, False]  # the last row belongs to a conversation that began before


def test_a_split_by_time_needs_times() -> None:
    with pytest.raises(ValueError, match="2 rows have no time of arrival"):
        by_time(a_table(np.ones((2, 2)), arrived=("", "")))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    for split in (by_group, by_time):
        with pytest.raises(ValueError, match="between 0 and 1"):
            split(a_random_table(5), share)
    with pytest.raises(ValueError, match="at least 2"):
        next(folds(a_random_table(5), 1))
