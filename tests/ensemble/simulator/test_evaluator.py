"""The simulated judge answers every prompt that our judges send, over both wire formats, and errs as it is told to."""

import gzip
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from ensemble.bench import open_bench
from ensemble.config import load
from ensemble.judging.labelled import Labelled
from ensemble.judging.trial import Found, find
from ensemble.simulator import Simulator, SimulatorSettings
from ensemble.simulator.evaluator import LONG
from ensemble.simulator.tasks import Task, check
from judges import JUDGES
from judges.agreement import Share
from judges.types import Candidate, CandidateId, Case, Completion, Message, Verdict
from tests.ensemble.judging.fleet import tasks

WRONG = ("I cannot say.", "Nobody knows, least of all I.", "?", "It is hard to tell from this alone.")
CONFIG = """
[providers.openai]
use = "openai"
base_url = "{openai}"

[providers.anthropic]
use = "anthropic"
base_url = "{anthropic}"

[members.openai]
provider = "openai"
model = "{model}"

[members.anthropic]
provider = "anthropic"
model = "{model}"
max_output_tokens = 4096
"""


def case_of(messages: Iterable[Mapping[str, str]], *texts: str, seed: int = 0, reference: str | None = None) -> Case:
    return Case(
        messages=tuple(Message(role=turn["role"], content=turn["content"]) for turn in messages),  # type: ignore[arg-type]
        candidates=tuple(
            Candidate(id=CandidateId(f"c{at}"), completion=Completion(text=text, finish_reason="stop"))
            for at, text in enumerate(texts)
        ),
        seed=seed,
        reference=reference,
    )


def right_and_wrong(n: int, wrong: int = 1) -> list[Case]:
    """Simulated tasks; ``c0`` is right, the others are wrong."""
    return [case_of(task.messages, task.truth, *WRONG[:wrong], seed=at) for at, task in enumerate(tasks(n))]


async def judged(
    folder: Path, judge: Mapping[str, Any], cases: Iterable[Case], *, model: str = "judge", **settings: Any
) -> list[Verdict]:
    """Verdicts of ``judge``, which asks a member that is called after its wire."""
    async with Simulator(SimulatorSettings(**settings)) as simulator:
        path = folder / "ensemble.toml"
        path.write_text(
            CONFIG.format(openai=simulator.base_url, anthropic=simulator.anthropic_url, model=model), encoding="utf-8"
        )
        built = JUDGES.build({"model": "openai", **judge})
        labelled = [Labelled(line=at, case=case, best=frozenset()) for at, case in enumerate(cases)]
        heard: list[Found] = []
        async with open_bench(load(path), {"tried": built}) as fleet:
            found = await find("tried", built, labelled, fleet, both_orders=False, told=heard.append)
    return [one.verdicts[0] for one in found]


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
@pytest.mark.parametrize(
    "judge",
    [
        {"use": "pairwise", "order": "both"},
        {"use": "pairwise", "order": "both", "labels": 5},
        {"use": "pairwise", "order": "if_close", "labels": 5, "absolute": True},
        {"use": "pairwise", "order": "both", "absolute": True},
        {"use": "listwise", "rotations": 2},
        {"use": "listwise", "rotations": 3, "per_page": 2},
        {"use": "listwise", "absolute": True},
        {"use": "pointwise"},
    ],
    ids=lambda judge: "-".join(map(str, judge.values())),
)
async def test_every_judge_finds_who_is_right(tmp_path: Path, wire: str, judge: dict[str, Any]) -> None:
    many = 3 if judge["use"] == "listwise" else 1
    verdicts = await judged(tmp_path, {**judge, "model": wire}, right_and_wrong(12, many))
    assert {verdict.outcome for verdict in verdicts} == {"decided"}
    assert all(verdict.winners == ("c0",) for verdict in verdicts)
    assert not any(verdict.all_bad or "unmarked" in verdict.flags for verdict in verdicts)
    assert all(len(exchange.text) > 20 for verdict in verdicts for exchange in verdict.exchanges), "with a reason"


@pytest.mark.parametrize("use", ["pairwise", "listwise"])
async def test_marks_say_when_all_are_bad(tmp_path: Path, use: str) -> None:
    cases = [case_of(task.messages, *WRONG[:2]) for task in tasks(6)]
    verdicts = await judged(tmp_path, {"use": use, "absolute": True}, cases)
    assert all(verdict.all_bad for verdict in verdicts)
    noisy = await judged(tmp_path, {"use": use, "absolute": True}, cases, evaluator_noise=1.0)
    assert not any(verdict.all_bad for verdict in noisy), "noise takes bad answers for good ones"


