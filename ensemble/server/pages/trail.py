"""From case to case: where a reviewer came from stands in the address (``from``), so the next one can be told."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sqlite_utils import Database

from ensemble.store.audit.following import next_review
from ensemble.types import RequestId

Following = Callable[[Database, str, str, Mapping[str, str]], RequestId | None]
"""The case after one, by its id, for a reviewer, with the query of the address."""


def _queued(db: Database, here: str, by: str, query: Mapping[str, str]) -> RequestId | None:
    return next_review(db, here, by, datetime.now(UTC))


TRAILS: Mapping[str, Following] = {"queue": _queued}
"""By what ``from`` says."""
