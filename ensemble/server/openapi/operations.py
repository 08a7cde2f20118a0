"""The table of routes: what each takes, what it answers with, and how it can fail.

A route of the application that is not here fails ``tests/ensemble/server/openapi/test_document.py``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ConfigDict, create_model

from ensemble.dialects._anthropic_body import CountRequest, MessageRequest
from ensemble.dialects._openai_body import ChatRequest
from ensemble.dialects._responses_body import ResponseRequest
from ensemble.errors import (
    Conflict,
    DeadlineExceeded,
    EnsembleError,
    Infeasible,
    InvalidRequest,
    NoCandidate,
    NotConfident,
    NotFound,
    NotPermitted,
    Overloaded,
    StoreUnavailable,
    TooLong,
    Unbounded,
    UnknownModel,
    Unsupported,
)
from ensemble.feedback import Feedback
from ensemble.reviewing import Claim
from ensemble.server.openapi.replies import anthropic, openai, own, responses

JSON = "application/json"
EVENTS = "text/event-stream"
Speaks = Literal["openai", "anthropic", "either"]


@dataclass(frozen=True, slots=True)
class Reply:
    """A success; ``shapes`` are types of ``replies`` of which one is the JSON body, ``text`` other kinds of content."""

    told: str
    shapes: tuple[Any, ...] = ()
    text: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the query, the path or the headers that a client may send; those of the path are needed."""

    name: str
    told: str
    schema: Mapping[str, object] = field(default_factory=lambda: {"type": "string"})
    place: Literal["query", "path", "header"] = "query"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one route.

    Attributes:
        tag: group under which readers find it.
        speaks: whose error shape it has; ``either`` goes by whether the client sends ``anthropic-version``.
        body: what the body must be; None where there is none.
        errors: what may go wrong, beyond what any request with a key or with a body risks.
    """

    tag: str
    replies: Mapping[int, Reply]
    speaks: Speaks = "either"
    body: Any = None
    parameters: tuple[Parameter, ...] = ()
    errors: tuple[type[EnsembleError], ...] = ()


VERSION = Parameter("anthropic-version", "Sent by Anthropic's clients, and answered in their shapes.", place="header")
IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key",
    "The same key gives the same answer, once paid, for 24 hours; another body under it is refused with 409.",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[ -~]+$"},
    "header",
)
DEADLINE = Parameter(
    "x-ensemble-deadline-ms",
    "Most milliseconds until the answer; the earlier of this and `deadline_s` in the body holds.",
    {"type": "integer", "minimum": 1, "maximum": 3_600_000},
    "header",
)
FEEDBACK_KEY = Parameter(
    "Idempotency-Key", "As `idempotency_key` in the body; the two must not differ.", place="header"
)
PLANNED = (InvalidRequest, Unbounded, UnknownModel, NotPermitted, Infeasible, NoCandidate, Overloaded, DeadlineExceeded)
ANSWERED = (*PLANNED, Unsupported, TooLong, NotConfident, Conflict, StoreUnavailable)
"""How a question to a panel can fail."""
_EVENTS = "the same as server-sent events where the body has `stream: true`"
_PAGE = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 20}
_REVIEWED = (VERSION, Parameter("id", "Id of a request, or of a reply.", place="path"))
_SAID: Mapping[str, Any] = {
    name: (one.annotation, one)
    for name, one in Feedback.model_fields.items()
    if name not in ("request_id", "conversation")  # the address says which answer is meant
}
_FINDING = create_model("Finding", __config__=ConfigDict(extra="forbid"), **_SAID)

OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("POST", "/v1/chat/completions"): Operation(
        tag="OpenAI",
        speaks="openai",
        body=ChatRequest,
        parameters=(IDEMPOTENCY_KEY, DEADLINE),
        replies={200: Reply(f"The winner's answer; {_EVENTS}.", (openai.ChatCompletion,), (EVENTS,))},
        errors=ANSWERED,
    ),
    ("POST", "/v1/responses"): Operation(
        tag="OpenAI",
        speaks="openai",
        body=ResponseRequest,
        parameters=(IDEMPOTENCY_KEY, DEADLINE),
        replies={200: Reply(f"The winner's answer; {_EVENTS}.", (responses.Response,), (EVENTS,))},
        errors=(*ANSWERED, NotFound),
    ),
    ("GET", "/v1/responses/{id}"): Operation(
        tag="OpenAI",
        parameters=(
            VERSION,
            Parameter("id", "Id of a response.", {"type": "string", "pattern": "^resp_"}, "path"),
            Parameter("include", "Everything that is kept is told, so it changes nothing."),
        ),
        replies={200: Reply("It.", (responses.Response,))},
        errors=(InvalidRequest, NotFound, Conflict),
    ),
    ("POST", "/v1/messages"): Operation(
        tag="Anthropic",
        speaks="anthropic",
        body=MessageRequest,
        parameters=(IDEMPOTENCY_KEY, DEADLINE),
        replies={200: Reply(f"The winner's answer; {_EVENTS}.", (anthropic.Message,), (EVENTS,))},
        errors=ANSWERED,
    ),
    ("POST", "/v1/messages/count_tokens"): Operation(
        tag="Anthropic",
        speaks="anthropic",
        body=CountRequest,
        replies={200: Reply("The count.", (anthropic.TokenCount,))},
        errors=PLANNED,
    ),
    ("GET", "/v1/models"): Operation(
        tag="Models",
        parameters=(
            VERSION,
            Parameter("limit", "Most models on a page, in Anthropic's shape.", _PAGE),
            Parameter("after_id", "The page after this model, in Anthropic's shape."),
            Parameter("before_id", "The page before this model, in Anthropic's shape."),
        ),
        replies={200: Reply("Routers, then members.", (openai.OpenAIModels, anthropic.AnthropicModels))},
        errors=(InvalidRequest,),
    ),
    ("GET", "/v1/models/{model}"): Operation(
        tag="Models",
        parameters=(VERSION, Parameter("model", "A router or member.", place="path")),
        replies={200: Reply("It.", (openai.OpenAIModel, anthropic.AnthropicModel))},
        errors=(UnknownModel,),
    ),
    ("GET", "/v1/ensemble/requests/{id}"): Operation(
        tag="Log",
        parameters=(VERSION, Parameter("id", "Id of a request, or of a reply.", place="path")),
        replies={200: Reply("The record.", (own.LoggedRequest,))},
        errors=(NotFound, Conflict),
    ),
    ("POST", "/v1/ensemble/compare"): Operation(
        tag="Log",
        body=ChatRequest,
        parameters=(VERSION, IDEMPOTENCY_KEY),
        replies={200: Reply(f"The comparison; {_EVENTS}, one per candidate.", (own.Comparison,), (EVENTS,))},
        errors=ANSWERED,
    ),
    ("POST", "/v1/ensemble/feedback"): Operation(
        tag="Log",
        body=Feedback,
        parameters=(VERSION, FEEDBACK_KEY),
        replies={
            201: Reply("Stored.", (own.NotedFeedback,)),
            200: Reply("It was stored before.", (own.NotedFeedback,)),
        },
        errors=(NotFound, Conflict),
    ),
    ("GET", "/v1/ensemble/reviews"): Operation(
        tag="Reviews",
        parameters=(
            VERSION,
            Parameter("status", "Which of them.", {"enum": ["open", "decided"], "default": "open"}),
            Parameter("limit", "Most of a page.", {**_PAGE, "maximum": 100}),
        ),
        replies={200: Reply("A page of them.", (own.Reviews,))},
        errors=(InvalidRequest,),
    ),
    ("GET", "/v1/ensemble/reviews/{id}"): Operation(
        tag="Reviews",
        parameters=_REVIEWED,
        replies={200: Reply("It.", (own.ReviewCase,))},
        errors=(NotFound,),
    ),
    ("POST", "/v1/ensemble/reviews/{id}/claim"): Operation(
        tag="Reviews",
        body=Claim,
        parameters=_REVIEWED,
        replies={200: Reply("It is kept.", (own.Review,))},
        errors=(NotFound, Conflict),
    ),
    ("POST", "/v1/ensemble/reviews/{id}/decide"): Operation(
        tag="Reviews",
        body=_FINDING,
        parameters=_REVIEWED,
        replies={201: Reply("It is closed.", (own.Decision,))},
        errors=(NotFound, Conflict),
    ),
    ("GET", "/healthz"): Operation(tag="Probes", replies={200: Reply("It is.", (own.Health,))}),
    ("GET", "/readyz"): Operation(
        tag="Probes",
        parameters=(VERSION,),
        replies={200: Reply("They can.", (own.Readiness,))},
        errors=(Overloaded, StoreUnavailable),
    ),
    ("GET", "/metrics"): Operation(
        tag="Probes",
        replies={200: Reply("The figures.", text=("text/plain", "application/openmetrics-text"))},
    ),
    ("GET", "/openapi.json"): Operation(tag="Probes", replies={200: Reply("This document.", (dict[str, Any],))}),
}
"""By method and path, as the router of the application has them."""
