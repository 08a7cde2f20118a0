"""The first pass: which requests are taken, and into which split each goes; kept in a temporary file, not in memory.

A split is drawn by hash for a whole group: prompts that are equal, and prompts of one conversation, belong together,
and so does everything that hangs together by either. The groups are those of the whole log, whatever the filters, so
that a request is always in the same split of the same shares, and two exports of one log never cross.
"""

import hashlib
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import NamedTuple, Self

from ensemble.store.database import Database
from ensemble.store.export.filters import FINDING, OF_JUDGE, WHERE, Filters
from ensemble.store.export.people import HEARD, heard
from ensemble.store.schema_17 import PLAIN
from ensemble.store.texts import TEXTS

DEFAULT_SPLIT = "train"

_TABLES = """
CREATE TABLE picked (id TEXT PRIMARY KEY, hash TEXT NOT NULL, split TEXT) WITHOUT ROWID;
CREATE INDEX picked_hash ON picked (hash, id);
CREATE TABLE hashes (hash TEXT PRIMARY KEY, label TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE conversations (conversation TEXT PRIMARY KEY, label TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE edges (hash TEXT, conversation TEXT, PRIMARY KEY (hash, conversation)) WITHOUT ROWID;
CREATE INDEX edges_conversation ON edges (conversation, hash);
"""
# A prompt that nobody asked for texts of (content off, erased, expired) cannot be learned from.
_TEXTS = TEXTS.format("r.content")
# An erasure leaves no hash: such a request is a prompt of its own, not one that all erased ones share.
_HASH = "coalesce(nullif(r.prompt_hash, ''), r.id)"
_LABELLED = f"""
SELECT r.id, {_HASH}, {_TEXTS}, f.confidence,
    v.id IS NOT NULL AND v.usable = 1 AND v.fallback IS NULL AND v.outcome IN ('decided', 'tie'),
    v.id IS NOT NULL, {HEARD}
FROM requests r LEFT JOIN verdicts v ON v.id = {FINDING} LEFT JOIN verdicts f ON f.id = {PLAIN}
WHERE {WHERE} ORDER BY r.id
"""  # noqa: S608 - own constants
_JUDGED = f"""
SELECT r.id, {_HASH}, {_TEXTS}, max(w.confidence),
    max(CASE WHEN w.usable = 1 AND w.fallback IS NULL THEN 1 ELSE 0 END), 1, 0
FROM requests r JOIN verdicts w ON w.request_id = r.id AND w.parent IS NULL AND {OF_JUDGE}
WHERE {WHERE} GROUP BY r.id ORDER BY r.id
"""  # noqa: S608 - own constants
_ALL = f"SELECT r.id, {_HASH}, 1, NULL, 1, 1, 0 FROM requests r WHERE {WHERE} ORDER BY r.id"  # noqa: S608
QUESTIONS: Mapping[str, str] = {"labels": _LABELLED, "verdicts": _JUDGED, "all": _ALL}
"""By what a format is made of: labels, verdicts, or all requests."""


class Picked(NamedTuple):
    """A request that is taken."""

    id: str
    split: str


