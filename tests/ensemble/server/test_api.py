"""What a client sees that is no official one: shapes, statuses, headers, raw streams."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from ensemble.simulator import reply
from tests.served import Served, a_question


async def test_a_reply_tells_its_id_winner_and_cost_in_headers(served: Served) -> None:
    served.simulator.script("beta", [reply("by far the longest of all the answers that there are " * 9)])
    code, said, headers = await served.post()
    assert (code, said["model"], headers["x-ensemble-winner"]) == (200, "beta", "beta")
    assert said["id"] == f"chatcmpl-{UUID(headers['x-ensemble-request-id'])}"
    record = await served.record(said["id"])
    assert headers["x-ensemble-cost-usd"] == f"{record['cost']['nano_usd'] / 1e9:.9f}".rstrip("0")
    assert "ensemble" not in said


async def test_the_record_is_found_by_either_id_and_holds_everything(served: Served) -> None:
    _, said, headers = await served.post(a_question("Who?", user="u1", metadata={"team": "red"}))
    record = await served.record(said["id"])
    assert record == await served.record(headers["x-ensemble-request-id"])
    assert (record["dialect"], record["end_user"], record["metadata"]) == ("openai-chat", "u1", {"team": "red"})
    assert {call["member"] for call in record["calls"]} == {"alpha", "beta", "gamma"}
    assert len(record["verdicts"]) == 1


async def test_an_unknown_record_is_not_found(served: Served) -> None:
    code, said, _ = await served.get("/v1/ensemble/requests/nothing")
    assert (code, said["error"]["code"], said["error"]["param"]) == (404, "not_found", "id")


async def test_models_are_routers_then_members(served: Served) -> None:
    _, said, _ = await served.get("/v1/models")
    assert [(one["id"], one["owned_by"]) for one in said["data"]] == [
        ("panel", "ensemble"),
        ("alpha", "sim"),
        ("beta", "sim"),
        ("gamma", "sim"),
        ("critic", "sim"),
    ]
    _, one, _ = await served.get("/v1/models/alpha")
    assert one == said["data"][1]
    code, wrong, _ = await served.get("/v1/models/alpa")
    assert (code, wrong["error"]["code"]) == (404, "model_not_found")
    assert "alpha" in wrong["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/chat/completions/c1", "/"])
async def test_what_is_not_offered_is_404_in_openais_shape(served: Served, path: str) -> None:
    code, said, headers = await served.get(path)
    assert (code, said["error"]["type"], said["error"]["code"]) == (404, "invalid_request_error", "not_found")
    assert f"GET {path} is not offered" in said["error"]["message"]
    assert "POST /v1/chat/completions" in said["error"]["message"]
    assert said["error"]["message"].endswith("pages for people are under /ui")
    assert UUID(headers["x-ensemble-request-id"]).version == 7


async def test_a_browser_at_the_root_is_led_to_the_pages(served: Served) -> None:
    asked = {"headers": {"Accept": "text/html,*/*;q=0.8"}, "allow_redirects": False}
    async with served.http.get(f"{served.root}/", **asked) as answer:  # type: ignore[arg-type]
        assert (answer.status, answer.headers["Location"]) == (303, "/ui")
    async with served.http.post(f"{served.root}/v1", **asked) as answer:  # type: ignore[arg-type]
        assert answer.status == 404


async def test_the_wrong_method_is_405_in_openais_shape(served: Served) -> None:
    code, said, headers = await served.get("/v1/chat/completions")
    assert (code, said["error"]["code"], headers["Allow"]) == (405, "method_not_allowed", "POST")


@pytest.mark.parametrize(
    ("sent", "headers", "code", "param"),
    [
        (b"{", {}, 400, None),
        (json.dumps(a_question(temperature=9)).encode(), {}, 400, "temperature"),
        (json.dumps(a_question(model="panl")).encode(), {}, 404, "model"),
        (json.dumps(a_question("x" * 100_000)).encode(), {}, 413, None),
        (gzip.compress(json.dumps(a_question("x" * 100_000)).encode()), {"Content-Encoding": "gzip"}, 413, None),
        (json.dumps(a_question()).encode(), {"Content-Type": "text/plain"}, 415, None),
        (json.dumps(a_question()).encode(), {"Content-Encoding": "gzip"}, 400, None),
    ],
)
async def test_a_body_that_cannot_be_taken_is_told_why(
    served: Served, sent: bytes, headers: dict[str, str], code: int, param: str | None
) -> None:
    status_, said, told = await served.post(data=sent, headers=headers)
    assert (status_, said["error"]["param"]) == (code, param)
    assert said["error"]["type"] == "invalid_request_error"
    assert said["error"]["message"]
    assert UUID(told["x-ensemble-request-id"]).version == 7


TURNS = [{"role": "user", "content": "Who?"}]
WRONG = {"properties": {"name": {"type": "text"}}}
LOST = {"$ref": "#/$defs/name"}


@pytest.mark.parametrize(
    ("path", "body", "place"),
    [
        (
            "chat/completions",
            lambda schema: {
                "messages": TURNS,
                "response_format": {"type": "json_schema", "json_schema": {"name": "who", "schema": schema}},
            },
            "response_format.json_schema.schema",
        ),
        (
            "responses",
            lambda schema: {
                "input": "Who?",
                "text": {"format": {"type": "json_schema", "name": "who", "schema": schema}},
            },
            "text.format.schema",
        ),
        (
            "messages",
            lambda schema: {
                "messages": TURNS,
                "max_tokens": 9,
                "output_config": {"format": {"type": "json_schema", "schema": schema}},
            },
            "output_config.format.schema",
        ),
    ],
)
async def test_a_schema_that_nothing_can_fit_is_refused_before_anybody_is_asked(
    served: Served, path: str, body: Callable[[Any], dict[str, Any]], place: str
) -> None:
    for schema, why in (
        (WRONG, "properties.name.type: it must be array, boolean, integer"),
        (LOST, "a reference leads nowhere: Pointer '/$defs/name' does not exist; put what it names under $defs"),
        (["name"], "input should be an object"),
    ):
        asked = {"model": "panel", **body(schema)}
        async with served.http.post(f"{served.root}/v1/{path}", json=asked) as answer:
            error = (await answer.json())["error"]
        assert (answer.status, error["type"]) == (400, "invalid_request_error")
        assert error["message"].startswith(f"{place}: ")
        assert why in error["message"]
        assert error.get("param", place) == place, "Anthropic's errors have none"
    assert len(served.simulator.served) == 0


async def test_a_compressed_body_is_understood(served: Served) -> None:
    packed = gzip.compress(json.dumps(a_question()).encode())
    code, said, _ = await served.post(data=packed, headers={"Content-Encoding": "gzip"})
    assert (code, said["object"]) == (200, "chat.completion")


async def test_probes(served: Served) -> None:
    assert (await served.get("/healthz"))[:2] == (200, {"status": "ok"})
    code, said, _ = await served.get("/readyz")
    assert (code, said["status"]) == (200, "ready")
    assert said["config"]["digest"] == served.service.settings.digest
    await served.service.drain(0)
    assert (await served.get("/healthz"))[0] == 200
    code, said, headers = await served.get("/readyz")
    assert (code, said["error"]["code"], headers["Retry-After"]) == (503, "overloaded", "5")


async def test_without_a_writable_log_it_is_not_ready_and_answers_nothing(served: Served) -> None:
    await served.service.store.close()
    assert (await served.get("/readyz"))[0] == 503
    code, said, _ = await served.post()
    assert (code, said["error"]["code"]) == (503, "store_unavailable")


async def test_work_that_a_shutdown_cuts_off_is_told_so(served: Served) -> None:
    gates = [served.simulator.hold(name) for name in ("alpha", "beta", "gamma") * 2]
    async with asyncio.TaskGroup() as group:
        plain = group.create_task(served.post())
        stream = group.create_task(_read_stream(served))
        await served.simulator.until(in_flight=6)
        await served.service.drain(0.01)
    code, said, headers = plain.result()
    assert (code, said["error"]["code"], headers["Retry-After"]) == (503, "overloaded", "1")
    assert stream.result()["error"]["code"] == "overloaded"
    assert not any(gate.is_set() for gate in gates)


async def _read_stream(served: Served) -> Any:
    async with served.http.post(f"{served.url}/chat/completions", json=a_question(stream=True)) as streamed:
        sent = (await streamed.read()).decode()
    return json.loads(sent)
