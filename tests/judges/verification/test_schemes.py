from pathlib import Path

from judges.verification import verify
from judges.verification._ballots import Field, Games
from judges.verification._schemes import DEFAULT, Measured, knee, measure

RIGHT: Games = ("one", "one")
WRONG: Games = ("two", "two")
FIRST: Games = ("one", "two")
"""Whoever stands first."""


def field(**games: list[Games]) -> Field:
    labels = {f"p{number}": "one" for number in range(len(next(iter(games.values()))))}
    return Field(
        name="f",
        labels=labels,
        games={judge: dict(zip(labels, all_, strict=True)) for judge, all_ in games.items()},
    )


def by_name(of: Field) -> dict[str, Measured]:
    return {one.name: one for one in measure(of)}


def test_judges_that_agree_with_the_truth_cost_only_what_a_scheme_must_ask() -> None:
    found = by_name(field(a=[RIGHT] * 4, b=[RIGHT] * 4, c=[RIGHT] * 4))
    assert all(one.right == one.half == 1 for one in found.values())
    assert {name: one.calls for name, one in found.items() if name.startswith("staged")} == {
        name: 2 for name in found if name.startswith("staged")
    }
    assert "five judges, one call each" not in found


def test_a_judge_that_likes_the_first_place_ties_with_itself_and_is_escalated() -> None:
    found = by_name(field(a=[FIRST] * 4, b=[FIRST] * 4, c=[FIRST] * 4))
    assert found["one judge, one call"].half == 0.5
    assert (found["one judge, both orders"].right, found["one judge, both orders"].half) == (0, 0.5)
    # Opposite orders give opposite answers, so the third has to be asked.
    assert found[DEFAULT].calls == 3
    assert found["staged: one judge in both orders, another where it does not decide"].calls == 4


def test_the_third_judge_of_the_default_decides_what_the_two_cannot() -> None:
    found = by_name(field(a=[FIRST] * 4, b=[RIGHT] * 4, c=[RIGHT] * 4))[DEFAULT]
    # With a among the two it is its place that agrees with the truth, or the third is asked; alone it decides nothing.
    assert 2 < found.calls < 3
    assert found.right > 0.8


def point(calls: float, half: float) -> Measured:
    return Measured(name=f"{calls}", calls=calls, right=0, right_95=(0, 0), half=half, half_95=(0, 0))


def test_the_knee_is_where_more_calls_stop_paying() -> None:
    curve = [point(1, 0.70), point(2, 0.78), point(2.4, 0.779), point(4, 0.79), point(10, 0.80)]
    assert knee(curve).calls == 2
    assert knee([point(1, 0.7)]).calls == 1
    assert knee([point(1, 0.7), point(2, 0.6)]).calls == 1


def test_on_recorded_games_the_default_is_the_knee(shared_data: Path) -> None:
    rows = {row.name: row for row in verify(shared_data / "judging", parts={"schemes"}).rows}
    assert (rows["knee"].found, rows["the default is the knee"].found) == (DEFAULT, "yes")
    assert all(row.informative for row in rows.values())
    # What it stands for is what a new configuration has: two models on a pair, then a third.
    starter = (Path(__file__).parents[3] / "ensemble" / "cli" / "starter.toml").read_text(encoding="utf-8")
    asked = [line for line in starter.splitlines() if line.startswith('  { use = "pairwise"')]
    assert ["second_model" in line for line in asked] == [True, False]
    assert not any("order" in line.partition("#")[0] for line in asked)
