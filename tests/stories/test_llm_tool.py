"""A stranger at the door: the ``llm`` command-line tool, which gets a base URL and a key and knows nothing of us."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator import ToolUse, reply
from tests.served import PANEL, Served
from tests.stories.conftest import Serve

pytestmark = pytest.mark.timeout(300)  # another Python is started for each question
BEST = "Because air scatters short waves more, and blue light has short waves."
KEY = "a key of ours"
ALONE = "import sys; sys.modules.update(numpy=None, pandas=None); from llm.cli import cli; cli(prog_name='llm')"
"""The tool as it is installed by itself. Here it finds what belongs to others, which takes it as long again to load."""


@pytest.fixture
async def keyed(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Served:
    monkeypatch.setenv("THE_KEY", KEY)
    monkeypatch.setenv("ENSEMBLE_SERVER__API_KEY_ENV", "THE_KEY")
    served = await serve(PANEL)
    for name, text in {"alpha": "No idea.", "beta": BEST, "gamma": "Magic."}.items():
        served.simulator.script(name, [reply(text)])
    return served


async def llm(folder: Path, served: Served, *words: str, key: str = KEY, **model: Any) -> tuple[int, str, str]:
    """Exit code, output and errors of ``llm -m panel`` with ``words``, told of a model as its manual says."""
    known = {"model_id": "panel", "model_name": "panel", "api_base": served.url, "api_key_name": "ours", **model}
    (folder / "extra-openai-models.yaml").write_text(json.dumps([known]), encoding="utf-8")
    (folder / "keys.json").write_text(json.dumps({"ours": key}), encoding="utf-8")
    run = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", ALONE, "-m", "panel", *words),
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LLM_USER_PATH": str(folder)},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, wrong = await run.communicate()
    return run.returncode or 0, said.decode(), wrong.decode()


@pytest.mark.parametrize("how", [(), ("--no-stream",)], ids=["streamed", "whole"])
async def test_a_question_is_answered(keyed: Served, tmp_path: Path, how: tuple[str, ...]) -> None:
    assert await llm(tmp_path, keyed, "Why is the sky blue?", *how) == (0, BEST + "\n", "")


async def test_the_usage_is_the_winners(keyed: Served, tmp_path: Path) -> None:
    code, _, told = await llm(tmp_path, keyed, "--usage", "Why is the sky blue?")
    assert code == 0
    assert "Token usage:" in told


async def test_a_conversation_goes_on(keyed: Served, tmp_path: Path) -> None:
    await llm(tmp_path, keyed, "Why is the sky blue?")
    assert (await llm(tmp_path, keyed, "-c", "And at night?"))[0] == 0
    turns: Any = keyed.simulator.served[-1].body["messages"]
    assert [turn["content"] for turn in turns] == ["Why is the sky blue?", BEST, "And at night?"]


async def test_an_answer_of_a_schema(serve: Serve, tmp_path: Path) -> None:
    """The longest has another form and loses."""
    served = await serve(PANEL)
    for name, text in {"alpha": '{"celsius": -3}', "beta": BEST, "gamma": "{}"}.items():
        served.simulator.script(name, [reply(text)])
    code, said, wrong = await llm(tmp_path, served, "--schema", "celsius int", "How cold is it?", supports_schema=True)
    assert code == 0, wrong
    assert json.loads(said) == {"celsius": -3}


async def test_a_tool_is_called_and_its_result_read(serve: Serve, tmp_path: Path) -> None:
    served = await serve(PANEL)
    call = ToolUse(id="call_1", name="llm_version", arguments="{}")
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [reply(finish="tool_calls", tool_calls=(call,)), reply("It is a new one.")])
    code, said, wrong = await llm(tmp_path, served, "-T", "llm_version", "Which version?", supports_tools=True)
    assert (code, said) == (0, "It is a new one.\n"), wrong
    sent: Any = served.simulator.served[-1].body["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "tool"]
    assert sent[2]["content"].startswith("0.")


async def test_a_wrong_key_is_told_in_words(keyed: Served, tmp_path: Path) -> None:
    code, said, wrong = await llm(tmp_path, keyed, "Why?", key="wrong")
    assert (code, said) == (1, "")
    assert "API key" in wrong
    assert KEY not in wrong
