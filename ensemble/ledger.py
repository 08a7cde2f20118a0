"""One line of the ledger: what an attempt brought, what it cost, and whether it can have cost anything."""

from dataclasses import dataclass
from datetime import datetime

from uuid_utils import uuid7

from ensemble.errors import CallFailed
from ensemble.money import Price
from ensemble.types import Call, CallId, Failure, Purpose, RequestId
from judges.quick import changer, maker, quick
from judges.types import CandidateId, Completion, Usage

UNBILLED: frozenset[Failure] = frozenset(
    {
        "rate_limited",
        "overloaded",
        "unreachable",
        "unauthorized",
        "rejected",
        "too_long",
        "skipped",
        "not_permitted",
        "over_budget",
        "unbounded",
    }
)
"""Failures for which no provider bills; after any other failure of a request that was sent, the cost is unknown."""


def unbilled(error: CallFailed) -> bool:
    """Whether nothing can have been billed: never sent, or refused. What began with status 200 was not refused."""
    return not error.sent or (error.failure in UNBILLED and error.http_status != 200)


_call, _priced, _using = maker(Call), changer(Usage, "nano_usd"), changer(Completion, "usage")
_NOTHING = Completion(text="", finish_reason="other")


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What a call is for: the columns of the ledger that the caller knows and the member does not.

    ``hedge`` and ``strict`` say how it is to be made: beside a slow attempt, and only with every parameter.
    """

    purpose: Purpose
    candidate: CandidateId | None = None
    seat: str | None = None
    sample: int = 0
    stage: int = 0
    hedge: bool = False
    key: str | None = None
    run: str | None = None
    strict: bool = False


def line(
    request: RequestId,
    member: str,
    aim: Aim,
    *,
    digest: str,
    attempt: int,
    started: datetime,
    total_s: float | None,
    price: Price | None,
    transport: str,
    completion: Completion | None = None,
    error: CallFailed | None = None,
    hedge: bool = False,
    batch: str | None = None,
) -> Call:
    """The line of one attempt, priced by ``price``; ``completion`` of a good one, or the ``error`` of a failed one.

    ``batch`` is the provider's id of the batch that it was part of; it has prices of its own.
    """
    said = completion if error is None else error.completion
    usage = said.usage if said else Usage()
    cost = price.cost(usage, batch=batch is not None) if price else None
    if cost is None and error is not None and unbilled(error):
        cost = 0
    if usage.nano_usd != cost:
        usage = _priced(usage, cost)
    return _call(
        id=CallId(str(uuid7())),
        request=request,
        member=member,
        purpose=aim.purpose,
        attempt=attempt,
        started_at=started,
        total_s=total_s,
        candidate=aim.candidate,
        seat=aim.seat,
        sample=aim.sample,
        stage=aim.stage,
        completion=said if said is None or said.usage is usage else _using(said, usage),
        failure=error.failure if error else None,
        usage=usage,
        member_digest=digest,
        price=price.digest if price else None,
        http_status=200 if error is None else error.http_status,
        provider_request_id=(error or said or _NOTHING).provider_request_id,
        transport=transport,
        detail=str(error) if error else "",
        hedge=hedge,
        key=aim.key,
        run=aim.run,
        batch=batch,
    )
