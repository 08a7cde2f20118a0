"""Which columns hold texts of people and models, and how rows lose them; keys, hashes and numbers stay."""

from collections.abc import Iterable, Mapping, Sequence

from ensemble.store.database import Database
from ensemble.store.rows import COLUMNS, Row, Rows, Value

KEPT = ("kept", "redacted")
"""Values of ``requests.content`` under which there are texts."""
TEXTS = f"{{0}} IN {KEPT}"
"""As a condition on that column: a tuple of names is written as SQL writes it."""

BLANKS: Mapping[str, Mapping[str, Value]] = {
    "requests": {"messages": "[]", "options": "{}", "metadata": "{}", "reference": None, "error_detail": ""},
    "plans": {"reason": "", "warnings": "[]"},
    "calls": {"text": None, "detail": "", "logprobs": None},
    "candidates": {"text": "", "tool_calls": None, "logprobs": None, "reasoning": None, "stop_sequence": None},
    "verdicts": {"reason": ""},
    "scores": {"set_aside": ""},
    "exchanges": {"text": "", "logprobs": None, "error": ""},
    "feedback": {"text": None},
    "dataset_rows": {"metadata": "{}"},
}
"""What stands in the place of each text. What was NULL stays so: that there is an error is no text, its words are."""

BLANKS_BEFORE: Mapping[str, Mapping[str, Value]] = {**BLANKS, "requests": {**BLANKS["requests"], "end_user": None}}
"""The same for rows that never have texts: no erasure finds them later, and an end user is a person."""

OF_REQUEST: Mapping[str, str] = {
    "requests": "id = ?",
    "plans": "request_id = ?",
    "calls": "request_id = ?",
    "candidates": "request_id = ?",
    "verdicts": "request_id = ?",
    "scores": "verdict_id IN (SELECT id FROM verdicts WHERE request_id = ?)",
    "exchanges": "verdict_id IN (SELECT id FROM verdicts WHERE request_id = ?)",
    "feedback": "request_id = ?",
    "dataset_rows": "request_id = ?",
}
"""Which rows of each table belong to one request."""


_OF_CONVERSATION = f"""
UPDATE feedback SET text = NULL WHERE request_id IS NULL AND text IS NOT NULL
    AND conversation = (SELECT r.conversation FROM requests r WHERE r.id = ?)
    AND NOT EXISTS (
        SELECT 1 FROM requests o WHERE o.conversation = feedback.conversation
            AND {TEXTS.format("o.content")}
    )
"""  # noqa: S608 - own names


def strip(rows: Rows, content: str = "off") -> None:
    """Take the texts and the end user out of rows that are not written yet."""
    for table, blanks in BLANKS_BEFORE.items():
        if table in rows.tables:
            rows.tables[table] = [_stripped(row, COLUMNS[table], blanks) for row in rows.tables[table]]
    at = COLUMNS["requests"].index("content")
    rows.tables["requests"] = [(*row[:at], content, *row[at + 1 :]) for row in rows.tables["requests"]]


def _stripped(row: Row, columns: Sequence[str], blanks: Mapping[str, Value]) -> Row:
    return tuple(
        blanks[name] if name in blanks and value is not None else value
        for name, value in zip(columns, row, strict=True)
    )


def blank(db: Database, ids: Iterable[str], content: str) -> None:
    """Take the texts out of stored rows, in a transaction; ``content`` is what becomes of ``requests.content``."""
    each = [(id_,) for id_ in ids]
    for table, blanks in BLANKS.items():
        sets = ", ".join(
            f"{name} = CASE WHEN {name} IS NULL THEN NULL ELSE {_sql(v)} END" for name, v in blanks.items()
        )
        db.conn.executemany(f"UPDATE {table} SET {sets} WHERE {OF_REQUEST[table]}", each)  # noqa: S608 - own names
    db.conn.executemany("UPDATE requests SET content = ? WHERE id = ?", [(content, id_) for (id_,) in each])
    # What was said of a conversation as a whole goes with the last texts of it.
    db.conn.executemany(_OF_CONVERSATION, each)


def _sql(value: Value) -> str:
    return "NULL" if value is None else f"'{value}'"
