"""Spans for OpenTelemetry: one per request, one per attempt at a member, each verdict as an event.

Needs the extra ``otel``, which is imported when telemetry is configured and never otherwise.
Source: OpenTelemetry semantic conventions for generative AI systems (status: development).
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from ensemble.errors import ConfigError
from ensemble.ledger import Aim
from ensemble.tracing import CURRENT, Told
from ensemble.types import Call, Ruling

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Tracer

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")


class TelemetrySettings(BaseModel):
    """Who is told what happens, as the ``[telemetry]`` table; the variables OTEL_* of OpenTelemetry do as well.

    Attributes:
        endpoint: address of an OTLP receiver that takes HTTP, without `/v1/traces`; unset, the one of OTEL_*, or none.
        service_name: by which the receiver knows this service; OTEL_SERVICE_NAME goes before it.
        content: answers and reasons of judges go there too; otherwise names and numbers alone.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = Field(None, pattern=r"^https?://")
    service_name: str = Field("ensemble", min_length=1)
    content: bool = False


class Telemetry:
    """Where spans go. Made with ``exporting``; a test gives a processor of its own."""

    def __init__(self, settings: TelemetrySettings, processor: "SpanProcessor") -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        named = {"service.name": os.environ.get("OTEL_SERVICE_NAME", settings.service_name)}
        self._provider: TracerProvider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("ensemble")
        self._content = settings.content

    @contextmanager
    def request(self, method: str, route: str, incoming: Mapping[str, str]) -> Iterator["_Trace"]:
        """The span of one request, a child of the client's where its ``traceparent`` says so."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        parent = TraceContextTextMapPropagator().extract({name.lower(): value for name, value in incoming.items()})
        about = {"http.request.method": method, "http.route": route}
        with self._tracer.start_as_current_span(
            f"{method} {route}", context=parent, kind=SpanKind.SERVER, attributes=about, record_exception=False
        ) as span:
            trace = _Trace(self._tracer, span, content=self._content)
            token = CURRENT.set(trace)
            try:
                yield trace
            finally:
                CURRENT.reset(token)

    def close(self) -> None:
        """Send what is left. Blocks."""
        self._provider.shutdown()


def exporting(settings: TelemetrySettings) -> Telemetry | None:
    """Spans by OTLP over HTTP to the endpoint of ``settings``, or to the one that OTEL_* names; None without either.

    Blocks for the import.

    Raises:
        ConfigError: the extra is not installed.
    """
    if not _wanted(settings):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise ConfigError("[telemetry] needs OpenTelemetry: pip install 'ensemble-judges[otel]'") from error
    endpoint = settings.endpoint and f"{settings.endpoint.rstrip('/')}/v1/traces"
    return Telemetry(settings, BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))


def _wanted(settings: TelemetrySettings) -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    return settings.endpoint is not None or any(os.environ.get(name) for name in _ENDPOINTS)


class _Trace:
    """One request; ``span`` is its own."""

    def __init__(self, tracer: "Tracer", span: Any, *, content: bool) -> None:
        self._tracer, self._span, self._content = tracer, span, content

    def ended(self, status: int, request_id: str) -> None:
        """What came of the request."""
        from opentelemetry.trace import StatusCode

        self._span.set_attributes({"http.response.status_code": status, "ensemble.request_id": request_id})
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)

    @contextmanager
    def attempt(self, member: str, provider: str, model: str, aim: Aim) -> Iterator[Told]:
        from opentelemetry.trace import SpanKind

        about: dict[str, Any] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider,
            "gen_ai.request.model": model,
            "ensemble.member": member,
            "ensemble.purpose": aim.purpose,
            "ensemble.stage": aim.stage,
            "ensemble.sample": aim.sample,
        }
        about |= {"ensemble.seat": aim.seat} if aim.seat else {}
        with self._tracer.start_as_current_span(
            f"chat {model}", kind=SpanKind.CLIENT, attributes=about, record_exception=False
        ) as span:
            yield lambda call: span.set_attributes(_outcome(call, content=self._content))

    def judged(self, ruling: Ruling) -> None:
        verdict = ruling.verdict
        about: dict[str, Any] = {
            "gen_ai.evaluation.name": ruling.judge,
            "gen_ai.evaluation.score.label": verdict.outcome,
        }
        score = verdict.scores.get(ruling.chosen) if ruling.chosen else None
        about |= {} if score is None else {"gen_ai.evaluation.score.value": score}
        about |= {"gen_ai.evaluation.explanation": verdict.reason} if self._content else {}
        if self._span.is_recording():  # a verdict on stragglers may come when the request has been told
            self._span.add_event("gen_ai.evaluation.result", about)

    def headers(self) -> Mapping[str, str]:
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        carried: dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carried)
        return carried


def _outcome(call: Call, *, content: bool) -> dict[str, Any]:
    """What the ledger has of an attempt, without what is unknown; texts only where they are wanted."""
    said = call.completion
    told: dict[str, Any] = {
        "gen_ai.response.model": said.model if said else None,
        "gen_ai.response.finish_reasons": [said.finish_reason] if said else None,
        "gen_ai.usage.input_tokens": call.usage.input_tokens,
        "gen_ai.usage.output_tokens": call.usage.output_tokens,
        "error.type": call.failure,
        "http.response.status_code": call.http_status,
        "ensemble.attempt": call.attempt,
        "ensemble.cost_nano_usd": call.usage.nano_usd,
        "gen_ai.output.messages": said.text if said and content else None,
    }
    return {name: value for name, value in told.items() if value is not None}
