import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensemble.judging.labelled import Labelled, LabelsError, read


def a_row(**changes: Any) -> dict[str, Any]:
    return {"prompt": "2 + 2?", "candidates": ["4", "5"], "best": 0, **changes}


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
    return path


def best(row: Labelled) -> list[str]:
    return [one.completion.text for one in row.case.candidates if one.id in row.best]


NAMED = [{"id": "gpt", "text": "4"}, {"id": "claude", "text": "5"}, {"text": "6"}]


@pytest.mark.parametrize(
    ("row", "right"),
    [
        (a_row(), ["4"]),
        (a_row(best=1), ["5"]),
        (a_row(candidates=NAMED, best="claude"), ["5"]),
        (a_row(candidates=NAMED, best=2), ["6"]),
        (a_row(candidates=NAMED, best=["gpt", 2]), ["4", "6"]),
        (a_row(best="tie"), ["4", "5"]),
        (a_row(best="all_bad"), []),
        ({"question": "q", "response_A": "x", "response_B": "y", "label": "B>A"}, ["y"]),
        ({"input": "q", "output_1": "x", "output_2": "y", "label": 1, "subset": "natural"}, ["x"]),
    ],
)
def test_what_is_best(tmp_path: Path, row: dict[str, Any], right: list[str]) -> None:
    (read_row,) = read(write(tmp_path, row))
    assert best(read_row) == right


def test_a_conversation_a_reference_and_a_schema_come_along(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
    row = a_row(messages=turns, reference="4", schema={"type": "number"}, mine="own")
    del row["prompt"]
    (case,) = (one.case for one in read(write(tmp_path, row)))
    assert [(turn.role, turn.text) for turn in case.messages] == [("system", "Be brief."), ("user", "2 + 2?")]
    assert case.reference == "4"
    assert case.response_format is not None
    assert case.response_format.schema == {"type": "number"}


def test_a_judge_sees_no_id_of_the_file(tmp_path: Path) -> None:
    (row,) = read(write(tmp_path, a_row(candidates=NAMED, best="gpt")))
    assert [one.id for one in row.case.candidates] == ["c0", "c1", "c2"]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{", "is not JSON"),
        ("[1]", "must be a JSON object"),
        ({"prompt": "q", "candidates": ["a", "b"]}, "best: field required"),
        (a_row(prompt=None), "give either prompt or messages"),
        (a_row(candidates=["4"]), "candidates: "),
        (a_row(candidates=["4", {"id": "x"}], best=0), "candidates.1.text: field required"),
        (a_row(best="gpt5"), 'best: there is no candidate \'gpt5\'; known are 0 to 1, "tie" and "all_bad"'),
        (a_row(best=2), "best: there is no candidate 2"),
        (a_row(best=-1), "best: there is no candidate -1"),
        (a_row(best=True), "best: "),
        (a_row(best=[]), 'best: the list is empty; write "all_bad"'),
        (a_row(candidates=[{"id": "a", "text": "1"}, {"id": "a", "text": "2"}]), "two have the same id"),
        ({"question": "q", "response_A": "x", "response_B": "y", "label": "A=B"}, "label: 'A=B' names neither answer"),
    ],
)
def test_a_bad_row_is_named_by_line_and_key(tmp_path: Path, row: Any, told: str) -> None:
    path = write(tmp_path, a_row(), "", row)
    with pytest.raises(LabelsError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}, line 3: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_every_bad_row_is_told_up_to_twenty(tmp_path: Path) -> None:
    with pytest.raises(LabelsError) as caught:
        read(write(tmp_path, *[a_row(best=9)] * 30))
    lines = str(caught.value).splitlines()
    assert len(lines) == 21
    assert lines[-1] == "... and 10 more"


def test_files_that_hold_nothing_or_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="holds no labelled case"):
        read(write(tmp_path))
    with pytest.raises(LabelsError, match="cannot be read"):
        read(tmp_path / "none.jsonl")
    packed = tmp_path / "labels.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(a_row()).encode()))
    assert best(read(packed)[0]) == ["4"]
    packed.write_bytes(b"no gzip")
    with pytest.raises(LabelsError, match="cannot be read"):
        read(packed)


trees = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["prompt", "candidates", "best", "text", "id", "label", "schema"]), inner)
    ),
    max_leaves=10,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees)
def test_any_row_is_read_or_told(tmp_path: Path, tree: Any) -> None:
    path = write(tmp_path, tree)
    try:
        rows = read(path)
    except LabelsError:
        return
    assert all(len(row.case.candidates) > 1 for row in rows)
