"""What hashes are made of must stay what ``json.dumps`` would write: draws, page codes and logged hashes hang on it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from judges.written import listed, quoted

TEXTS = st.text(st.characters(codec=None) | st.sampled_from('\ud800"\\/\x00\x7f\u2028é😀'), max_size=20)


@given(st.integers(), st.lists(TEXTS, max_size=4), st.floats(allow_nan=False, allow_infinity=False))
def test_it_is_what_json_writes(number: int, texts: list[str], share: float) -> None:
    inner = listed(listed((quoted(text), repr(share))) for text in texts)
    assert listed((str(number), *map(quoted, texts), inner)) == json.dumps(
        [number, *texts, [[text, share] for text in texts]]
    )
