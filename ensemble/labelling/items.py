"""From a question to the item of a batch, and from its result to a line of the ledger."""

from dataclasses import replace
from datetime import UTC, datetime

from uuid_utils import uuid7

from ensemble.batch import TRANSPORT, BatchConnection
from ensemble.errors import CallFailed
from ensemble.fleet import Member
from ensemble.labelling.asking import Question
from ensemble.ledger import Aim, line
from ensemble.provider import Selective
from ensemble.store.batches import BatchItem
from ensemble.types import Call, CallId
from judges.types import Completion, Prompt


def unsent(question: Question, ready: Prompt) -> tuple[str, ...]:
    """Wire names of what a batch would not send of ``ready``, the prompt as the member gets it.

    Raises:
        CallFailed: no batch can carry the question; nothing is sent to find out.
    """
    member, aim = question.member, question.aim
    if not isinstance(member.connection, BatchConnection):
        raise CallFailed(f"{member.name}: its provider takes no batches", failure="rejected", sent=False)
    strict = (aim.strict or member.settings.strict_params) and aim.purpose in ("candidate", "shadow")
    if unfit := member.barred(question.request) or member.refusal(ready, strict=strict):
        raise CallFailed(unfit.told, failure=unfit.failure, sent=False)
    return member.connection.dropped(ready) if isinstance(member.connection, Selective) else ()


def item_of(question: Question, attempt: int, dropped: tuple[str, ...] = ()) -> BatchItem:
    """The item that asks ``question`` for the ``attempt``-th time, without the parameters ``dropped``."""
    aim = question.aim
    return BatchItem(
        call=CallId(str(uuid7())),
        request=question.request.id,
        member=question.member.name,
        digest=question.member.digest,
        purpose=aim.purpose,
        key=question.key,
        candidate=aim.candidate,
        sample=aim.sample,
        stage=aim.stage,
        seat=aim.seat,
        attempt=attempt,
        dropped=dropped,
        reservation=question.id or None,
    )


def line_of(
    item: BatchItem,
    member: Member | None,
    run: str,
    came: Completion | CallFailed,
    *,
    batch: str | None = None,
    begun: datetime | None = None,
) -> Call:
    """The line of ``item``, by what it came to; ``member`` None where the configuration has it no more.

    ``batch`` is the provider's id of the batch; ``begun`` is when it was handed over.
    """
    started = begun or datetime.now(UTC)
    said = came if isinstance(came, Completion) else None
    if said is not None and member is not None:
        said = member.own(said, item.dropped)
    call = line(
        item.request,
        item.member,
        Aim(
            purpose=item.purpose,
            candidate=item.candidate,
            seat=item.seat,
            sample=item.sample,
            stage=item.stage,
            key=item.key if item.purpose == "judge" else None,
            run=run,
        ),
        digest=item.digest,
        attempt=item.attempt,
        started=started,
        total_s=None,
        price=member.price(started) if member else None,
        transport=TRANSPORT,
        completion=said,
        error=came if isinstance(came, CallFailed) else None,
        batch=batch,
    )
    return replace(call, id=item.call)
