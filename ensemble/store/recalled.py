"""A stored answer as it was when it left: for whoever asks again, and gets it without anybody being asked."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, cast

from ensemble.store import queries
from ensemble.store.database import Database
from ensemble.store.filling import USAGE
from ensemble.store.texts import KEPT
from ensemble.types import Answer, Call, CallId, Plan, Request, RequestId, Ruling, Stage, VerdictId
from judges.types import (
    Candidate,
    CandidateId,
    Completion,
    OpaquePart,
    TokenLogprob,
    ToolCall,
    Usage,
    Verdict,
)

Tree = Mapping[str, Any]


def recallable(db: Database, id_: RequestId) -> bool:
    """Whether the stored request ``id_`` has an answer whose texts are kept."""
    row = db.execute("SELECT status, content FROM requests WHERE id = ?", [id_]).fetchone()
    return row is not None and row[0] == "answered" and row[1] in KEPT


def recall(db: Database, asked: Request, id_: RequestId) -> Answer | None:
    """The answer of the stored request ``id_`` to ``asked``, which is the same again; None where its texts are gone.

    What came after the answer (stragglers, shadow calls, the full verdict) is left out, as it was when it left.
    """
    tree = cast("Tree | None", queries.request(db, id_))
    if tree is None or tree["content"] not in KEPT or tree["chosen"] is None:
        return None
    candidates = {row["id"]: row for row in tree["candidates"] if not row["after_answer"]}
    lines = sorted((row for row in tree["calls"] if not row["after_answer"]), key=lambda row: str(row["id"]))
    calls = tuple(_call(row, id_, candidates.get(row["candidate_id"])) for row in lines)
    answered = [call for call in calls if call.candidate is not None and call.completion is not None]
    said = {call.candidate: call.completion for call in answered}
    chosen = CandidateId(tree["chosen"])
    return Answer(
        request=replace(
            asked,
            id=id_,
            model=tree["model"],
            arrived_at=datetime.fromisoformat(tree["arrived_at"]),
            conversation=tree["conversation"],
        ),
        plan=_plan(tree["plan"]),
        calls=calls,
        authors={call.candidate: call.member for call in answered if call.candidate},
        chosen=next(Candidate(id=chosen, completion=one) for i, one in said.items() if i == chosen and one),
        member=tree["member"],
        completion=next(one for i, one in said.items() if i == chosen and one),
        rulings=tuple(_ruling(row) for row in tree["verdicts"] if row["phase"] == "served"),
        fallback=tree["fallback"],
        ranking=tuple(map(CandidateId, tree["ranking"])),
        late=tuple(row["member"] for row in tree["calls"] if row["after_answer"] and row["purpose"] == "candidate"),
    )


def _plan(row: Tree) -> Plan:
    return Plan(
        router=row["router"],
        stages=tuple(Stage(**{**stage, "members": tuple(stage["members"])}) for stage in row["stages"]),
        fallback=tuple(row["fallback_order"]),
        shadow=tuple(row["shadow"]),
        predicted=row["predicted"],
        propensities=row["propensities"],
        reason=row["reason"],
        warnings=tuple(row["warnings"]),
    )


def _call(row: Tree, id_: RequestId, candidate: Tree | None) -> Call:
    usage = Usage(**{name: row[name] for name in USAGE})
    good = candidate is not None and candidate["call_id"] == row["id"]
    return Call(
        id=CallId(row["id"]),
        request=id_,
        member=row["member"],
        purpose=row["purpose"],
        attempt=row["attempt"],
        started_at=datetime.fromisoformat(row["started_at"]),
        total_s=row["total_s"],
        candidate=None if row["candidate_id"] is None else CandidateId(row["candidate_id"]),
        seat=row["seat"],
        stage=row["stage"],
        sample=row["sample"],
        completion=_completion(row, candidate, usage) if good and candidate is not None else None,
        failure=row["failure"],
        detail=row["detail"],
        usage=usage,
        http_status=row["http_status"],
        hedge=row["hedge"],
    )


def _completion(row: Tree, candidate: Tree, usage: Usage) -> Completion:
    logprobs: Sequence[Any] | None = candidate["logprobs"]
    return Completion(
        text=candidate["text"],
        finish_reason=candidate["finish_reason"],
        tool_calls=tuple(ToolCall(**one) for one in candidate["tool_calls"] or ()),
        logprobs=None if logprobs is None else tuple(_token(*one) for one in logprobs),
        usage=usage,
        model=row["model"],
        system_fingerprint=row["system_fingerprint"],
        provider_request_id=row["provider_request_id"],
        first_token_s=row["first_token_s"],
        stop_sequence=candidate["stop_sequence"],
        reasoning=tuple(OpaquePart(**one) for one in candidate["reasoning"] or ()),
        dropped=tuple(row["dropped"]),
    )


def _token(token: str, logprob: float, top: Sequence[Sequence[Any]]) -> TokenLogprob:
    return TokenLogprob(token=token, logprob=logprob, top=tuple((text, value) for text, value in top))


def _ruling(row: Tree) -> Ruling:
    return Ruling(
        id=VerdictId(row["id"]),
        stage=row["stage"],
        judge=row["judge"],
        phase=row["phase"],
        verdict=_verdict(row),
        chosen=None if row["chosen"] is None else CandidateId(row["chosen"]),
        started_at=datetime.fromisoformat(row["started_at"]),
        total_s=row["total_s"],
        fallback=row["fallback"],
        set_aside={CandidateId(s["candidate_id"]): s["set_aside"] for s in row["scores"] if s["set_aside"] is not None},
        complete=row["complete"],
        overturned=row["overturned"],
        usable=row["usable"],
    )


def _verdict(row: Tree) -> Verdict:
    return Verdict(
        judge=row["judge_digest"],
        outcome=row["outcome"],
        winners=tuple(map(CandidateId, row["winners"])),
        scores={CandidateId(s["candidate_id"]): s["score"] for s in row["scores"] if s["score"] is not None},
        confidence=row["confidence"],
        ballots=tuple(_verdict(one) for one in row["ballots"]),
        reason=row["reason"],
        flags=tuple(row["flags"]),
        own_family=row["own_family"],
        all_bad=row["all_bad"],
        weights=row["weights"],
    )
