"""API keys in the log. Functions for ``Store.read`` and ``Store.change``, and for the command line."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ensemble.allowance import Limit
from ensemble.store.content import bind, bind_optional, dumps, loads, stamp, unbind
from ensemble.store.database import Database

LINE = """WITH RECURSIVE line (id, replaces) AS (
    SELECT id, replaces FROM api_keys WHERE id = :key
    UNION SELECT k.id, k.replaces FROM api_keys k JOIN line ON k.id = line.replaces
) SELECT {what} FROM line"""
"""The key with the id ``:key`` and all that it replaces, one after the other: its owner is theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What is known of one API key; the key itself is known to nobody but its owner. Moments are UTC.

    ``line`` is known of a key that somebody comes with: its own id and those of all that it replaces.
    """

    id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    tenant: str | None = None
    data_class: str | None = None
    limits: tuple[Limit, ...] = ()
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None
    replaces: str | None = None
    line: frozenset[str] = frozenset()

    def ended(self, moment: datetime) -> str | None:
        """Why it is valid no more at ``moment``: ``revoked`` or ``expired``; None while it is."""
        if self.revoked_at is not None and self.revoked_at <= moment:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= moment else None


def add_key(db: Database, key: Key, hash_: str) -> None:
    """Store ``key``, whose owner proves it by what has the hash ``hash_``."""
    row: dict[str, object] = {
        "id": key.id,
        "name": bind(key.name),
        "hash": hash_,
        "tenant": bind_optional(key.tenant),
        "scopes": dumps(sorted(key.scopes)).decode(),
        "data_class": bind_optional(key.data_class),
        "limits": dumps([str(limit) for limit in key.limits]).decode(),
        "created_at": stamp(key.created_at),
        "expires_at": None if key.expires_at is None else stamp(key.expires_at),
        "replaces": key.replaces,
    }
    names = ", ".join(row)
    db.conn.execute(f"INSERT INTO api_keys ({names}) VALUES ({', '.join('?' * len(row))})", [*row.values()])  # noqa: S608


def keys(db: Database) -> list[Key]:
    """Every key, ended ones included, oldest first."""
    return [_key(row) for row in db.query("SELECT * FROM api_keys ORDER BY created_at, id")]


def find_key(db: Database, hash_: str) -> tuple[Key | None, bool]:
    """The key with that hash, valid or not, or None; and whether there has ever been any key."""
    found = next(iter(db.query("SELECT * FROM api_keys WHERE hash = ?", [hash_])), None)
    if found is not None:
        key = _key(found)
        ids = db.execute(LINE.format(what="id"), {"key": key.id}).fetchall() if key.replaces else [(key.id,)]
        return replace(key, line=frozenset(id_ for (id_,) in ids)), True
    return None, bool(db.execute("SELECT EXISTS (SELECT 1 FROM api_keys)").fetchone()[0])


def end_key(db: Database, id_: str, moment: datetime) -> None:
    """Make the key invalid from ``moment`` on, where it is not before that anyhow."""
    at = stamp(moment)
    sql = "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND (revoked_at IS NULL OR revoked_at > ?)"
    db.conn.execute(sql, [at, id_, at])


def touch_keys(db: Database, used: Mapping[str, datetime]) -> None:
    """Remember when keys were used last."""
    sql = "UPDATE api_keys SET used_at = ? WHERE id = ? AND (used_at IS NULL OR used_at < ?)"
    moments = {id_: stamp(at.replace(second=0, microsecond=0)) for id_, at in used.items()}
    # Sorted: two processes that touch the same keys do not wait for one another in a circle.
    db.conn.executemany(sql, [(at, id_, at) for id_, at in sorted(moments.items())])


def _key(row: Mapping[str, Any]) -> Key:
    moments = ("created_at", "expires_at", "revoked_at", "used_at")
    at = {name: None if row[name] is None else datetime.fromisoformat(row[name]).astimezone(UTC) for name in moments}
    scopes, limits = loads(row["scopes"]), loads(row["limits"])
    return Key(
        id=row["id"],
        name=unbind(row["name"]),
        scopes=frozenset(map(str, scopes)),  # type: ignore[call-overload] # our own JSON array
        tenant=None if row["tenant"] is None else unbind(row["tenant"]),
        data_class=None if row["data_class"] is None else unbind(row["data_class"]),
        limits=tuple(Limit.parse(str(limit)) for limit in limits),  # type: ignore[attr-defined] # as above
        created_at=at["created_at"] or datetime.min.replace(tzinfo=UTC),
        expires_at=at["expires_at"],
        revoked_at=at["revoked_at"],
        used_at=at["used_at"],
        replaces=row["replaces"],
    )
