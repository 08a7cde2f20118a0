import random
from collections.abc import Mapping
from pathlib import Path

from judges.verification import verify
from judges.verification._ballots import Field, Games, Vote
from judges.verification._juries import comparable, held_out


def planted(accuracy: Mapping[str, float], n: int = 300) -> Field:
    """Judges that are right independently and this often, the same in both orders."""
    drawn = random.Random(3)
    labels = {f"p{number:03}": drawn.choice(["one", "two"]) for number in range(n)}

    def games(share: float) -> dict[str, Games]:
        said: dict[str, Games] = {}
        for pair, right in labels.items():
            vote: Vote = right if drawn.random() < share else "two" if right == "one" else "one"
            said[pair] = vote, vote
        return said

    return Field(name="planted", labels=labels, games={judge: games(share) for judge, share in accuracy.items()})


def accuracy_of(field: Field) -> float:
    found = [vote == field.labels[pair] for pair, votes in held_out(field, 1).items() for vote in votes]
    return sum(found) / len(found)


def test_judges_below_the_gate_are_not_comparable() -> None:
    assert comparable(planted({"good": 0.8, "fair": 0.7, "coin": 0.5, "liar": 0.2})) == ("fair", "good")


def test_equals_together_are_right_more_often_than_alone() -> None:
    assert accuracy_of(planted(dict.fromkeys("abcde", 0.75))) > 0.8


def test_a_crowd_of_coins_takes_nothing_from_a_good_judge() -> None:
    crowd = {f"coin{number}": 0.5 for number in range(9)}
    assert accuracy_of(planted({"good": 0.9, **crowd})) == accuracy_of(planted({"good": 0.9}))


def test_no_pair_is_judged_by_weights_that_were_fit_on_it() -> None:
    """Labels without any relation to what judges say teach nothing, unless the answer is seen beforehand."""
    crowd = planted({f"coin{number}": 0.5 for number in range(40)}, n=60)
    found = held_out(crowd, 1)
    heard = [vote == label for pair, label in crowd.labels.items() for vote in found[pair] if vote]
    assert not heard or sum(heard) / len(heard) < 0.65


def test_on_recorded_verdicts_no_jury_loses_to_its_best_judge(shared_data: Path) -> None:
    report = verify(shared_data / "judging", parts={"weights"})
    assert report.wrong == ()
    assert [row.name for row in report.rows if row.informative] == ["seed"]
    assert len(report.rows) == 15
    assert all("judges " in str(row.found) for row in report.rows if not row.informative)
