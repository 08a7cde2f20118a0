"""A log of any size for the audit pages: requests of every sort, made by the product, then copied by the engine."""

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime

from uuid_utils import uuid4, uuid7

from ensemble.store import open_store
from ensemble.store.address import Where, address_of
from ensemble.store.keeping.connect import transaction, writing
from ensemble.store.keeping.search import catch_up
from ensemble.types import Call, CallId, Plan, Record, Request, RequestId, Ruling, Stage, VerdictId
from ensemble.upkeep import derive
from judges.types import CandidateId, Completion, Exchange, Message, Preference, Prompt, Usage, Verdict
from scripts.bench._audit_postgres import FACTS, copied
from scripts.bench.store import durable, fill

FLEET = ("small", "medium", "large", "other")
ROUTERS, DOMAINS, JUDGES = ("panel", "careful"), ("", "code", "law", "maths"), ("house", "jury")
RARE_WORD, RARE_FLAG, RARE_DOMAIN = "marmalade", "suspicious", "botany"
RARE = 500
"""One request of so many has the rare word, flag and domain, each on its own."""
COPIED = 10_000
"""Requests that are made; the rest are copies of them, some days earlier each."""


def requests(count: int, seed: int = 0) -> Iterator[Record]:
    """``count`` judged requests that differ in all that the pages can be filtered by."""
    chance = random.Random(seed)  # noqa: S311
    for _ in range(count):
        yield _request(chance)


def _request(chance: random.Random) -> Record:
    now, request = datetime.now(UTC), RequestId(str(uuid7()))
    members = sorted(chance.sample(FLEET, 3))
    ids = [CandidateId(str(uuid4())) for _ in members]
    answers = [chance.choice((408, 408, 408, chance.randrange(400, 420))) for _ in members]
    calls = [
        _call(request, member, _text(answer, chance), chance, candidate)
        for member, candidate, answer in zip(members, ids, answers, strict=True)
    ]
    rare = {name for name in ("word", "flag", "domain") if chance.randrange(RARE) == 0}
    asked = [_call(request, "referee", f"[[A]] because {n}", chance) for n in range(2)]
    domain = RARE_DOMAIN if "domain" in rare else chance.choice(DOMAINS)
    question = f"What is 17 x 24? Explain it step by step, with {RARE_WORD if 'word' in rare else 'care'}."
    winner = chance.randrange(3)
    judge = chance.choice(JUDGES)
    return Record(
        request=Request(
            id=request,
            model=chance.choice(ROUTERS),
            prompt=Prompt(messages=(Message(role="user", content=question),)),
            arrived_at=now,
            deadline=0.0,
            tags={"domain": domain} if domain else {},
        ),
        status="answered",
        plan=Plan(router="3" * 64, stages=(Stage(members=tuple(members), judge=judge),)),
        calls=(*calls, *asked),
        authors=dict(zip(ids, members, strict=True)),
        rulings=(_ruling(ids, winner, judge, chance, flags=(RARE_FLAG,) if "flag" in rare else ()),),
        chosen=ids[winner],
        fallback=None,
        answered_s=chance.lognormvariate(0, 0.5),
        config="4" * 64,
    )


def _text(answer: int, chance: random.Random) -> str:
    return f"I multiply {chance.randbytes(40).hex()} step by step.\nThe answer is {answer}."


def _call(
    request: RequestId, member: str, text: str, chance: random.Random, candidate: CandidateId | None = None
) -> Call:
    spent = Usage(input_tokens=60, output_tokens=50, nano_usd=chance.randrange(10_000, 100_000))
    return Call(
        id=CallId(str(uuid7())),
        request=request,
        member=member,
        purpose="candidate" if candidate else "judge",
        attempt=1,
        started_at=datetime.now(UTC),
        total_s=0.8,
        candidate=candidate,
        seat=None if candidate else "house",
        completion=Completion(text=text, finish_reason="stop", usage=spent, model=f"{member}-2026-01"),
        usage=spent,
        price="0" * 64,
        http_status=200,
    )


def _ruling(ids: list[CandidateId], winner: int, judge: str, chance: random.Random, flags: tuple[str, ...]) -> Ruling:
    best = ids[winner]
    others = [one for one in ids if one != best]
    verdict = Verdict(
        judge="1" * 64,
        outcome="decided",
        winners=(best,),
        scores={one: 0.9 if one == best else chance.random() * 0.8 for one in ids},
        confidence=chance.random(),
        preferences=tuple(Preference(shown=(best, one), outcome="first", exchange=n) for n, one in enumerate(others)),
        exchanges=tuple(
            Exchange(prompt="pairwise@2" * 4, model="referee", shown=(best, one), text=f"[[A]] because {n}")
            for n, one in enumerate(others)
        ),
        flags=flags,
        reason="the first answer is right",
    )
    return Ruling(
        id=VerdictId(str(uuid7())), stage=0, judge=judge, phase="served", verdict=verdict, chosen=best,
        started_at=datetime.now(UTC), total_s=0.4, complete=True, usable=True,
    )  # fmt: skip


async def make(where: Where, size: int, made: int = COPIED) -> None:
    """A log of ``size`` requests at ``where``, ``made`` by the product, with facts and search indexes up to date."""
    store = await open_store(where)
    await durable(store, list(requests(min(size, made))), 64)
    await derive(store)
    await store.close()
    copies, file = max(0, size // made - 1), address_of(where).file
    if file is None:
        # Words are copied with the rest, as facts are.
        await asyncio.to_thread(_index, where)
        await copied(address_of(where), copies)
        return
    if copies:
        await asyncio.to_thread(fill, file, copies, FACTS)
    await asyncio.to_thread(_index, where)
    with writing(file) as db:
        # The facts of the copies are copies, too.
        db.execute("DELETE FROM audit_stale")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _index(where: Where) -> None:
    with writing(where) as db:
        more = 1
        while more:
            with transaction(db):
                more = catch_up(db, 5000)
