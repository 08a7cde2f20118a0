"""What providers answer and transports raise, and what it means: the one table of failures.

The error's own ``code`` and ``type`` count for more than the HTTP status: Anthropic sends an overload under status 200
once a stream has begun, and gateways send other people's errors under their own status.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from ensemble.errors import CallFailed
from ensemble.providers._text import NotJson, Secrets, from_json
from ensemble.providers._unreached import lost_plainly, told_plainly
from ensemble.types import Failure

MOST_RETRY_AFTER_S = 3600.0
"""A longer Retry-After is a broken clock or a broken gateway, and would shut a provider out until a restart."""


class Row(NamedTuple):
    """One line of the table; ``sent`` is whether the provider can have seen the request."""

    failure: Failure
    retryable: bool
    sent: bool = True


_LATER = Row("overloaded", True)
_LIMITED = Row("rate_limited", True)
_NO_MONEY = Row("rate_limited", False)
_NO_KEY = Row("unauthorized", False)
_NO = Row("rejected", False)
_LONG = Row("too_long", False)
_SLOW = Row("timeout", True)
_BROKEN = Row("bad_reply", True)
_CUT = Row("cut_stream", True)
_NOT_THERE = Row("unreachable", True, sent=False)
_NOT_TRUSTED = Row("unreachable", False, sent=False)

BY_STATUS: Mapping[int, Row] = {
    400: _NO,
    401: _NO_KEY,
    402: _NO_MONEY,
    403: _NO_KEY,
    404: _NO,
    408: _SLOW,
    409: _LATER,
    413: _LONG,
    422: _NO,
    425: _LATER,
    429: _LIMITED,
    501: _NO,
    504: _SLOW,
    529: _LATER,
}
"""By HTTP status; any other 3xx and 4xx is rejected, any other 5xx is overloaded."""

BY_WORD: Mapping[str, Row] = {
    # OpenAI and what speaks like it: error.code
    "insufficient_quota": _NO_MONEY,
    "billing_hard_limit_reached": _NO_MONEY,
    "rate_limit_exceeded": _LIMITED,
    "invalid_api_key": _NO_KEY,
    "model_not_found": _NO,
    "context_length_exceeded": _LONG,
    "string_above_max_length": _LONG,
    "exceed_context_size_error": _LONG,  # llama.cpp
    "server_error": _LATER,
    # Anthropic: error.type
    "authentication_error": _NO_KEY,
    "permission_error": _NO_KEY,
    "billing_error": _NO_MONEY,
    "not_found_error": _NO,
    "request_too_large": _LONG,
    "rate_limit_error": _LIMITED,
    "timeout_error": _SLOW,
    "api_error": _LATER,
    "overloaded_error": _LATER,
    # Amazon Bedrock: the type of an exception inside a stream
    "throttlingexception": _LIMITED,
    "modeltimeoutexception": _SLOW,
    "modelstreamerrorexception": _LATER,
    "serviceunavailableexception": _LATER,
    "internalserverexception": _LATER,
    "validationexception": _NO,
}
"""By ``error.code`` and ``error.type``."""

VAGUE: Mapping[str, Row] = {"invalid_request_error": _NO}
"""Types that stand beside every kind of status, so they count only where the status says nothing."""

BY_EXCEPTION: Mapping[str, Row] = {
    # aiohttp, the deepest, knows best: its bridge to the SDKs calls every lost connection a connect timeout.
    "ClientConnectorCertificateError": _NOT_TRUSTED,
    "ClientConnectorSSLError": _NOT_TRUSTED,
    "ClientConnectorError": _NOT_THERE,
    "ClientProxyConnectionError": _NOT_THERE,
    "ClientHttpProxyError": _NOT_TRUSTED,
    "ConnectionTimeoutError": _NOT_THERE,
    "SocketTimeoutError": _SLOW,
    "ServerTimeoutError": _SLOW,
    "ServerDisconnectedError": _CUT,
    "ClientOSError": _CUT,
    "ClientPayloadError": _CUT,
    "InvalidURL": Row("rejected", False, sent=False),
    "ClientResponseError": _BROKEN,
    "ContentEncodingError": _BROKEN,
    "ClientConnectionError": _NOT_THERE,
    # httpx2
    "ConnectTimeout": _NOT_THERE,
    "ConnectError": _NOT_THERE,
    "PoolTimeout": _NOT_THERE,
    "ProxyError": _NOT_THERE,
    "UnsupportedProtocol": Row("rejected", False, sent=False),
    "LocalProtocolError": Row("rejected", False, sent=False),
    "RemoteProtocolError": _CUT,
    "ReadError": _CUT,
    "WriteError": _CUT,
    "CloseError": _CUT,
    "DecodingError": _BROKEN,
    "TimeoutException": _SLOW,
    # the SDKs
    "APITimeoutError": _SLOW,
    "APIConnectionError": _NOT_THERE,
    "APIResponseValidationError": _BROKEN,
    "OpenAIError": Row("rejected", False, sent=False),
    "AnthropicError": Row("rejected", False, sent=False),
}
"""By the name of a class, since the libraries are imported late; the most specific class counts."""

BY_BUILTIN: Mapping[str, Row] = {"TimeoutError": _SLOW, "OSError": _CUT}
"""The same for what Python itself raises: it says less than the library that was at work, if there was one."""

REFUSED = frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation"})
"""Codes of a 400 by which a provider's filter refuses the prompt: that is a refusal, not a failure."""

