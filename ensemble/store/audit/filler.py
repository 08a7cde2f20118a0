"""Facts of a log on a server, made by whoever reads it where no service has made them. Blocking.

They go into the log itself: a service would make the same ones, and every reader has them then.
"""

import logging
import time
from datetime import UTC, datetime

from ensemble.errors import StoreError
from ensemble.store.address import Address
from ensemble.store.audit.facts import make, store_facts
from ensemble.store.audit.shadow import LATE
from ensemble.store.content import stamp
from ensemble.store.database import Database
from ensemble.store.keeping.connect import transaction, writing

log = logging.getLogger(__name__)

_STEP = 500
_OLDEST = "SELECT r.arrived_at FROM audit_stale s JOIN requests r ON r.id = s.request_id ORDER BY s.seq LIMIT 1"


class Filler:
    """Brings the facts of the log at ``where`` up to date, as ``db``, a connection that cannot write, sees them."""

    def __init__(self, db: Database, where: Address) -> None:
        self._db, self._where = db, where
        self._again = 0.0

    def refresh(self) -> None:
        """Make the missing facts where nobody else does; where that fails, try again in some minutes."""
        if time.monotonic() < self._again or not self._late():
            return
        try:
            with writing(self._where) as db:
                while (made := make(db, _STEP)).done:
                    with transaction(db):
                        store_facts(db, made)
        except StoreError as error:
            self._again = time.monotonic() + LATE.total_seconds()
            log.warning("facts of the log are missing and cannot be made here: %s", error)

    def _late(self) -> bool:
        oldest = self._db.execute(_OLDEST).fetchone()
        return oldest is not None and oldest[0] < stamp(datetime.now(UTC) - LATE)
