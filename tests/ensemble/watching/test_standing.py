from collections.abc import Iterable, Iterator
from itertools import count

from ensemble.router import Shadow
from ensemble.store.watched import Event, Seen
from ensemble.types import RequestId
from ensemble.watching.standing import Standing

OPTIONS = Shadow.model_validate({"share": 0.2, "panel": ["a", "b"], "judge": "house"})
NUMBERS = count(1)


def rows(event: Event, values: Iterable[float], task: str = "code") -> Iterator[Seen]:
    for value in values:
        yield Seen(id=next(NUMBERS), event=event, request=RequestId("r"), task=task, value=value, at="then", why="so")


def decision(event: Event) -> Seen:
    return Seen(id=next(NUMBERS), event=event, at="then", why="so")


def test_one_bad_kind_among_good_ones_is_suspected_and_named() -> None:
    standing = Standing(OPTIONS)
    standing.take(rows("label", [1.0] * 400, "maths"))
    assert standing.suspicion is None
    standing.take(rows("label", [0.0, 1.0, 0.0, 0.0] * 15))
    assert standing.suspicion is not None
    assert standing.suspicion.startswith("code: quality kept is at most 0.")
    assert "mean 0.25 of 60 labels" in standing.suspicion
    report = standing.report()
    assert (report.state, report.labels, report.since) == ("watched", 460, "")
    assert report.kept is not None
    assert report.kept > 0.9


def test_a_floor_of_nothing_suspects_nobody() -> None:
    standing = Standing(OPTIONS.model_copy(update={"floor": 0.0}))
    standing.take(rows("label", [0.0] * 500))
    assert standing.suspicion is None


def test_anchors_speak_of_the_judge_and_labels_of_the_router() -> None:
    standing = Standing(OPTIONS)
    standing.take(rows("anchor", [0.0] * 60))
    assert standing.suspicion is None
    assert standing.doubt is not None
    assert "mean 0.00 of 60" in standing.doubt
    assert standing.report().agreement == 0.0


def test_a_decision_stands_until_a_promotion_begins_anew() -> None:
    standing = Standing(OPTIONS)
    standing.take([*rows("label", [0.0] * 100), decision("demoted")])
    assert (standing.state, standing.since, standing.why) == ("demoted", "then", "so")
    standing.take(rows("label", [1.0] * 10))
    assert standing.state == "demoted"
    promoted = decision("promoted")
    standing.take([promoted])
    assert (standing.state, standing.suspicion, standing.report().labels) == ("watched", None, 0)
    assert standing.promotions == standing.last == promoted.id


def test_the_state_is_the_same_however_the_rows_come_in() -> None:
    seen = [*rows("label", [1.0, 0.0, 0.5] * 30), *rows("anchor", [1.0, 0.0]), decision("judge_drift")]
    whole, parts = Standing(OPTIONS), Standing(OPTIONS)
    whole.take(seen)
    for row in seen:
        parts.take([row])
    assert whole.report() == parts.report()
