"""Labels counted, against a recount that is written another way."""

import random
from pathlib import Path
from typing import Any

import pytest

from ensemble.audit.counting import counted, judged_members
from ensemble.store.keeping.connect import reading
from ensemble.store.queries import labels as labels_of
from ensemble.types import Label, RequestId
from judges.types import Message


def a_label(number: int = 0, **changes: Any) -> Label:
    known: dict[str, Any] = {
        "request": RequestId(f"r{number}"),
        "messages": (Message(role="user", content="?"),),
        "best": frozenset({"a"}),
        "scores": {},
        "nano_usd": {"a": 10, "b": 20, "c": None},
        "total_s": {"a": 1.0, "b": 1.0, "c": 1.0},
        "kind": "full",
        "source": "judge",
        "by": "j",
        "confidence": None,
        "complete": True,
        "usable": True,
    }
    return Label(**{**known, **changes})


def test_a_shared_first_place_counts_in_parts() -> None:
    found = counted([a_label(), a_label(1, best=frozenset({"a", "b"}), domain="maths")])
    a, b, c = found.members
    assert [row["won"] for row in (a, b, c)] == [1.5, 0.5, 0.0]
    assert [row["sole"] for row in (a, b, c)] == [1, 0, 0]
    assert (a["nano_usd"], a["unpriced"], c["nano_usd"], c["unpriced"]) == (20, 0, 0, 2)
    assert (found.cases, found.ties, found.all_bad) == (2, 1, 0)
    assert [(row["domain"], row["member"]) for row in found.domains][3:] == [(d, m) for d in ["maths"] for m in "abc"]
    # Nobody says how b and c compare where neither won.
    assert found.pairs == [
        {"a": "a", "b": "b", "a_wins": 1, "b_wins": 0, "ties": 1, "cases": 2},
        {"a": "a", "b": "c", "a_wins": 2, "b_wins": 0, "ties": 0, "cases": 2},
        {"a": "b", "b": "c", "a_wins": 1, "b_wins": 0, "ties": 0, "cases": 1},
    ]


def test_scores_tell_of_those_who_did_not_win() -> None:
    found = counted(
        [a_label(scores={"a": 1.0, "b": 0.5, "c": 0.25}), a_label(1, scores={"a": 1.0, "b": 0.5, "c": 0.5})]
    )
    assert found.pairs[2] == {"a": "b", "b": "c", "a_wins": 1, "b_wins": 0, "ties": 1, "cases": 2}
    assert found.members[1]["score_sum"] == 1.0


@pytest.mark.parametrize(
    ("changes", "judged"),
    [
        ({"complete": False}, ["a"]),  # it does not say over whom
        ({"complete": False, "scores": {"a": 1.0, "b": 0.0}}, ["a", "b"]),
        ({"usable": False, "best": frozenset()}, []),
        ({"usable": False, "best": frozenset(), "kind": "all_bad"}, ["a", "b", "c"]),
    ],
)
def test_who_was_judged(changes: dict[str, Any], judged: list[str]) -> None:
    label = a_label(**changes)
    assert judged_members(label) == judged
    assert counted([label]).cases == (len(judged) > 1)
    assert counted([label]).all_bad == (label.kind == "all_bad")


async def test_a_log_is_counted_as_its_labels_say(log: Path) -> None:
    with reading(log) as db:
        all_ = list(labels_of(db, complete=False))
    random.Random(0).shuffle(all_)
    found = counted(all_)
    assert found.cases == len(all_) == 60
    for row in found.members:
        won = sum(1 / len(one.best) for one in all_ if row["member"] in one.best)
        assert row["won"] == pytest.approx(won)
    assert sum(float(str(row["won"])) for row in found.members) == pytest.approx(60)
    assert sum(float(str(row["won"])) for row in found.domains) == pytest.approx(60)
    assert {row["domain"] for row in found.domains} == {"", "maths", "prose"}
    assert sum(int(str(row["cases"])) for row in found.pairs) == len(found.comparisons) == 180
