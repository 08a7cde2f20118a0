"""``ensemble export`` as people call it, on a log that ``ensemble label`` wrote."""

import json
from pathlib import Path

import pytest

from tests.ensemble.cli.conftest import Run

PROMPTS = "".join(json.dumps({"id": f"q{n}", "prompt": f"What is {n} x 21?"}) + "\n" for n in range(6))


@pytest.fixture
async def log(config: Path, run: Run) -> Path:
    """The log of six labelled prompts."""
    (config.parent / "sums.jsonl").write_text(PROMPTS)
    told = await run("label", "sums.jsonl", "--router", "best")
    assert told.exit_code == 0, told.output
    return config.parent / "ensemble.db"


async def test_rows_go_to_standard_output_and_words_do_not(log: Path, run: Run) -> None:
    told = await run("export", "--format", "routing", "--dataset", "sums")
    assert told.exit_code == 0, told.output
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert sorted(row["row_id"] for row in rows) == [f"q{n}" for n in range(6)]
    assert "6 rows of 6 requests." in told.stderr


async def test_matrix_comes_back_as_it_went(log: Path, run: Run) -> None:
    for out in ("wide.jsonl", "wide.parquet"):
        told = await run("export", "--format", "matrix", "--out", out)
        assert told.exit_code == 0, told.output
        back = await run("import", out, "--format", "matrix", "--name", "sums", "--db", f"{out}.db")
        assert back.exit_code == 0, back.output
        again = await run(
            "export", "--format", "matrix", "--db", f"{out}.db", "--out", f"again-{out}", "--as", out.rpartition(".")[2]
        )
        assert again.exit_code == 0, again.output
        assert (log.parent / f"again-{out}").read_bytes() == (log.parent / out).read_bytes()


def forbid_training(config: Path) -> None:
    """Give `large` a provider of its own, which allows no training."""
    text = config.read_text()
    other = '[providers.closed]\nuse = "openai"\nbase_url = "http://127.0.0.1:9/v1"\ntraining_use = false\n'
    large = text.index("[members.large]")
    config.write_text(other + text[:large] + text[large:].replace('provider = "simulated"', 'provider = "closed"', 1))


def want_a_key(config: Path) -> None:
    config.write_text(config.read_text().replace('use = "openai"', 'use = "openai"\napi_key_env = "NOT_HERE"', 1))


def remove(config: Path) -> None:
    config.unlink()


async def test_training_use_is_read_from_the_configuration(log: Path, config: Path, run: Run) -> None:
    forbid_training(config)
    told = await run("export", "--format", "matrix")
    assert told.exit_code == 0, told.output
    for line in told.stdout.splitlines():
        row = json.loads(line)
        assert row["large|model_response"] is None
        assert row["small|model_response"]
        assert row["large"] is not None
    assert "Texts withheld" in told.stderr


async def test_without_a_configuration_texts_stay(log: Path, config: Path, run: Run) -> None:
    remove(config)
    told = await run("export", "--format", "sft", "--db", str(log))
    assert told.exit_code == 1
    assert "'large', 'small'" in told.stderr
    assert (await run("export", "--format", "sft", "--db", str(log), "--all-texts")).exit_code == 0
    kept = await run("export", "--format", "sft", "--db", str(log), "--withhold", "small", "--withhold", "large")
    assert (kept.exit_code, kept.stdout) == (0, "")


async def test_a_folder_has_a_card_with_the_judges_report(log: Path, run: Run) -> None:
    told = await run("export", "--format", "preferences", "--out", "set", "--license", "mit", "--as", "parquet",
                     "--split", "train=0.5,test=0.5", "--redact", "all", "--redact-region", "DE")  # fmt: skip
    assert told.exit_code == 0, told.output
    card = (log.parent / "set" / "README.md").read_text()
    assert "picks the longer" in card
    tree = json.loads((log.parent / "set" / "manifest.json").read_text())
    assert tree["redaction"]["regions"] == ["DE"]
    assert tree["filters"] == {"split": {"train": "0.5", "test": "0.5"}}


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--format", "calls", "--usable-only"], "--usable-only"),
        (["--format", "judge", "--people", "first"], "--people"),
        (["--format", "sft", "--pairs", "all"], "--pairs"),
        (["--format", "sft", "--split", "train=0.9", "--out", "set"], "add up to"),
        (["--format", "sft", "--split", "train=1"], "--split needs a folder"),
        (["--format", "sft", "--out", "a.csv", "--as", "jsonl"], "make them agree"),
        (["--format", "sft", "--redact", "email,shoe"], "known are all, key, email"),
        (["--format", "sft", "--redact-pattern", "x=("], "no RE2 pattern"),
        (["--format", "sft", "--redact-pattern", "x"], "no NAME=RE2"),
        (["--format", "sft", "--redact-region", "DE"], "give --redact too"),
        (["--format", "sft", "--redact", "phone", "--redact-region", "UK"], "'UK' is no country code"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_a_sentence(args: list[str], word: str, config: Path, run: Run) -> None:
    told = await run("export", *args)
    assert told.exit_code == 2
    assert word in " ".join(told.stderr.split())


async def test_a_name_that_the_log_does_not_have_is_told_where_nothing_came(log: Path, run: Run) -> None:
    told = await run("export", "--format", "routing", "--judge", "hause", "--dataset", "sums", "--router", "bset")
    assert (told.exit_code, told.stdout) == (0, "")
    assert "The log knows no judge 'hause', but house.\n" in told.stderr
    assert "The log knows no router 'bset', but best.\n" in told.stderr
    assert "dataset" not in told.stderr
    found = await run("export", "--format", "routing", "--judge", "house")
    assert "The log knows no" not in found.stderr


async def test_a_file_of_another_format_is_no_folder(log: Path, run: Run) -> None:
    told = await run("export", "--format", "routing", "--out", "labels.txt", "--license", "mit")
    assert told.exit_code == 2
    assert "labels.txt: a file ends in .jsonl, .csv, .parquet; say --as for a folder of that name" in told.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("export", "--format", "routing"),
        ("watch",),
        ("judges", "history", "--out", "history.jsonl"),
        ("judges", "calibrate", "--from-log", "--out", "calibration.json"),
        ("rejudge", "--freeze", "gold"),
    ],
)
async def test_who_calls_nobody_needs_no_key_of_a_provider(
    log: Path, config: Path, run: Run, command: tuple[str, ...]
) -> None:
    want_a_key(config)
    told = await run(*command)
    assert "NOT_HERE" not in told.stderr
    asking = await run("label", "sums.jsonl", "--router", "best")
    assert (asking.exit_code, "NOT_HERE is not set" in asking.stderr) == (1, True)
