"""Whether the log is what it claims to be."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from ensemble.plurals import counted
from ensemble.store.address import Where, address_of
from ensemble.store.database import Database
from ensemble.store.keeping.engines import broken_references, damage, take_time
from ensemble.store.keeping.indexes import index_faults
from ensemble.store.spill import Spill


class Finding(NamedTuple):
    """One thing that is wrong: ``check`` names which rule, ``text`` says what and where."""

    check: str
    text: str


_MOST = 20
"""Findings of one kind that are told; the rest is counted."""

_ORPHANS: Mapping[str, str] = {
    "a candidate without its call": """
        SELECT c.request_id || ' ' || c.id FROM candidates c
        WHERE NOT EXISTS (SELECT 1 FROM calls k WHERE k.request_id = c.request_id AND k.id = c.call_id)
            AND (SELECT source FROM requests r WHERE r.id = c.request_id) <> 'import'""",
    "an answer that is no candidate": """
        SELECT r.id FROM requests r WHERE r.chosen IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM candidates c WHERE c.request_id = r.id AND c.id = r.chosen)""",
    "a score of no candidate": """
        SELECT v.id FROM verdicts v JOIN scores s ON s.verdict_id = v.id
        WHERE NOT EXISTS (SELECT 1 FROM candidates c WHERE c.request_id = v.request_id AND c.id = s.candidate_id)""",
    "an exchange whose call is not in the ledger": """
        SELECT v.id FROM verdicts v JOIN exchanges e ON e.verdict_id = v.id
        WHERE e.call_id IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM calls k WHERE k.request_id = v.request_id AND k.id = e.call_id)""",
}

_CALLS = """
SELECT day, router, member, purpose, calls, failures, nano_usd, unpriced FROM daily_calls WHERE calls <> 0
EXCEPT
SELECT substr(k.started_at, 1, 10), r.model, k.member, k.purpose, count(*), count(k.failure),
    coalesce(sum(k.nano_usd), 0), count(*) - count(k.nano_usd)
FROM calls k JOIN requests r ON r.id = k.request_id GROUP BY 1, 2, 3, 4
"""
_CALLS_MISSING = """
SELECT substr(k.started_at, 1, 10) AS day, r.model, k.member, k.purpose
FROM calls k JOIN requests r ON r.id = k.request_id GROUP BY 1, 2, 3, 4
EXCEPT SELECT day, router, member, purpose FROM daily_calls
"""
_REQUESTS = """
SELECT day, router, requests, answered, failed, cancelled, fallbacks FROM daily_requests WHERE requests <> 0
EXCEPT
SELECT substr(arrived_at, 1, 10), model, count(*), count(*) FILTER (WHERE status = 'answered'),
    count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'cancelled'), count(fallback)
FROM requests WHERE status <> 'streaming' GROUP BY 1, 2
"""
_REQUESTS_MISSING = """
SELECT substr(arrived_at, 1, 10), model FROM requests WHERE status <> 'streaming' GROUP BY 1, 2
EXCEPT SELECT day, router FROM daily_requests
"""


def checks(db: Database, where: Where, spills: Iterable[Spill] = ()) -> list[Finding]:
    """Everything that is wrong with the log at ``where``: pages, references, sums, orphans, rights, search.

    Reads all of it. ``spills`` are those that may lie elsewhere than beside the log.
    """
    take_time(db)
    searched = (Finding("search", text) for text in index_faults(db, where))
    return [*_pages(db), *_references(db), *_sums(db), *_orphans(db), *_rights(where, spills), *searched]


def _pages(db: Database) -> Iterator[Finding]:
    yield from (Finding("integrity", said) for said in damage(db, _MOST))


def _references(db: Database) -> Iterator[Finding]:
    for table, parent, count in broken_references(db):
        those = counted(count, f"row of {table} points", f"rows of {table} point")
        yield Finding("references", f"{those} to rows of {parent} that are not there")


def _sums(db: Database) -> Iterator[Finding]:
    for sql, table in ((_CALLS, "daily_calls"), (_REQUESTS, "daily_requests")):
        for row in db.execute(f"SELECT * FROM ({sql}) t LIMIT {_MOST}"):  # noqa: S608 - own statements
            yield Finding("sums", f"{table} tells another sum than the rows: {', '.join(map(str, row))}")
    for sql, table in ((_CALLS_MISSING, "daily_calls"), (_REQUESTS_MISSING, "daily_requests")):
        for row in db.execute(f"SELECT * FROM ({sql}) t LIMIT {_MOST}"):  # noqa: S608 - own statements
            yield Finding("sums", f"{table} lacks {', '.join(map(str, row))}")


def _orphans(db: Database) -> Iterator[Finding]:
    for what, sql in _ORPHANS.items():
        found = [str(row[0]) for row in db.execute(f"{sql} LIMIT {_MOST + 1}")]
        if found:
            more = " and more" if len(found) > _MOST else ""
            yield Finding("orphans", f"{what}: {', '.join(found[:_MOST])}{more}")


def _rights(where: Where, spills: Iterable[Spill]) -> Iterator[Finding]:
    for file in files_of(where, spills):
        mode = file.stat().st_mode & 0o777
        if mode & 0o077:
            yield Finding("rights", f"{file} can be read by others (mode {mode:o}); chmod 600 it")


def files_of(where: Where, spills: Iterable[Spill] = ()) -> list[Path]:
    """The file of the log and everything that the program puts beside it: write-ahead log, spill, rejects, copies.

    With ``spills``, also what they hold elsewhere.
    """
    address = address_of(where)
    path = address.local
    beside = {file for file in path.parent.glob(f"{_literal(path.name)}[-.]*") if file.is_file()}
    own = [] if address.file is None else [address.file]
    return [*own, *sorted(beside.union(*(spill.files for spill in spills)))]


def _literal(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
