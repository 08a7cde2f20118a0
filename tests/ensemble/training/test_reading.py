import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensemble.labelling.sources import BadSource
from ensemble.store import Store, open_store
from ensemble.store.examples import Example
from ensemble.training.held import hold
from ensemble.training.reading import BadLabels, examples_of
from judges.types import Candidate, Verdict
from tests.ensemble.store.builders import a_call, a_plan, a_record, a_request, a_verdict

RECORDED = {
    "id": "gsm8k-0001",
    "benchmark": "gsm8k",
    "prompt": "How many bolts?",
    "models": {"weak": {"output": "3", "score": 0.0, "cost": 0.0001}, "strong": {"output": "4", "score": 1.0}},
}
EXPORTED = {
    "request_id": "r1",
    "arrived_at": "2026-11-23T12:00:00.000000Z",
    "prompt": "How many bolts?",
    "messages": [{"role": "user", "content": "How many bolts?", "tool_calls": None}],
    "winner": "strong",
    "winners": ["strong"],
    "models": [
        {"model": "weak", "score": 0.25, "cost_usd": 0.0001, "latency_s": 0.5, "propensity": 0.5, "samples": 1},
        {"model": "strong", "score": 1.0, "cost_usd": None, "latency_s": 1.5, "propensity": 0.25, "samples": 1},
    ],
    "kind": "full",
    "source": "judge",
    "judged_by": "j" * 64,
    "confidence": 0.75,
    "conversation": "c1",
    "domain": None,
    "complete": True,
    "usable": True,
}


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def one(path: Path) -> Example:
    (example,) = examples_of(path)
    return example


def test_a_recorded_row(tmp_path: Path) -> None:
    example = one(written(tmp_path / "labels.jsonl", RECORDED))
    label = example.label
    assert label.request == "gsm8k-0001"
    assert label.best == {"strong"}
    assert label.scores == {"weak": 0.0, "strong": 1.0}
    assert label.nano_usd == {"weak": 100_000, "strong": None}
    assert example.answers == {"weak": "3", "strong": "4"}
    assert example.messages[0].text == "How many bolts?"
    assert label.total_s == {}


def test_an_exported_row(tmp_path: Path) -> None:
    label = one(written(tmp_path / "labels.jsonl", EXPORTED)).label
    assert label.best == {"strong"}
    assert (label.source, label.confidence, label.conversation) == ("judge", 0.75, "c1")
    assert (label.total_s, label.propensities) == ({"weak": 0.5, "strong": 1.5}, {"weak": 0.5, "strong": 0.25})
    assert label.arrived == EXPORTED["arrived_at"]
    held = hold([one(written(tmp_path / "labels.jsonl", EXPORTED))])
    assert held.propensity.tolist() == [[0.25, 0.5]]


IMAGE = {"type": "image", "url": "https://example.org/bolt.png"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            [{"type": "text", "text": "How many bolts?"}, IMAGE, {"type": "text", "text": "In all?"}],
            "How many bolts?\nIn all?",
        ),
        ([IMAGE], ""),
        ([{"type": "text", "text": "How many bolts?"}], None),
        ([{"type": "text", "text": 7}, IMAGE], None),
        ([{"type": "image_url", "image_url": IMAGE}], None),
        ("[{" * 100_000, None),
    ],
)
def test_parts_beside_texts_are_no_words(content: Any, words: str | None, tmp_path: Path) -> None:
    """As `routing` writes them; what only looks like that is what somebody said."""
    text = content if isinstance(content, str) else json.dumps(content)
    turn = {"role": "user", "content": text}
    example = one(written(tmp_path / "labels.jsonl", {**EXPORTED, "messages": [turn]}))
    assert example.messages[0].text == (text if words is None else words)
    assert example.messages == example.label.messages


def test_a_row_of_csv_has_json_in_its_cells(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    cells = {key: value if isinstance(value, str) else json.dumps(value) for key, value in EXPORTED.items() if value}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, cells)
        writer.writeheader()
        writer.writerow(cells)
    assert one(path).label.best == {"strong"}


def test_packed_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl.gz"
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(RECORDED))
    assert one(path).label.request == "gsm8k-0001"


def test_ties_all_bad_and_people(tmp_path: Path) -> None:
    rows = [
        {**RECORDED, "models": {"a": {"score": 0.5}, "b": {"score": 0.5}}},
        {**RECORDED, "models": {"a": {"score": 0.0}, "b": {"score": 0.0}}},
        {**RECORDED, "models": {"a": {"score": 0.1}, "b": {"score": 0.0}}, "human": "b"},
        {"prompt": "x", "models": {"a": {}, "b": {}}, "best": ["b"], "source": "human"},
    ]
    found = list(examples_of(written(tmp_path / "labels.jsonl", *rows)))
    assert [example.label.best for example in found] == [{"a", "b"}, set(), {"a"}, {"b"}]
    assert [example.people for example in found] == [None, None, {"b"}, {"b"}]
    assert hold(found).people.tolist() == [[False, False]] * 2 + [[False, True]] * 2
    assert found[3].label.request == "row-4"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"models": {"a": {"score": 1}}}, "row 1: prompt: give prompt or messages"),
        ({"prompt": "x", "models": {"a": {"score": 8.5}}}, "models.a.score"),
        ({"prompt": "x", "models": {"a": {}}}, "no member has a score, and best names none"),
        ({"prompt": "x", "models": {"a": {"score": 1}}, "best": "c"}, "'c' is not among the models, a"),
        (
            {"prompt": "x", "winner": "model_a", "model_a": "small", "model_b": "large"},
            "who is best alone does not tell",
        ),
        ({"prompt": "x", "models": [{"score": 1}]}, "needs a name of its own"),
        ({"prompt": "x", "models": [1]}, "needs a name of its own"),
        ({"prompt": "x", "models": [{"member": ["a"], "score": 1}]}, "needs a name of its own"),
        ([1], "must be an object with prompt and models"),
    ],
)
def test_a_wrong_row_is_told_with_its_place(row: Any, told: str, tmp_path: Path) -> None:
    with pytest.raises(BadLabels) as error:
        list(examples_of(written(tmp_path / "labels.jsonl", row)))
    assert told in str(error.value)


