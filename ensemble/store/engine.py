"""What a log needs of the engine that keeps it."""

from contextlib import AbstractContextManager
from typing import Protocol

from ensemble.store.address import Address
from ensemble.store.database import Database


class Engine(Protocol):
    """One log at one address. Every method blocks: call it from a worker thread."""

    @property
    def address(self) -> Address:
        """Where the log is."""
        ...

    def prepare(self) -> None:
        """Make the log where there is none, and bring its schema up to date. Raises StoreError."""
        ...

    def connect(self, *, reader: bool = False) -> Database:
        """A connection, used by one thread at a time; a reader cannot write. Raises what ``faults.FAULTS`` names."""
        ...

    def identity(self) -> object:
        """Which log stands at the address: a connection to another one is of no use. Raises OSError where none does."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Around each transaction that writes: waits until nobody else's is under way, where the engine needs that."""
        ...

    def prove(self, db: Database) -> None:
        """Change something that nobody reads, in the open transaction of ``db``, to prove that writing works."""
        ...

    def room(self) -> None:
        """Prove that there is room for a record, as far as that can be seen from here. Raises StoreError."""
        ...

    def close(self) -> None:
        """Give up what the connections shared; all of them have been closed."""
        ...
