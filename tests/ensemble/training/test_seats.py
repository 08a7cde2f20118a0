from collections.abc import Sequence

import pytest

from ensemble.store.examples import Ballot
from ensemble.training.held import Held, hold
from ensemble.training.seats import seats
from tests.ensemble.training.examples import MEMBERS, an_example


def juries(*votes: Sequence[str], best: str = "large", cost: int | None = 5) -> Held:
    """Three requests on which seats 1, 2, ... vote as told; only ``best`` is right."""
    scores = {name: float(name == best) for name in MEMBERS}
    ballots = tuple(
        Ballot(seat=f"{number}: d", winners=frozenset(vote), nano_usd=cost) for number, vote in enumerate(votes, 1)
    )
    return hold([an_example(str(row), scores, ballots=ballots) for row in range(3)], members=MEMBERS)


def test_a_seat_that_outvotes_the_wrong_one_is_worth_its_difference() -> None:
    found = seats(juries(["large"], ["large"], ["small"]), draws=20)
    assert [seat.name for seat in found] == ["1: d", "2: d", "3: d"]
    assert [seat.quality.point for seat in found] == [0.5, 0.5, 0.0]  # without one of the right ones it is a tie
    assert [seat.changed.point for seat in found] == [0.5, 0.5, 0.0]
    assert [(seat.rows, seat.nano_usd) for seat in found] == [(3, 5.0)] * 3


def test_a_seat_that_is_wrong_costs_quality() -> None:
    found = seats(juries(["small"], ["small"], ["large"]), draws=20)
    assert [seat.quality.point for seat in found] == [-0.5, -0.5, 0.0]


def test_a_ballot_without_a_finding_changes_nothing() -> None:
    silent = seats(juries(["large"], []), draws=20)[1]
    assert (silent.quality.point, silent.changed.point) == (0.0, 0.0)


def test_a_vote_for_several_is_split() -> None:
    found = seats(juries(["large", "small"], ["small"]), draws=20)
    assert found[0].quality.point == 0.0
    assert found[1].quality.point == pytest.approx(-0.5)


def test_no_jury_no_seats() -> None:
    assert seats(juries(["large"])) == ()
