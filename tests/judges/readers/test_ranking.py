import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges.readers.ranking import read_acceptable, read_ranking

NAMES = "ABC"
LABELS = ["[[A > B > C]]", "[[C>B>A]]", "[[A]]", "[[A = B = C]]", "[[acceptable: A]]", "Final verdict: ", "\n", "wait"]


@pytest.mark.parametrize(
    ("text", "tiers", "path"),
    [
        ("Well.\n[[B > A > C]]", ("B", "A", "C"), "ranking:only"),
        ("[[B>A=C]]", ("B", "AC"), "ranking:only"),
        ("[[ C = A = B ]]", ("ABC",), "ranking:only"),
        ("First I thought [[A > B > C]], but no.\n\n[[C > B > A]]", ("C", "B", "A"), "ranking:final"),
        ("Final verdict: [[A>B>C]]\nWait, I reconsider.\n[[C>B>A]]", ("C", "B", "A"), "ranking:revised"),
        ("[[acceptable: A, B]]\n[[B > A > C]]", ("B", "A", "C"), "ranking:only"),
        ("[[B > C = A]] or [[B > A = C]]", ("B", "AC"), "ranking:only"),
    ],
)
def test_a_ranking_is_read(text: str, tiers: tuple[str, ...], path: str) -> None:
    assert read_ranking(text, NAMES) == (tuple(map(frozenset, tiers)), path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "B > A > C",
        "[[B > A]]",
        "[[A > B > C > D]]",
        "[[A > A > B > C]]",
        "[[A > B > A]]",
        "[[A]]",
        "[[A >> B > C]]",
        "[[A < B < C]]",
        "[[A > B > C]] or [[C > B > A]]",
        "[[A > B]]\n[[A > B > C]]",
        "Final verdict: [[A>B>C]]\nFinal verdict: [[C>B>A]]",
    ],
)
def test_what_is_no_clear_ranking_is_none(text: str) -> None:
    assert read_ranking(text, NAMES) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[[acceptable: A, C]]\n[[A]]", "AC"),
        ("[[Acceptable: A and C]]", "AC"),
        ("[[acceptable: none]]", ""),
        ("[[acceptable: B]] ... [[acceptable: B]]", "B"),
    ],
)
def test_marks_are_read(text: str, names: str) -> None:
    assert read_acceptable(text, NAMES) == frozenset(names)


@pytest.mark.parametrize(
    "text", ["", "acceptable: A", "[[acceptable: D]]", "[[acceptable: A]] [[acceptable: B]]", "[[A]]"]
)
def test_marks_that_are_missing_unknown_or_differ_are_none(text: str) -> None:
    assert read_acceptable(text, NAMES) is None


@given(st.lists(st.sampled_from(LABELS) | st.text()).map("".join))
def test_no_text_raises_and_no_ranking_is_made_up(text: str) -> None:
    found = read_ranking(text, NAMES)
    if found is not None:
        assert sorted(name for tier in found[0] for name in tier) == list(NAMES)
        assert "[[" in text
    marks = read_acceptable(text, NAMES)
    assert marks is None or "acceptable" in text


@given(st.lists(st.text(alphabet="ABC<>= ", max_size=8)))
def test_only_whole_rankings_count(inner: list[str]) -> None:
    found = read_ranking(" ".join(f"[[{one}]]" for one in inner), NAMES)
    assert found is None or all(tier for tier in found[0])
