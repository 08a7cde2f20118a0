"""Results of promptfoo."""

import json
from pathlib import Path
from typing import Any

from tests.ensemble.importing.intake import candidates, labels, rejected, run, take


def a_result(provider: str, output: object, score: float, test: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "promptIdx": 0,
        "testIdx": test,
        "provider": {"id": f"openai:{provider}", "label": provider},
        "prompt": {"raw": f"What is {test} + 1?", "label": "What is {{n}} + 1?"},
        "vars": {"n": test},
        "response": {"output": output, "tokenUsage": {"prompt": 9, "completion": 2, "total": 11}, "cost": 0.000002},
        "success": score > 0.5,
        "score": score,
        "latencyMs": 120,
        "cost": 0.000002,
        "testCase": {"vars": {"n": test}, "description": "adding"},
        **changes,
    }


RESULTS = [
    a_result("mini", "1", 1),
    a_result("mini", "3", 0, test=1),
    a_result("large", {"sum": 1}, 0.5, response={"output": {"sum": 1}, "cached": True, "cost": 0}, cost=0),
    a_result("large", "", 0, test=1, response={"error": "API error: 500"}),
]


def write(path: Path, results: object) -> Path:
    path.write_text(json.dumps({"evalId": "eval-1", "results": {"version": 3, "results": results}, "config": {}}))
    return path


def test_answers_of_one_test_make_one_row(tmp_path: Path) -> None:
    file = write(tmp_path / "results.json", RESULTS)
    told = take(file, "promptfoo", code=3)
    assert (told["requests"], told["candidates"], told["verdicts"], told["rejected"]) == (2, 3, 2, 1)
    assert "API error: 500" in rejected(file, "results")[0]["reason"]
    first, second = labels(file)
    assert (first.best, first.scores) == (("mini",), {"large": 0.5, "mini": 1.0})
    # From the cache, so unknown and not 0.
    assert first.nano_usd == {"large": None, "mini": 2000}
    assert first.total_s == {"large": None, "mini": 0.12}
    assert second.scores == {"mini": 0.0}
    assert {(row.text, row.input_tokens) for row in candidates(file)} == {("1", 9), ('{"sum":1}', None), ("3", 9)}
    again = take(file, "promptfoo", code=3)
    assert (again["candidates"], again["verdicts"]) == (0, 0)


def test_a_rendered_chat_is_a_conversation(tmp_path: Path) -> None:
    chat = json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}])
    file = write(tmp_path / "results.json", [a_result("mini", "Hello", 1, prompt={"raw": chat})])
    take(file, "promptfoo")
    assert [turn["role"] for turn in labels(file)[0].messages] == ["system", "user"]


def test_what_is_none_of_promptfoo(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    for text, told in (("{", "is not JSON"), ("[]", "has no results.results"), ('{"results": 1}', "has no results")):
        file.write_text(text)
        done = run("import", str(file), "--format", "promptfoo", "--db", str(tmp_path / "log.db"))
        assert (done.exit_code, told in done.stderr) == (1, True), done.output
