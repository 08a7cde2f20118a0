"""RouterBench's wide table."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ensemble.importing.given import Given
from ensemble.importing.matrix import Matrix, models_of
from ensemble.labelling.rows import Reject
from ensemble.store.export.talk import cell, turns_of
from judges.types import FilePart
from tests.ensemble.importing.intake import candidates, first, labels, put, rejected, run, take

NAMES = ("vendor/one-7b", "two")
ROW = {
    "sample_id": "mmlu.val.1",
    "prompt": "['Which is largest? A) 1 B) 2']",
    "eval_name": "mmlu-math",
    "vendor/one-7b": 0.0,
    "two": 1.0,
    "vendor/one-7b|model_response": "['A']",
    "two|model_response": "['B']",
    "vendor/one-7b|total_cost": 4.1e-05,
    "two|total_cost": 0.0001,
    "oracle_model_to_route_to": "two",
}


def parquet(path: Path) -> Path:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([ROW]), path)
    return path


def table(path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(ROW))
        writer.writeheader()
        writer.writerow(ROW)
    return path


@pytest.mark.parametrize("make", [parquet, table])
def test_the_published_layout(tmp_path: Path, make: object) -> None:
    file = parquet(tmp_path / "bench.parquet") if make is parquet else table(tmp_path / "bench.csv")
    take(file, "matrix")
    (label,) = labels(file)
    assert (label.best, label.scores) == (("two",), {"two": 1.0, "vendor/one-7b": 0.0})
    assert (label.nano_usd, label.domain) == ({"two": 100_000, "vendor/one-7b": 41_000}, "mmlu-math")
    assert label.messages == ({"role": "user", "content": "Which is largest? A) 1 B) 2"},)
    assert {row.member: row.text for row in candidates(file)} == {"vendor/one-7b": "A", "two": "B"}
    told = take(file, "matrix")
    assert (told["candidates"], told["verdicts"], told["requests"]) == (0, 0, 0)


@pytest.mark.parametrize(("other", "kind"), [(0.0, "all_bad"), (1.0, "full"), (None, "early")])
def test_where_no_model_is_right_all_are_bad(tmp_path: Path, other: float | None, kind: str) -> None:
    row = {**ROW, "two": other, "oracle_model_to_route_to": "no_model_correct"}
    take(put(tmp_path / "rows.jsonl", [row]), "matrix")
    (label,) = labels(tmp_path / "rows.jsonl")
    assert label.kind == kind


def test_a_model_that_did_not_answer_is_left_out() -> None:
    row = {"prompt": "x", "one|model_response": "a", "one": 0.5, "two|model_response": None, "two": float("nan")}
    found = first(Matrix, row)
    assert isinstance(found, Given)
    assert [(answer.member, answer.score, answer.completion.usage.nano_usd) for answer in found.answers] == [
        ("one", 0.5, None)
    ]


def test_turns_and_conversations() -> None:
    several = first(Matrix, {"prompt": "['Write a poem.', 'Shorter.']", "m|model_response": "x"})
    assert isinstance(several, Given)
    assert [turn.text for turn in several.row.prompt.messages] == ["Write a poem.", "Shorter."]
    chat = '[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}]'
    whole = first(Matrix, {"prompt": chat, "m|model_response": "['not', 'one']"})
    assert isinstance(whole, Given)
    assert [turn.role for turn in whole.row.prompt.messages] == ["system", "user"]
    assert whole.answers[0].completion.text == "['not', 'one']"


def test_a_response_that_is_a_list_by_itself() -> None:
    found = first(Matrix, {"prompt": "Write a list of one letter.", "m|model_response": "['B']"})
    assert isinstance(found, Given)
    assert found.answers[0].completion.text == "['B']"


def test_what_does_not_fit(tmp_path: Path) -> None:
    file = tmp_path / "bench.csv"
    file.write_text("prompt,m,m|model_response\nx,good,y\nx,2,y\n")
    take(file, "matrix", code=3)
    assert [row["reason"].split(";")[0] for row in rejected(file, "bench")] == [
        "m: it must be a number",
        "m: 2 is not between 0 and 1",
    ]
    other = first(Matrix, {"prompt": "x", "score": 1})
    assert isinstance(other, Reject)
    assert "no column MODEL|model_response" in other.reason


CELLS = st.one_of(
    st.none(), st.text(max_size=12), st.floats(), st.integers(), st.lists(st.text(max_size=3), max_size=2)
)


# The first draw of a text takes seconds on a busy machine.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([*ROW, "x|model_response", "x"]), CELLS))
def test_any_row_is_given_or_rejected(row: dict[str, object]) -> None:
    found = first(Matrix, row)
    if isinstance(found, Given):
        assert {answer.member for answer in found.answers} <= set(models_of(row))
    else:
        assert isinstance(found, Reject)
        assert found.reason


SAMPLES: list[dict[str, Any]] = [
    {
        "id": "a",
        "prompt": "2 + 2?",
        "domain": "math",
        "candidates": [
            {"member": "old", "text": "=5", "score": 0.25, "cost_usd": 0.000001},
            {"member": "new", "text": '- 4\n- four, "x"', "score": 1, "latency_s": 0.5},
        ],
    },
    {
        "id": "b",
        "messages": [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "3 + 3?"}],
        "candidates": [{"member": "old", "text": "['B']", "score": 0.5}, {"member": "+3", "text": "'-x", "score": 0.5}],
    },
    {"prompt": "-4 + 4?", "candidates": [{"member": "old", "text": "8", "score": 1}, {"member": "new", "text": "0"}]},
]


SHOWN: list[dict[str, object]] = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": "https://example.org/bolt.png", "detail": "low"}},
    {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
]
ASKED: list[list[dict[str, object]]] = [
    [{"role": "user", "content": SHOWN}],
    [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": SHOWN[1:]},
        {"role": "assistant", "content": "A bolt."},
        {"role": "user", "content": '[{"role": "user"}]'},
    ],
    [{"role": "user", "content": "['a', 'b']"}],
    [{"role": "user", "content": '["a"]'}],
    [{"role": "user", "content": '[{"role": "user", "content": "who?"}]'}],
]


def test_prompts_come_back_as_what_they_were(tmp_path: Path) -> None:
    """Images and files as these, in chat completions' own shape, and texts that look like lists as texts."""
    candidates = [{"member": "old", "text": "x", "score": 0.5}, {"member": "new", "text": "y", "score": 1}]
    rows = [{"id": str(n), "messages": said, "candidates": candidates} for n, said in enumerate(ASKED)]
    take(put(tmp_path / "rows.jsonl", rows), "candidates")
    out = tmp_path / "out.jsonl"
    export(tmp_path / "log.db", out)
    written = [json.loads(line)["prompt"] for line in out.read_text().splitlines()]
    assert [json.loads(prompt) for prompt in written] == ASKED
    told = run("import", str(out), "--format", "matrix", "--db", str(tmp_path / "log.db"))
    assert f"0 new, {2 * len(ASKED)} there before" in told.output, told.output


