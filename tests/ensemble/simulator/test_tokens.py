"""The simulated tokenizer loses nothing."""

from hypothesis import given
from hypothesis import strategies as st

from ensemble.simulator import tokens


@given(st.text())
def test_tokens_join_to_the_text(text: str) -> None:
    assert "".join(tokens.split(text)) == text
    assert tokens.count(text) == len(tokens.split(text))


def test_counts_are_as_documented() -> None:
    assert tokens.split("Hi there, [[A]]!") == ["Hi", " there", ",", " [", "[", "A", "]", "]", "!"]
    assert tokens.split("internationally") == ["internat", "ionally"]
