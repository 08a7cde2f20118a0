import pytest

from judges.heuristics._equal import plain, same, same_text


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ((1, 2), [1, 2]),
        (2.0, 2),
        (0.1 + 0.2, 0.3),
        ([1.5, "x"], [1.5000001, "x"]),
        ({1: (2,)}, {"table": [[1, [2]]]}),
        ({"a": 1, "b": 2}, {"table": [["b", 2], ["a", 1]]}),
        ({1, 2}, {"set": [2, 1]}),
        (None, None),
        (True, True),
    ],
)
def test_equal_values_are_equal(wanted: object, said: object) -> None:
    assert same(plain(wanted), said)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([1, 2], [2, 1]),
        ([1], [1, 2]),
        ("1", 1),
        (1.5, 1.6),
        (1.5, "1.5"),
        (1.0, True),
        ({1}, [1]),
        ({1: 2}, {"table": [[1, 3]]}),
        (None, False),
        ("a", "A"),
        (10**18, 10**18 + 1),
    ],
)
def test_other_values_are_not(wanted: object, said: object) -> None:
    assert not same(plain(wanted), said)


@pytest.mark.parametrize(
    ("wanted", "said", "any_case", "equal"),
    [
        ("1 2\n3", "1  2\n3\n", False, True),
        ("1.50", "1.500001", False, True),
        ("150", "150.0", False, False),
        ("yes", "YES", False, False),
        ("yes", "YES", True, True),
        ("1", "1 2", False, False),
        ("1.5", "x", False, False),
        ("1.5", "nan", False, False),
    ],
)
def test_texts_are_compared_word_by_word(wanted: str, said: str, any_case: bool, equal: bool) -> None:
    assert same_text(wanted, said, any_case=any_case) is equal
