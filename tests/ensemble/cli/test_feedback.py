"""Feedback from the command line."""

import json
from pathlib import Path

from ensemble.store.notebook import read
from tests.ensemble.cli.conftest import Run


def put(path: Path, *rows: object) -> None:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))


def text_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def a_request(run: Run) -> str:
    told = await run("ask", "What is 2 + 2?", "--json")
    return str(json.loads(told.stdout)["request"])


async def test_add_says_something_of_an_answer(config: Path, run: Run) -> None:
    id_ = await a_request(run)
    args = ["--preferred", "small", "--by", "ann", "--metric", "solved=true", "--metric", "minutes=2", "--key", "k"]
    told = await run("feedback", "add", id_, *args)
    assert told.exit_code == 0, told.output
    again = await run("feedback", "add", id_, *args)
    assert again.stdout == told.stdout
    assert "stored before" in again.stderr
    log = read(config.with_name("ensemble.db"))
    assert [(row.kind, row.name, row.value, row.given_by, row.source) for row in log.feedback()] == [
        ("preferred", None, None, "ann", "cli"),
        ("metric", "solved", 1.0, "ann", "cli"),
        ("metric", "minutes", 2.0, "ann", "cli"),
    ]


async def test_add_tells_what_is_wrong(config: Path, run: Run) -> None:
    id_ = await a_request(run)
    told = await run("feedback", "add", id_, "--preferred", "tiny")
    assert (told.exit_code, "members that answered: small, large" in told.stderr) == (1, True)
    told = await run("feedback", "add", id_, "--rating", "0", "--tie", "--all-bad")
    assert "all_bad: it contradicts tie" in told.stderr
    told = await run("feedback", "add", id_, "--metric", "solved=maybe")
    assert (told.exit_code, "NAME=true" in told.stderr) == (2, True)
    assert (await run("feedback", "add", id_, "--rating", "0")).exit_code == 0
    told = await run("feedback", "add", id_, "--tie", "--db", "none.db")
    assert "none.db: there is no log" in told.stderr
    assert not config.with_name("none.db").exists()


async def test_import_takes_a_file_once(config: Path, run: Run) -> None:
    id_ = await a_request(run)
    file = config.with_name("feedback.jsonl")
    put(
        file,
        {"request_id": id_, "tie": True, "given_by": "ann", "idempotency_key": "1"},
        {"request_id": "nowhere", "tie": True},
        {"request_id": id_, "rating": 7},
        "no json",
    )
    told = await run("feedback", "import", "feedback.jsonl")
    assert (told.exit_code, told.stdout) == (3, "1 stored, 0 known before, 3 rejected\n")
    rejected = text_of(config.with_name("ensemble.db.rejects-feedback.jsonl.jsonl"))
    assert [row["line"] for row in rejected] == [2, 3, 4]
    assert "rating" in str(rejected[1]["reason"])
    put(file, {"request_id": id_, "tie": True, "given_by": "ann", "idempotency_key": "1"})
    again = await run("feedback", "import", "feedback.jsonl")
    assert (again.exit_code, again.stdout) == (0, "0 stored, 1 known before, 0 rejected\n")


async def test_import_takes_a_table(config: Path, run: Run) -> None:
    id_ = await a_request(run)
    put(config.with_name("said.csv"), "request_id,tie,rating,tags", f'{id_},TRUE,0.5,"[""a""]"', f"{id_},,1,")
    told = await run("feedback", "import", "said.csv", "--json")
    assert json.loads(told.stdout)["stored"] == 2, told.output
    kinds = [row.kind for row in read(config.with_name("ensemble.db")).feedback()]
    assert kinds == ["tie", "rating", "tag", "rating"]


async def test_what_people_said_calibrates_judges(config: Path, run: Run) -> None:
    """Sixty answers that were imported and judged; people contradict the judge on a quarter of them."""
    rows = [
        {
            "prompt": f"{n}?",
            "candidates": [{"member": "brief", "text": "no"}, {"member": "wordy", "text": "not at all"}],
        }
        for n in range(60)
    ]
    put(config.with_name("outputs.jsonl"), *rows)
    assert (await run("import", "outputs.jsonl", "--format", "candidates")).exit_code == 0
    assert (await run("label", "--from-log", "--judge", "house")).exit_code == 0
    log = read(config.with_name("ensemble.db"))
    said = [
        {"request_id": row.request_id, "preferred": "wordy" if n % 4 else "brief", "given_by": "ann"}
        for n, row in enumerate(log.labels())
    ]
    put(config.with_name("said.jsonl"), *said)
    assert (await run("feedback", "import", "said.jsonl")).exit_code == 0
    told = await run("judges", "calibrate", "--from-log", "--out", "cal.json")
    assert told.exit_code == 0, told.output
    assert "60 labelled verdicts" in told.stdout
    assert any(line.split()[:2] == ["right", "0.750"] for line in told.stdout.splitlines())
    assert sum(row.best == ("brief",) for row in log.labels(people="first")) == 15
    assert {row.best for row in log.labels()} == {("wordy",)}
