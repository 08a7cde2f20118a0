import numpy as np

from ensemble.training.held import hold
from tests.ensemble.training.examples import an_example

SCORES = {"small": 0.2, "large": 0.9}
OLD, NEW = "0" * 64, "1" * 64


def test_what_a_member_said_before_it_changed_counts_no_more() -> None:
    before = an_example("a", SCORES, digests={"small": OLD, "large": OLD})
    since = an_example("b", SCORES, digests={"small": OLD, "large": NEW})
    held = hold([before, since], members=("small", "large"), digests={"small": OLD, "large": NEW})
    assert np.array_equal(held.table.quality, [[0.2, np.nan], [0.2, 0.9]], equal_nan=True)
    assert held.table.best.tolist() == [[False, False], [False, True]]
    assert np.isnan(held.table.nano_usd).tolist() == [[False, True], [False, False]]
    assert np.isnan(held.table.seconds).tolist() == [[False, True], [False, False]]


def test_what_is_unknown_counts_as_the_same() -> None:
    imported = an_example("a", SCORES)
    retired = an_example("b", SCORES, digests={"small": OLD, "large": OLD})
    held = hold([imported, retired], members=("small", "large"), digests={"small": OLD})
    assert not np.isnan(held.table.quality).any()
    assert not np.isnan(hold([retired], members=("small", "large")).table.quality).any()
