"""Server-sent events, piece by piece as they arrive (WHATWG HTML, section 9.2)."""

_LF, _CR = b"\n\r"  # numbers: looked for as bytes, CPython first raises that they are none, and swallows it


class ServerSent:
    """Takes a stream apart. Their names are in the data of the events too, so the data is all that counts.

    An event that the end of the stream cuts off never comes out, since nobody knows whether it is whole.
    """

    __slots__ = ("_data", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of every event that ``piece`` ends."""
        self._pieces.append(piece)
        if _LF not in piece and _CR not in piece:
            return []  # joined once, when the line is whole: a long line must not cost its square
        lines = b"".join(self._pieces).splitlines(keepends=True)
        self._pieces = [] if lines[-1].endswith(b"\n") else [lines.pop()]
        events = []
        for line in lines:
            line = line.rstrip(b"\r\n")
            if line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data = []
        return events
