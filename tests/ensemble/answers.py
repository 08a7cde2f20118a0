"""Builders of whole answers, for tests of what is done with them."""

from datetime import UTC, datetime
from typing import Any

from ensemble.types import Answer, Call, CallId, Plan, Request, RequestId, Ruling, Stage, VerdictId
from judges.types import Candidate, CandidateId, Completion, Message, Prompt, Usage, Verdict

ARRIVED = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def a_prompt(text: str = "Why is the sky blue?", **changes: Any) -> Prompt:
    return Prompt(messages=(Message(role="user", content=text),), **changes)


def a_call(member: str, completion: Completion | None, **changes: Any) -> Call:
    """A candidate's call, named ``c-<member>``; its cost is that of the completion, or free without one."""
    usage = completion.usage if completion else Usage(nano_usd=0)
    given: dict[str, Any] = {
        "id": CallId(f"call-{member}"),
        "request": RequestId("r1"),
        "member": member,
        "purpose": "candidate",
        "attempt": 1,
        "started_at": ARRIVED,
        "total_s": 0.25,
        "candidate": CandidateId(f"c-{member}"),
        "completion": completion,
        "usage": usage,
    }
    return Call(**{**given, **changes})


def a_completion(text: str = "Rayleigh scattering.", **changes: Any) -> Completion:
    known: dict[str, Any] = {
        "finish_reason": "stop",
        "usage": Usage(input_tokens=10, output_tokens=5, nano_usd=1_500),
        "system_fingerprint": "fp_1",
    }
    return Completion(text=text, **{**known, **changes})


def an_answer(completion: Completion | None = None, *, judged: bool = True, **changes: Any) -> Answer:
    """``good`` won over ``other``; the judge's own call cost 500 nano-USD; ``slow`` is still at work."""
    best = completion or a_completion()
    calls = (
        a_call("good", best),
        a_call("other", a_completion("Because.")),
        a_call("critic", a_completion("A", usage=Usage(nano_usd=500)), purpose="judge", candidate=None, seat="house"),
    )
    prompt = changes.pop("prompt", a_prompt())
    rulings = (a_ruling(),) if judged else ()
    given: dict[str, Any] = {
        "request": Request(id=RequestId("r1"), model="panel", prompt=prompt, arrived_at=ARRIVED, deadline=1e9),
        "plan": Plan(router="d" * 64, stages=(Stage(members=("good", "other", "slow"), judge="house"),)),
        "calls": calls,
        "authors": {c.candidate: c.member for c in calls if c.candidate},
        "chosen": Candidate(id=CandidateId("c-good"), completion=best),
        "member": "good",
        "completion": best,
        "rulings": rulings,
        "late": ("slow",),
    }
    return Answer(**{**given, **changes})


def a_ruling(**changes: Any) -> Ruling:
    good, other = CandidateId("c-good"), CandidateId("c-other")
    verdict = Verdict(
        judge="j" * 64, outcome="decided", winners=(good,), scores={good: 0.9, other: 0.4}, reason="It explains."
    )
    given: dict[str, Any] = {
        "id": VerdictId("v1"),
        "stage": 0,
        "judge": "house",
        "phase": "served",
        "verdict": verdict,
        "chosen": good,
        "started_at": ARRIVED,
        "total_s": 0.1,
        "usable": True,
    }
    return Ruling(**{**given, **changes})
