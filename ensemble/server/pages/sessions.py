"""Who is signed in: a table in memory, so that a restart signs everybody out, and the tokens that forms carry."""

import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from aiohttp import web

COOKIE = "ensemble-session"
LIFE_S = 12 * 3600
"""Seconds after which people sign in again."""
MOST = 1000
"""Sessions at once; the oldest makes room."""
CSRF = web.RequestKey("csrf", str)
"""What forms of this request's pages send back in the field ``csrf``."""


@dataclass(frozen=True, slots=True)
class Session:
    """A session of whoever has the key with this ``hash_of``: once the key has ended, so has the session."""

    hash: str
    ends: float


class Sessions:
    """The sessions of one process."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self, hash_: str) -> str:
        """Begin a session; the value of its cookie, which tells nothing of the key."""
        token = secrets.token_urlsafe(32)
        self._sessions[token] = Session(hash_, time.monotonic() + LIFE_S)
        while len(self._sessions) > MOST:
            self._sessions.popitem(last=False)
        return token

    def find(self, token: str) -> Session | None:
        """The session whose cookie this is, unless it has ended."""
        session = self._sessions.get(token)
        if session is not None and session.ends < time.monotonic():
            self.end(token)
            return None
        return session

    def end(self, token: str) -> None:
        """Sign out."""
        self._sessions.pop(token, None)

    def csrf(self, token: str) -> str:
        """The token for forms of this session; "" stands for whoever needs none.

        It proves that a form came from a page of this process, which no other site can read.
        """
        return hmac.new(self._secret, token.encode("utf-8", "surrogateescape"), sha256).hexdigest()


SESSIONS = web.AppKey("sessions", Sessions)
