"""Answers that say the same are worth the same: labels of them are evened before anything is learned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ensemble.training.alike import evened
from ensemble.training.table import Table
from ensemble.training.train import Order, train
from judges.learning.folder import read_manifest
from tests.ensemble.training.tables import a_table


def judged(rows: list[tuple[float, ...]], outputs: list[tuple[str | None, ...]]) -> Table:
    return replace(a_table(np.array(rows), [1.0] * len(rows[0])), outputs=tuple(outputs))


def test_answers_that_say_the_same_share_the_mean_of_their_labels() -> None:
    table = judged(
        [(0.9, 0.1, 0.3), (0.9, 0.1, 0.3), (1.0, np.nan, 0.5), (0.8, 0.2, 0.4)],
        [
            ("It is 7.", "Three and four.\n\n**7**", "It is 8."),
            ("A long text without any answer at the end of it, at all.", "The same.", "A third."),
            ("no", "no", "The answer is no."),
            (None, None, "7"),
        ],
    )
    expected = [(0.5, 0.5, 0.3), (0.9, 0.1, 0.3), (0.75, np.nan, 0.75), (0.8, 0.2, 0.4)]
    assert np.allclose(evened(table).quality, expected, equal_nan=True)


def test_two_essays_that_end_politely_do_not_say_the_same() -> None:
    one, other = (f"{what} is the better one, for many reasons.\n\nI hope this helps!" for what in ("Rust", "Go"))
    table = judged([(0.9, 0.1)], [(one, other)])
    assert evened(table).quality.tolist() == [[0.9, 0.1]]


def test_without_answers_labels_stay_what_they_are() -> None:
    table = a_table(np.array([[0.9, 0.1]]), [1.0, 1.0])
    assert evened(table) is table


def test_a_cascade_learns_that_nothing_is_lost_where_both_members_say_the_same(tmp_path: Path) -> None:
    # The judge errs by itself on each answer; small is worse on one request of four, and there it says another thing.
    random = np.random.default_rng(0)
    bad = random.random(200) < 0.25
    quality = np.stack([np.where(bad, 0.0, 1.0), np.ones(200)], axis=1)
    quality = np.where(random.random((200, 2)) < 0.2, 1 - quality, quality)
    outputs = tuple(("However, I think that it is 8." if wrong else "It is 7.", "It is 7.") for wrong in bad)
    texts = tuple(f"Question {row}" for row in range(200))
    table = replace(
        a_table(quality, [1.0, 20.0], members=("small", "large"), texts=texts, arrived=("",) * 200), outputs=outputs
    )
    done = train(table, Order(out=tmp_path / "scorer", kind="scorer", members=("small", "large")))
    points = read_manifest(done.path)["thresholds"]
    # Where all that stands says the same as large, quality is large's exactly and its error none.
    assert any(one["quality"] == pytest.approx(1) and one["error"] < 1e-9 and one["passed_on"] < 0.6 for one in points)
