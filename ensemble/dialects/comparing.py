"""What `POST /v1/ensemble/compare` tells: candidates, failures and the verdict, at the end or as they come."""

from collections.abc import Iterator

from ensemble.dialects import extension
from ensemble.dialects.dialect import frame
from ensemble.events import Done, Event, Judged, Started
from ensemble.money import usd
from ensemble.types import Answer, Call, Ruling

PARTS: tuple[extension.Part, ...] = ("candidates", "verdict")


def render(answer: Answer) -> dict[str, object]:
    """The comparison. Texts in it were written by models: escape them before display."""
    return {
        "id": answer.request.id,
        "object": "ensemble.comparison",
        "created": int(answer.request.arrived_at.timestamp()),
        "router": answer.request.model,
        "reason": answer.plan.reason,
        **extension.report(answer, PARTS),
        "failures": [
            _failure(call) for call in answer.calls if call.candidate is not None and call.failure is not None
        ],
    }


def frames(event: Event) -> Iterator[bytes]:
    """What is told of ``event`` while candidates are made; nothing of what belongs to the end."""
    match event:
        case Started(member=member, sample=sample, stage=stage):
            yield frame({"member": member, "sample": sample, "stage": stage}, "candidate_started")
        case Done(call=call):
            yield frame(_done(call), "candidate_done")
        case Judged(ruling=ruling):
            yield frame(_ruling(ruling), "judged")
        case _:
            return


def last(answer: Answer) -> bytes:
    """The event that ends a stream: the whole comparison."""
    return frame(render(answer), "done")


def _done(call: Call) -> dict[str, object]:
    said = call.completion
    return {
        "candidate": call.candidate,
        "member": call.member,
        "sample": call.sample,
        "stage": call.stage,
        "seconds": None if call.total_s is None else round(call.total_s, 6),
        "cost_usd": None if call.usage.nano_usd is None else usd(call.usage.nano_usd),
        "failure": call.failure,
        "detail": call.detail,
        "text": said.text if said is not None and call.failure is None else None,
    }


def _failure(call: Call) -> dict[str, object]:
    return {
        "member": call.member,
        "sample": call.sample,
        "attempt": call.attempt,
        "failure": call.failure,
        "detail": call.detail,
        "http_status": call.http_status,
    }


def _ruling(ruling: Ruling) -> dict[str, object]:
    return {
        "judge": ruling.judge,
        "stage": ruling.stage,
        "outcome": ruling.verdict.outcome,
        "winners": list(ruling.verdict.winners),
        "confidence": ruling.verdict.confidence,
        "reason": ruling.verdict.reason,
    }
