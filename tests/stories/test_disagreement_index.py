"""``scripts/disagreement``: the index against text distance, on recorded outputs, and the figures behind it."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from scripts._routing import Row, rows
from scripts.disagreement import auc, command, measure, see, words


def asked(number: int, *answers: int, wordy: bool = False) -> Row:
    """A question to which 4 is right; with ``wordy``, the second member says it at length."""
    said = [f"Two and two, as everybody knows, is {one}.\nThe answer is {one}." for one in answers]
    if wordy:
        said[1] = f"Let us count on our fingers, slowly, one after the other.\nSo the answer is {answers[1]}."
    return {
        "id": f"q{number}",
        "prompt": "What is 2 + 2?",
        "models": {
            name: {"output": text, "score": float(answer == 4)}
            for name, text, answer in zip("abcd", said, answers, strict=False)
        },
    }


def test_an_answer_tells_where_the_texts_mislead() -> None:
    found = [asked(at, 4, 4, wordy=True) for at in range(6)] + [asked(at, 4, 5) for at in range(6, 12)]
    result = measure({"made": found}, draws=50)
    assert (result.mean.requests, result.mean.differ) == (12, 6)
    assert result.mean.auc["index"].point == 1
    assert result.mean.auc["texts"].point == 0
    assert result.better


def test_where_the_texts_tell_as_much_it_is_not_better() -> None:
    found = [asked(at, 4, 4) for at in range(6)] + [asked(at, 4, 5) for at in range(6, 12)]
    assert not measure({"made": found}, draws=50).better


def test_a_recording_counts_as_much_as_any_other() -> None:
    few = [asked(at, 4, 4, wordy=True) for at in range(2)] + [asked(at, 4, 5) for at in range(2, 4)]
    many = [asked(at, 4, 4) for at in range(4, 24)] + [asked(at, 4, 5) for at in range(24, 44)]
    result = measure({"few": few, "many": many}, draws=50)
    assert [line.auc["texts"].point for line in (*result.lines, result.mean)] == [0, 1, 0.5]


def test_whoever_said_nothing_is_no_member() -> None:
    assert see(asked(1, 4)) is None
    row = asked(1, 4, 5)
    row["models"]["b"]["output"] = "  "
    assert see(row) is None
    with pytest.raises(ValueError, match="made: its requests all differ"):
        measure({"made": [row, asked(2, 4, 5)]})


def test_words_count_as_often_as_they_stand_there() -> None:
    assert words(["a b", "B a"]) == 0
    assert words(["a a b", "a b"]) == pytest.approx(1 / 3)
    assert words(["", ""]) == 1
    assert words(["a", "a", "b"]) == pytest.approx(2 / 3)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4), st.integers(1, 3)), min_size=2, max_size=30))
def test_the_area_is_that_of_scikit_learn_ties_and_weights_included(rows: list[tuple[bool, int, int]]) -> None:
    differ, values, weights = zip(*rows, strict=True)
    found = auc(differ, values)(np.array([weights], np.float64))[0]
    if len(set(differ)) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(differ, values, sample_weight=weights))


def test_on_recorded_outputs_it_ranks_better_than_the_distance_of_texts(shared_data: Path) -> None:
    recorded = {name: rows(shared_data / "routing", name)[:250] for name in ("gsm8k", "routerarena")}
    result = measure(recorded, draws=200)
    assert result.better
    assert all(line.ahead["texts"].low > 0.05 for line in result.lines)


def test_a_folder_without_recordings_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, ["--data", str(tmp_path)])
    assert done.exit_code == 1
    assert "gsm8k.jsonl.gz" in done.output
    assert "Traceback" not in done.output
