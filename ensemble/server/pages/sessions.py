"""Who is signed in, and the tokens that forms carry.

A table in memory, or a folder that several workers share and that ends with them: so a restart signs everybody out.
"""

import asyncio
import hmac
import os
import secrets
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from aiohttp import web

COOKIE = "ensemble-session"
LIFE_S = 12 * 3600
"""Seconds after which people sign in again."""
MOST = 1000
"""Sessions at once; the oldest makes room."""
CSRF = web.RequestKey("csrf", str)
"""What forms of this request's pages send back in the field ``csrf``."""
SIGNED_IN = web.RequestKey("signed_in", bool)
"""Whether this request came with a session that holds; absent where it did not."""


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

    async def begin(self, hash_: str) -> str:
        """Begin a session; the value of its cookie, which tells nothing of the key."""
        token = secrets.token_urlsafe(32)
        self._sessions[token] = Session(hash_, time.monotonic() + LIFE_S)
        while len(self._sessions) > MOST:
            self._sessions.popitem(last=False)
        return token

    async def find(self, token: str) -> Session | None:
        """The session whose cookie this is, unless it has ended."""
        session = self._sessions.get(token)
        if session is not None and session.ends < time.monotonic():
            await self.end(token)
            return None
        return session

    async def end(self, token: str) -> None:
        """Sign out."""
        self._sessions.pop(token, None)

    def csrf(self, token: str) -> str:
        """The token for forms of this session; "" stands for whoever needs none.

        It proves that a form came from a page of this process, or of a worker beside it, which no other site can read.
        """
        return hmac.new(self._secret, token.encode("utf-8", "surrogateescape"), sha256).hexdigest()


class SharedSessions(Sessions):
    """The sessions of all workers that share ``folder``: a file for each, called by the SHA-256 of its cookie."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder / "sessions"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._secret = _agreed(folder / "forms", self._secret)

    async def begin(self, hash_: str) -> str:
        token = secrets.token_urlsafe(32)
        await asyncio.to_thread(self._write, token, Session(hash_, time.monotonic() + LIFE_S))
        return token

    async def find(self, token: str) -> Session | None:
        return await asyncio.to_thread(self._read, token)

    async def end(self, token: str) -> None:
        await asyncio.to_thread(self._file(token).unlink, missing_ok=True)

    def _file(self, token: str) -> Path:
        return self._folder / sha256(token.encode("utf-8", "surrogateescape")).hexdigest()

    def _write(self, token: str, session: Session) -> None:
        ages = []
        for file in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another worker has ended it meanwhile
                ages.append((file.stat().st_mtime_ns, file))
        for _, file in sorted(ages)[: max(0, len(ages) - MOST + 1)]:
            file.unlink(missing_ok=True)
        # Whole before it has its name. The clock is the machine's, so it is the same for every process.
        part = self._folder / f"{secrets.token_hex(8)}.part"
        part.write_text(f"{session.hash} {session.ends}", encoding="ascii")
        part.rename(self._file(token))

    def _read(self, token: str) -> Session | None:
        try:
            hash_, ends = self._file(token).read_text(encoding="ascii").split()
        except FileNotFoundError:
            return None
        if float(ends) < time.monotonic():
            self._file(token).unlink(missing_ok=True)
            return None
        return Session(hash_, float(ends))


def _agreed(path: Path, ours: bytes) -> bytes:
    """What stands in the file at ``path``, which the first who comes writes."""
    part = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
    part.write_bytes(ours)
    try:
        os.link(part, path)
    except FileExistsError:
        return path.read_bytes()
    finally:
        part.unlink()
    return ours


SESSIONS = web.AppKey("sessions", Sessions)
