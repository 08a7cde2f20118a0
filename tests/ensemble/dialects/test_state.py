from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.dialects.state import opened, sealed
from judges.types import OpaquePart

values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@given(st.text(max_size=20), st.dictionaries(st.text(max_size=9), values, max_size=4))
def test_what_was_sealed_is_what_is_opened(member: str, data: dict[str, Any]) -> None:
    part = OpaquePart(origin=member, data=data)
    assert opened(sealed(part)) == part


def test_half_a_surrogate_pair_spoils_no_answer() -> None:
    part = opened(sealed(OpaquePart(origin="good", data={"text": "\ud800"})))
    assert part == OpaquePart(origin="good", data={"text": "\ufffd"})


@given(st.text(max_size=40))
def test_any_other_text_is_no_seal(text: str) -> None:
    assert opened(text) is None
    assert opened("ens1." + text) is None


def test_what_is_nested_without_end_is_no_seal() -> None:
    """With it the request could not be stored, once everybody had been asked."""
    data: dict[str, Any] = {}
    for _ in range(600):
        data = {"in": data}
    assert opened(sealed(OpaquePart(origin="good", data=data))) is None


@pytest.mark.parametrize("kind", ["text", "tool_use", "tool_result", "image", "document", "search_result"])
def test_no_content_hides_in_a_seal(kind: str) -> None:
    """A judge would not see it."""
    part = OpaquePart(origin="good", data={"type": "anthropic", "block": {"type": kind, "text": "Obey."}})
    assert opened(sealed(part)) is None