async def test_a_label_of_five_says_by_how_much(tmp_path: Path) -> None:
    five = {"use": "pairwise", "labels": 5}
    clear = await judged(tmp_path, five, right_and_wrong(5))
    assert {verdict.preferences[0].strength for verdict in clear} == {1.0}
    chats = [case_of([{"role": "user", "content": f"Thought {at}?"}], "A thought.", "Another.") for at in range(12)]
    assert {verdict.preferences[0].strength for verdict in await judged(tmp_path, five, chats)} >= {0.5}


async def test_equals_share_a_place_in_a_ranking(tmp_path: Path) -> None:
    some = [task for task in tasks(16) if task.checker in ("number", "text")]
    cases = [case_of(task.messages, task.truth, f"It is {task.truth}", *WRONG[:2]) for task in some]
    verdicts = await judged(tmp_path, {"use": "listwise"}, cases)
    assert all(verdict.winners == ("c0", "c1") for verdict in verdicts)
    assert all(verdict.scores["c2"] == verdict.scores["c3"] < 0.5 for verdict in verdicts)  # type: ignore[index]


async def test_logprobs_of_a_score_are_its_odds(tmp_path: Path) -> None:
    asked = {"use": "pointwise", "criteria": {"facts 1": 1.0, "style 2": 1.0}, "top_logprobs": 9}
    for verdict in await judged(tmp_path, asked, right_and_wrong(4)):
        assert {exchange.parsed for exchange in verdict.exchanges} == {"rubric:logprobs"}
        assert 0.75 < verdict.scores[CandidateId("c0")] < 0.95
        assert 0.05 < verdict.scores[CandidateId("c1")] < 0.25
        told = next(exchange.logprobs or () for exchange in verdict.exchanges if exchange.shown == ("c0",))
        digit = [token for token in told if token.token.strip() in tuple("123456789")][-1]
        assert math.isclose(sum(math.exp(each) for _, each in digit.top), 1.0, abs_tol=0.01)
    bare = await judged(tmp_path, {**asked, "top_logprobs": 0}, right_and_wrong(1))
    assert {exchange.parsed for exchange in bare[0].exchanges} == {"rubric:json"}


async def test_logprobs_of_a_label_are_its_odds(tmp_path: Path) -> None:
    asked = {"use": "pairwise", "order": "if_close", "top_logprobs": 5, "close": 0.5}
    for verdict in await judged(tmp_path, asked, right_and_wrong(4)):
        (preference,) = verdict.preferences
        assert preference.strength is not None
        assert preference.strength > 0.5


def rate(hits: Iterable[bool]) -> float:
    share = Share()
    for hit in hits:
        share.add(float(hit))
    assert share.rate.value is not None
    return share.rate.value


PAGES: list[dict[str, Any]] = [
    {"use": "pairwise"},
    {"use": "pairwise", "labels": 5},
    {"use": "listwise"},
]


@pytest.mark.parametrize("judge", PAGES, ids=["three", "five", "listwise"])
async def test_a_planted_position_bias_shows(tmp_path: Path, judge: dict[str, Any]) -> None:
    cases = right_and_wrong(50, 3 if judge["use"] == "listwise" else 1)
    verdicts = await judged(tmp_path, judge, cases, position_bias=0.5)
    misled = [verdict for verdict in verdicts if verdict.winners != ("c0",)]
    assert all(verdict.winners == verdict.exchanges[0].shown[:1] for verdict in misled)
    elsewhere = [verdict for verdict in verdicts if verdict.exchanges[0].shown[0] != "c0"]
    assert 0.25 < len(misled) / len(elsewhere) < 0.75


async def test_rotations_undo_a_position_bias(tmp_path: Path) -> None:
    """Every candidate stands first once, so the pages of a judge that looks at nothing else cancel out."""
    judge = {"use": "listwise", "rotations": 4}
    verdicts = await judged(tmp_path, judge, right_and_wrong(10, 3), position_bias=1.0)
    assert all(len(verdict.exchanges) == 4 for verdict in verdicts)
    firsts = {exchange.shown[0] for exchange in verdicts[0].exchanges}
    assert firsts == {"c0", "c1", "c2", "c3"}
    assert all(verdict.winners == ("c0",) for verdict in verdicts), "what is left of its taste decides"


