"""Texts leave the log: erased on demand, expired by age, redacted in place. Numbers, keys and verdicts stay."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from uuid_utils import uuid7

from ensemble.errors import StoreError
from ensemble.store.address import Where, address_of
from ensemble.store.content import messages_of, stamp
from ensemble.store.database import Database
from ensemble.store.keeping.checks import files_of
from ensemble.store.keeping.connect import transaction, understood
from ensemble.store.keeping.engines import overwrite_what_goes, tidy
from ensemble.store.keeping.search import forget, optimize
from ensemble.store.keeping.searchable import text_of
from ensemble.store.keeping.spilled import beside, copies_with_texts, take_in
from ensemble.store.spill import Spill
from ensemble.store.texts import KEPT, OF_REQUEST, TEXTS, blank

BATCH = 200
"""Requests per transaction: a service beside this waits no longer than for one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What is meant: requests for which all that is given holds. ``where`` is a condition on their columns."""

    ids: tuple[str, ...] = ()
    conversation: str | None = None
    key: str | None = None
    where: str | None = None

    def plain(self) -> dict[str, object]:
        """As a tombstone tells it: without the condition, which may quote the text that is to go."""
        told = {"ids": list(self.ids), "conversation": self.conversation, "key": self.key}
        return {name: value for name, value in told.items() if value} | ({"where": True} if self.where else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What came of it.

    Attributes:
        tombstone: id of its row.
        requests: how many lost their texts.
        numbers: rows per table, ``input_tokens``, ``output_tokens``, ``nano_usd`` and ``unpriced``, which stay known.
        lines: lines taken out of files beside the log (rejects, what was kept aside of a spill).
        spilled: records that were taken into the log first, so that all conditions reach them too.
        copies: copies from before a migration that hold requests whose texts were erased, now or earlier.
        aside: files with lines that no spill could be read from, some of which may belong to what was meant.
        ids: the requests that lost their texts, for whoever knows what was trained on them.
    """

    tombstone: str | None
    requests: int
    numbers: Mapping[str, int] = field(default_factory=dict)
    lines: int = 0
    spilled: int = 0
    copies: tuple[str, ...] = ()
    aside: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()


_LEFT = (
    "(content <> 'erased' OR EXISTS (SELECT 1 FROM feedback f WHERE f.request_id = requests.id AND f.text IS NOT NULL))"
)


def matching(db: Database, scope: Scope, *, erasing: bool = False) -> list[str]:
    """Ids of the requests that ``scope`` means and whose texts are there.

    With ``erasing`` those too of which only an erasure takes what is left: the hash and the end user where texts have
    expired or were never kept, and what people have said since the texts were erased.

    Raises:
        StoreError: nothing is given, or ``where`` is no condition that the engine understands.
    """
    parts, given = [_LEFT if erasing else TEXTS.format("content")], list[str]()
    if scope.ids:
        parts.append(f"id IN ({', '.join('?' * len(scope.ids))})")
        given += scope.ids
    for column, value in (("conversation", scope.conversation), ("key_id", scope.key)):
        if value is not None:
            parts.append(f"{column} = ?")
            given.append(value)
    if scope.where is not None:
        parts.append(f"({scope.where}\n)")
    if len(parts) == 1:
        raise StoreError("say which requests: --id, --conversation, --key or --where")
    with understood(db):
        rows = db.execute(f"SELECT id FROM requests WHERE {' AND '.join(parts)} ORDER BY id", given)  # noqa: S608
        return [row[0] for row in rows]


def erase(
    db: Database, where: Where, scope: Scope, reason: str = "", *, spills: Sequence[Spill] | None = None
) -> Erased:
    """Take every text of these requests out of the log at ``where`` and of the files beside it, for good.

    What was spilled is taken in first, so that it is matched as the rest; a service may go on spilling meanwhile.
    ``spills`` are by default the one beside the log. ``db`` is a connection of ``writing``. Each batch of requests is a
    transaction; then a tombstone is written, the file is rebuilt, and the write-ahead log is emptied. Interrupted, it
    can be run again.

    Raises:
        StoreError: as ``matching``; or another connection still reads, so that the write-ahead log holds the texts.
    """
    overwrite_what_goes(db)
    spills = [beside(where)] if spills is None else spills
    matching(db, scope, erasing=True)  # what is meant must be clear before anything changes
    spilled = sum(take_in(db, spill).written for spill in spills)
    ids = matching(db, scope, erasing=True)
    texts = set(scope.ids) | {one for one in (scope.conversation,) if one}
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        with transaction(db):
            texts.update(_prompts(db, batch))
            forget(db, _searched(db, batch))
            blank(db, batch, "erased")
            _identities(db, batch)
    if scope.conversation:
        with transaction(db):
            db.execute("UPDATE feedback SET text = NULL WHERE conversation = ?", [scope.conversation])
    tombstone, numbers = _bury(db, scope, reason, ids) if ids else (None, {})
    lines = sum(_filter(file, texts) for file in rejects_of(where))
    lines += sum(_filter_aside(spill, texts | ({f'"{scope.key}"'} if scope.key else set())) for spill in spills)
    with transaction(db):
        optimize(db)
    tidy(db, where)
    return Erased(
        tombstone=tombstone,
        requests=len(ids),
        ids=tuple(ids),
        numbers=numbers,
        lines=lines,
        spilled=spilled,
        copies=copies_with_texts(db, where),
        aside=tuple(str(spill.aside) for spill in spills if spill.aside.is_file()),
    )


