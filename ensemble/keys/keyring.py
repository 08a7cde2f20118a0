"""Which key a request came with, without asking the log each time."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from ensemble.errors import StoreError, StoreUnavailable
from ensemble.store import Store
from ensemble.store.api_keys import Key, find_key, touch_keys

FRESH_S = 1.0
"""Seconds for which what the log said holds: so long a revoked key may still be served."""
STALE_S = 300.0
"""Seconds for which it holds while the log cannot be read."""
MOST = 10_000
"""Secrets remembered at once, wrong ones included."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a secret stands for: a key that may have ended, or None; and whether any key was ever made."""

    key: Key | None
    any_key: bool


class Keyring:
    """The keys in ``store``, which another process may change at any time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: OrderedDict[str, tuple[float, Found]] = OrderedDict()
        self._used: dict[str, datetime] = {}

    async def find(self, hash_: str) -> Found:
        """What the secret with this ``hash_of`` stands for.

        Raises:
            StoreUnavailable: the log cannot be read, and has not told for too long.
        """
        now = asyncio.get_running_loop().time()
        told, found = self._known.get(hash_, (-STALE_S, None))
        if found is None or now - told > FRESH_S:
            found = await self._ask(hash_, found if now - told < STALE_S else None)
        if found.key is not None:
            self._used[found.key.id] = datetime.now(UTC)
        return found

    async def _ask(self, hash_: str, before: Found | None) -> Found:
        try:
            # Looked up by hash: whoever measures how long it takes learns of hashes, which tell nothing of keys.
            found = Found(*await self._store.read(partial(find_key, hash_=hash_)))
        except StoreError as error:
            if before is None:
                raise StoreUnavailable(f"nobody's key can be checked: {error}") from error
            return before
        self._known[hash_] = asyncio.get_running_loop().time(), found
        self._known.move_to_end(hash_)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return found

    async def remember(self) -> None:
        """Write down when keys were used last. Raises StoreError where the log cannot be written."""
        used, self._used = self._used, {}
        if used:
            await self._store.change(partial(touch_keys, used=used))
