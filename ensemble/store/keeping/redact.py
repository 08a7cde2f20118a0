"""Personal data and secrets leave the texts of stored requests, for good; the rest of each text stays."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ensemble.redaction import Redactor
from ensemble.store.address import Where
from ensemble.store.content import bind, dumps, loads, unbind
from ensemble.store.database import Database
from ensemble.store.describe import describe
from ensemble.store.keeping.connect import transaction
from ensemble.store.keeping.engines import overwrite_what_goes, tidy
from ensemble.store.keeping.erase import BATCH, Scope, forget_keys, matching, rejects_of
from ensemble.store.keeping.search import forget, optimize, remember
from ensemble.store.keeping.spilled import beside, copies_with_texts, take_in
from ensemble.store.spill import Spill
from ensemble.store.texts import OF_REQUEST

_TREES: Mapping[str, tuple[str, ...]] = {
    "requests": ("messages", "options", "metadata", "tags"),
    "plans": ("warnings",),
    "candidates": ("tool_calls", "reasoning"),
    "dataset_rows": ("metadata",),
}
"""Columns that hold JSON."""
_TEXTS: Mapping[str, tuple[str, ...]] = {
    "requests": ("reference", "error_detail", "end_user"),
    "plans": ("reason",),
    "calls": ("text", "detail"),
    "candidates": ("text", "stop_sequence"),
    "verdicts": ("reason",),
    "scores": ("set_aside",),
    "exchanges": ("text", "error"),
    "feedback": ("text",),
}
"""Columns that hold a text."""
_TOKENS = ("calls", "candidates", "exchanges")
"""Tables whose ``logprobs`` spell a text token by token, and go with a change of it."""


_OF_CONVERSATION = """
SELECT f.id, f.text FROM feedback f JOIN requests r ON r.conversation = f.conversation
WHERE r.id = ? AND f.request_id IS NULL AND f.text IS NOT NULL
"""


class Redacted(NamedTuple):
    """What came of it: requests that were looked at, and those of them that changed.

    Attributes:
        spilled: records that were taken into the log first, so that they are looked at too.
        left: files beside the log that are not changed and hold texts of changed requests, or what would be taken out.
    """

    requests: int
    changed: int
    spilled: int
    left: tuple[str, ...]


def redact(
    db: Database, where: Where, scope: Scope, redactor: Redactor, *, spills: Sequence[Spill] | None = None
) -> Redacted:
    """Redact the requests of ``scope`` in place.

    ``db`` is a connection of ``writing``. What was spilled is taken in first, from ``spills``, by default the one
    beside the log. Changed requests are ``redacted`` and get the hash of the prompt that they now have; keys by which
    their replies and cases would be known go, since they are hashes of what was there. At the end the file is rebuilt,
    so that nothing is left behind. Raises StoreError as ``erase`` does.
    """
    overwrite_what_goes(db)
    matching(db, scope)  # what is meant must be clear before anything changes
    spills = [beside(where)] if spills is None else spills
    spilled = sum(take_in(db, spill).written for spill in spills)
    ids, changed = matching(db, scope), 0
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        with transaction(db):
            forget(db, batch)
            changed += sum(_request(db, id_, redactor) for id_ in batch)
            for id_ in batch:
                _comments(db, id_, redactor)
            remember(db, batch)
    with transaction(db):
        optimize(db)
    tidy(db, where)
    kept = [*rejects_of(where), *(spill.aside for spill in spills if spill.aside.is_file())]
    left = [str(file) for file in kept if _holds(file, redactor)]
    return Redacted(len(ids), changed, spilled, (*copies_with_texts(db, where, gone="redacted"), *left))


def _holds(file: Path, redactor: Redactor) -> bool:
    """Whether a file of JSON lines, some of them perhaps broken, has something to redact."""
    with file.open("rb") as lines:
        return any(_changes(line.decode(errors="replace"), redactor) for line in lines)


def _changes(line: str, redactor: Redactor) -> bool:
    try:
        tree: object = json.loads(line)
    except (ValueError, RecursionError):
        return redactor.redact(line) != line
    return redactor.redact_tree(tree) != tree


def _request(db: Database, id_: str, redactor: Redactor) -> bool:
    changed, keys = False, {table.name: table.key for table in describe()}
    for table, condition in OF_REQUEST.items():
        trees, texts = _TREES.get(table, ()), _TEXTS.get(table, ())
        columns = (*trees, *texts)
        if not columns:
            continue
        key = keys[table]
        rows = db.execute(
            f"SELECT {', '.join((*key, *columns))} FROM {table} WHERE {condition}",  # noqa: S608 - own names
            [id_],
        ).fetchall()
        for row in rows:
            values = dict(zip(columns, row[len(key) :], strict=True))
            fresh = _fresh(values, trees, redactor)
            if fresh:
                changed = True
                _write(db, table, key, row[: len(key)], fresh)
    if changed:
        messages, options = db.execute("SELECT messages, options FROM requests WHERE id = ?", [id_]).fetchone()
        hash_ = hashlib.sha256(f"{messages}\n{options}".encode()).hexdigest()
        db.conn.execute("UPDATE requests SET content = 'redacted', prompt_hash = ? WHERE id = ?", [hash_, id_])
        forget_keys(db, [id_])
    return changed


def _comments(db: Database, id_: str, redactor: Redactor) -> None:
    """Redact what was said of the whole conversation that a request is part of."""
    for comment, text in db.execute(_OF_CONVERSATION, [id_]).fetchall():
        if (said := _text(text, redactor.redact)) is not None:
            db.conn.execute("UPDATE feedback SET text = ? WHERE id = ?", [said, comment])


def _fresh(values: Mapping[str, str | None], trees: Iterable[str], redactor: Redactor) -> dict[str, str]:
    """The columns that redaction changes, with their new values."""
    fresh = {}
    for name, value in values.items():
        if value is None:
            continue
        said = _tree(value, redactor) if name in trees else _text(value, redactor.redact)
        if said is not None:
            fresh[name] = said
    return fresh


def _tree(value: str, redactor: Redactor) -> str | None:
    tree = loads(value)
    said = redactor.redact_tree(tree)
    return None if said == tree else dumps(said).decode()


def _text(value: str, redact: Callable[[str], str]) -> str | None:
    text = unbind(value)
    said = redact(text)
    return None if said == text else bind(said)


def _write(db: Database, table: str, key: Sequence[str], at: Sequence[object], fresh: Mapping[str, str]) -> None:
    sets = ", ".join([*(f"{name} = ?" for name in fresh), *(["logprobs = NULL"] if table in _TOKENS else [])])
    where = " AND ".join(f"{name} = ?" for name in key)
    db.conn.execute(f"UPDATE {table} SET {sets} WHERE {where}", [*fresh.values(), *at])  # noqa: S608 - own names
