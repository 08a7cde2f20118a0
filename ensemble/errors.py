"""Errors that reach a client. Each class fixes one HTTP status and one code.

EnsembleError                    status  code
├── InvalidRequest                  400  invalid_request      ``param`` names the field
├── Unsupported                     400  unsupported_parameter  no member takes what the request states
├── TooLong                         400  context_length_exceeded  no member has room for the request
├── Unbounded                       400  unbounded_member     a budget, and members of unknown cost
├── Unauthenticated                 401  invalid_api_key
├── Forbidden                       403  permission_denied    the key lacks a scope
├── UnknownModel                    404  model_not_found      lists the nearest names
├── NotFound                        404  not_found
├── Conflict                        409  conflict             what came before under the same key differs
├── NotPermitted                    422  no_permitted_member  nobody may see data of that class
├── MethodNotAllowed                405  method_not_allowed
├── RequestTooLarge                 413  request_too_large
├── Infeasible                      422  infeasible           nothing fits the limits that the request states
├── NotConfident                    422  not_confident        no answer reaches what the router demands
├── LimitExceeded                   429  rate_limit_exceeded  carries ``retry_after_s``
├── BudgetExceeded                  429  insufficient_quota
├── NoCandidate                     502  no_candidate         carries every call that failed
├── StreamBroken                    502  stream_broken        a leader's answer broke while it went out
├── Overloaded                      503  overloaded           carries ``retry_after_s``
├── StoreUnavailable                503  store_unavailable    the log cannot be written, so nothing is answered
└── DeadlineExceeded                504  deadline_exceeded

ConfigError stands apart: it is raised while starting, names file, key and mend, and never reaches a client.
CallFailed is internal: providers raise it, the fleet turns it into a ``Call``.
"""

from typing import TYPE_CHECKING, ClassVar

from judges.errors import ModelError

if TYPE_CHECKING:
    from ensemble.types import Call, Failure
    from judges.types import Completion


class ConfigError(Exception):
    """The configuration cannot be used."""


class RouterError(Exception):
    """A router can make no plan; its fallback plan runs."""


class StoreError(Exception):
    """The log cannot be opened, read or written; the sentence says which and what to do."""


class CallFailed(ModelError):
    """One attempt at a model failed.

    Attributes:
        failure: what kind of failure.
        sent: whether the provider can have seen (and billed) the request.
        completion: partial answer with what usage is known, or None.
        http_status: status of the reply, None where there was none.
        provider_request_id: the provider's id of the attempt, where it told one.
    """

    def __init__(
        self,
        message: str,
        *,
        failure: "Failure",
        retryable: bool = False,
        retry_after_s: float | None = None,
        sent: bool = True,
        completion: "Completion | None" = None,
        http_status: int | None = None,
        provider_request_id: str | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, retry_after_s=retry_after_s)
        self.failure: Failure = failure
        self.sent = sent
        self.completion = completion
        self.http_status = http_status
        self.provider_request_id = provider_request_id


class EnsembleError(Exception):
    """Base of everything that a client can be told. ``str(error)`` is safe to send: it holds no secret."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.param = param
        self.retry_after_s = retry_after_s


class InvalidRequest(EnsembleError):
    """The request breaks the protocol or asks for what is not offered."""

    status = 400
    code = "invalid_request"


class Unsupported(EnsembleError):
    """The request states parameters that no member takes, and ``strict_params`` forbids dropping them.

    ``param`` names the one, where it is only one; ``calls`` holds who was left out for which.
    """

    status = 400
    code = "unsupported_parameter"

    def __init__(self, message: str, parameters: "tuple[str, ...]" = (), *, calls: "tuple[Call, ...]" = ()) -> None:
        super().__init__(message, param=parameters[0] if len(parameters) == 1 else None)
        self.calls = calls


class TooLong(EnsembleError):
    """The request is longer than the context of every member asked; ``calls`` holds what was tried."""

    status = 400
    code = "context_length_exceeded"

    def __init__(self, message: str, *, calls: "tuple[Call, ...]" = ()) -> None:
        super().__init__(message, param="messages")
        self.calls = calls


class Unauthenticated(EnsembleError):
    """The API key is missing or wrong."""

    status = 401
    code = "invalid_api_key"


class Forbidden(EnsembleError):
    """The API key does not have the scope that this needs."""

    status = 403
    code = "permission_denied"


class UnknownModel(EnsembleError):
    """``model`` names no router and no member."""

    status = 404
    code = "model_not_found"


class NotFound(EnsembleError):
    """There is nothing at this address."""

    status = 404
    code = "not_found"


class MethodNotAllowed(EnsembleError):
    """The address takes other methods; the header `Allow` names them."""

    status = 405
    code = "method_not_allowed"


class Conflict(EnsembleError):
    """What came before under the same idempotency key differs."""

    status = 409
    code = "conflict"


class Unbounded(EnsembleError):
    """The key has a budget, and no member is left of whom it is known what it can cost; ``calls`` holds them."""

    status = 400
    code = "unbounded_member"

    def __init__(self, message: str, *, calls: "tuple[Call, ...]" = ()) -> None:
        super().__init__(message)
        self.calls = calls


class NotPermitted(EnsembleError):
    """No member of the plan may see data of the request's class; ``calls`` holds who was left out."""

    status = 422
    code = "no_permitted_member"

    def __init__(self, message: str, *, calls: "tuple[Call, ...]" = ()) -> None:
        super().__init__(message, param="metadata.data_class")
        self.calls = calls


class RequestTooLarge(EnsembleError):
    """The body is larger than the server takes."""

    status = 413
    code = "request_too_large"


class Infeasible(EnsembleError):
    """No member fits the limits that the request states, and the router's option `infeasible` is `refuse`."""

    status = 422
    code = "infeasible"


class NotConfident(EnsembleError):
    """No answer is good enough to be served, as the router's `trust` table demands; the candidates are in the log."""

    status = 422
    code = "not_confident"


class LimitExceeded(EnsembleError):
    """Too many requests for now."""

    status = 429
    code = "rate_limit_exceeded"


class BudgetExceeded(EnsembleError):
    """The budget of the key is spent."""

    status = 429
    code = "insufficient_quota"


class NoCandidate(EnsembleError):
    """Every call of every stage failed; ``calls`` holds them all."""

    status = 502
    code = "no_candidate"

    def __init__(self, message: str, *, calls: "tuple[Call, ...]" = ()) -> None:
        super().__init__(message)
        self.calls = calls


class Overloaded(EnsembleError):
    """The service has more work than it can take."""

    status = 503
    code = "overloaded"


class StreamBroken(EnsembleError):
    """The answer of a leader broke off when a part of it had gone out; no other answer can take its place."""

    status = 502
    code = "stream_broken"


class StoreUnavailable(EnsembleError):
    """The log cannot be written, and nothing is answered that is not logged."""

    status = 503
    code = "store_unavailable"


class DeadlineExceeded(EnsembleError):
    """The deadline came before a first candidate; ``calls`` holds what was tried."""

    status = 504
    code = "deadline_exceeded"

    def __init__(self, message: str, *, calls: "tuple[Call, ...]" = ()) -> None:
        super().__init__(message)
        self.calls = calls