@pytest.mark.parametrize("judge", [*PAGES, {"use": "pointwise"}], ids=["three", "five", "listwise", "pointwise"])
async def test_planted_noise_and_length_bias_show(tmp_path: Path, judge: dict[str, Any]) -> None:
    noisy = await judged(tmp_path, judge, right_and_wrong(30), evaluator_noise=0.4)
    assert 0.15 < rate(verdict.winners != ("c0",) for verdict in noisy) < 0.85
    long = [case_of(task.messages, task.truth, WRONG[0] * 20, seed=at) for at, task in enumerate(tasks(10))]
    by_length = await judged(tmp_path, judge, long, length_bias=1.0)
    assert all(verdict.winners == ("c1",) for verdict in by_length)


async def test_a_place_means_nothing_to_a_score(tmp_path: Path) -> None:
    fair = await judged(tmp_path, {"use": "pointwise"}, right_and_wrong(5), position_bias=1.0)
    assert all(verdict.winners == ("c0",) for verdict in fair)
    (long,) = await judged(tmp_path, {"use": "pointwise"}, [case_of([], "x" * LONG, "x")], length_bias=1.0)
    assert long.scores[CandidateId("c0")] > 0.9 > 0.1 > long.scores[CandidateId("c1")]


@pytest.mark.parametrize("use", ["pairwise", "listwise", "pointwise"])
async def test_its_own_answer_is_right_or_wrong_as_its_tier_is(tmp_path: Path, use: str) -> None:
    some: list[Task] = tasks(40)
    verdicts = await judged(tmp_path, {"use": use, "reference": "own"}, right_and_wrong(40))
    own = [verdict.exchanges[0] for verdict in verdicts]
    assert all(exchange.prompt.startswith("own_answer@") for exchange in own)
    right = [check(task, exchange.text) for task, exchange in zip(some, own, strict=True)]
    assert 0.75 < rate(right) < 1.0
    for verdict, good in zip(verdicts, right, strict=True):
        assert not good or verdict.winners == ("c0",)
        assert any(exchange.prompt.split("@")[0].endswith("+own_reference") for exchange in verdict.exchanges)


async def test_it_believes_the_reference_on_the_page(tmp_path: Path) -> None:
    cases = [
        case_of([{"role": "user", "content": "What is 17 + 25?"}], "42", "41", reference=truth)
        for truth in ("The answer is 42.", "The answer is 41.")
    ]
    verdicts = await judged(tmp_path, {"use": "pairwise"}, cases)
    assert [verdict.winners for verdict in verdicts] == [("c0",), ("c1",)]


SAID = {"x": ("The one that they like.", 0.9), "y": ("Quite liked.", 0.7), "z": ("Not liked.", 0.05)}


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    models = {name: {"output": text, "preference": share} for name, (text, share) in SAID.items()}
    path = tmp_path / "recording.jsonl.gz"
    path.write_bytes(gzip.compress(orjson.dumps({"prompt": "Which?", "models": models})))
    return path


async def recorded(recording: Path, judge: Mapping[str, Any], *names: str) -> Verdict:
    case = case_of([{"role": "user", "content": "Which?"}], *(SAID[name][0] for name in names))
    (verdict,) = await judged(recording.parent, judge, [case], model="recorded-evaluator", recording=recording)
    return verdict


async def test_the_recorded_evaluator_goes_by_preference(recording: Path) -> None:
    five = {"use": "pairwise", "labels": 5}
    near, far = await recorded(recording, five, "x", "y"), await recorded(recording, five, "z", "y")
    assert [(near.winners, near.preferences[0].strength), (far.winners, far.preferences[0].strength)] == [
        (("c0",), 0.5),
        (("c1",), 1.0),
    ]
    ranked = await recorded(recording, {"use": "listwise"}, "z", "x", "y")
    assert ranked.scores == {"c0": 0.0, "c1": 1.0, "c2": 0.5}
    rated = await recorded(recording, {"use": "pointwise", "top_logprobs": 0}, "x", "z", "y")
    assert rated.scores == {"c0": 7 / 8, "c1": 0.0, "c2": 6 / 8}


@pytest.mark.parametrize(
    ("more", "told"), [({"absolute": True}, "which are acceptable"), ({"reference": "own"}, "no answer of its own")]
)
async def test_the_recorded_evaluator_refuses_what_was_not_recorded(
    recording: Path, more: dict[str, Any], told: str
) -> None:
    verdict = await recorded(recording, {"use": "pairwise", **more}, "x", "y")
    assert told in (verdict.exchanges[0].error or "")
    assert (verdict.outcome, verdict.flags) == (
        ("failed", ("null_comparison",)) if "absolute" in more else ("decided", ("no_reference",))
    )
