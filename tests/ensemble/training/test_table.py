from typing import Any

import numpy as np
import pytest

from ensemble.training.table import Table, from_labels, hashed, text_of, winners
from ensemble.types import Label, RequestId
from judges.types import Message


def a_label(name: str, **changes: Any) -> Label:
    known: dict[str, Any] = {
        "request": RequestId(name),
        "messages": (Message(role="system", content="Be brief."), Message(role="user", content=f"question {name}")),
        "best": frozenset({"large"}),
        "scores": {"small": 0.25, "large": 1.0},
        "nano_usd": {"small": 1_000, "large": None},
        "total_s": {"small": 0.5},
        "kind": "full",
        "source": "judge",
        "by": "j" * 64,
        "confidence": None,
        "complete": True,
        "usable": True,
        "arrived": "2026-11-23T12:00:00.000000Z",
    }
    return Label(**{**known, **changes})


def test_labels_become_rows_and_members_columns_in_alphabetical_order() -> None:
    table = from_labels([a_label("a"), a_label("b", conversation="c1", confidence=0.75, domain="maths")])
    assert table.members == ("large", "small")
    assert table.ids == ("a", "b")
    assert table.quality.tolist() == [[1.0, 0.25]] * 2
    assert table.best.tolist() == [[True, False]] * 2
    assert np.isnan(table.nano_usd[:, 0]).all()
    assert table.nano_usd[:, 1].tolist() == [1_000, 1_000]
    assert np.isnan(table.seconds[0, 0])
    assert table.weights.tolist() == [1.0, 0.75]
    assert table.texts[0] == "Be brief.\n\nquestion a"
    assert table.groups == (hashed(table.texts[0]), "c1")
    assert table.domains == (None, "maths")
    assert table.arrived == ("2026-11-23T12:00:00.000000Z",) * 2


def test_where_all_is_bad_qualities_stay_and_nobody_wins() -> None:
    table = from_labels([a_label("a", kind="all_bad", usable=False), a_label("b", kind="all_bad")])
    assert table.usable.tolist() == [False, False]
    assert not table.best.any()
    assert table.quality.tolist() == [[1.0, 0.25]] * 2


def test_where_nobody_gave_scores_winning_is_the_quality() -> None:
    rows = [
        a_label("a", scores={}),
        a_label("b", scores={}, complete=False),
        a_label("c", scores={}, kind="all_bad", best=frozenset({"large", "small"})),
    ]
    assert np.nan_to_num(from_labels(rows).quality, nan=-1).tolist() == [[1.0, 0.0], [1.0, -1.0], [0.0, 0.0]]


def test_what_no_router_may_learn_from_is_left_out() -> None:
    table = from_labels([a_label("a", kind="fallback", usable=False), a_label("b", usable=False), a_label("c")])
    assert table.ids == ("c",)


def test_no_label_makes_an_empty_table() -> None:
    table = from_labels([], members=("small", "large"))
    assert (len(table), table.quality.shape) == (0, (0, 2))


def test_rows_are_taken_by_mask_or_by_index() -> None:
    table = from_labels([a_label(name) for name in "abc"])
    assert table.take(np.array([False, True, True])).ids == ("b", "c")
    taken = table.take([2, 0])
    assert (taken.ids, taken.texts, taken.quality.shape) == (("c", "a"), (table.texts[2], table.texts[0]), (2, 2))
    assert table.take([]).ids == ()


def test_members_are_chosen_by_name() -> None:
    table = from_labels([a_label("a")])
    small = table.only(["small"])
    assert (small.quality.tolist(), small.best.tolist()) == ([[0.25]], [[False]])
    with pytest.raises(ValueError, match="huge is not among large, small"):
        table.only(["huge"])


def test_a_row_is_known_where_every_quality_is() -> None:
    table = from_labels([a_label("a"), a_label("b", scores={"small": 1.0}, best=frozenset({"small"}))])
    assert table.known.tolist() == [True, False]


def test_the_winners_of_a_row_share_the_highest_known_quality() -> None:
    quality = np.array([[0.5, 0.5, 0.1], [0.0, 0.0, 0.0], [np.nan, 0.2, 0.1], [np.nan, np.nan, np.nan]])
    assert winners(quality).tolist() == [[True, True, False], [False] * 3, [False, True, False], [False] * 3]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"members": ("a", "a")}, "named twice"),
        ({"quality": np.zeros((1, 3))}, "quality: shape"),
        ({"texts": ()}, "texts: 0 rows"),
        ({"quality": np.array([[0.0, 1.5]])}, "must lie in"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changes: dict[str, Any], told: str) -> None:
    known: dict[str, Any] = {
        "ids": ("1",),
        "texts": ("x",),
        "members": ("a", "b"),
        "quality": np.zeros((1, 2)),
        "nano_usd": np.zeros((1, 2)),
        "seconds": np.zeros((1, 2)),
        "best": np.zeros((1, 2), dtype=np.bool_),
        "groups": ("g",),
        "arrived": ("",),
        "weights": np.ones(1),
        "usable": np.ones(1, dtype=np.bool_),
    }
    Table(**known)
    with pytest.raises(ValueError, match=told):
        Table(**{**known, **changes})


def test_half_a_character_can_be_hashed() -> None:
    assert hashed("\ud800") != hashed("")
    assert text_of([Message(role="user", content="")]) == ""
