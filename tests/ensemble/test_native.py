import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.native import as_object


@given(st.dictionaries(st.text(), st.integers(-(2**63), 2**63 - 1) | st.text()))
def test_an_object_is_itself(value: dict[str, object]) -> None:
    assert as_object(json.dumps(value)) == value


def test_no_arguments_are_none() -> None:
    assert as_object("") == {}


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 500 + "1" + "}" * 500, '{"a": "\\ud800"}', '{"a": 1' + "0" * 99 + "}"]
)
def test_what_could_not_be_written_again_stays_as_the_model_wrote_it(text: str) -> None:
    assert as_object(text) == {"arguments": text}


@given(st.text(min_size=1).filter(lambda text: not text.lstrip().startswith("{")))
def test_any_other_text_stays_readable(text: str) -> None:
    (name, value) = next(iter(as_object(text).items()))
    assert name == "arguments"
    assert value == text or json.dumps(value) == json.dumps(json.loads(text))
