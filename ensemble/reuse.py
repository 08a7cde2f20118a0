"""An answer that a member gave before to the very same prompt, taken once more: opt-in, candidate by candidate.

So a changed panel pays for its new members alone. Only whole answers count, and only those that the same API key and
tenant paid for. Equal calls that are under way at the same moment are made once.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime

from uuid_utils import uuid7

from ensemble.answers import Kept
from ensemble.ledger import Aim
from ensemble.types import Call, CallId, Request
from judges.deadline import Deadline
from judges.types import Completion, Prompt, Usage

TRANSPORT = "cache"
"""What the ledger says of how such an answer came."""


def key_of(member_digest: str, origin: str, prompt: Prompt) -> str:
    """SHA-256 (64 hex digits) over the prompt as a member gets it, what decides its answers, and who gives them."""
    tree = json.dumps(asdict(prompt), sort_keys=True, default=str)
    return hashlib.sha256(f"{member_digest}:{origin}:{tree}".encode("utf-8", "surrogatepass")).hexdigest()


async def once(
    kept: Kept,
    request: Request,
    member: str,
    digest: str,
    aim: Aim,
    make: Callable[[], Awaitable[Call]],
    until: float,
) -> Call:
    """The line of a stored answer or of one that is on its way, else what ``make`` brings, under the key of ``aim``.

    What is on its way for somebody who has more time is waited for until ``until`` (the event loop's clock).
    """
    place = (kept.owner, str(aim.key), aim.sample)
    if (flying := kept.flying.calls.get(place)) is not None:
        begin = asyncio.get_running_loop().time()
        try:
            with Deadline(until):
                said = await asyncio.shield(flying)
        except TimeoutError:
            waited = asyncio.get_running_loop().time() - begin
            told = f"the equal call that was under way had no answer within {waited:.3g} s"
            return replace(_line(request, member, digest, aim, told), failure="timeout", total_s=waited)
        # Without an answer each asks for itself: in single file the last would wait for the failures of all before.
        return await make() if said is None else _taken(request, member, digest, aim, said)
    kept.flying.calls[place] = asyncio.get_running_loop().create_future()
    said = None
    try:
        said = await kept.find(str(aim.key), aim.sample)
        if said is not None:
            return _taken(request, member, digest, aim, said)
        call = await make()
        said = call.completion if whole(call) else None
        return call
    finally:
        kept.flying.land(request.id, place, said)


def whole(call: Call) -> bool:
    """Whether a call brought an answer that may be taken again."""
    said = call.completion
    return (
        call.failure is None and said is not None and said.finish_reason in ("stop", "tool_calls") and not said.partial
    )


def _taken(request: Request, member: str, digest: str, aim: Aim, said: Completion) -> Call:
    """The line of an answer that is taken again; its tokens were counted before."""
    free = replace(said.usage, nano_usd=0, provider_nano_usd=None)
    return replace(
        _line(request, member, digest, aim, "an answer that was given before"),
        completion=replace(said, usage=free, provider_request_id=None, first_token_s=None),
        usage=replace(free, input_tokens=None, output_tokens=None, cached_input_tokens=None, reasoning_tokens=None),
    )


def _line(request: Request, member: str, digest: str, aim: Aim, told: str) -> Call:
    """A line of the ledger for which nothing was sent: it cost nothing."""
    return Call(
        id=CallId(str(uuid7())),
        request=request.id,
        member=member,
        purpose=aim.purpose,
        attempt=0,
        started_at=datetime.now(UTC),
        total_s=0.0,
        candidate=aim.candidate,
        seat=aim.seat,
        sample=aim.sample,
        stage=aim.stage,
        usage=Usage(nano_usd=0),
        member_digest=digest,
        transport=TRANSPORT,
        detail=told,
        key=aim.key,
    )
