"""Rules over real HTTP: who answers what, and that no grave question passes for an easy one."""

import time
from pathlib import Path
from typing import Any

import pytest

from ensemble.routers._tasks import task_of
from tests.served import SERVER, a_tool, serving

TABLES = """
[routers.rules]
use = "rules"
small = "alpha"
balanced = "beta"
large = "gamma"
tasks = { extraction = "critic" }

[[routers.rules.rules]]
name = "legal team"
when = { metadata = { team = "legal" }, max_chars = 50 }
member = "beta"

[[routers.rules.rules]]
when = { scripts = ["cyrillic"], pattern = "срочно" }
member = "critic"
"""
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
GREETINGS = [
    "Hi",
    "hello there!",
    "Good morning, how are you?",
    "thanks a lot 🙏",
    "Hallo!",
    "Bonjour",
    "你好",
    "ok great",
]
GRAVE = [
    "34-year-old, 38 C, stiff neck. Next step?",
    "Hi, can I take ibuprofen with warfarin?",
    "Should we sell the company?",
    "drop table users in prod?",
    "Is it safe to mix bleach and ammonia?",
    "Who wrote my contract off as void, the court?",
    "What is the dose of insulin?",
]
HARD = ["What is the major product of the aldol condensation of acetone?", "Assign R/S: C[C@H](O)Cl", "Prove it."]


async def test_rules_choose_the_member(tmp_path: Path) -> None:
    async with serving(tmp_path, TABLES + SERVER) as served:

        async def ask(text: Any, **more: Any) -> str:
            async with served.client() as client:
                raw = await client.chat.completions.with_raw_response.create(
                    model="rules", messages=[{"role": "user", "content": text}], **more
                )
            return str(raw.headers["x-ensemble-winner"])

        assert await ask("Hello!") == "alpha"
        assert await ask("What is the capital of Peru?") == "alpha"
        assert await ask("What is 12 + 7?") == "beta"
        assert await ask("Extract all names from the text: Ann met Bob.") == "critic"
        assert await ask("Which treatment for this patient?") == "gamma"
        assert await ask("Which treatment for this patient?", metadata={"team": "legal"}) == "beta"
        assert await ask("Which treatment for this patient? " * 9, metadata={"team": "legal"}) == "gamma"
        assert await ask("Это срочно") == "critic"
        assert await ask("Hello!", tools=[a_tool()]) == "gamma"
        assert await ask([{"type": "text", "text": "Hello!"}, IMAGE]) == "gamma"


@pytest.mark.parametrize("text", GREETINGS)
def test_greetings_are_greetings(text: str) -> None:
    assert task_of(text) == "greeting"


@pytest.mark.parametrize("text", GRAVE)
def test_short_grave_questions_are_critical(text: str) -> None:
    assert task_of(text) == "critical_decision"


@pytest.mark.parametrize("text", HARD)
def test_short_hard_questions_are_not_simple(text: str) -> None:
    assert task_of(text) in ("maths", "reasoning", "unknown")


def test_consent_to_something_grave_is_no_greeting() -> None:
    assert task_of("ok", "I would now delete the production database.") == "critical_decision"
    assert task_of("thanks", "The capital of Peru is Lima.") == "greeting"
    assert task_of("thanks", "word " * 4000) == "unknown"


async def test_a_pattern_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="is no regular expression"):
        async with serving(tmp_path, TABLES.replace("срочно", "(") + SERVER):
            pass


@pytest.mark.parametrize("piece", ["if ", "\n", "a b c ", "((((", "1 - ", "list all x ", "hi ", "how are you today "])
def test_hostile_texts_take_no_time(piece: str) -> None:
    begin = time.process_time()
    task_of(piece * 40_000, piece * 40_000)
    task_of((piece * 40)[:119] + "!")
    assert time.process_time() - begin < 0.5
