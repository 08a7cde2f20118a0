import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import AGGREGATORS, JUDGES, InvalidOptions, Verdict
from judges.aggregate._dawid_skene import errors_known, estimate
from judges.aggregate._history import Row, fit, read, row_of
from judges.aggregate._weights import Counted
from judges.aggregate.dawid_skene import DawidSkene
from judges.agreement.votes import worth
from judges.calibration import Calibration, Fitted
from judges.testing import a_case, a_verdict
from judges.verification._ballots import PAIR, ballot, counted, credit, llmbar_by_prompt, majority
from judges.verification._juries import ballots, fitted
from tests.judges.recorded import folds, reader

CASE = a_case("a", "bb")
SKILLS = {"good": 0.85, "fair": 0.75, "poor": 0.65}
LABELLED = {name: Counted(n=40, right=40 * skill) for name, skill in SKILLS.items()}


def history(
    rows: int, *, seed: int = 0, sizes: Sequence[int] = (2,), best: bool = False, alike: float = 0.0
) -> list[Row]:
    """Ballots of judges as skilled as planted; with probability ``alike`` two of them copy the first."""
    rng, made = Random(seed), []
    for _ in range(rows):
        names = [f"x{place}" for place in range(rng.choice(sizes))]
        truth = rng.choice(names)
        wrong = [name for name in names if name != truth]
        votes = {judge: truth if rng.random() < skill else rng.choice(wrong) for judge, skill in SKILLS.items()}
        if rng.random() < alike:
            votes = dict.fromkeys(votes, votes["good"])
        ballots = {judge: (vote,) for judge, vote in votes.items()}
        made.append(Row(candidates=tuple(names), ballots=ballots, best=(truth,) if best else ()))
    return made


def book(right: Mapping[str, float]) -> Calibration:
    return Calibration(judges={name: Fitted(n=100, right=100 * share) for name, share in right.items()})


def aggregator(path: Path, rows: Sequence[Row], right: Mapping[str, float] = SKILLS) -> DawidSkene:
    path.write_text("\n".join(row.model_dump_json() for row in rows), encoding="utf-8")
    made = DawidSkene(history_file=path)
    made.load()
    made.calibrate(book(right))
    return made


def by(judge: str, *winners: str) -> Verdict:
    return replace(a_verdict(*winners), judge=judge)


@pytest.mark.parametrize("sizes", [(2,), (3,), (2, 3, 5)])
def test_planted_skills_are_recovered_from_votes_alone(sizes: tuple[int, ...]) -> None:
    found = fit(history(4000, sizes=sizes), LABELLED)
    assert found.converged
    for name, skill in SKILLS.items():
        assert found.accuracy[name] == pytest.approx(skill, abs=0.04), name


def test_a_case_of_more_candidates_says_nothing_new_of_those_of_two() -> None:
    """A wrong vote on one of two is as likely however many candidates another case has."""
    pairs = history(600)
    apart, together = fit(pairs, LABELLED), fit([*pairs, *history(1, seed=1, sizes=(8,))], LABELLED)
    for name in SKILLS:
        assert together.accuracy[name] == pytest.approx(apart.accuracy[name], abs=0.005), name


def test_whole_confusion_matrices_are_recovered_where_classes_mean_something() -> None:
    """As in the paper: a judge who is lenient towards one class is seen as such."""
    rng = np.random.default_rng(5)
    planted = np.array([[[0.9, 0.1], [0.4, 0.6]], [[0.7, 0.3], [0.2, 0.8]], [[0.8, 0.2], [0.1, 0.9]], [[0.7, 0.3]] * 2])
    truth = (rng.random(6000) < 0.3).astype(int)
    votes = np.zeros((6000, 4, 2))
    for judge in range(4):
        second = rng.random(6000) < planted[judge, truth, 1]
        votes[np.arange(6000), judge, second.astype(int)] = 1
    found = estimate(votes)
    assert found.confusion == pytest.approx(planted, abs=0.06)
    assert found.prior == pytest.approx([0.7, 0.3], abs=0.04)
    right = (found.posterior.argmax(axis=1) == truth).mean()
    assert right > (votes[:, :3].sum(axis=1).argmax(axis=1) == truth).mean() - 0.002


