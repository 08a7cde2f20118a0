import random

from hypothesis import given
from hypothesis import strategies as st

from ensemble.habits import KEPT, LEAST, SURE, Habits, Latest, Sittings
from judges.types import Usage


def latest(values: list[float]) -> Latest:
    made = Latest()
    for value in values:
        made.add(value)
    return made


def test_too_few_values_say_nothing_and_unknown_ones_do_not_count() -> None:
    few = latest([1.0] * (LEAST - 1))
    few.add(None)
    assert few.upper() is None
    few.add(2.0)
    assert few.upper() == 2.0


@given(st.lists(st.floats(0, 1e6), min_size=LEAST, max_size=KEPT))
def test_the_upper_quantile_is_a_value_that_came_and_grows_with_how_many_must_stay_below(values: list[float]) -> None:
    made = latest(values)
    one, many = made.upper(), made.upper(4)
    assert one is not None
    assert many is not None
    assert one in values
    assert one <= many <= max(values)
    assert sum(value <= one for value in values) >= SURE * len(values)


def test_the_next_value_stays_below_as_often_as_is_promised() -> None:
    draw = random.Random(4)
    kept = 0
    for _ in range(2000):
        bound = latest([draw.lognormvariate(0, 1) for _ in range(200)]).upper()
        assert bound is not None
        kept += draw.lognormvariate(0, 1) <= bound
    assert 0.985 <= kept / 2000 <= 0.999


def test_only_the_latest_values_count() -> None:
    made = latest([9.0] * 10 + [1.0] * KEPT)
    assert made.upper() == 1.0


def test_a_prompt_whose_size_tells_nothing_teaches_no_growth() -> None:
    habits = Habits()
    for _ in range(LEAST):
        habits.add(None, Usage(input_tokens=900, output_tokens=7), 0.5)
    assert (habits.growth.upper(), habits.output_tokens.upper(), habits.seconds.upper()) == (None, 7, 0.5)


def test_a_larger_panel_stands_for_one_that_is_too_little_known_and_never_a_smaller_one() -> None:
    sittings = Sittings()
    for _ in range(LEAST):
        sittings.add("judge", 3, 500, 1.0)
    sittings.add("judge", 2, 9, 0.1)
    assert sittings.upper("judge", 2) == (500, 1.0)
    assert sittings.upper("judge", 4) == (None, None)
    assert sittings.upper("another", 2) == (None, None)
