"""The answers of one caller that are in the log, for members to take again."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from ensemble.answers import Flying, Owner
from ensemble.errors import StoreError
from ensemble.store import Store
from ensemble.store.reused import find
from judges.types import Completion

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogAnswers:
    """As ``Kept``: what ``key_id`` and ``tenant`` were answered in the last ``age``; none of it where ``fresh``."""

    store: Store
    flying: Flying
    key_id: str | None
    tenant: str | None
    age: timedelta
    fresh: bool = False

    @property
    def owner(self) -> Owner:
        return self.key_id, self.tenant, self.fresh

    async def find(self, key: str, sample: int) -> Completion | None:
        if self.fresh:
            return None
        step = partial(
            find, key=key, sample=sample, key_id=self.key_id, tenant=self.tenant, since=datetime.now(UTC) - self.age
        )
        try:
            return await self.store.read(step)
        except StoreError as error:
            log.warning("an answer is asked for anew, since the log cannot be read: %s", error)
            return None