def test_votes_are_as_likely_after_more_rounds() -> None:
    votes = np.random.default_rng(1).dirichlet((0.3, 0.3, 0.3), size=(200, 4))
    likelihoods = [
        estimate(votes, rounds=rounds, imagined=np.full((4, 2), 1e-9)).likelihood for rounds in (1, 3, 10, 50)
    ]
    assert likelihoods == sorted(likelihoods)


@given(st.lists(st.lists(st.integers(-1, 2), min_size=3, max_size=3), min_size=1, max_size=12), st.booleans())
def test_arbitrary_votes_give_probabilities(rows: list[list[int]], tied: bool) -> None:
    votes = np.zeros((len(rows), 3, 3))
    for item, row in enumerate(rows):
        for judge, vote in enumerate(row):
            if vote >= 0:
                votes[item, judge, vote] = 1
    found = estimate(votes, tied=tied)
    for shares in (found.confusion, found.posterior, found.prior):
        assert np.isfinite(shares).all()
        assert shares.sum(axis=-1) == pytest.approx(np.ones(shares.shape[:-1]))


def test_a_known_best_is_believed() -> None:
    votes = np.array([[[1.0, 0.0]] * 3] * 5)
    found = estimate(votes, known=np.array([[0.0, 1.0]] * 5), tied=True)
    assert found.posterior == pytest.approx(np.array([[0.0, 1.0]] * 5))
    assert found.confusion[0, 0, 0] < 0.5


@pytest.mark.parametrize("best", [True, False])
def test_errors_that_are_shared_are_seen_with_and_without_labels(best: bool) -> None:
    apart, alike = (fit(history(3000, best=best, alike=share), LABELLED) for share in (0.0, 0.6))
    for one, other in combinations(SKILLS, 2):
        assert abs(apart.together[frozenset((one, other))]) < 0.12
    assert alike.shared(list(SKILLS)) > 0.4
    assert worth(3, apart.shared(list(SKILLS))) > 2.6
    assert worth(3, alike.shared(list(SKILLS))) < 1.8


def test_what_is_not_known_to_be_independent_counts_as_one_vote() -> None:
    few = fit(history(10), LABELLED)
    assert worth(3, few.shared(list(SKILLS))) == 1
    assert worth(2, fit(history(300), LABELLED).shared(["good", "good"])) == 1
    assert (worth(0, 0.0), worth(1, 0.0), worth(4, -0.5)) == (0, 1, 4)
    assert np.isnan(errors_known(np.ones((3, 2, 2)) / 2, np.ones((3, 2)), least=20)[0, 1])


def test_the_verdict_shows_how_many_votes_it_rests_on(tmp_path: Path) -> None:
    ballots = [by("good", "c1"), by("fair", "c1"), by("poor", "c0")]
    verdict = aggregator(tmp_path / "h", history(2000, best=True)).combine(ballots, CASE)
    assert verdict.winners == ("c1",)
    (flag,) = verdict.flags
    worth = float(flag.removeprefix("effective_votes:"))
    assert 2.5 < worth <= 3
    assert f"3 votes worth {worth:.1f} independent ones, by 2000 cases" in verdict.reason
    assert verdict.weights is not None
    dependent = aggregator(tmp_path / "h", history(2000, best=True, alike=0.8)).combine(ballots, CASE)
    assert float(dependent.flags[0].removeprefix("effective_votes:")) < 1.6


def test_only_proven_judges_vote(tmp_path: Path) -> None:
    made = aggregator(tmp_path / "h", history(500), {"good": 0.85, "fair": 0.5})
    assert made.combine([by("good", "c1"), by("fair", "c0"), by("poor", "c0")], CASE).winners == ("c1",)
    nobody = made.combine([by("fair", "c0"), by("poor", "c0")], CASE)
    assert (nobody.outcome, nobody.flags) == ("abstained", ("gated_out",))


