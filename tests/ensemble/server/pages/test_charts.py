import math

from hypothesis import given
from hypothesis import strategies as st

from ensemble.server.pages import charts

NUMBERS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: round(value, 6))
VALUES = st.none() | NUMBERS | st.just(math.nan) | st.just(math.inf)


@given(st.lists(NUMBERS, max_size=20))
def test_an_axis_holds_all_values_between_round_ends(values: list[float]) -> None:
    made = charts.axis(values, 0, 100)
    assert made.low < made.high
    assert all(-0.01 <= made.at(value) <= 100.01 for value in values)
    assert 2 <= len(made.ticks) <= 8
    places = [place for place, _ in made.ticks]
    assert places == sorted(places)
    assert (places[0], places[-1]) == (0, 100)


@given(st.lists(st.fixed_dictionaries({"label": st.text(), "x": VALUES, "y": VALUES}), max_size=20))
def test_points_lie_within_the_plot_and_unknown_ones_nowhere(points: list[dict[str, object]]) -> None:
    plot = charts.scatter(points)
    known = [one for one in points if all(isinstance(one[at], float) and math.isfinite(one[at]) for at in "xy")]  # type: ignore[arg-type] # a float by then
    assert [one["label"] for one in plot.points] == [one["label"] for one in known]
    for one in plot.points:
        px, py = one["px"], one["py"]
        assert isinstance(px, float)
        assert isinstance(py, float)
        assert charts.LEFT - 0.01 <= px <= charts.WIDTH - charts.RIGHT + 0.01
        assert charts.TOP - 0.01 <= py <= charts.HEIGHT - charts.BOTTOM + 0.01


def test_a_line_is_interrupted_where_nothing_is_known() -> None:
    made = charts.lines([
        {"label": "a", "points": [("Mon", 1.0), ("Tue", None), ("Wed", 2.0), ("Thu", 3.0)]},
        {"label": "b", "points": [("Fri", 0)]},
    ])  # fmt: skip
    assert [line.path.count("M") for line in made.series] == [2, 1]
    assert [line.path.count("L") for line in made.series] == [1, 0]
    assert [step for _, step in made.steps] == ["Mon", "Tue", "Thu", "Fri"]
    assert charts.lines([]).series == []


@given(VALUES, VALUES)
def test_bars_and_shades_stay_in_their_bounds(value: float | None, most: float | None) -> None:
    assert 0 <= charts.part(value, most) <= 100
    assert charts.shade(value) == "" or 0 <= int(charts.shade(value)) <= charts.STEPS


def test_unknown_is_no_bar_and_no_shade() -> None:
    assert (charts.part(None, 3), charts.part(1, None), charts.part(1, 4)) == (0, 0, 25)
    assert (charts.shade(None), charts.shade(0.0), charts.shade(1.0), charts.shade(0.5, 0, 2)) == ("", "0", "10", "2")
    assert charts.most([{"a": None, "b": 2}, {"a": 3.5}], "a", "b") == 3.5
    assert charts.most([], "a") == 0
