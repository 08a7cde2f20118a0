import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judges import CandidateId, InvalidOptions, Preference, Verdict
from judges.calibration import Calibration, Fitted, apply, ece, fit, read, reliability, signal, write
from judges.testing import a_verdict
from judges.verification._ballots import Field, arena_hard_on_claude, ballot, credit, majority
from judges.verification._juries import comparable
from tests.judges.recorded import folds, reader

unit = st.floats(0, 1)
outcomes = st.sampled_from([0.0, 0.5, 1.0])
labelled = st.lists(st.tuples(unit, outcomes), min_size=1, max_size=60)
A, B, C = map(CandidateId, "abc")


def compared(*pages: Preference, winner: str = "a") -> Verdict:
    return replace(a_verdict(winner), preferences=pages)


def page(first: str, second: str, outcome: str, strength: float | None = None) -> Preference:
    return Preference(
        shown=(CandidateId(first), CandidateId(second)),
        outcome=outcome,  # type: ignore[arg-type]
        strength=strength,
    )


@given(rows=labelled, asked=st.lists(unit, min_size=2, max_size=20))
def test_calibration_keeps_the_order_and_stays_a_probability(
    rows: list[tuple[float, float]], asked: list[float]
) -> None:
    knots = fit([at for at, _ in rows], [right for _, right in rows])
    sure = [apply(knots, at) for at in sorted(asked)]
    assert all(one is not None and 0 <= one <= 1 for one in sure)
    assert all(low <= high for low, high in pairwise(one for one in sure if one is not None))
    assert Fitted(n=len(rows), right=0, knots=knots).knots == knots, "a fit is a valid file"


@given(rows=labelled, order=st.randoms(use_true_random=False))
def test_the_order_of_the_labels_does_not_matter(rows: list[tuple[float, float]], order: Random) -> None:
    mixed = list(rows)
    order.shuffle(mixed)
    fitted, again = (fit([at for at, _ in some], [right for _, right in some]) for some in (rows, mixed))
    assert [y for _, y in again] == pytest.approx([y for _, y in fitted])


def test_a_fit_finds_the_truth_and_a_few_labels_make_no_certainty() -> None:
    rng = Random(3)
    signals = [rng.random() for _ in range(4000)]
    right = [float(rng.random() < 0.4 + 0.5 * at) for at in signals]
    knots = fit(signals, right)
    for at in (0.2, 0.5, 0.8):
        assert apply(knots, at) == pytest.approx(0.4 + 0.5 * at, abs=0.06)
    raw, sure = (reliability(said, right) for said in (signals, [apply(knots, at) or 0.0 for at in signals]))
    assert (ece(sure) or 0) < 0.03 < (ece(raw) or 0)
    few = fit([0.5, 0.9, 0.9], [0.0, 1.0, 1.0])
    assert 0 < (apply(few, 0.0) or 0) < (apply(few, 1.0) or 0) < 1


def test_a_reliability_curve_counts_its_bins() -> None:
    curve = reliability([0.05, 0.95, 1.0, 0.9], [0.0, 1.0, 0.0, 1.0])
    assert [one.n for one in curve] == [1, *[0] * 8, 3]
    assert curve[9].stated == pytest.approx(0.95)
    assert curve[9].right == pytest.approx(2 / 3)
    assert (curve[5].stated, curve[5].right) == (None, None)
    assert ece(curve) == pytest.approx((0.05 + 3 * (0.95 - 2 / 3)) / 4)
    assert ece(reliability([], [])) is None


def test_what_cannot_be_fitted_is_refused() -> None:
    for signals, right in (([], []), ([0.5], []), ([1.5], [1.0]), ([0.5], [float("nan")])):
        with pytest.raises(ValueError, match="fit"):
            fit(signals, right)
    with pytest.raises(ValueError, match="reliability"):
        reliability([0.5], [])


def test_agreement_of_the_orders_margin_and_strength_raise_the_signal() -> None:
    one, both = compared(page("a", "b", "first")), compared(page("a", "b", "first"), page("b", "a", "second"))
    split = compared(page("a", "b", "first"), page("b", "a", "first"), winner="a")
    weak = compared(page("a", "b", "first", 0.5))
    silent = compared(page("a", "b", "first"), page("b", "a", "none"))
    levels = [signal(each) for each in (split, weak, one, both)]
    assert levels == sorted(levels, key=lambda level: level or 0)
    assert len(set(levels)) == 4
    assert signal(silent) == signal(one), "an order without a verdict says nothing"
    assert signal(compared(page("a", "b", "first"), page("a", "c", "tie"))) == 0.5, "the hardest opponent counts"
    near, far = (a_verdict("a", scores={"a": 0.9, "b": other}) for other in (0.8, 0.2))
    assert (signal(near) or 0) < (signal(far) or 0) <= 1