def test_a_history_can_be_written_from_ballots(tmp_path: Path) -> None:
    row = row_of(
        [by("good", "c1"), by("fair", "c0", "c1"), by("poor")], [one.id for one in CASE.candidates], best=["c1"]
    )
    assert row.ballots == {"good": ("c1",), "fair": ("c0", "c1")}
    (tmp_path / "h").write_text(row.model_dump_json() + "\n\n")
    assert read(tmp_path / "h") == [row]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 2: Invalid JSON"),
        (json.dumps({"candidates": ["a"], "ballots": {}}), "line 2: candidates"),
        (json.dumps({"candidates": ["a", "a"], "ballots": {}}), "line 2: two of its candidates"),
        (json.dumps({"candidates": ["a", "b"], "ballots": {"d": ["c"]}}), "line 2: 'c' is none of its candidates"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, told: str) -> None:
    (tmp_path / "h").write_text(f'{{"candidates": ["a", "b"], "ballots": {{}}}}\n{line}\n')
    with pytest.raises(InvalidOptions, match=told):
        DawidSkene(history_file=tmp_path / "h").load()


async def test_a_jury_uses_it_and_hears_of_seats_without_a_past(tmp_path: Path) -> None:
    seats = ["longest", {"use": "regex", "pattern": "b"}]
    first, second = (JUDGES.build(seat).digest for seat in seats)  # type: ignore[arg-type]
    rows = [row.model_copy(update={"ballots": {first: row.ballots["good"]}}) for row in history(50)]
    (tmp_path / "h").write_text("\n".join(row.model_dump_json() for row in rows))
    (tmp_path / "cal.json").write_text(book({first: 0.9, second: 0.8}).model_dump_json())
    aggregate = {"use": "dawid_skene", "history_file": str(tmp_path / "h"), "calibration": str(tmp_path / "cal.json")}
    jury = JUDGES.build({"use": "jury", "seats": seats, "aggregate": aggregate})
    jury.load()
    verdict = await jury.decide(CASE, {})
    assert verdict.winners == ("c1",)
    assert "effective_votes:1.0" in verdict.flags
    ((place, told),) = jury.misfits()
    assert place == "aggregate.history_file"
    assert "holds no ballot of seat 1 (regex)" in told
    assert AGGREGATORS.build({**aggregate, "history_file": "other"}).digest == AGGREGATORS.build(aggregate).digest


@pytest.mark.parametrize("prompt", ["LLMBar, Vanilla", "LLMBar, Swap_CoT"])
def test_on_recorded_verdicts_the_gate_keeps_it_near_the_best_judge(
    shared_data: Path, tmp_path: Path, prompt: str
) -> None:
    """Where most judges are poor, a majority is far below the best of them, and EM without a gate follows it."""
    field = next(one for one in llmbar_by_prompt(reader(shared_data)) if one.name == prompt)
    gained: list[float] = []
    for known, asked in folds(field, seed=11):
        rows = [
            row_of(
                [ballot(judge, vote) for judge, vote in ballots(field, pair).items()],
                [one.id for one in PAIR.candidates],
            )
            for pair in known
        ]
        judges = fitted(field, known)
        (tmp_path / "h").write_text("\n".join(row.model_dump_json() for row in rows), encoding="utf-8")
        made = DawidSkene(history_file=tmp_path / "h")
        made.load()
        made.calibrate(Calibration(judges=judges))
        gained += [credit(counted(made, ballots(field, pair)), field.labels[pair]) for pair in asked]
    alone = {
        judge: sum(credit(ballots(field, pair)[judge], field.labels[pair]) for pair in field.pairs)
        for judge in field.judges
    }
    plain = sum(credit(majority(*ballots(field, pair).values()), field.labels[pair]) for pair in field.pairs)
    assert sum(gained) > max(alone.values()) - 0.03 * len(field.pairs)
    assert sum(gained) > plain + 0.1 * len(field.pairs)