def test_only_the_first_wrong_rows_are_told(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match="and 5 more"):
        list(examples_of(written(tmp_path / "labels.jsonl", *[{"prompt": "x"}] * 15)))


def test_an_empty_and_a_foreign_file(tmp_path: Path) -> None:
    with pytest.raises(BadLabels, match="holds no label"):
        list(examples_of(written(tmp_path / "labels.jsonl")))
    with pytest.raises(BadSource, match="does not tell its format"):
        list(examples_of(written(tmp_path / "labels.xyz", RECORDED)))


def test_a_folder_and_a_pattern_are_read_in_the_order_of_their_names(tmp_path: Path) -> None:
    nameless = {key: value for key, value in RECORDED.items() if key != "id"}
    for name, prompt in (("b.jsonl", "second"), ("a.jsonl", "first"), ("c.csv", "never")):
        written(tmp_path / name, {**nameless, "prompt": prompt})
    found = list(examples_of(tmp_path / "*.jsonl"))
    assert [(one.label.request, one.messages[0].content) for one in found] == [("row-1", "first"), ("row-2", "second")]
    (tmp_path / "c.csv").unlink()
    assert [one.label for one in examples_of(tmp_path)] == [one.label for one in found]


def test_a_folder_of_several_splits_and_a_pattern_that_picks_nothing(tmp_path: Path) -> None:
    for split in ("train", "test"):
        written(tmp_path / f"{split}-00000.jsonl", RECORDED)
    with pytest.raises(BadSource, match=f"holds the splits test, train.*{tmp_path}/t[a-z]+-\\*.jsonl"):
        list(examples_of(tmp_path))
    with pytest.raises(BadSource, match="no file has such a name"):
        list(examples_of(tmp_path / "*.parquet"))
    assert len(list(examples_of(tmp_path / "train-*"))) == 1


async def test_a_log_gives_labels_with_prompts_answers_and_ballots(tmp_path: Path) -> None:
    path = tmp_path / "ensemble.db"
    store: Store = await open_store(path)
    request = a_request("Why?", conversation="c1", metadata={"stakes": "high"})
    try:
        plan = a_plan(propensities={"small": 0.5, "large": 1.0})
        record = a_record(request=request, plan=plan)
        ids = list(record.authors)
        ballots = (a_verdict(ids[:1], ids[1:], judge="a" * 64), a_verdict(ids[1:2], ids[2:], judge="b" * 64))
        (ruling,) = record.rulings
        judged = replace(ruling, verdict=replace(ruling.verdict, ballots=ballots))
        await store.record(replace(record, rulings=(judged,)))
    finally:
        await store.close()
    example = one(path)
    assert example.label.request == request.id
    assert example.prompt == request.prompt
    assert example.metadata == {"stakes": "high"}
    assert set(example.answers) == {"small", "medium", "large"}
    assert example.answers["small"] == "answer of small"
    asked = a_call(request.id, "small")
    assert asked.completion is not None
    assert example.completion("small") == Candidate(id=ids[0], completion=asked.completion).completion
    assert example.completion("huge") is None
    assert [ballot.seat for ballot in example.ballots] == ["1: aaaaaaaaaaaa", "2: bbbbbbbbbbbb"]
    assert [set(ballot.winners) for ballot in example.ballots] == [{"small"}, {"medium"}]
    assert example.people is None
    held = hold([example])
    assert held.table.members == ("large", "medium", "small")
    assert held.propensity.tolist() == [[1.0, 0.0, 0.5]]
    assert held.table.outputs == ((example.answers["large"], example.answers["medium"], example.answers["small"]),)
    assert held.unseen(frozenset({request.id})).tolist() == [False]
    assert held.unseen(frozenset({"c1"})).tolist() == [False]
    assert held.unseen(frozenset({"other"})).tolist() == [True]


@pytest.mark.parametrize(
    ("flags", "seats"),
    [
        pytest.param(("shrunk",), ["1: aaaaaaaaaaaa", "2: bbbbbbbbbbbb"], id="of the plain finding"),
        pytest.param(("stage:2",), [], id="stages do not vote"),
        pytest.param(("stage:2", "shrunk"), [], id="nor where the finding was weighed"),
    ],
)
async def test_the_seats_of_a_jury_are_those_that_voted(tmp_path: Path, flags: Sequence[str], seats: list[str]) -> None:
    path = tmp_path / "ensemble.db"
    store: Store = await open_store(path)
    try:
        record = a_record()
        (ruling,) = record.rulings
        ids = list(record.authors)
        voted = (a_verdict(ids[:1], ids[1:], judge="a" * 64), a_verdict(ids[1:2], ids[2:], judge="b" * 64))
        found = replace(ruling.verdict, preferences=(), exchanges=(), ballots=voted, flags=tuple(flags))
        if "shrunk" in flags:
            means = Verdict(judge="logged means", outcome="decided", winners=(ids[2],))
            found = replace(found, ballots=(replace(found, flags=()), means))
        await store.record(replace(record, rulings=(replace(ruling, verdict=found),)))
    finally:
        await store.close()
    assert [ballot.seat for ballot in one(path).ballots] == seats
