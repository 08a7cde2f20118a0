"""A connection that could not be made or was lost, in plain words: where to or when, and why."""

import os
import socket
import ssl

_LATE = {
    "ConnectionTimeoutError": "no connection came about within connect_timeout_s",
    "SocketTimeoutError": "nothing came within silence_timeout_s",
}


def told_plainly(error: BaseException) -> str:
    """The sentence for ``error``, of which aiohttp's own would speak of its ``ssl:default``; others keep their own.

    The names of libraries' attributes are asked for, since the libraries are imported late.
    """
    host, port = getattr(error, "host", None), getattr(error, "port", None)
    cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    name = type(error).__name__
    if not isinstance(host, str) or not isinstance(cause, Exception):
        return _LATE.get(name) or (f"{name}: {error}" if str(error) else name)
    shown = f"[{host}]" if ":" in host else host
    proxy = "the proxy " if name == "ClientProxyConnectionError" else ""
    return f"{proxy}{shown}:{port} cannot be reached: {_why(cause)}"


def lost_plainly(error: BaseException, *, begun: bool) -> str:
    """The sentence for a connection that ``error`` ended before its time; ``begun``: when a reply was coming."""
    told = f"the connection broke {'in the middle of the reply' if begun else 'before a reply came'}"
    return f"{told}: {_why(error)}" if isinstance(error, OSError) and error.errno else told


def _why(cause: Exception) -> str:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({cause.verify_message or cause.reason})"
    if isinstance(cause, ssl.SSLError):
        return f"no TLS connection came about ({(cause.reason or str(cause)).replace('_', ' ').lower()})"
    if isinstance(cause, socket.gaierror):
        return f"the name is not known here ({cause.strerror})"
    if isinstance(cause, OSError) and cause.errno:
        return os.strerror(cause.errno).lower()
    return str(cause) or type(cause).__name__
