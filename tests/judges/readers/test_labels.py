import gzip
import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judges.readers.labels import FIVE_WAY, THREE_WAY, Scale, read_label

SIDES = {"first": "A>B", "second": "B>A", "tie": "A=B"}


def side(text: str, scale: Scale = THREE_WAY) -> str | None:
    reading = read_label(text, scale)
    return reading.label.side if reading else None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A is right.\n[[A]]", "first"),
        ("B is right.\n\n**[[B]]**\n", "second"),
        ("Both say so.\n[[C]]", "tie"),
        ("[[ A ]]", "first"),
        ("[[A]]\nSome more words after the verdict.", "first"),
        ("I first thought [[A]], but the sum is wrong.\n[[B]]", "second"),
        ("My final verdict: [[A]]\nWait, let me reconsider.\nMy final verdict: [[B]]", "second"),
        ("Final verdict:\n**[[B]]**\nThe page also said [[A]].", "second"),
        ("My final verdict is: B", "second"),
        ("**Verdict: A**", "first"),
        ("B", "second"),
        ("[A]", "first"),
        ("Better is B: [[B", "second"),
        ("Better is B: [[B]", "second"),
    ],
)
def test_the_final_label_is_read(text: str, expected: str) -> None:
    assert side(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " \n",
        "Assistant A is better.",
        "I would say A",
        "[[A]] or [[B]]",
        "For A: [[A]]. For B: [[B]]. Hard to say.",
        "My final verdict: [[A]]\n\nMy final verdict: [[B]]",
        "[[D]]",
        "[[a]]",
        "[[1, 2], [3, 4]]",
        "The vitamin is A\nand so on",
        "To determine the 1001",
    ],
)
def test_without_a_clear_label_there_is_no_verdict(text: str) -> None:
    assert side(text) is None


def test_five_way_labels_carry_their_strength() -> None:
    strong, weak = read_label("[[A>>B]]", FIVE_WAY), read_label("so\n\n**B>A**", FIVE_WAY)
    assert strong is not None
    assert (strong.label.side, strong.label.strength) == ("first", 1.0)
    assert weak is not None
    assert (weak.label.side, weak.label.strength, weak.path) == ("second", 0.5, "label:bare")


@pytest.mark.parametrize("text", ["[[A>>A]]", "[[A=A]] then [[A>B]]", "Final verdict: [[B>B]]"])
def test_a_comparison_with_itself_is_refused(text: str) -> None:
    assert side(text, FIVE_WAY) is None


@given(st.text(), st.sampled_from([THREE_WAY, FIVE_WAY]))
@example("[[" * 500, THREE_WAY)
@example("[[A>" * 500, FIVE_WAY)
def test_no_text_raises(text: str, scale: Scale) -> None:
    read_label(text, scale)


@given(st.text(alphabet=st.characters(exclude_characters="[]ABC")))
def test_a_text_without_labels_never_yields_one(text: str) -> None:
    assert read_label(text, THREE_WAY) is None


@given(st.text(alphabet="AB[]>= \nfinalverdict:*"), st.sampled_from([THREE_WAY, FIVE_WAY]))
def test_mirrored_text_is_read_as_the_mirrored_verdict(text: str, scale: Scale) -> None:
    """A and B must be treated alike: swapping the letters swaps the finding."""
    swapped = text.translate(str.maketrans("AB", "BA"))
    flipped = {"first": "second", "second": "first", "tie": "tie", None: None}
    assert side(swapped, scale) == flipped[side(text, scale)]


def test_the_tricky_verdicts_of_real_judges_are_read_as_labelled(shared_data: Path) -> None:
    with gzip.open(shared_data / "judging" / "tricky_verdicts.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    assert len(rows) > 200
    for row in rows:
        found = side(row["judgment_text"], FIVE_WAY)
        read = SIDES[found] if found else None
        assert read in row["acceptable"], (row["class"], row["judgment_text"][-300:])
        if row["class"] in ("empty", "truncated_no_verdict"):
            assert read is None
