import json

from hypothesis import given
from hypothesis import strategies as st

from ensemble.native import as_object


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_an_object_is_itself(value: dict[str, object]) -> None:
    assert as_object(json.dumps(value)) == value


def test_no_arguments_are_none() -> None:
    assert as_object("") == {}


@given(st.text(min_size=1).filter(lambda text: not text.lstrip().startswith("{")))
def test_any_other_text_stays_readable(text: str) -> None:
    (name, value) = next(iter(as_object(text).items()))
    assert name == "arguments"
    assert value == text or json.dumps(value) == json.dumps(json.loads(text))
