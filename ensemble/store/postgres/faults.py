"""What is wrong with a log on a server, in the words of the house: own exceptions, and a sentence for each."""

from typing import Any

_SENTENCES = {
    "08": "the connection to the server broke; see that it runs and can be reached, writing then goes on by itself",
    "28": "the server does not let this user in; see the user, the password and pg_hba.conf",
    "3D": "there is no such database; make it with createdb, or name another one",
    "42501": "this user may not do that; GRANT it CREATE on the database, and all on the schema of the log",
    "53100": "the server's disk is full; free some space, writing then goes on by itself",
    "53200": "the server has no memory left",
    "53300": "the server takes no more connections; raise max_connections, or put a pooler before it",
    "55P03": "another process holds the write lock; end what is writing to it (an import, a copy, a migration)",
    "57014": "the statement took too long and was ended",
    "57P": "the server is being stopped or restarted; writing goes on by itself once it is back",
    "25006": "the server is read-only (a standby?); name the one that takes writes",
    "XX001": "the database is damaged; stop, and restore a backup",
}
_OF_ROWS = ("22", "23", "54")
"""Classes of SQLSTATE that are the fault of what was written: data, constraints, and texts too long for an index."""
_KEYED = ("23503", "23505")
"""A key that is there twice, or that nothing has: the server tells which. Of other rows it would tell their texts."""


class ServerFault(Exception):
    """What PostgreSQL, or the way to it, reports. ``sqlstate`` is its code, None where the server said nothing."""

    def __init__(self, told: str, sqlstate: str | None = None) -> None:
        super().__init__(told)
        self.sqlstate = sqlstate

    @property
    def sentence(self) -> str | None:
        """What to do about it, where that is known."""
        if self.sqlstate is None:
            return None
        return next((_SENTENCES[self.sqlstate[:n]] for n in (5, 3, 2) if self.sqlstate[:n] in _SENTENCES), None)


class RowFault(ServerFault):
    """It lies with one row, and the others can still be written."""


class UndoneFault(ServerFault):
    """The transaction failed because of others, or of a connection that had gone; done anew, it may well succeed.

    ``begun`` is False where nothing of it was run.
    """

    begun = True

    @classmethod
    def at_once(cls, fault: ServerFault) -> "UndoneFault":
        """``fault`` of a transaction that could not even begin."""
        undone = cls(str(fault), fault.sqlstate)
        undone.begun = False
        return undone


def fault_of(error: BaseException) -> ServerFault:
    """``error`` of asyncpg or of the network as a fault. What the server says holds no password, an address may."""
    code: Any = getattr(error, "sqlstate", None)
    if isinstance(code, str):
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        if code in _KEYED and (detail := getattr(error, "detail", None)):
            told = f"{told}: {detail.splitlines()[0]}"
        # The last: a statement that was prepared before a migration changed its table.
        if code in ("40001", "40P01") or type(error).__name__ == "InvalidCachedStatementError":
            return UndoneFault(told, code)
        return (RowFault if code.startswith(_OF_ROWS) else ServerFault)(told, code)
    if isinstance(error, TimeoutError):
        return ServerFault("the server did not answer in time", "57014")
    if isinstance(error, OSError):
        return ServerFault(f"the server cannot be reached: {error.strerror or type(error).__name__}", "08001")
    # asyncpg's own: values that do not fit a column are data, all else is a connection that has gone.
    if type(error).__name__ == "DataError":
        return RowFault(str(error), "22000")
    return ServerFault(type(error).__name__ if not str(error) else str(error).splitlines()[0], "08006")
