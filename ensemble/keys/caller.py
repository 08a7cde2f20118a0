"""Who asks, and what of a request follows from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ensemble.allowance import Allowance
from ensemble.keys.issuing import SCOPES
from ensemble.keys.reservations import SETTLED_WITHIN, KeyAllowance, Reservations
from ensemble.store.api_keys import Key
from ensemble.store.budgets import Spending
from ensemble.types import RequestId

_EVERY = frozenset(SCOPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: the owner of ``key``, or None for whoever may do everything (the library, loopback, the operator).

    ``data_class`` is that of what it sends where a request states none.
    """

    key: Key | None = None
    data_class: str | None = None
    reservations: Reservations | None = None

    @property
    def scopes(self) -> frozenset[str]:
        """What it may do."""
        return _EVERY if self.key is None else self.key.scopes

    def may(self, scope: str) -> bool:
        """Whether it has ``scope``, or all of them."""
        return scope in self.scopes or "admin" in self.scopes

    def sees(self, row: Mapping[str, object]) -> bool:
        """Whether a stored request is its own, or its tenant's."""
        if self.key is None or self.may("admin"):
            return True
        return self.asked(row.get("key_id")) or (self.key.tenant is not None and row["tenant"] == self.key.tenant)

    def asked(self, key_id: object) -> bool:
        """Whether what came with ``key_id``, None for no key, is its own: of its key or one that this replaces."""
        return key_id is None if self.key is None else key_id == self.key.id or key_id in self.key.line

    def allowance(self, request: RequestId, seconds: float) -> Allowance | None:
        """What it may spend on ``request``, whose deadline is ``seconds`` away; None for no limit."""
        if self.key is None or self.reservations is None or all(one.what == "requests" for one in self.key.limits):
            return None
        now = datetime.now(UTC)
        expires = now + timedelta(seconds=seconds) + SETTLED_WITHIN
        spending = Spending(request=request, key=self.key.id, begun=now, expires=expires)
        return KeyAllowance(spending, self.key.limits, self.reservations)


ANYBODY = Caller()
"""Whoever calls without a key where none is needed."""
