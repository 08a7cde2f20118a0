"""What the shipped default sends where, by kind of task, on texts that the rules were not written for."""

import gzip
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from ensemble.routers._tasks import task_of
from ensemble.routers.rules import TIERS
from ensemble.simulator.tasks import make_tasks
from tests.ensemble.routers.held_out import CRITICAL, EXPERT, GREETINGS, ORDINARY

RECORDED = Path(__file__).parents[4] / "shared/data/routing/mmlu.jsonl.gz"
GRAVE = re.compile("chem|medic|clinic|anatom|virolog|nutrition|genetic|biolog|law|jurisprudence")


def tiers(texts: Iterable[str], before: str = "") -> Counter[str]:
    return Counter(TIERS[task_of(text, before)] for text in texts)


def test_greetings_go_to_small() -> None:
    assert tiers(GREETINGS)["small"] >= 0.95 * len(GREETINGS)
    said = [task.prompt for task in make_tasks(1500, seed=31) if task.kind == "greeting"]
    assert len(said) > 80
    assert tiers(said)["small"] >= 0.95 * len(said)


def test_critical_decisions_go_to_large() -> None:
    assert len(CRITICAL) - tiers(CRITICAL)["large"] <= 0.01 * len(CRITICAL)
    asked = [task.prompt for task in make_tasks(1500, seed=31) if task.kind == "critical"]
    assert len(asked) > 80
    assert min(map(len, asked)) < 70, "short ones among them"
    assert len(asked) - tiers(asked)["large"] <= 0.01 * len(asked)


def test_an_expert_question_is_not_simple_because_it_is_short() -> None:
    assert max(map(len, EXPERT)) < 100
    found = tiers(EXPERT)
    assert not found["small"]
    assert found["large"] >= 0.9 * len(EXPERT)


def test_what_is_plain_goes_below_large() -> None:
    assert tiers(ORDINARY)["large"] <= 0.2 * len(ORDINARY)
    tasks = [task for task in make_tasks(600, seed=32) if not task.tools]
    below = sum(
        TIERS[task_of(task.prompt, "\n".join(text for _, text in task.earlier))] != "large" for task in tasks
    ) / len(tasks)
    assert 0.25 < below < 0.6


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded data of ../shared/data is absent")
def test_no_examination_in_a_grave_field_goes_to_small() -> None:
    with gzip.open(RECORDED, "rt", encoding="utf-8") as file:
        rows = [row for row in map(json.loads, file) if GRAVE.search(row["domain"])]
    assert len(rows) > 1500
    found = tiers(row["prompt"] for row in rows)
    assert not found["small"]
    assert found["large"] >= 0.98 * len(rows)


def test_assent_to_words_that_nobody_here_knows_is_no_greeting() -> None:
    assert task_of("ok", "Darf ich jetzt den Schalter umlegen?") == "unknown"
    assert task_of("Danke schön", "Die Hauptstadt ist Lima.") == "greeting"
