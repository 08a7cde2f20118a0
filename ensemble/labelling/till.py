"""Where the money of a capped run is counted."""

from functools import partial
from typing import Protocol

from ensemble.store import Store
from ensemble.store.purse import Purse


class Till(Protocol):
    """Counts what a run has spent and set aside, over all its invocations and processes."""

    async def reserve(self, id_: str, nano_usd: int, cap: int) -> bool:
        """Set ``nano_usd`` aside under ``id_``, durably, or return False where that would go beyond ``cap``."""
        ...

    async def spent(self) -> int:
        """Nano-USD that the run has spent so far, what is set aside included."""
        ...


class LogTill:
    """Counts in the log."""

    def __init__(self, store: Store, run: str) -> None:
        self._store, self._purse = store, Purse(run)

    async def reserve(self, id_: str, nano_usd: int, cap: int) -> bool:
        try:
            return await self._store.change(partial(self._purse.reserve, id_=id_, nano_usd=nano_usd, cap=cap))
        except BaseException:  # who is cancelled is not told either what became of it
            self._purse.forget()
            raise

    async def spent(self) -> int:
        return await self._store.change(self._purse.spent)