def test_what_chat_completions_do_not_take() -> None:
    """Of a turn with a thinking block the words go out; a file in Anthropic's shape goes in OpenAI's."""
    block = {"type": "opaque", "origin": "old", "data": {"signature": "s"}}
    answer = [block, {"type": "text", "text": "A bolt."}, {"type": "text", "text": "Of steel."}]
    source = {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}
    sent = {"type": "file", "data": {"type": "document", "source": source, "title": "a.pdf"}}
    stored = json.dumps([{"role": "user", "content": [sent]}, {"role": "assistant", "content": answer}])
    found = first(Matrix, {"prompt": cell(turns_of(stored)), "m|model_response": "x"})
    assert isinstance(found, Given)
    assert [turn.content for turn in found.row.prompt.messages] == [(FilePart(data=SHOWN[2]),), "A bolt.\nOf steel."]
    gone = json.dumps([{"role": "user", "content": [{"type": "file", "data": {"type": "container_upload"}}]}])
    refused = first(Matrix, {"prompt": cell(turns_of(gone)), "m|model_response": "x"})
    assert isinstance(refused, Reject)
    assert "messages[0].content[0]: type must be one of text" in refused.reason


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_what_was_exported_comes_back(tmp_path: Path, form: str) -> None:
    """Exported, imported into another log and exported again, the table is the same to the byte."""
    take(put(tmp_path / "rows.jsonl", SAMPLES), "candidates")
    first, second = tmp_path / f"first.{form}", tmp_path / f"second.{form}"
    export(tmp_path / "log.db", first)
    told = run("import", str(first), "--format", "matrix", "--db", str(tmp_path / "other.db"))
    assert told.exit_code == 0, told.output
    export(tmp_path / "other.db", second)
    assert first.read_bytes() == second.read_bytes()
    told = run("import", str(first), "--format", "matrix", "--db", str(tmp_path / "log.db"))
    assert "0 new, 6 there before" in told.output


def export(log: Path, out: Path) -> None:
    told = run("export", "--format", "matrix", "--db", str(log), "--out", str(out), "--all-texts")
    assert told.exit_code == 0, told.output
