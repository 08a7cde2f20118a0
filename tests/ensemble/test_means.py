from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ensemble.config import load, read
from ensemble.errors import ConfigError
from ensemble.means import Finding, JudgingSettings, Means, mean_quality
from ensemble.types import RequestId
from judges.types import CandidateId


def a_finding(request: int, **quality: float) -> Finding:
    return Finding(request=RequestId(f"{request}"), stage=0, judge="house", quality=quality)


def means(**settings: Any) -> Means:
    return Means(settings=JudgingSettings.model_validate({"shrink_labels": 4, **settings}))


def authors(*members: str) -> dict[CandidateId, str]:
    return {CandidateId(f"of {member}"): member for member in members}


def taught(made: Means, count: int, **quality: float) -> Means:
    for request in range(count):
        made.learn(a_finding(request, **quality))
    return made


def test_there_are_priors_once_there_are_enough_labels() -> None:
    made = taught(means(), 3, a=1.0, b=0.0)
    assert made.priors("house", authors("a", "b")) == {}
    made.learn(a_finding(3, a=0.0, b=1.0))
    assert made.priors("house", authors("a", "b")) == {"of a": 3.5 / 5, "of b": 1.5 / 5}


def test_labels_of_larger_panels_count_and_those_of_smaller_ones_do_not() -> None:
    made = taught(means(), 4, a=1.0, b=0.0, c=0.0)
    assert set(made.priors("house", authors("a", "b"))) == {"of a", "of b"}
    assert made.priors("house", authors("a", "b", "c", "d")) == {}


def test_another_judge_has_a_scale_of_its_own() -> None:
    assert taught(means(), 9, a=1.0, b=0.0).priors("another", authors("a", "b")) == {}


def test_a_member_alone_has_nothing_to_be_weighed_against() -> None:
    assert taught(means(), 9, a=1.0, b=0.0).priors("house", authors("a")) == {}


def test_off_is_off() -> None:
    assert taught(means(shrink="off"), 9, a=1.0, b=0.0).priors("house", authors("a", "b")) == {}


def test_the_full_finding_on_a_request_takes_the_place_of_the_served_one() -> None:
    made = taught(means(), 4, a=1.0, b=0.0)
    made.learn(a_finding(0, a=0.0, b=0.0, c=1.0))
    assert made.priors("house", authors("a", "b")) == {"of a": 3.5 / 5, "of b": 0.5 / 5}
    assert made.priors("house", authors("a", "b", "c")) == {}


@given(st.lists(st.tuples(st.integers(0, 400), st.booleans()), max_size=300))
def test_only_the_latest_labels_count(labels: list[tuple[int, bool]]) -> None:
    made = means(shrink_window=100, shrink_labels=1)
    latest: dict[int, bool] = {}
    for request, won in labels:
        made.learn(a_finding(request, a=float(won), b=float(not won)))
        latest.pop(request, None)
        latest[request] = won
    kept = list(latest.values())[-100:]
    expected = {"of a": (sum(kept) + 0.5) / (len(kept) + 1), "of b": (len(kept) - sum(kept) + 0.5) / (len(kept) + 1)}
    assert made.priors("house", authors("a", "b")) == (pytest.approx(expected) if kept else {})


@pytest.mark.parametrize(
    ("judged", "quality"),
    [
        ([("a", 0.25, False), ("a", 0.75, True), ("b", 0.5, False)], {"a": 0.5, "b": 0.5}),
        ([("a", 0.9, True), ("b", None, False), ("c", 0.5, False)], {"a": 0.9, "b": 0.0, "c": 0.5}),
        ([("a", 0.9, True), ("b", None, True), ("c", 0.5, False)], {"a": 1.0, "b": 1.0, "c": 0.0}),
        ([("a", None, True), ("b", None, True), ("c", None, False)], {"a": 1.0, "b": 1.0, "c": 0.0}),
        ([("a", 7.0, True), ("b", -1.0, False)], {"a": 1.0, "b": 0.0}),
    ],
    ids=["scores over samples", "one without a score", "a winner without a score", "a tie", "scores out of range"],
)
def test_quality_is_the_score_where_winners_have_one_else_the_win(
    judged: list[tuple[str, float | None, bool]], quality: dict[str, float]
) -> None:
    assert mean_quality(judged) == quality


CONFIG = """
[providers.local]
use = "openai"
base_url = "http://127.0.0.1:1/v1"

[members.small]
provider = "local"
model = "small-1"
"""


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ("[judging]\nshrinkage = 'auto'", "[judging] shrinkage: unknown key; did you mean 'shrink'?"),
        ("[judging]\njudge_accuracy = 0.4", "[judging] judge_accuracy: input should be greater than 0.5"),
        ("[[judging]]", "[judging] must be a table"),
    ],
)
def test_a_mistake_in_the_table_is_one_line(tmp_path: Path, table: str, line: str) -> None:
    (tmp_path / "ensemble.toml").write_text(CONFIG + table)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "ensemble.toml")
    assert str(caught.value) == f"{tmp_path / 'ensemble.toml'}: {line}"


def test_the_table_is_part_of_the_digest(tmp_path: Path) -> None:
    """It influences who is served."""
    digests = []
    for table in ("", "[judging]", "[judging]\nshrink = 'off'"):
        (tmp_path / "ensemble.toml").write_text(CONFIG + table)
        digests.append(read(tmp_path / "ensemble.toml").settings.digest)
    assert digests[0] == digests[1] != digests[2]