_TOO_LONG = re.compile(
    r"context.{0,12}(?:length|size|window)|prompt is too long|input is too long|too many (?:input )?tokens"
    r"|exceeds? .{0,40}(?:maximum|limit).{0,40}tokens|tokens? count .{0,40}exceeds",
    re.IGNORECASE,
)
_DELAY = re.compile(r"(\d+(?:\.\d+)?)s")


class Filtered(CallFailed):
    """A provider's filter turned the prompt away. That is a refusal, which is an answer, and never asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An error as a provider words it. ``words`` are its codes and types in lower case, the most telling first."""

    message: str = ""
    words: tuple[str, ...] = ()
    status: int | None = None
    retry_after_s: float | None = None

    @property
    def refused(self) -> bool:
        """A content filter turned the prompt away."""
        return not REFUSED.isdisjoint(self.words)


def failed_status(status: int, headers: Mapping[str, str], body: bytes, secrets: Secrets) -> CallFailed:
    """The failure behind a reply whose status is not 200."""
    told = told_by(body)
    words = told.message or ("an HTML page" if b"<" in body[:200] else body.decode("utf-8", "replace"))
    if 300 <= status < 400:
        words = "a redirect, which is not followed: correct base_url"
    row = _row(told, status)
    retry_after_s = retry_after(headers)
    should = headers.get("x-should-retry")
    return (Filtered if told.refused else CallFailed)(
        secrets.told(words if told.refused else f"status {status}: {words or 'no explanation'}"),
        failure=row.failure,
        retryable=should == "true" if should in ("true", "false") else row.retryable,
        retry_after_s=told.retry_after_s if retry_after_s is None else retry_after_s,
        sent=row.sent,
        http_status=status,
        provider_request_id=request_id(headers),
    )


def failed_inside(told: Told, headers: Mapping[str, str], secrets: Secrets, *, streaming: bool) -> CallFailed:
    """The failure behind an error that came under status 200: in a body, or in the middle of a stream."""
    row = _row(told, told.status, _CUT if streaming else _BROKEN)
    return (Filtered if told.refused else CallFailed)(
        secrets.told(f"an error inside the reply: {told.message or 'no explanation'}"),
        failure=row.failure,
        retryable=row.retryable,
        retry_after_s=told.retry_after_s,
        http_status=200,
        provider_request_id=request_id(headers),
    )


