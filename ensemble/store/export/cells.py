"""Cells of CSV that no spreadsheet takes for a formula, and back.

A text that begins with ``=``, ``+``, ``-`` or ``@``, also as wide as a Chinese sign, or with a tab or the end of a line
(OWASP, "CSV Injection"), apostrophes before it aside, gets one apostrophe more. So every cell can be told apart from
what stood in the log: ``unquoted`` takes the apostrophe off. Numbers and header names: the former are never quoted, the
latter like any text.
"""

import re

RULE = (
    "a text that begins with = + - @ (full-width ones too), tab, CR or LF (after any apostrophes) has one more "
    "apostrophe before it, so that no spreadsheet runs it: take one off when reading; null and the empty text are both "
    "an empty cell; NUL is written as U+FFFD"
)
_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_QUOTED = re.compile(rf"'{_FORMULA.pattern}")


def quoted(text: str) -> str:
    """``text`` as a cell that is only ever shown."""
    return f"'{text}" if _FORMULA.match(text) else text


def unquoted(cell: str) -> str:
    """The text that ``quoted`` was given."""
    return cell[1:] if _QUOTED.match(cell) else cell
