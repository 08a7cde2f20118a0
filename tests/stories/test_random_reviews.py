"""A random part of the traffic joins the queue: drawn once, decided, and some of it by two, each on his own."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ensemble.audit.drawing import SETTLED, ReviewSettings, draw
from ensemble.errors import ConfigError
from ensemble.keys.issuing import a_key, create
from ensemble.server.openapi.replies.own import ReviewCase, SeatFinding
from ensemble.simulator.script import reply
from ensemble.store.database import Database
from ensemble.store.review_seats import sealed
from tests.served import Served, a_question
from tests.stories.conftest import Serve

QUEUE = "/v1/ensemble/reviews"
PANEL = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta"]
judge = "longest"

[routers.alone]
use = "single"
member = "alpha"
"""
LATER = SETTLED + timedelta(minutes=1)


async def with_traffic(serve: Serve, requests: int) -> Served:
    served = await serve(PANEL)
    for name in ("alpha", "beta"):
        served.simulator.always(name, reply(f"the answer of {name}"))
    for at in range(requests):
        assert (await served.post(a_question(f"Question {at}?")))[0] == 200
    assert (await served.post(a_question("And alone?", model="alone")))[0] == 200  # nobody judges it
    return served


async def drawn(served: Served, cases: int | None, *, after: timedelta = LATER, **settings: Any) -> int:
    return await draw(served.service.store, ReviewSettings(**settings), datetime.now(UTC) + after, cases)


async def send(served: Served, id_: str, what: str, body: Any) -> tuple[int, Any]:
    async with served.http.post(f"{served.root}{QUEUE}/{id_}/{what}", json=body) as answer:
        return answer.status, await answer.json()


async def rows(served: Served, sql: str) -> list[Any]:
    def asked(db: Database) -> list[Any]:
        return list(db.query(sql))

    return await served.service.store.read(asked)


async def waiting(served: Served) -> list[Any]:
    return list((await served.get(QUEUE + "?limit=100"))[1]["data"])


async def test_what_is_drawn_waits_with_its_probability(serve: Serve) -> None:
    served = await with_traffic(serve, 10)
    assert await drawn(served, 4) == 4
    queue = await waiting(served)
    assert [one["reason"] for one in queue] == ["drawn at random"] * 4
    assert not {"probability", "stratum", "draw", "place"} & set(queue[0])  # the lot says nothing to who decides
    kept = await rows(served, "SELECT * FROM reviews ORDER BY place")
    assert [one["request_id"] for one in queue] == [one["request_id"] for one in kept]  # in the order of the lot
    (lot,) = await rows(served, "SELECT * FROM review_draws")
    assert (lot["cases"], lot["drawn"], lot["since"]) == (10, 4, "")
    strata = {one["stratum"]: one for one in await rows(served, "SELECT * FROM review_strata")}
    assert all(one["probability"] == strata[one["stratum"]]["drawn"] / strata[one["stratum"]]["cases"] for one in kept)
    id_ = queue[0]["request_id"]
    assert (await send(served, id_, "decide", {"tie": True, "given_by": "ann"}))[0] == 201
    (said,) = await rows(served, "SELECT probability FROM feedback")
    assert said["probability"] == kept[0]["probability"]


async def test_frames_follow_one_another(serve: Serve) -> None:
    served = await with_traffic(serve, 5)
    assert await drawn(served, 5, after=timedelta()) == 0  # too fresh: late verdicts are still to come
    assert await drawn(served, 5) == 5
    assert await drawn(served, 5) == 0  # nobody is drawn twice
    assert await rows(served, "SELECT count(*) AS n FROM review_draws") == [{"n": 1}]


async def test_as_many_are_drawn_as_make_up_the_share(serve: Serve) -> None:
    served = await with_traffic(serve, 30)
    assert await drawn(served, None) == 0  # nothing else waits
    await served.service.store.change(
        lambda db: db.conn.execute(
            "INSERT INTO reviews (request_id, created_at, reason, overturned, status) "
            "SELECT id, arrived_at, 'min_score', 0, 'waiting' FROM requests WHERE model = 'panel' LIMIT 16"
        )
    )
    assert await drawn(served, None, share=0) == 0
    assert await drawn(served, None, share=0.2) == 4  # 4 beside 16
    # How fine the strata are depends on the facts that are there by now.
    found = await rows(served, "SELECT stratum, reason FROM reviews WHERE draw IS NOT NULL")
    queued = [one for one in found if re.fullmatch("(panel: )?queued", one["stratum"])]
    assert 0 < len(queued) < 4
    assert {one["reason"] for one in queued} == {"min_score"}  # why it waits is still told
    assert {one["reason"] for one in found if one not in queued} == {"drawn at random"}


