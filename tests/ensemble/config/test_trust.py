"""What a router demands of its answers must be knowable, and its ways out must end."""

from pathlib import Path

import pytest

from ensemble.config import read

PARTS = """
[providers.p]
use = "openai"
[members.a]
provider = "p"
model = "a"
[members.b]
provider = "p"
model = "b"
[judges.longest]
use = "longest"
[judges.same]
use = "agreement"
[routers.plain]
use = "parallel"
members = ["a", "b"]
"""


def told(tmp_path: Path, trust: str, router: str = 'use = "parallel"\nmembers = ["a"]\njudge = "same"') -> list[str]:
    file = tmp_path / "e.toml"
    file.write_text(f"{PARTS}\n[routers.r]\n{router}\n[routers.r.trust]\n{trust}\n")
    return [problem.line.removeprefix(f"{file}: ") for problem in read(file).problems]


@pytest.mark.parametrize(
    "trust",
    [
        "min_panel = 2",
        'min_score = 0.5\non_low = "refuse"',
        'min_confidence = 0.5\non_low = "escalate"\nescalate_to = "plain"',
        'min_panel = 2\non_low = { min_panel = "escalate" }\nescalate_to = "b"',
    ],
)
def test_what_can_be_held_is_taken(tmp_path: Path, trust: str) -> None:
    assert told(tmp_path, trust) == []


def test_the_table_is_no_part_of_the_digest(tmp_path: Path) -> None:
    told(tmp_path, "min_panel = 2")
    before = read(tmp_path / "e.toml").settings.routers["r"].digest
    told(tmp_path, "min_panel = 1")
    assert read(tmp_path / "e.toml").settings.routers["r"].digest == before


def test_the_router_to_escalate_to_must_be_there(tmp_path: Path) -> None:
    said = told(tmp_path, 'min_panel = 2\non_low = "escalate"\nescalate_to = "plane"')
    assert said == ["[routers.r] trust.escalate_to: there is no router 'plane'; did you mean 'plain'?"]


def test_a_circle_is_told(tmp_path: Path) -> None:
    more = '[routers.s]\nuse = "single"\nmember = "a"\n[routers.s.trust]\nmin_panel = 1\non_low = "escalate"\n'
    said = told(tmp_path, f'min_panel = 2\non_low = "escalate"\nescalate_to = "s"\n{more}escalate_to = "r"')
    assert said == [
        "[routers.r] trust.escalate_to: it leads back to itself: r > s > r",
        "[routers.s] trust.escalate_to: it leads back to itself: s > r > s",
    ]


@pytest.mark.parametrize("minimum", ["min_score", "min_confidence"])
def test_without_a_judge_there_is_neither_score_nor_confidence(tmp_path: Path, minimum: str) -> None:
    said = told(tmp_path, f"{minimum} = 0.5", 'use = "single"\nmember = "a"')
    assert said == [f"[routers.r] trust.{minimum}: no judge is named in this router, so it is never reached; name one"]


def test_a_judge_without_scores_is_named(tmp_path: Path) -> None:
    said = told(tmp_path, "min_score = 0.5", 'use = "parallel"\nmembers = ["a"]\njudge = "longest"')
    assert said == ["[routers.r] trust.min_score: it needs scores, and the judge gives none: 'longest'"]


def test_only_the_router_that_is_asked_has_minima(tmp_path: Path) -> None:
    arms = '[routers.r.arms.x]\nuse = "single"\nmember = "a"\n[routers.r.arms.x.trust]\nmin_panel = 1\n'
    said = told(tmp_path, "min_panel = 1", f'use = "split"\nweights = {{ x = 1 }}\n{arms}')
    assert any("trust: it holds for answers of the router that is asked" in line for line in said)
