import pytest

from ensemble.plurals import counted


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("request",), "0 requests"),
        (1, ("request",), "1 request"),
        (1200, ("request",), "1,200 requests"),
        (1, ("batch", "batches"), "1 batch"),
        (2, ("batch", "batches"), "2 batches"),
    ],
)
def test_one_is_no_plural(number: int, words: tuple[str, ...], told: str) -> None:
    assert counted(number, *words) == told
