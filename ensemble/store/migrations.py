"""The schema, one function per step; a step that has been released is never edited.

The comments behind the columns are the documentation of the schema: SQLite keeps them in the file, ``.schema`` shows
them, and ``describe`` reads them. Types are portable: for PostgreSQL, INTEGER is BIGINT, REAL is DOUBLE PRECISION, and
the words after a closing parenthesis go. Truth values are INTEGER 0 and 1; times are UTC text of fixed width, whose
order is the order of time; JSON is TEXT; NULL is unknown or does not apply.
"""

import sqlite3

from sqlite_utils import Database, Migrations

from ensemble.store import (
    schema_1,
    schema_3,
    schema_4,
    schema_5,
    schema_6,
    schema_7,
    schema_8,
    schema_9,
    schema_10,
    schema_11,
    schema_12,
    schema_13,
    schema_14,
    schema_15,
    schema_16,
    schema_17,
    schema_18,
)

APPLICATION_ID = 0x454E534A
"""``ENSJ``: marks the file as a log of this program in SQLite's header."""

MIGRATIONS = Migrations("ensemble")


def _run(db: Database, script: str) -> None:
    """Run the statements of ``script`` one by one in the open transaction.

    ``executescript`` of sqlite3 would commit first. That of sqlite_utils asks after every character whether a statement
    ends, which is nine tenths of what a new log costs; only a semicolon can end one.
    """
    begin = 0
    for end in (place + 1 for place, sign in enumerate(script) if sign == ";"):
        if sqlite3.complete_statement(script[begin:end]):
            db.execute(script[begin:end].strip())
            begin = end
    if rest := script[begin:].strip():
        db.execute(rest)


@MIGRATIONS(name="0001_tables")
def tables(db: Database) -> None:
    """Every table of the first release."""
    _run(db, schema_1.TABLES)
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")


@MIGRATIONS(name="0002_labels")
def labels(db: Database) -> None:
    """The view that turns verdicts into training examples."""
    _run(db, schema_1.LABELS)


@MIGRATIONS(name="0003_datasets")
def datasets(db: Database) -> None:
    """Labelling runs, imports, feedback, anchors, batches and tombstones; old rows were all served, texts kept."""
    _run(db, schema_3.ALTER)
    _run(db, schema_3.TABLES)
    _run(db, schema_3.LABELS)


@MIGRATIONS(name="0004_replies")
def replies(db: Database) -> None:
    """Log-probabilities of replies that nothing else holds yet; old rows have none."""
    _run(db, schema_4.ALTER)


@MIGRATIONS(name="0005_imports")
def imports(db: Database) -> None:
    """What was imported may have an unknown latency; old rows stay as they are."""
    schema_5.allow_unknown_latency(db)


@MIGRATIONS(name="0006_batches")
def batches(db: Database) -> None:
    """All that a result of a batch needs to become a line of the ledger after a restart."""
    _run(db, schema_6.ALTER)


@MIGRATIONS(name="0007_search")
def search(db: Database) -> None:
    """Full-text search; old rows go into its indexes with the first search, or in the background."""
    _run(db, schema_7.TABLES)


@MIGRATIONS(name="0008_watched")
def watched(db: Database) -> None:
    """The watch on served routers; an old log has seen nothing yet."""
    _run(db, schema_8.TABLES)


@MIGRATIONS(name="0009_keys")
def api_keys(db: Database) -> None:
    """API keys, what they have used and what is set aside; an older log has none."""
    _run(db, schema_9.TABLES)


@MIGRATIONS(name="0010_idempotency")
def idempotency(db: Database) -> None:
    """Idempotency keys, warnings of plans, stop texts of candidates; old rows have none."""
    _run(db, schema_10.ALTER)
    _run(db, schema_10.TABLES)


@MIGRATIONS(name="0011_reuse")
def reuse(db: Database) -> None:
    """Answers are found by their keys."""
    _run(db, schema_11.INDEX)


@MIGRATIONS(name="0012_ranking")
def ranking(db: Database) -> None:
    """Which candidates were served, where several were; old rows served one."""
    _run(db, schema_12.ALTER)


@MIGRATIONS(name="0013_reviews")
def reviews(db: Database) -> None:
    """Answers that wait for a person, and events that wait for a webhook; an older log has none."""
    _run(db, schema_13.TABLES)


@MIGRATIONS(name="0014_feedback_of_keys")
def feedback_of_keys(db: Database) -> None:
    """Two API keys may use the same idempotency key for feedback; old rows came without one."""
    _run(db, schema_14.INDEX)


@MIGRATIONS(name="0015_draws")
def draws(db: Database) -> None:
    """Cases drawn by lot for review, and second reviewers; nothing of an older log was drawn."""
    _run(db, schema_15.ALTER)
    _run(db, schema_15.TABLES)


@MIGRATIONS(name="0016_audit")
def audit(db: Database) -> None:
    """Facts of judged requests and their daily sums; those of an older log are made in the background."""
    _run(db, schema_16.TABLES)


@MIGRATIONS(name="0017_members")
def members(db: Database) -> None:
    """No index by member any more, labels of what was judged; rows stay, facts of labels that changed are made anew."""
    _run(db, schema_17.INDEXES)
    _run(db, schema_17.LABELS)
    _run(db, schema_17.STALE)


@MIGRATIONS(name="0018_judged")
def judged(db: Database) -> None:
    """Labels say who was judged and who was set aside; verdicts of old rows told it, too."""
    _run(db, schema_18.LABELS)


def applied(db: Database) -> list[str]:
    """Names of the steps that ``db`` has, in order."""
    return [step.name for step in MIGRATIONS.applied(db)]


def missing(db: Database) -> list[str]:
    """Names of the steps that ``db`` lacks, in order."""
    return [step.name for step in MIGRATIONS.pending(db)]


def unknown(db: Database) -> list[str]:
    """Names of steps that ``db`` has and this program does not know: a newer program made them."""
    with Database(memory=True, execute_plugins=False) as empty:
        known = missing(empty)
    return [name for name in applied(db) if name not in known]