def test_a_tie_is_never_sure_and_silence_has_no_signal() -> None:
    assert signal(replace(a_verdict("a", "b"), preferences=(page("a", "b", "tie"), page("a", "c", "first")))) == 0.5
    assert signal(a_verdict()) is None
    assert signal(a_verdict("a")) is None
    assert signal(replace(a_verdict(), preferences=(page("a", "b", "none"),))) is None


def test_ballots_that_agree_raise_the_signal_of_a_jury() -> None:
    def jury(*ballots: Verdict) -> float:
        return signal(replace(a_verdict("a"), ballots=ballots)) or 0

    all_three, two, split = (
        jury(*[a_verdict(winner) for winner in winners]) for winners in (("a", "a", "a"), ("a", "a", "b"), ("a", "b"))
    )
    assert all_three > two > split == 0.5
    assert jury(a_verdict("a"), a_verdict()) == jury(a_verdict("a")), "an abstention is no vote"
    sure = compared(page("a", "b", "first"), page("b", "a", "second"))
    assert jury(sure) > jury(a_verdict("a"))


def test_a_staged_verdict_is_as_sure_as_the_stage_that_decided() -> None:
    stages = (a_verdict(), compared(page("a", "b", "first", 0.25)), a_verdict("b"))
    staged = replace(a_verdict("a"), ballots=stages, flags=("stage:2",))
    assert signal(staged) == signal(stages[1])


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    held = Calibration(made={"seed": 3}, judges={"d": Fitted(name="house", n=4, right=2.5, knots=((0.5, 0.6),))})
    write(tmp_path / "cal.json", held)
    assert read(tmp_path / "cal.json") == held
    assert [path.name for path in tmp_path.iterdir()] == ["cal.json"]
    renamed = held.model_copy(update={"made": {}, "judges": {"d": held.judges["d"].model_copy(update={"name": "x"})}})
    assert renamed.hash == held.hash, "the hash is of what decides, not of names and dates"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "JSON"),
        ("[]", "object"),
        ({"version": 2, "judges": {}}, "version"),
        ({"judges": {"d": {"n": 1, "right": 2}}}, r"judges\.d.*1 verdicts"),
        ({"judges": {"d": {"n": 1, "right": 1, "knots": [[0.5, 0.9], [0.6, 0.1]]}}}, "must not fall"),
        ({"judges": {"d": {"n": 1, "right": 1, "knots": [[0.5, 1.9]]}}}, "knots"),
    ],
)
def test_a_file_that_is_none_is_told_in_one_sentence(tmp_path: Path, content: object, told: str) -> None:
    path = tmp_path / "cal.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InvalidOptions, match=f"cal.json is not a calibration file: .*{told}"):
        read(path)


def test_on_recorded_verdicts_a_fit_halves_the_error_on_pairs_it_has_not_seen(shared_data: Path) -> None:
    field = arena_hard_on_claude(reader(shared_data))
    jury = field.of("comparable", comparable(field))
    said: list[tuple[float, float, float]] = []
    for known, asked in folds(jury, seed=11):
        labelled = [found for pair in known for found in heard(jury, pair)]
        knots = fit([raw for raw, _ in labelled], [right for _, right in labelled])
        said += [(raw, apply(knots, raw) or 0.0, right) for pair in asked for raw, right in heard(jury, pair)]
    raw, sure = (ece(reliability([row[way] for row in said], [row[2] for row in said])) for way in (0, 1))
    assert raw is not None
    assert sure is not None
    assert sure < raw / 2


def heard(jury: Field, pair: str) -> list[tuple[float, float]]:
    """(signal, credit) of every judge's verdict on ``pair``, from its votes in both orders."""
    found = []
    for judge in jury.judges:
        first, second = jury.games[judge][pair]
        verdict = replace(
            ballot(judge, majority(first, second)),
            preferences=(shown(first, "one", "two"), shown(second, "two", "one")),
        )
        if (raw := signal(verdict)) is not None:
            found.append((raw, credit(majority(first, second), jury.labels[pair])))
    return found


def shown(vote: str | None, first: str, second: str) -> Preference:
    return page(first, second, {first: "first", second: "second", "tie": "tie", None: "none"}[vote])
