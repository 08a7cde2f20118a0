"""Making, replacing and ending keys. A key is shown once, to whoever makes it; the log holds its hash."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from uuid_utils import uuid7

from ensemble.errors import StoreError
from ensemble.store.api_keys import Key, add_key, end_key, keys
from ensemble.store.database import Database

PREFIX = "ens-"
"""By which scanners, and people, tell that a text is a key of this program."""
SCOPES = {
    "use": "ask models and give feedback",
    "read": "read what the key's tenant asked",
    "audit": "see the pages under /ui, which show what every tenant asked",
    "review": "decide what waits for a person",
    "metrics": "read the counters at /metrics",
    "admin": "all of it, of every tenant",
}


_INHERITED = ("scopes", "tenant", "data_class", "limits", "expires_at")


def hash_of(secret: str) -> str:
    """SHA-256, 64 hex digits. A key is 256 random bits, so no slow hash is needed: there is no list to try."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def create(db: Database, key: Key) -> str:
    """Store ``key``; its secret, which nothing can show again.

    Raises:
        StoreError: a valid key has the name.
    """
    if any(other.name == key.name and other.ended(key.created_at) is None for other in keys(db)):
        raise StoreError(
            f"there is a valid key called {key.name!r}; name another, or `ensemble keys rotate {key.name}`"
        )
    return _issue(db, key)


def a_key(name: str, scopes: Sequence[str] = ("use",), **more: object) -> Key:
    """A new key, made now; ``more`` are fields of ``Key``."""
    made = Key(id=f"key_{uuid7().hex}", name=name, scopes=frozenset(scopes), created_at=datetime.now(UTC))
    return replace(made, **more)  # type: ignore[arg-type] # dataclasses.replace checks the names


def named(db: Database, name: str) -> Key:
    """The valid key with that name or id. Raises StoreError where there is none."""
    now = datetime.now(UTC)
    valid = [key for key in keys(db) if key.ended(now) is None]
    for key in reversed(valid):  # of two that overlap while one replaces the other, the new one is meant
        if name in (key.id, key.name):
            return key
    known = ", ".join(key.name for key in valid) or "none"
    raise StoreError(f"there is no valid key called {name!r}; valid: {known}")


def rotate(db: Database, name: str, grace: timedelta) -> tuple[Key, str]:
    """Make a key like the one called ``name``, which stays valid for ``grace`` more; the new one and its secret."""
    old = named(db, name)
    new = replace(a_key(old.name), **{field: getattr(old, field) for field in _INHERITED}, replaces=old.id)
    end_key(db, old.id, datetime.now(UTC) + grace)
    return new, _issue(db, new)


def revoke(db: Database, name: str) -> Key:
    """End the key called ``name`` at once. Raises StoreError where there is no such valid key."""
    key = named(db, name)
    end_key(db, key.id, datetime.now(UTC))
    return key


def _issue(db: Database, key: Key) -> str:
    secret = PREFIX + secrets.token_urlsafe(32)
    add_key(db, key, hash_of(secret))
    return secret
