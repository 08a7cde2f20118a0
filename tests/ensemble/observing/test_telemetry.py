"""What OpenTelemetry is told: spans and events by the GenAI names, a trace that goes through, and no content."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from ensemble.observing.telemetry import Telemetry, TelemetrySettings
from ensemble.simulator.script import reply, status
from tests.served import PARTS, Served, a_question, serving

TABLES = """
[routers.panel]
use = "parallel"
members = ["alpha", "beta", "gamma"]
judge = "llm"

[server]
drain_s = 0.2
"""
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
CANARY = "canary-91c2"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, TABLES) as running:
        yield running


def watched(served: Served, *, content: bool = False) -> InMemorySpanExporter:
    spans = InMemorySpanExporter()
    served.service.telemetry = Telemetry(TelemetrySettings(content=content), SimpleSpanProcessor(spans))
    return spans


def told(spans: InMemorySpanExporter) -> tuple[ReadableSpan, list[ReadableSpan]]:
    """The span of the request, and those of its calls."""
    done = spans.get_finished_spans()
    (root,) = [one for one in done if one.name.startswith("POST")]
    return root, [one for one in done if one is not root]


async def test_a_request_is_a_span_with_one_for_each_call_and_the_verdict(served: Served) -> None:
    spans = watched(served)
    served.simulator.script("beta", [status(500)])
    served.simulator.script("alpha", [reply("Short.")])
    served.simulator.script("gamma", [reply("Not quite so short.")])
    _, _, headers = await served.post(headers={"traceparent": TRACEPARENT})
    await served.service.idle()
    root, calls = told(spans)
    assert root.context is not None
    assert root.name == "POST /v1/chat/completions"
    assert root.attributes is not None
    assert root.attributes["ensemble.request_id"] == headers["x-ensemble-request-id"]
    assert root.attributes["http.response.status_code"] == 200
    assert {one.context.trace_id for one in (root, *calls) if one.context} == {int(TRACE, 16)}
    assert all(one.parent is not None and one.parent.span_id == root.context.span_id for one in calls)
    about = [dict(one.attributes or {}) for one in calls]
    assert sorted(str(one["ensemble.member"]) for one in about if one["ensemble.purpose"] == "candidate") == [
        "alpha",
        "beta",
        "gamma",
    ]
    assert [one["ensemble.seat"] for one in about if one["ensemble.purpose"] == "judge"]
    failed = next(one for one in about if one["ensemble.member"] == "beta")
    assert failed["error.type"] == "overloaded"
    good = next(one for one in about if one["ensemble.member"] == "alpha")
    assert good["gen_ai.operation.name"] == "chat"
    assert good["gen_ai.provider.name"] == "sim"
    assert good["gen_ai.request.model"] == "alpha"
    assert int(str(good["gen_ai.usage.output_tokens"])) > 0
    (event,) = root.events
    assert event.name == "gen_ai.evaluation.result"
    assert event.attributes is not None
    assert event.attributes["gen_ai.evaluation.name"] == "llm"
    assert "gen_ai.evaluation.score.label" in event.attributes


async def test_the_trace_goes_on_at_the_provider(tmp_path: Path) -> None:
    sent: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        sent.append(request.headers.get("traceparent", ""))
        message = {"role": "assistant", "content": "Because of Rayleigh."}
        return web.json_response(
            {"id": "1", "object": "chat.completion", "choices": [{"message": message, "finish_reason": "stop"}]}
        )

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    async with TestServer(app) as provider:
        parts = PARTS.replace("{base_url}", str(provider.make_url("/v1")))
        async with serving(tmp_path, TABLES, parts=parts) as served:
            spans = watched(served)
            status, _, _ = await served.post(headers={"traceparent": TRACEPARENT})
            assert status == 200
            _, calls = told(spans)
            untraced = await served.http.post(f"{served.url}/chat/completions", json=a_question("Why is it red?"))
            assert untraced.status == 200
    ids = {f"00-{TRACE}-{one.context.span_id:016x}-01" for one in calls if one.context}
    assert set(sent[: len(ids)]) == ids
    assert not any(TRACE in one for one in sent[len(ids) :])


@pytest.mark.parametrize("content", [False, True])
async def test_texts_are_told_only_where_they_are_wanted(content: bool, served: Served) -> None:
    spans = watched(served, content=content)
    served.simulator.script("alpha", [reply(CANARY)])
    await served.post(a_question(CANARY, user=CANARY, metadata={"domain": CANARY}))
    everything = "".join(one.to_json() for one in spans.get_finished_spans())
    assert (CANARY in everything) is content


async def test_spans_go_to_a_receiver(tmp_path: Path) -> None:
    got: list[ExportTraceServiceRequest] = []

    async def receive(request: web.Request) -> web.Response:
        got.append(ExportTraceServiceRequest.FromString(await request.read()))
        return web.Response()

    app = web.Application(handler_args={"auto_decompress": True})
    app.router.add_post("/v1/traces", receive)
    async with TestServer(app) as receiver:
        table = f'\n[telemetry]\nendpoint = "{receiver.make_url("/")}"\nservice_name = "ours"\n'
        async with serving(tmp_path, TABLES + table) as served:
            await served.post()
    resource = got[0].resource_spans[0]
    assert "ours" in str(resource.resource)
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert "POST /v1/chat/completions" in names
    assert "chat alpha" in names
