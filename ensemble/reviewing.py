"""Answers that wait for a person: what a reviewer is shown, and what he may say."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ensemble.errors import InvalidRequest, NotFound, StoreError, StoreUnavailable
from ensemble.feedback import FINDINGS, Feedback, accepted, bare, note, parse
from ensemble.store import Store
from ensemble.store.anchors import candidates_for, freeze
from ensemble.store.database import Database
from ensemble.store.feedback import Noted, Refused, Sees, Statement, add
from ensemble.store.review_seats import votes
from ensemble.store.reviews import Review, Sight, claim, decide, review, reviews
from ensemble.types import RequestId
from judges.registry import explain

MOST = 100
"""Most answers of one page."""

_NOTHING = (
    "set: there is nothing to freeze: it takes two candidates and a finding of people or of a judge, "
    "and people must neither be split nor find that all are bad"
)


class Claim(BaseModel):
    """The body by which somebody takes an answer.

    Attributes:
        by: alias of the person; the same one decides.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    by: Annotated[str, StringConstraints(min_length=1, max_length=200)] = Field()


async def queue(store: Store, *, decided: bool, sight: Sight | None, limit: int) -> tuple[list[Review], bool]:
    """A page of what waits, overturned answers first and then the oldest, or of what was decided; and whether more is.

    Raises:
        StoreUnavailable: the log cannot be read.
    """
    step = partial(reviews, now=datetime.now(UTC), decided=decided, sight=sight, limit=limit + 1)
    try:
        found = await store.read(step)
    except StoreError as error:
        raise StoreUnavailable(str(error)) from error
    return found[:limit], len(found) > limit


async def one(store: Store, id_: str) -> Review:
    """The row of one request, whose id may be that of a reply.

    Raises:
        NotFound: nothing of it was queued.
        StoreUnavailable: the log cannot be read.
    """
    try:
        found = await store.read(partial(review, id_=bare(id_), now=datetime.now(UTC)))
    except StoreError as error:
        raise StoreUnavailable(str(error)) from error
    if found is None:
        raise NotFound(f"nothing of request {id_!r} waits for a review", param="id")
    return found


async def case(store: Store, id_: str) -> dict[str, object]:
    """What the judge saw: the conversation and the candidates, in an order that says nothing of who wrote which."""
    record = await store.request(RequestId(id_)) or {}
    shown = ("id", "text", "tool_calls", "finish_reason")
    written: Any = record.get("candidates", ())
    candidates = sorted(written, key=lambda one: str(one["id"]))  # ids are random
    return {
        "messages": record.get("messages", []),
        "candidates": [{name: candidate[name] for name in shown} for candidate in candidates],
    }


async def findings(store: Store, row: Review) -> list[dict[str, object]] | None:
    """What was found of ``row`` where two differ, in the order of seats; None of others.

    Who found it is told once the third has settled it, and until then nobody is to go by that.
    """
    if not row["disputed"]:
        return None
    closed = row["status"] == "decided"
    return [
        {
            "seat": vote.seat,
            "finding": vote.finding,
            "candidate": vote.candidate,
            "comment": vote.comment,
            "given_by": vote.given_by if closed else None,
        }
        for vote in await store.read(partial(votes, id_=str(row["request_id"])))
    ]


async def take(store: Store, id_: str, body: bytes, adjudicators: Collection[str] = ()) -> Review:
    """Keep an answer for who asks, for an hour; ``adjudicators``, here and below, are as in ``[reviews]``.

    Raises:
        InvalidRequest: the body does not say who.
        NotFound: nothing of that request waits.
        Conflict: it is claimed by somebody else, or decided.
        StoreUnavailable: the log cannot be written.
    """
    try:
        by = Claim.model_validate_json(body).by
    except ValidationError as error:
        told = explain(error.errors(include_url=False, include_input=False)[0], Claim)
        raise InvalidRequest(f"by: {told}", param="by") from error
    return accepted(
        await _changed(store, partial(claim, id_=bare(id_), by=by, now=datetime.now(UTC), adjudicators=adjudicators))
    )


async def settle(store: Store, id_: str, body: bytes, adjudicators: Collection[str] = ()) -> tuple[Feedback, Noted]:
    """Store what a person found, as feedback, and close the review. Raises as ``take`` does."""
    said = parse(_with(body, id_))
    if not any(getattr(said, name) for name in ("preferred", *FINDINGS)):
        raise InvalidRequest("preferred: say what was found: preferred, tie, all_bad or cannot_tell", param="preferred")
    step = partial(decide, now=datetime.now(UTC), adjudicators=adjudicators)
    return said, await note(store, said.statement("review"), step)


async def overrule(
    store: Store,
    said: Feedback,
    *,
    key_id: str | None = None,
    sees: Sees = lambda _: True,
    adjudicators: Collection[str] = (),
) -> Noted:
    """Store what a reviewer says of any answer; where that one waits for a review and it is a finding, decide it.

    Raises:
        NotFound: the log has no such request that he ``sees``.
        InvalidRequest: no such candidate.
        Conflict: it is claimed by somebody else.
        StoreUnavailable: the log cannot be written.
    """
    finding = any(getattr(said, name) for name in ("preferred", *FINDINGS))

    def step(db: Database, statement: Statement) -> Noted | Refused:
        now = datetime.now(UTC)
        waits = review(db, statement.request or "", now) if finding else None
        if waits is None or waits["status"] == "decided" or not sees(waits):
            return add(db, statement, sees)
        return decide(db, statement, now, adjudicators)

    return await note(store, said.statement("review", key_id=key_id), step)


async def keep_as_test(store: Store, id_: str, anchor_set: str) -> bool:
    """Freeze what stands for a request as a case of ``anchor_set``; False where it is in the set already.

    Raises:
        InvalidRequest: nothing stands for it that could be frozen.
        StoreUnavailable: the log cannot be written.
    """
    if not 0 < len(anchor_set) <= 200:
        raise InvalidRequest("set: name the test set, in at most 200 characters", param="set")

    def step(db: Database) -> int | Refused:
        found = candidates_for(db, [RequestId(id_)])
        return freeze(db, anchor_set, found) if found else Refused("wrong", "set", _NOTHING)

    return bool(accepted(await _changed(store, step)))


def _with(body: bytes, id_: str) -> dict[str, Any]:
    """The body as feedback on that request."""
    try:
        tree = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from error
    if not isinstance(tree, Mapping):
        raise InvalidRequest("the body must be a JSON object")
    for name in ("request_id", "conversation"):
        if name in tree:
            raise InvalidRequest(f"{name}: the address says which answer is meant; leave it out", param=name)
    return {**tree, "request_id": id_}


async def _changed(store: Store, change: Any) -> Any:
    try:
        return await store.change(change)
    except StoreError as error:
        raise StoreUnavailable(str(error)) from error
