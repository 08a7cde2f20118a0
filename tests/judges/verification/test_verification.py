import gzip
import json
import platform
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from judges.heuristics._sandbox import unavailable
from judges.verification import CHECKS, UnreadableData, schemes, verify
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


@pytest.mark.timeout(300)
def test_every_count_comes_out_of_the_recorded_texts(shared_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main([str(shared_data / "judging")])
    printed = capsys.readouterr().out.splitlines()
    wrong = {line.split()[1] for line in printed if line.startswith("WRONG")}
    if (why := unavailable()) is not None:  # what was not run must not look as if it had been right
        assert (status, wrong) == (3, {"verifiers_judgebench"})
        pytest.skip(f"no jail here: {why}")
    assert (status, wrong) == (0, set())
    assert printed[-1].endswith("every count is as expected")
    assert sum(line.startswith("ok ") for line in printed) > 500


def test_every_part_of_the_expectations_is_reproduced(shared_data: Path) -> None:
    expected = json.loads((shared_data / "judging" / "EXPECTED.json").read_text(encoding="utf-8"))
    assert set(expected) <= set(CHECKS)


def test_code_that_cannot_be_isolated_fails_the_verification(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    unavailable.cache_clear()
    try:
        wrong = verify(shared_data / "judging", parts={"verifiers_judgebench"}).wrong
    finally:
        monkeypatch.undo()
        unavailable.cache_clear()
    assert "could not be run" in next(str(row.found) for row in wrong if row.name == "code")
    assert {row.name for row in wrong} == {"code", "code right"}


def blank(record: dict[str, Any]) -> None:
    """Take every recorded verdict of which there is a text."""
    for game in record.get("games", ()):
        game["decision_recorded"] = None
    for stage in record.get("stages", ()):
        stage.update(winner_12="", winner_21="")
        for game in stage.get("games", ()):
            game["winner_recorded"] = ""
    for name in ("decision_recorded", "score"):
        if name in record:
            record[name] = None


FILES_OF_VERDICTS = ("judgebench_games", "llmbar_games", "mtbench_single_gpt4", "tricky_verdicts")


def test_no_verdict_is_taken_from_a_recorded_one(shared_data: Path, copied: Path) -> None:
    parts = {"judgebench", "rubric_parse_failure_as_abstain", "llmbar", "mtbench_single_mean", "tricky_verdicts"}
    as_recorded = verify(shared_data / "judging", parts=parts)
    for name in FILES_OF_VERDICTS:
        rewrite(copied, f"{name}.jsonl.gz", blank)
    assert verify(copied, parts=parts) == as_recorded
    assert as_recorded.wrong == ()


def silence(text: object) -> object:
    return {"first": "", "second": ""} if isinstance(text, dict) else "I cannot say."


def swap_labels(text: object) -> object:
    places = {"A": "B", "B": "A", "(a)": "(b)", "(b)": "(a)"}
    label = r"\((?:a|b)\)|(?<=\[)[AB](?=\])|[AB](?=[<>])|(?<=[<>])[AB]"
    swapped = re.sub(label, lambda one: places[one.group()], str(text))
    return re.sub(r"\[\[(\d+)\]\]", lambda one: f"[[{int(one.group(1)) % 10 + 1}]]", swapped)


def texts_of(record: dict[str, Any]) -> list[tuple[dict[str, Any], str]]:
    """Where the texts of a record's verdict are: the first game of JudgeBench, the last stage of LLMBar."""
    if "stages" in record:
        return [(game, "judgment_text") for game in record["stages"][-1].get("games", ())[:1]]
    if "games" in record:
        return [(game, "judgment_text") for game in record["games"][:1] if game.get("judgment_text")]
    return [(record, name) for name in ("judgment_text", "judgment") if record.get(name)]


@pytest.mark.parametrize("alter", [silence, swap_labels])
@pytest.mark.parametrize(
    ("file", "only", "parts"),
    [
        ("judgebench_games", {"judge_name": "arena_hard"}, {"judgebench"}),
        ("judgebench_games", {"judge_name": "rubric"}, {"judgebench", "rubric_parse_failure_as_abstain"}),
        ("llmbar_games", {"judge": "GPT-4/Vanilla"}, {"llmbar"}),
        ("llmbar_games", {"judge": "PaLM2/Swap_CoT"}, {"llmbar"}),
        ("mtbench_single_gpt4", {}, {"mtbench_single_mean"}),
        ("tricky_verdicts", {"hard": False}, {"tricky_verdicts"}),
    ],
)
def test_twenty_altered_verdict_texts_are_noticed(
    copied: Path, file: str, only: dict[str, object], parts: set[str], alter: Callable[[object], object]
) -> None:
    if alter is swap_labels and only.get("judge_name") == "rubric":
        pytest.skip("scores name no side that could be swapped")
    left = 20

    def change(record: dict[str, Any]) -> None:
        nonlocal left
        if left and all(record[name] == value for name, value in only.items()):
            for home, name in texts_of(record):
                altered = alter(home[name])
                left -= altered != home[name]
                home[name] = altered

    rewrite(copied, f"{file}.jsonl.gz", change)
    assert left == 0
    report = verify(copied, parts=parts)
    assert report.wrong
    assert "WRONG" in table(report)


def test_a_missing_row_is_a_difference_on_either_side(copied: Path) -> None:
    expected = json.loads((copied / "EXPECTED.json").read_text(encoding="utf-8"))
    gone = expected["llmbar"].popitem()[0]
    expected["judgebench"]["claude|arena_hard|nobody"] = {"strict": {"n": 3}}
    (copied / "EXPECTED.json").unlink()
    (copied / "EXPECTED.json").write_text(json.dumps(expected), encoding="utf-8")
    wrong = {f"{row.part} {row.name}" for row in verify(copied, parts={"llmbar", "judgebench"}).wrong}
    assert any(gone in name for name in wrong)
    assert any(name.startswith("judgebench claude|arena_hard|nobody") for name in wrong)


@pytest.mark.parametrize("judge", ["openrouter_z-ai_glm-4.7", "o1-mini-2024-09-12"])
def test_a_judge_that_is_missing_in_the_data_is_a_difference(copied: Path, judge: str) -> None:
    def rename(record: dict[str, Any]) -> None:
        if record["judge_model"] == judge:
            record["judge_model"] = "another"

    rewrite(copied, "judgebench_games.jsonl.gz", rename)
    assert any(judge in row.name for row in verify(copied, parts={"judgebench"}).wrong)


def test_what_nothing_reproduces_and_what_is_gone_fail_the_command(
    copied: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # That the command goes through all parts is shown above.
    for part in CHECKS.keys() - {"mtbench_single_mean", "tricky_verdicts"}:
        monkeypatch.delitem(CHECKS, part)
    expected = json.loads((copied / "EXPECTED.json").read_text(encoding="utf-8"))
    (copied / "EXPECTED.json").unlink()
    known = {"tricky_verdicts": expected["tricky_verdicts"], "something_new": 1}
    (copied / "EXPECTED.json").write_text(json.dumps(known), encoding="utf-8")
    assert main([str(copied)]) == 3
    printed = capsys.readouterr().out.splitlines()
    assert {line.split()[1] for line in printed if line.startswith("WRONG")} == {"mtbench_single_mean", "something_new"}
    assert any(line.startswith("ok     tricky_verdicts") for line in printed)


def test_the_table_of_schemes_in_the_readme_is_what_the_recordings_give(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shared_data / "judging"
    assert main(["--schemes", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert printed == schemes(folder)
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    assert printed in readme, f"put this into the README:\n{printed}"


def test_unreadable_data_is_said_in_one_line(copied: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (copied / "llmbar_games.jsonl.gz").unlink()
    (copied / "llmbar_games.jsonl.gz").write_bytes(b"no gzip")
    assert main([str(copied)]) == 1
    assert "llmbar_games.jsonl.gz, after line 0" in capsys.readouterr().err
    with pytest.raises(UnreadableData, match=r"EXPECTED\.json"):
        verify(tmp_path)


@pytest.mark.parametrize(("arguments", "status"), [([], 2), (["--help"], 0), (["a", "b"], 2), (["--schemes"], 2)])
def test_wrong_usage_is_told(arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == status
    assert "usage" in capsys.readouterr().err