def old(db: Database, before: datetime, after: tuple[str, str], most: int) -> tuple[list[str], tuple[str, str] | None]:
    """Of the next ``most`` requests after (``arrived_at``, ``id``) that arrived ``before``: those with texts, the last.

    The last is None at the end.
    """
    rows = db.execute(
        "SELECT arrived_at, id, content FROM requests WHERE (arrived_at, id) > (?, ?) AND arrived_at < ? "
        "ORDER BY arrived_at, id LIMIT ?",
        [*after, stamp(before), most],
    ).fetchall()
    ids = [id_ for _, id_, content in rows if content in KEPT]
    return ids, (rows[-1][0], rows[-1][1]) if rows else None


def expire(db: Database, ids: Sequence[str]) -> None:
    """Take the texts out of these requests, in a transaction; numbers, hashes and keys stay."""
    overwrite_what_goes(db)
    forget(db, ids)
    blank(db, ids, "expired")


def prune(db: Database, before: datetime) -> int:
    """Expire everything that arrived ``before``, in batches, on a connection of ``writing``; return how many."""
    after: tuple[str, str] | None = ("", "")
    count = 0
    while after is not None:
        ids, after = old(db, before, after, BATCH)
        if ids:
            with transaction(db):
                expire(db, ids)
        count += len(ids)
    return count


def _prompts(db: Database, ids: Sequence[str]) -> Iterator[str]:
    """The user's words, by which lines of rejects are known; shorter ones would take others' lines with them."""
    for id_ in ids:
        for (messages,) in db.execute("SELECT messages FROM requests WHERE id = ?", [id_]):
            for message in messages_of(messages):
                if message.role == "user" and len(text := text_of(message).strip()) >= 8:
                    yield text


def _searched(db: Database, ids: Sequence[str]) -> list[str]:
    """Those of ``ids`` whose texts are there: what was taken out of an index must not be taken out once more."""
    sql = f"SELECT 1 FROM requests WHERE id = ? AND {TEXTS.format('content')}"  # noqa: S608 - own names
    return [id_ for id_ in ids if db.execute(sql, [id_]).fetchone()]


def _identities(db: Database, ids: Sequence[str]) -> None:
    """What only an erasure takes: a short prompt can be guessed from its hash, and an end user is a person."""
    forget_keys(db, ids)
    db.conn.executemany(
        "UPDATE requests SET end_user = NULL, prompt_hash = '', idempotency_key = NULL WHERE id = ?",
        [(id_,) for id_ in ids],
    )


def forget_keys(db: Database, ids: Sequence[str]) -> None:
    """Take the hashes away by which judges' replies and cases of these requests are known again, in a transaction."""
    # The claim of an idempotency key holds a hash of the whole body.
    db.conn.executemany(
        "DELETE FROM idempotency WHERE (owner, key) IN (SELECT coalesce(key_id, ''), idempotency_key FROM requests "
        "WHERE id = ?)",
        [(id_,) for id_ in ids],
    )
    db.conn.executemany("UPDATE calls SET key = NULL WHERE request_id = ?", [(id_,) for id_ in ids])
    db.conn.executemany("UPDATE verdicts SET case_key = NULL WHERE request_id = ?", [(id_,) for id_ in ids])


def _bury(db: Database, scope: Scope, reason: str, ids: Sequence[str]) -> tuple[str, dict[str, int]]:
    numbers = dict.fromkeys([*OF_REQUEST, "input_tokens", "output_tokens", "nano_usd", "unpriced"], 0)
    for id_ in ids:
        for table, condition in OF_REQUEST.items():
            (count,) = db.execute(f"SELECT count(*) FROM {table} WHERE {condition}", [id_]).fetchone()  # noqa: S608
            numbers[table] += count
        sums = db.execute(
            "SELECT coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(nano_usd), 0), "
            "count(*) - count(nano_usd) FROM calls WHERE request_id = ?",
            [id_],
        ).fetchone()
        for name, value in zip(("input_tokens", "output_tokens", "nano_usd", "unpriced"), sums, strict=True):
            numbers[name] += value
    tombstone = str(uuid7())
    with transaction(db):
        db.execute(
            "INSERT INTO tombstones (id, erased_at, scope, reason, requests, numbers) VALUES (?, ?, ?, ?, ?, ?)",
            [tombstone, stamp(datetime.now(UTC)), json.dumps(scope.plain()), reason, len(ids), json.dumps(numbers)],
        )
    return tombstone, numbers


def rejects_of(where: Where) -> list[Path]:
    """Files of rejected rows that stand beside the log, where they are put by default."""
    start = address_of(where).beside(".rejects-").name
    return [file for file in files_of(where) if file.name.startswith(start)]


def _filter_aside(spill: Spill, texts: set[str]) -> int:
    if not spill.aside.is_file():
        return 0
    with spill.held():
        count = _filter(spill.aside, texts)
        if not spill.aside.stat().st_size:
            spill.aside.unlink()
        return count


def _filter(file: Path, texts: set[str]) -> int:
    """Write ``file`` anew without the lines that hold one of ``texts``; return how many went."""
    spelt = {form.encode(errors="surrogatepass") for text in texts for form in _forms(text)}
    lines = file.read_bytes().splitlines(keepends=True)
    stay = [line for line in lines if not any(form in line for form in spelt)]
    if len(stay) == len(lines):
        return 0
    part = file.with_name(f"{file.name}.part")
    with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as new:
        new.writelines(stay)
        new.flush()
        os.fsync(new.fileno())
    os.replace(part, file)
    return len(lines) - len(stay)


def _forms(text: str) -> set[str]:
    once = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}
    twice = {json.dumps(form, ensure_ascii=ascii_)[1:-1] for form in once for ascii_ in (True, False)}
    return {text, *once, *twice}