def earlier(error: BaseException) -> CallFailed | None:
    """The failure that was found before an SDK wrapped it into an exception of its own, or None."""
    return next((link for link in _chain(error) if isinstance(link, CallFailed)), None)


def failed_transport(error: BaseException, secrets: Secrets, headers: Mapping[str, str] | None) -> CallFailed:
    """The failure behind an exception of a transport or an SDK; ``headers`` are those of a reply that had begun."""
    links = list(_chain(error))[::-1]
    found = ((link, _listed(link, table)) for table in (BY_EXCEPTION, BY_BUILTIN) for link in links)
    deepest, row = next(((link, row) for link, row in found if row is not None), (error, _BROKEN))
    begun = headers is not None
    cut = row.failure == "cut_stream" or (begun and not row.sent)
    return CallFailed(
        secrets.told(lost_plainly(deepest, begun=begun) if cut else told_plainly(deepest)),
        failure="cut_stream" if cut else row.failure,
        retryable=row.retryable,
        sent=row.sent or begun,
        http_status=None if headers is None else 200,
        provider_request_id=None if headers is None else request_id(headers),
    )


def told_by(body: bytes) -> Told:
    """The error that ``body`` describes, in any of the shapes in use; nothing where it is no JSON."""
    try:
        return told_in(from_json(body))
    except NotJson:
        return Told()


def told_in(document: object) -> Told:
    """As ``told_by``, for a document that is parsed already."""
    if isinstance(document, list) and document:  # Gemini's OpenAI endpoint wraps errors into an array
        document = document[0]
    if not isinstance(document, Mapping):
        return Told()
    error = document.get("error", document)
    if not isinstance(error, Mapping):
        return Told(message=str(error))
    inner = error.get("innererror")
    codes = (error.get("code"), inner.get("code") if isinstance(inner, Mapping) else None, error.get("type"))
    numbers = [code for code in codes if isinstance(code, int) and 300 <= code <= 599]
    message = error.get("message") or error.get("detail") or document.get("message") or ""
    return Told(
        message=str(message),
        words=tuple(code.lower() for code in codes if isinstance(code, str)),
        status=numbers[0] if numbers else None,
        retry_after_s=_told_delay(error.get("details")),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the provider asks to wait, from ``retry-after-ms`` or ``Retry-After`` (seconds or a date)."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * scale
        except ValueError:
            continue
        if seconds == seconds:  # not NaN
            return min(max(seconds, 0.0), MOST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(max(moment.timestamp() - time.time(), 0.0), MOST_RETRY_AFTER_S)


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's own name for the attempt, by which its support finds it."""
    for name in ("x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"):
        if value := headers.get(name):
            return value[:200]
    return None


def _row(told: Told, status: int | None, otherwise: Row = _NO) -> Row:
    row = next((BY_WORD[word] for word in told.words if word in BY_WORD), None)
    if row is None and status is not None:
        row = BY_STATUS.get(status) or (_LATER if status >= 500 else _NO)
    if row is None:
        row = next((VAGUE[word] for word in told.words if word in VAGUE), otherwise)
    # Nobody agrees on a code for a prompt that does not fit, so the sentence has to do.
    return _LONG if row.failure in ("rejected", "overloaded") and _TOO_LONG.search(told.message) else row


def _listed(error: BaseException, table: Mapping[str, Row]) -> Row | None:
    return next((table[cls.__name__] for cls in type(error).__mro__ if cls.__name__ in table), None)


def _told_delay(details: object) -> float | None:
    """Google's RetryInfo: ``{"retryDelay": "37s"}`` among the details."""
    for detail in details if isinstance(details, list) else ():
        delay = detail.get("retryDelay") if isinstance(detail, Mapping) else None
        if isinstance(delay, str) and (match := _DELAY.fullmatch(delay)):
            return min(float(match[1]), MOST_RETRY_AFTER_S)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__