async def test_two_decide_on_a_blind_one_each_alone(serve: Serve) -> None:
    served = await with_traffic(serve, 3)
    assert await drawn(served, 1, twice=1) == 1
    (case,) = await waiting(served)
    id_ = case["request_id"]
    assert (case["blind"], case["status"]) == (True, "waiting")
    assert (await send(served, id_, "claim", {"by": "ann"}))[1]["status"] == "claimed"
    assert (await send(served, id_, "claim", {"by": "bob"}))[1]["status"] == "claimed"
    code, told = await send(served, id_, "claim", {"by": "cat"})
    assert (code, "is claimed by two others" in told["error"]["message"]) == (409, True)
    assert (await waiting(served))[0]["status"] == "claimed"
    code, told = await send(served, id_, "decide", {"tie": True, "given_by": "ann", "comment": "alike"})
    assert (code, told["status"]) == (201, "waiting")
    code, told = await send(served, id_, "decide", {"all_bad": True, "given_by": "ann"})
    assert code == 409
    assert "the second has to be somebody else" in told["error"]["message"]
    _, shown, _ = await served.get(f"{QUEUE}/{id_}")
    assert "ann" not in str(shown)
    assert "alike" not in str(shown)
    assert await served.service.store.read(lambda db: sealed(db, id_))
    assert await rows(served, "SELECT * FROM outbox") == []
    code, told = await send(served, id_, "decide", {"tie": True, "given_by": "bob"})
    assert (code, told["status"]) == (201, "decided")
    assert not await served.service.store.read(lambda db: sealed(db, id_))
    assert await waiting(served) == []
    said = await rows(served, "SELECT given_by, kind FROM feedback ORDER BY given_by")
    assert said == [{"given_by": "ann", "kind": "tie"}, {"given_by": "bob", "kind": "tie"}]
    seats = await rows(served, "SELECT decided_by FROM review_seats ORDER BY seat")
    assert [one["decided_by"] for one in seats] == ["ann", "bob"]
    assert [one["kind"] for one in await rows(served, "SELECT kind FROM outbox")] == ["review.decided"]


async def test_a_third_settles_what_two_find_differently(serve: Serve) -> None:
    served = await with_traffic(serve, 3)
    assert await drawn(served, 1, twice=1) == 1
    (case,) = await waiting(served)
    id_ = case["request_id"]
    assert (await send(served, id_, "decide", {"tie": True, "given_by": "ann", "comment": "alike"}))[0] == 201
    assert (await served.get(f"{QUEUE}/{id_}"))[1]["disputed"] is False
    code, told = await send(served, id_, "decide", {"preferred": "beta", "given_by": "bob"})
    assert (code, told["status"]) == (201, "waiting")
    assert await rows(served, "SELECT * FROM outbox") == []
    (row,) = await waiting(served)
    assert (row["status"], row["disputed"], row["decided_by"]) == ("waiting", True, None)
    _, shown, _ = await served.get(f"{QUEUE}/{id_}")
    beta = shown["findings"][1]["candidate"]
    assert beta in {one["id"] for one in shown["candidates"]}
    votes = [
        {"seat": 1, "finding": "tie", "candidate": None, "comment": "alike"},
        {"seat": 2, "finding": "preferred", "candidate": beta, "comment": None},
    ]
    assert shown["findings"] == [{**vote, "given_by": None} for vote in votes]
    assert await served.service.store.read(lambda db: sealed(db, id_))
    code, told = await send(served, id_, "decide", {"tie": True, "given_by": "bob"})
    assert (code, "a third has to settle it" in told["error"]["message"]) == (409, True)
    code, told = await send(served, id_, "decide", {"all_bad": True, "given_by": "cat"})
    assert (code, told["status"]) == (201, "decided")
    assert await waiting(served) == []
    assert not await served.service.store.read(lambda db: sealed(db, id_))
    _, shown, _ = await served.get(f"{QUEUE}/{id_}")
    assert (shown["status"], shown["disputed"], shown["decided_by"]) == ("decided", True, "cat")
    assert [one["given_by"] for one in shown["findings"]] == ["ann", "bob", "cat"]
    assert set(shown) == set(ReviewCase.__annotations__)  # as /openapi.json has it
    assert set(shown["findings"][0]) == set(SeatFinding.__annotations__)
    assert [one["kind"] for one in await rows(served, "SELECT kind FROM outbox")] == ["review.decided"]


async def test_who_settles_it_can_be_named(serve: Serve) -> None:
    served = await serve(f'{PANEL}\n[reviews]\nadjudicators = ["dan"]\n')
    assert (await served.post(a_question("Why?")))[0] == 200
    assert await drawn(served, 1, twice=1) == 1
    ((id_,),) = [(one["request_id"],) for one in await waiting(served)]
    assert (await send(served, id_, "claim", {"by": "dan"}))[0] == 409
    for by, found in (("ann", {"tie": True}), ("bob", {"all_bad": True})):
        assert (await send(served, id_, "decide", {**found, "given_by": by}))[0] == 201
    code, told = await send(served, id_, "decide", {"tie": True, "given_by": "cat"})
    assert (code, "adjudicators" in told["error"]["message"]) == (409, True)
    code, told = await send(served, id_, "decide", {"tie": True, "given_by": "dan"})
    assert (code, told["status"]) == (201, "decided")


