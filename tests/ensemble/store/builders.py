"""Records as a pipeline would make them; every argument is optional."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from uuid_utils import uuid4, uuid7

from ensemble.types import Call, CallId, Late, Plan, Record, Request, RequestId, Ruling, Stage, VerdictId
from judges.shrinkage import OVERRULED, SHRUNK
from judges.types import CandidateId, Completion, Exchange, Message, Preference, Prompt, Usage, Verdict

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MEMBERS = ("small", "medium", "large")


def an_id() -> str:
    return str(uuid7())


def a_candidate_id() -> CandidateId:
    return CandidateId(str(uuid4()))


def a_request(text: str = "Why is the sky blue?", **changes: Any) -> Request:
    known: dict[str, Any] = {
        "id": RequestId(an_id()),
        "model": "panel",
        "prompt": Prompt(messages=(Message(role="user", content=text),)),
        "arrived_at": NOON,
        "deadline": 0.0,
    }
    return Request(**{**known, **changes})


def said(text: str = "Rayleigh scattering.", **changes: Any) -> Completion:
    known: dict[str, Any] = {
        "finish_reason": "stop",
        "usage": Usage(input_tokens=10, output_tokens=5, nano_usd=20_000),
        "model": "vendor-model-1",
    }
    return Completion(text=text, **{**known, **changes})


def a_call(request: RequestId, member: str = "small", **changes: Any) -> Call:
    """A good attempt at a candidate, unless ``changes`` say otherwise; its usage is its completion's."""
    known: dict[str, Any] = {"completion": None if changes.get("failure") else said(f"answer of {member}")}
    known |= {
        "id": CallId(an_id()),
        "purpose": "candidate",
        "attempt": 1,
        "started_at": NOON + timedelta(seconds=1),
        "total_s": 0.5,
        "candidate": a_candidate_id() if changes.get("purpose", "candidate") != "judge" else None,
        "http_status": 200,
        "member_digest": "m" * 64,
        "price": "p" * 64,
    }
    fields = {**known, **changes}
    if "usage" not in fields:
        fields["usage"] = fields["completion"].usage if fields["completion"] else Usage(nano_usd=0)
    return Call(request=request, member=member, **fields)


def a_verdict(best: Sequence[CandidateId], others: Sequence[CandidateId] = (), **changes: Any) -> Verdict:
    """A judge that compared the first of ``best`` with each of ``others``, one question each."""
    answer = Usage(input_tokens=100, output_tokens=2, nano_usd=700)
    known: dict[str, Any] = {
        "judge": "j" * 64,
        "outcome": "decided" if len(best) == 1 else "tie" if best else "failed",
        "winners": tuple(best),
        "scores": dict.fromkeys(best, 1.0) | dict.fromkeys(others, 0.25) if best else {},
        "confidence": 0.8,
        "preferences": tuple(
            Preference(shown=(best[0], other), outcome="first", strength=0.5, exchange=n)
            for n, other in enumerate(others if best else ())
        ),
        "exchanges": tuple(
            Exchange(prompt="pairwise@1f3a", model="referee", shown=(best[0], other), text="A", usage=answer)
            for other in (others if best else ())
        ),
    }
    return Verdict(**{**known, **changes})


def a_ruling(verdict: Verdict, **changes: Any) -> Ruling:
    known: dict[str, Any] = {
        "id": VerdictId(an_id()),
        "stage": 0,
        "judge": "house",
        "phase": "served",
        "chosen": verdict.winners[0] if verdict.winners else None,
        "started_at": NOON + timedelta(seconds=2),
        "total_s": 0.25,
        "complete": True,
        "usable": True,
    }
    return Ruling(verdict=verdict, **{**known, **changes})


def a_plan(members: Sequence[str] = MEMBERS, **changes: Any) -> Plan:
    return Plan(**{"router": "r" * 64, "stages": (Stage(members=tuple(members), judge="house"),), **changes})


def judge_calls(request: RequestId, verdict: Verdict) -> tuple[Call, ...]:
    """The lines of the ledger behind the exchanges of ``verdict``."""
    return tuple(
        a_call(request, "referee", purpose="judge", seat="house", completion=said(e.text, usage=e.usage))
        for e in verdict.exchanges
    )


def a_record(
    members: Sequence[str] = MEMBERS,
    *,
    request: Request | None = None,
    verdict: Mapping[str, Any] | None = None,
    ruling: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Record:
    """One request that every member answered; the judge found the first best, unless ``verdict`` says otherwise."""
    request = request or a_request()
    calls = tuple(a_call(request.id, member) for member in members)
    ids = [call.candidate for call in calls if call.candidate]
    found = a_verdict(ids[:1], ids[1:], **(verdict or {}))
    rulings = (a_ruling(found, **(ruling or {})),)
    known: dict[str, Any] = {
        "status": "answered",
        "plan": a_plan(members),
        "calls": (*calls, *judge_calls(request.id, found)),
        "authors": dict(zip(ids, members, strict=True)),
        "rulings": rulings,
        "chosen": ids[0],
        "fallback": rulings[0].fallback,
        "answered_s": 1.5,
        "config": "c" * 64,
    }
    return Record(request=request, **{**known, **changes})


def a_late(record: Record, member: str = "slow", *, wins: bool = True, **changes: Any) -> Late:
    """A straggler's answer, and the full ruling in which it wins or loses."""
    call = a_call(record.request.id, member, after_answer=True)
    assert call.candidate is not None
    served = list(record.authors)
    best = [call.candidate] if wins else served[:1]
    verdict = a_verdict(best, [*(served if wins else [*served[1:], call.candidate])])
    ruling = a_ruling(verdict, phase="full", overturned=wins)
    judged = judge_calls(record.request.id, verdict)
    known: dict[str, Any] = {"calls": (call, *judged), "authors": {call.candidate: member}, "ruling": ruling}
    return Late(request=record.request.id, **{**known, **changes})


def weighed(record: Record) -> Record:
    """``record`` as it is where logged means overruled the judge: its last candidate is served."""
    (ruling,) = record.rulings
    found, served = ruling.verdict, [*record.authors][-1]
    means = Verdict(judge="logged means", outcome="decided", winners=(served,), scores={served: 0.9})
    verdict = replace(
        found,
        outcome="decided",
        winners=(served,),
        scores=dict.fromkeys(found.scores, 0.5) | {served: 0.75},
        confidence=None,
        preferences=(),
        exchanges=(),
        ballots=(found, means),
        flags=(*found.flags, SHRUNK, OVERRULED),
    )
    return replace(record, rulings=(replace(ruling, verdict=verdict, chosen=served),), chosen=served)


def asked_anew(record: Record, *, judged: bool = True, **changes: Any) -> tuple[Call, Late]:
    """The first member of ``record`` by other settings: its answer, and the full verdict if it is ``judged``."""
    first, *others = record.authors
    member = record.authors[first]
    call = a_call(record.request.id, member, **{"member_digest": "n" * 64, "purpose": "shadow", **changes})
    assert call.candidate is not None
    verdict = a_verdict([call.candidate], others, exchanges=())
    ruling = a_ruling(verdict, phase="full", panel=(call.candidate, *others))
    authors = {call.candidate: member} if call.completion else {}
    return call, Late(request=record.request.id, calls=(call,), authors=authors, ruling=ruling if judged else None)
