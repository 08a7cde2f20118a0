"""Answers that are not good enough: every way out over HTTP, and the queue of those that a person is to look at."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import openai
import pytest

from ensemble.keys.issuing import a_key, create
from ensemble.simulator.script import reply, status
from ensemble.store.reviews import claim
from tests.served import Served, a_question
from tests.stories.conftest import Serve

JUDGED = """
[judges.same]
use = "agreement"

[routers.panel]
use = "parallel"
members = ["alpha", "beta"]
judge = "same"

[routers.panel.trust]
min_score = 0.9
on_low = "{way}"
{more}

[routers.strong]
use = "parallel"
members = ["gamma", "critic"]
judge = "longest"
"""
QUEUE = "/v1/ensemble/reviews"


def house(way: str, more: str = "") -> str:
    return JUDGED.format(way=way, more=more)


async def disagreeing(serve: Serve, way: str, more: str = "") -> Served:
    served = await serve(house(way, more))
    for name in ("alpha", "beta", "gamma", "critic"):
        served.simulator.always(name, reply(f"the answer of {name}, which nobody else gives"))
    return served


async def send(served: Served, path: str, body: Any, **options: Any) -> tuple[int, Any]:
    async with served.http.post(served.root + path, json=body, **options) as answer:
        return answer.status, await answer.json()


async def test_a_warning_is_in_the_header_and_in_the_log(serve: Serve) -> None:
    served = await disagreeing(serve, "warn")
    async with served.client() as client:
        raw = await client.chat.completions.with_raw_response.create(**a_question())
    said = raw.parse()
    warning = raw.headers["x-ensemble-warning"]
    assert warning.startswith("the answer is in doubt: min_score 0.9: the score of the answer is 0")
    assert said.model_extra["ensemble"]["warnings"] == [warning]
    record = await served.record(raw.headers["x-ensemble-request-id"])
    assert record["plan"]["warnings"] == [warning]
    assert (await served.get(QUEUE))[1]["data"] == []


async def test_no_warning_where_they_agree(serve: Serve) -> None:
    served = await disagreeing(serve, "warn")
    for name in ("alpha", "beta"):
        served.simulator.always(name, reply("The answer is 408."))
    code, _, headers = await served.post(a_question("What is 17 x 24?"))
    assert (code, "x-ensemble-warning" in headers) == (200, False)


async def test_refused_is_a_422_in_either_protocol_with_the_reason(serve: Serve) -> None:
    served = await disagreeing(serve, "refuse")
    reason = "min_score 0.9: the score of the answer is 0"
    async with served.client() as client:
        with pytest.raises(openai.UnprocessableEntityError, match=reason) as raised:
            await client.chat.completions.create(**a_question())
        assert raised.value.code == "not_confident"
        id_ = raised.value.response.headers["x-ensemble-request-id"]
        with pytest.raises(openai.APIError, match=reason):
            async for _ in await client.chat.completions.create(**a_question(stream=True)):
                pass
    async with anthropic.AsyncAnthropic(base_url=served.root, api_key="none", max_retries=0) as claude:
        with pytest.raises(anthropic.UnprocessableEntityError, match=reason):
            await claude.messages.create(model="panel", max_tokens=50, messages=[{"role": "user", "content": "Why?"}])
    record = await served.record(id_)
    assert (record["status"], record["error"], len(record["candidates"])) == ("failed", "not_confident", 2)


async def test_the_stronger_panel_answers_in_the_place_of_a_weak_one(serve: Serve) -> None:
    served = await disagreeing(serve, "escalate", 'escalate_to = "strong"')
    async with served.client() as client:
        asked = a_question(extra_body={"ensemble": {"include": ["verdict"]}})
        raw = await client.chat.completions.with_raw_response.create(**asked)
    said = raw.parse()
    assert said.model in ("gamma", "critic")
    assert said.model_extra["ensemble"]["verdict"]["stage"] == 1
    record = await served.record(raw.headers["x-ensemble-request-id"])
    assert [verdict["stage"] for verdict in record["verdicts"]] == [0, 1]
    assert len(record["calls"]) == 4


async def test_where_the_stronger_panel_fails_the_weak_answer_comes_with_a_warning(serve: Serve) -> None:
    served = await disagreeing(serve, "escalate", 'escalate_to = "strong"')
    for name in ("gamma", "critic"):
        served.simulator.always(name, status(500))
    code, _, headers = await served.post()
    assert (code, headers["x-ensemble-winner"]) == (200, "alpha")
    assert "brought nothing (no_candidate)" in headers["x-ensemble-warning"]


async def test_a_person_finds_the_answer_in_the_queue_and_decides(serve: Serve) -> None:
    served = await disagreeing(serve, "review")
    async with served.client() as client:
        raw = await client.chat.completions.with_raw_response.create(**a_question("Is it malignant?"))
    id_ = raw.headers["x-ensemble-request-id"]
    assert raw.headers["x-ensemble-warning"].startswith("the answer waits for review: min_score 0.9")
    code, page, _ = await served.get(QUEUE)
    (row,) = page["data"]
    assert (code, row["request_id"], row["status"], row["overturned"]) == (200, id_, "waiting", False)
    assert row["reason"].startswith("min_score 0.9: the score of the answer is")
    code, shown, _ = await served.get(f"{QUEUE}/{raw.parse().id}")
    assert (code, shown["messages"][0]["content"]) == (200, "Is it malignant?")
    assert {one["text"][:17] for one in shown["candidates"]} == {"the answer of alp", "the answer of bet"}
    assert "member" not in shown
    assert all(set(one) == {"id", "text", "tool_calls", "finish_reason"} for one in shown["candidates"])
    best = next(one["id"] for one in shown["candidates"] if "beta" in one["text"])
    assert (await send(served, f"{QUEUE}/{id_}/claim", {"by": "ann"}))[1]["status"] == "claimed"
    assert (await send(served, f"{QUEUE}/{id_}/claim", {"by": "bob"}))[0] == 409
    assert (await send(served, f"{QUEUE}/{id_}/decide", {"preferred": best, "given_by": "bob"}))[0] == 409
    code, told = await send(
        served, f"{QUEUE}/{id_}/decide", {"preferred": best, "given_by": "ann", "comment": "it names the cause"}
    )
    assert (code, told["status"], told["decided_by"]) == (201, "decided", "ann")
    code, told = await send(served, f"{QUEUE}/{id_}/decide", {"all_bad": True, "given_by": "ann"})
    assert (code, told["error"]["code"]) == (409, "conflict")
    assert (await served.get(QUEUE))[1]["data"] == []
    (row,) = (await served.get(QUEUE + "?status=decided"))[1]["data"]
    assert (row["decided_by"], row["status"]) == ("ann", "decided")
    (label,) = served.service.store.labels(people="first")
    assert (label.best, label.source, label.by) == (frozenset({"beta"}), "human", "ann")


async def test_an_answer_that_is_overturned_stands_first(serve: Serve) -> None:
    late = 'quorum = 1\nstraggler_s = 30\njudge = "longest"'
    served = await serve(
        house("review").replace('judge = "same"', late, 1).replace("min_score = 0.9", "min_confidence = 0.9")
    )
    served.simulator.script("alpha", [reply("short")] * 3)
    ids = []
    for late_text in ("x", "something much longer", "y"):
        gate = served.simulator.hold("beta", late_text)
        _, _, headers = await served.post()
        gate.set()
        await served.service.idle()
        ids.append(headers["x-ensemble-request-id"])
    page = (await served.get(QUEUE + "?limit=2"))[1]
    assert ([row["request_id"] for row in page["data"]], page["has_more"]) == ([ids[1], ids[0]], True)
    assert [row["overturned"] for row in page["data"]] == [True, False]
    assert page["data"][0]["reason"].endswith("; the full panel's verdict names another winner")
    async with served.http.get(served.root + "/metrics") as scraped:
        told = await scraped.text()
    assert 'ensemble_overturned_total{router="panel"} 1.0' in told
    assert 'ensemble_reviews_waiting{overturned="true"} 1.0' in told
    assert 'ensemble_reviews_waiting{overturned="false"} 2.0' in told


async def test_a_claim_ends_by_itself(serve: Serve) -> None:
    served = await disagreeing(serve, "review")
    id_ = (await served.post())[2]["x-ensemble-request-id"]
    past = datetime.now(UTC) - timedelta(hours=2)
    await served.service.store.change(lambda db: claim(db, id_, "ann", past))
    assert (await served.get(QUEUE))[1]["data"][0]["status"] == "waiting"
    code, told = await send(served, f"{QUEUE}/{id_}/claim", {"by": "bob"})
    assert (code, told["claimed_by"]) == (200, "bob")


async def test_reviewers_see_what_their_tenant_asked_and_nothing_else(serve: Serve) -> None:
    served = await disagreeing(serve, "review")

    async def bearer(*scopes: str, tenant: str) -> dict[str, str]:
        key = a_key("-".join((*scopes, tenant)), scopes, tenant=tenant)
        return {"Authorization": f"Bearer {await served.service.store.change(lambda db: create(db, key))}"}

    app, ann = await bearer("use", tenant="clinic"), await bearer("review", tenant="clinic")
    eve = await bearer("review", tenant="elsewhere")
    id_ = (await served.post(headers=app))[2]["x-ensemble-request-id"]
    assert (await served.get(QUEUE, headers=app))[0] == 403
    assert [row["request_id"] for row in (await served.get(QUEUE, headers=ann))[1]["data"]] == [id_]
    assert (await served.get(QUEUE, headers=eve))[1]["data"] == []
    for path in (f"{QUEUE}/{id_}/claim", f"{QUEUE}/{id_}/decide"):
        assert (await send(served, path, {"by": "eve"}, headers=eve))[0] == 404
    assert (await served.get(f"{QUEUE}/{id_}", headers=eve))[0] == 404
    assert (await send(served, f"{QUEUE}/{id_}/decide", {"tie": True}, headers=ann))[0] == 201


@pytest.mark.parametrize(
    ("action", "body", "param"),
    [
        ("claim", {}, "by"),
        ("claim", {"by": ""}, "by"),
        ("decide", {}, "preferred"),
        ("decide", {"rating": 1}, "preferred"),
        ("decide", {"preferred": "nobody"}, "preferred"),
        ("decide", {"tie": True, "request_id": "other"}, "request_id"),
        ("decide", [], None),
    ],
)
async def test_a_bad_body_is_named_and_changes_nothing(serve: Serve, action: str, body: Any, param: str | None) -> None:
    served = await disagreeing(serve, "review")
    id_ = (await served.post())[2]["x-ensemble-request-id"]
    code, said = await send(served, f"{QUEUE}/{id_}/{action}", body)
    assert (code, said["error"]["param"]) == (400, param), said
    assert (await served.get(QUEUE))[1]["data"][0]["status"] == "waiting"


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=101", "status=all"])
async def test_a_bad_query_is_named(serve: Serve, query: str) -> None:
    served = await serve(house("review"))
    code, said, _ = await served.get(f"{QUEUE}?{query}")
    assert (code, said["error"]["param"]) == (400, query.partition("=")[0])


async def test_what_was_never_queued_is_not_found(serve: Serve) -> None:
    served = await serve(house("warn"))
    assert (await served.get(QUEUE + "/nothing"))[0] == 404