@dataclass(slots=True)
class Picking:
    """What was taken; a context that closes the temporary file.

    Attributes:
        left_out: requests that passed the filters on requests and are not taken, by reason.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    _scratch: sqlite3.Connection = field(default_factory=lambda: sqlite3.connect("", isolation_level=None))

    def __enter__(self) -> Self:
        self._scratch.executescript(_TABLES)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._scratch.close()

    def pick(self, db: Database, filters: Filters, made_of: str) -> None:
        """Read the log once and remember what is taken."""
        self._scratch.execute("BEGIN")
        self._scratch.executemany("INSERT INTO picked VALUES (?, ?, NULL)", self._passing(db, filters, made_of))
        if filters.dedupe:
            self.left_out["duplicate"] = self._scratch.execute(
                "DELETE FROM picked WHERE id < (SELECT max(p.id) FROM picked p WHERE p.hash = picked.hash)"
            ).rowcount
        if filters.splits:
            self._group(db)
            self._draw(filters.splits)
        self._scratch.execute("COMMIT")
        self.requests = self._scratch.execute("SELECT count(*) FROM picked").fetchone()[0]

    def split(self, name: str) -> Iterator[str]:
        """Ids of the requests of one split, in order of arrival."""
        rows = self._scratch.execute("SELECT id FROM picked WHERE coalesce(split, ?) = ? ORDER BY id", [name, name])
        return (row[0] for row in rows)

    def prompts(self) -> str:
        """SHA-256 over the distinct hashes of the prompts that are taken, sorted: equal sets have equal ones."""
        digest = hashlib.sha256()
        for (hash_,) in self._scratch.execute("SELECT DISTINCT hash FROM picked ORDER BY hash"):
            digest.update(f"{hash_}\n".encode())
        return digest.hexdigest()

    def ids(self) -> Iterator[str]:
        """Ids of all requests that are taken, in order of arrival."""
        return (row[0] for row in self._scratch.execute("SELECT id FROM picked ORDER BY id"))

    def _passing(self, db: Database, filters: Filters, made_of: str) -> Iterator[tuple[str, str]]:
        least = filters.min_confidence
        for id_, hash_, texts, confidence, usable, judged, told in db.execute(QUESTIONS[made_of], filters.parameters()):
            human = heard(db, id_) if told and filters.people == "first" else None
            if not texts:
                self.left_out["without texts"] += 1
            elif human is None and not judged:
                self.left_out["not judged"] += 1
            elif filters.usable_only and not (human.usable if human else usable):
                self.left_out["not usable"] += 1
            elif human is None and least is not None and (confidence is None or confidence < least):
                self.left_out["without a confidence" if confidence is None else "not confident"] += 1
            else:
                yield id_, hash_

    def _group(self, db: Database) -> None:
        """Label what hangs together by the least hash in it: labels spread over shared conversations until none does.

        Each round carries a label across one conversation and one prompt; whole conversations share a few.
        """
        put = self._scratch.execute
        self._scratch.executemany(
            "INSERT OR IGNORE INTO edges VALUES (?, ?)",
            db.execute(f"SELECT {_HASH}, conversation FROM requests r WHERE conversation IS NOT NULL"),  # noqa: S608
        )
        put("INSERT INTO hashes SELECT DISTINCT hash, hash FROM edges")
        put("INSERT INTO conversations SELECT conversation, min(hash) FROM edges GROUP BY conversation")
        while True:
            changed = put(
                "UPDATE hashes SET label = found.label FROM (SELECT e.hash, min(c.label) AS label FROM edges e "
                "JOIN conversations c USING (conversation) GROUP BY e.hash) found "
                "WHERE found.hash = hashes.hash AND found.label < hashes.label"
            ).rowcount
            if not changed:
                return
            put(
                "UPDATE conversations SET label = found.label FROM (SELECT e.conversation, min(h.label) AS label "
                "FROM edges e JOIN hashes h USING (hash) GROUP BY e.conversation) found "
                "WHERE found.conversation = conversations.conversation AND found.label < conversations.label"
            )

    def _draw(self, splits: Mapping[str, Decimal]) -> None:
        self._scratch.create_function("drawn", 1, lambda label: drawn(label, splits), deterministic=True)
        self._scratch.execute(
            "UPDATE picked SET split = drawn(coalesce((SELECT label FROM hashes h WHERE h.hash = picked.hash), hash))"
        )


def drawn(label: str, splits: Mapping[str, Decimal]) -> str:
    """The split of the group with that label: uniform by SHA-256, and the same for the same shares."""
    point = Decimal(int.from_bytes(hashlib.sha256(f"split:{label}".encode()).digest()[:8])) / 2**64
    upto, name = Decimal(0), ""
    for name, share in splits.items():  # noqa: B007 - the last one takes what rounding leaves
        upto += share
        if point < upto:
            break
    return name
