import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judges.verification import CHECKS, NOT_READ, UnreadableData, verify
from judges.verification.__main__ import main, table

Alter = Callable[[dict[str, Any]], None]


def rewrite(folder: Path, name: str, alter: Alter) -> None:
    """Pass every record of a file through ``alter``; the recorded data itself is never touched."""
    path = folder / name
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    for record in records:
        alter(record)
    path.unlink()
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as out:
        out.writelines(json.dumps(record) + "\n" for record in records)


@pytest.fixture
def copied(shared_data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "judging"
    folder.mkdir()
    for path in (shared_data / "judging").iterdir():
        (folder / path.name).symlink_to(path)
    return folder


def test_every_count_comes_out_of_the_recorded_texts(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(shared_data / "judging")]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1].endswith("every count is as expected")
    assert len(printed) > 500
    assert all(line.startswith("ok ") for line in printed[:-1])


def test_every_part_of_the_expectations_is_reproduced_or_named(shared_data: Path) -> None:
    expected = json.loads((shared_data / "judging" / "EXPECTED.json").read_text(encoding="utf-8"))
    assert set(expected) | {"attacks"} == set(CHECKS) | NOT_READ


def test_no_verdict_is_taken_from_a_recorded_one(copied: Path) -> None:
    def blank(record: dict[str, Any]) -> None:
        for game in record.get("games", ()):
            game["decision_recorded"] = None
        for stage in record.get("stages", ()):
            stage.update(winner_12="", winner_21="")
            for game in stage.get("games", ()):
                game["winner_recorded"] = ""
        if "score" in record:
            record["score"] = None

    for name in ("judgebench_games", "llmbar_games", "mtbench_single_gpt4"):
        rewrite(copied, f"{name}.jsonl.gz", blank)
    report = verify(copied, parts={"judgebench", "rubric_parse_failure_as_abstain", "llmbar", "mtbench_single_mean"})
    assert report.wrong == ()
    assert all(row.right for row in report.rows)


@pytest.mark.parametrize("judge", ["arena_hard", "rubric"])
def test_twenty_altered_texts_are_noticed(copied: Path, judge: str) -> None:
    left = 20

    def alter(record: dict[str, Any]) -> None:
        nonlocal left
        if record["judge_name"] != judge or not left:
            return
        left -= 1
        said = record["games"][0]["judgment_text"]
        record["games"][0]["judgment_text"] = {"first": "", "second": ""} if isinstance(said, dict) else said[:20]

    rewrite(copied, "judgebench_games.jsonl.gz", alter)
    assert left == 0
    report = verify(copied, parts={"judgebench", "rubric_parse_failure_as_abstain"})
    assert report.wrong
    assert "WRONG" in table(report)


def test_altered_texts_of_the_other_files_are_noticed(copied: Path) -> None:
    def alter_llmbar(record: dict[str, Any]) -> None:
        if record["id"].endswith("7"):
            for game in record["stages"][-1].get("games", ()):
                game["judgment_text"] = "I cannot say."

    def alter_ratings(record: dict[str, Any]) -> None:
        record["judgment"] = record["judgment"].replace("[[9]]", "[[8]]")

    rewrite(copied, "llmbar_games.jsonl.gz", alter_llmbar)
    rewrite(copied, "mtbench_single_gpt4.jsonl.gz", alter_ratings)
    parts = {row.part.partition(" ")[0] for row in verify(copied, parts={"llmbar", "mtbench_single_mean"}).wrong}
    assert parts == {"llmbar", "mtbench_single_mean"}


def test_a_missing_row_is_a_difference_on_either_side(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = json.loads((copied / "EXPECTED.json").read_text(encoding="utf-8"))
    gone = expected["llmbar"].popitem()[0]
    expected["judgebench"]["claude|arena_hard|nobody"] = {"strict": {"n": 3}}
    expected["something_new"] = 1
    (copied / "EXPECTED.json").unlink()
    (copied / "EXPECTED.json").write_text(json.dumps(expected), encoding="utf-8")
    assert main([str(copied)]) == 3
    wrong = {" ".join(line.split()[1:]) for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")}
    assert any(gone in name for name in wrong)
    assert any(line.startswith("judgebench claude|arena_hard|nobody:") for line in wrong)
    assert any(line.startswith("something_new") for line in wrong)


def test_unreadable_data_is_said_in_one_line(copied: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (copied / "llmbar_games.jsonl.gz").unlink()
    (copied / "llmbar_games.jsonl.gz").write_bytes(b"no gzip")
    assert main([str(copied)]) == 1
    assert "llmbar_games.jsonl.gz, after line 0" in capsys.readouterr().err
    with pytest.raises(UnreadableData, match=r"EXPECTED\.json"):
        verify(tmp_path)


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["--help"], 0), (["a", "b"], 2)])
def test_wrong_usage_is_told(arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == status
    assert "usage" in capsys.readouterr().err
