"""The page of one request: all of it or, until a reviewer has chosen, without names and findings; and what he says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import web

from ensemble.audit.case.texts import found_at
from ensemble.audit.case.view import Blind, Case, blind, whole
from ensemble.errors import Forbidden, InvalidRequest, NotFound
from ensemble.feedback import FINDINGS, bare, parse
from ensemble.reviewing import keep_as_test, overrule
from ensemble.server.auth import CALLER, PAGES
from ensemble.server.pages.downloads import table_of
from ensemble.server.pages.frame import WRITER, adjudicators_of, href, read, show, window_of, writer_of
from ensemble.server.pages.reviewer import remember, reviewer_of, told
from ensemble.server.pages.trail import LISTS, TRAILS, Place
from ensemble.store import Store
from ensemble.store.audit.reviewed import anchor_sets, said, signs
from ensemble.store.database import Database
from ensemble.store.queries import Tree
from ensemble.store.queries import request as record_of
from ensemble.store.review_seats import Vote, votes
from ensemble.store.review_seats import sealed as is_sealed
from ensemble.store.reviews import Review, claim, review
from ensemble.types import RequestId

routes = web.RouteTableDef()
ONE = "/requests/{id}"
PLAIN = re.compile(
    r"messages/\d+/(content(/\d+/text)?|tool_calls/\d+/arguments)|candidates/[^/]+/(text|tool_calls/\d+/arguments)"
    r"|reference|options/(tools|response_format)"
)
"""Places of a record whose texts say nothing of who wrote what."""
DONE = {
    "decided": "Your finding is in the log.",
    "tagged": "Your tags are in the log.",
    "kept": "The case is in the test set now.",
    "held": "The case was in that test set already, and stays as it is.",
    "last": "There is no other case where you came from.",
}
"""What a page says after a form, by ``done`` in its address."""
STALE = ("done", "against")
"""What of an address is about one case alone."""
OWN = (*STALE, "from", "blind", "view")
"""What of an address is about this page alone; the rest is of the list where one came from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the log has of a request.

    Attributes:
        sealed: names and findings are hidden from who asks, since he has not chosen yet.
        sets: names of test sets, and whether the request is in each.
        signs: of disagreement; None while they are not made.
        votes: what two have found who differ, where the case waits for a third; else empty.
    """

    record: Tree
    said: list[Tree]
    review: Review | None
    sealed: bool
    sets: Mapping[str, bool]
    signs: Tree | None
    votes: list[Vote]


@routes.get(ONE)
async def page(request: web.Request) -> web.Response:
    """The page."""
    by, query = reviewer_of(request), request.query
    wished = query.get("blind") == "1"

    def ask(db: Database) -> tuple[Held, Blind | Case]:
        held = _held(db, request, wished=wished)
        return held, blind(held.record) if held.sealed else whole(held.record, held.said, against=query.get("against"))

    held, case = await read(request, ask)
    common: dict[str, Any] = {"case": case, "by": by, "trail": query.get("from") in TRAILS}
    common["formatted"] = query.get("view") == "markdown"
    common["done"] = DONE.get(query.get("done", ""), "")
    if held.sealed:
        common["votes"] = held.votes
        # Names of members may stand in filters that an address keeps.
        return await show(request, "request_blind.html", **common, query={}, routers=[], kept=lambda path: path)
    waits = held.review is not None and held.review["status"] != "decided"
    more: dict[str, Any] = {"review": held.review, "waits": waits, "sets": held.sets, "signs": held.signs}
    return await show(request, "request.html", **common, **more, spans=_bars(case))


@routes.get(ONE + "/text")
async def text(request: web.Request) -> web.Response:
    """One text of the record, whole and as it was written: ``at`` says where it stands."""
    at = request.query.get("at", "")
    held = await _read(request)
    if held.sealed and not PLAIN.fullmatch(at):
        raise Forbidden("this case is shown blind: choose first, then all of it is here")
    found = found_at(held.record, at)
    if found is None:
        raise NotFound(f"at: this request has no text {at!r}", param="at")
    return web.Response(body=found.encode("utf-8", "replace"), content_type="text/plain", charset="utf-8")


@routes.get(ONE + "/{table}.{kind:csv|json}")
async def download(request: web.Request) -> web.Response:
    """One of the tables of the page, as a file."""
    held = await _read(request)
    if held.sealed:
        raise Forbidden("this case is shown blind: choose first, then its tables are here")
    return await table_of(request, dict(whole(held.record, held.said).tables))


@routes.post(ONE)
async def say(request: web.Request) -> web.Response:
    """What a reviewer says: a finding, tags or a test set; ``act`` tells which. Or he goes on, or has texts formatted.

    Such a button needs no address, and so none of the filters stands in a page that is blind.
    """
    sent = {name: value.strip() for name, value in (await request.post()).items() if isinstance(value, str)}
    if sent.get("act") in ("next", "back", "format"):
        raise web.HTTPSeeOther(await _away(request, sent["act"]))
    store = writer_of(request)
    if store is None:
        raise Forbidden("nothing can be decided here: the log is read-only, or your key lacks the scope 'review'")
    by = await told(request)
    if sent.get("act") == "keep":
        done = "kept" if await keep_as_test(store, _id(request), sent.get("set", "")) else "held"
    elif sent.get("act") == "tag":
        await _tag(request, store, sent, by)
        done = "tagged"
    elif sent.get("act") == "decide":
        await _decide(request, store, sent, by)
        done = "decided"
    else:
        raise InvalidRequest("act: must be decide, tag, keep, next, back or format", param="act")
    response = web.Response(status=303, headers={"Location": href(request.path, {**request.query, "done": done})})
    if request[CALLER].key is None:
        remember(response, by)
    return response


async def _decide(request: web.Request, store: Store, sent: Mapping[str, str], by: str) -> None:
    finding = sent.get("finding", "")
    held = await read(request, lambda db: record_of(db, _id(request), logprobs=False))
    written: Any = (held or {}).get("candidates", ())
    known = [str(one["id"]) for one in written]
    if finding not in (*known, *FINDINGS):
        raise InvalidRequest(
            "finding: choose a candidate, a tie, that all are bad, or that you cannot tell", param="finding"
        )
    found: dict[str, object] = {finding: True} if finding in FINDINGS else {"preferred": finding}
    await _say(request, store, {**found, "comment": sent.get("comment") or None}, by)


async def _tag(request: web.Request, store: Store, sent: Mapping[str, str], by: str) -> None:
    tags = [tag.strip() for tag in sent.get("tags", "").split(",") if tag.strip()]
    comment = sent.get("comment") or None
    if not tags and comment is None:
        raise InvalidRequest("tags: give a tag, or a comment", param="tags")
    await _say(request, store, {"tags": tags or ["comment"], "comment": comment}, by)


async def _say(request: web.Request, store: Store, body: dict[str, object], by: str) -> None:
    caller = request[CALLER]
    said = parse({**body, "request_id": _id(request), "given_by": by})
    key_id = caller.key.id if caller.key else None
    await overrule(
        store,
        said,
        key_id=key_id,
        sees=lambda row: caller.may("audit") or caller.sees(row),
        adjudicators=adjudicators_of(request),
    )


async def _away(request: web.Request, act: str) -> str:
    """Where one comes with a button that says nothing of the case."""
    query = request.query
    if act == "format":
        view = "" if query.get("view") == "markdown" else "markdown"
        return href(request.path, {**query, "view": view, "done": ""})
    if act == "back":
        page = LISTS.get(query.get("from", ""), "")
        return href(f"{PAGES}/{page}".rstrip("/"), {name: value for name, value in query.items() if name not in OWN})
    return await _following(request)


async def _following(request: web.Request) -> str:
    """The address of the next case, or of this one where there is no other. What comes from the queue is claimed."""
    query, by = request.query, reviewer_of(request)
    at = Place(here=_id(request), by=by, adjudicators=adjudicators_of(request), window=window_of(request), query=query)
    trail = TRAILS.get(query.get("from", ""))
    found = await read(request, lambda db: trail(db, at)) if trail else None
    kept = {name: value for name, value in query.items() if name not in STALE}
    if found is None:
        return href(request.path, {**kept, "done": "last"})
    store = writer_of(request)
    if store is not None and by and query["from"] == "queue":
        # Where somebody was faster, it can be looked at all the same.
        await store.change(partial(claim, id_=found, by=by, now=datetime.now(UTC), adjudicators=at.adjudicators))
    return href(f"{PAGES}/requests/{found}", kept)


async def _read(request: web.Request) -> Held:
    return await read(request, lambda db: _held(db, request))


def _id(request: web.Request) -> RequestId:
    return RequestId(bare(request.match_info["id"]))


def _bars(case: Blind | Case) -> list[dict[str, object]]:
    """The bars of the waterfall, as its macro takes them."""
    return [
        {
            "label": span.label,
            "group": span.kind,
            "start_s": span.start_s,
            "end_s": None if span.total_s is None else span.start_s + span.total_s,
            "note": "failed" if span.failed else "",
        }
        for span in (case.spans if isinstance(case, Case) else ())
    ]


def _held(db: Database, request: web.Request, *, wished: bool = False) -> Held:
    """What the log has of a request, sealed where that is ``wished`` or two are to decide apart, until he has chosen.

    Raises:
        NotFound: there is no such request.
    """
    id_, by = _id(request), reviewer_of(request)
    record = record_of(db, id_, logprobs=False)
    if record is None:
        raise NotFound(f"the log has no request {id_!r}", param="id")
    words, waits = said(db, id_), review(db, id_, datetime.now(UTC))
    if request.app[WRITER] is None:
        sealed = False  # nobody could ever choose, and whoever has the file has all of it
    elif waits is not None and waits["blind"] and waits["status"] != "decided":
        sealed = is_sealed(db, id_, by)
    else:
        sealed = wished and not any(one["given_by"] == by and one["kind"] in ("preferred", *FINDINGS) for one in words)
    return Held(
        record=record,
        said=words,
        review=waits,
        sealed=sealed,
        sets=anchor_sets(db, id_),
        signs=signs(db, id_),
        votes=votes(db, id_) if waits is not None and waits["disputed"] and waits["status"] != "decided" else [],
    )