async def test_the_record_of_a_blind_one_is_told_when_both_have_decided(serve: Serve) -> None:
    served = await with_traffic(serve, 2)
    assert await drawn(served, 1, twice=1) == 1
    judged = "SELECT id FROM requests WHERE model = 'panel' ORDER BY id IN (SELECT request_id FROM reviews) DESC"
    blind, other = await rows(served, judged)
    keys = {name: await a_reader(served, name) for name in ("ann", "bob", "boss")}
    record = f"/v1/ensemble/requests/{blind['id']}"

    async def told() -> dict[str, int]:
        replies = {name: await served.get(record, headers=headers) for name, headers in keys.items()}
        for code, said, _ in replies.values():
            assert code == 200 or not any(name in str(said) for name in ("alpha", "beta", "longest"))
        return {name: reply[0] for name, reply in replies.items()}

    assert (await served.get(f"/v1/ensemble/requests/{other['id']}", headers=keys["ann"]))[0] == 200
    assert await told() == {"ann": 409, "bob": 409, "boss": 409}
    assert "/v1/ensemble/reviews/" in (await served.get(record, headers=keys["ann"]))[1]["error"]["message"]
    for by, after in (("ann", {"ann": 200, "bob": 409, "boss": 409}), ("bob", {"ann": 200, "bob": 200, "boss": 200})):
        decided = f"{served.root}{QUEUE}/{blind['id']}/decide"
        async with served.http.post(decided, json={"tie": True, "given_by": by}, headers=keys[by]) as answer:
            assert answer.status == 201
        assert await told() == after


async def test_a_response_of_a_blind_one_is_told_to_who_asked_and_to_others_when_both_have_decided(
    serve: Serve,
) -> None:
    served = await serve(PANEL)
    keys = {name: await a_reader(served, name) for name in ("client", "ann", "bob")}
    asked = {"model": "panel", "input": "Why is the sky blue?"}
    async with served.http.post(f"{served.url}/responses", json=asked, headers=keys["client"]) as answer:
        response = await answer.json()
    id_ = response["id"].removeprefix("resp_")
    assert await drawn(served, 1, twice=1) == 1

    async def told() -> dict[str, int]:
        read = f"/v1/responses/{response['id']}"
        replies = {name: await served.get(read, headers=headers) for name, headers in keys.items()}
        for code, said, _ in replies.values():
            assert (code == 200) is (response["model"] in str(said))
        return {name: reply[0] for name, reply in replies.items()}

    assert await told() == {"client": 200, "ann": 409, "bob": 409}
    for by, after in (("ann", 409), ("bob", 200)):
        decided = f"{served.root}{QUEUE}/{id_}/decide"
        async with served.http.post(decided, json={"tie": True, "given_by": by}, headers=keys[by]) as answer:
            assert answer.status == 201
        assert await told() == {"client": 200, "ann": 200, "bob": after}


async def a_reader(served: Served, name: str) -> dict[str, str]:
    scopes = ("admin",) if name == "boss" else ("use", "read", "review")
    key = a_key(name, scopes, tenant="acme")
    secret = await served.service.store.change(lambda db: create(db, key))
    # What was asked without a key becomes this tenant's, so that its keys see it.
    await served.service.store.change(lambda db: db.conn.execute("UPDATE requests SET tenant = 'acme'"))
    return {"Authorization": f"Bearer {secret}"}


async def test_a_seat_that_nobody_uses_is_free_again(serve: Serve) -> None:
    served = await with_traffic(serve, 2)
    await drawn(served, 1, twice=1)
    id_ = (await waiting(served))[0]["request_id"]
    for name in ("ann", "bob"):
        await send(served, id_, "claim", {"by": name})
    await served.service.store.change(
        lambda db: db.conn.execute("UPDATE review_seats SET claimed_until = '2026-01-01' WHERE claimed_by = 'ann'")
    )
    assert (await send(served, id_, "claim", {"by": "cat"}))[0] == 200
    assert (await send(served, id_, "claim", {"by": "ann"}))[0] == 409


@pytest.mark.parametrize("share", ["1", "-0.1", '"much"'])
async def test_a_share_that_cannot_be_is_named(serve: Serve, share: str) -> None:
    with pytest.raises(ConfigError, match=r"\[reviews\] share"):
        await serve(f"{PANEL}\n[reviews]\nshare = {share}\n")
