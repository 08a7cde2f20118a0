"""Step 6 of the schema: results of batches are whole lines of the ledger. Never edited once released.

An item's first column, ``custom_id``, is the id of the call that it becomes.
"""

ADDED = (
    ("batch_items", "digest", "TEXT NOT NULL DEFAULT ''", "the member's digest when it was asked"),
    ("batch_items", "stage", "INTEGER NOT NULL DEFAULT 0", "as in calls"),
    ("batch_items", "seat", "TEXT", "as in calls"),
    ("batch_items", "attempt", "INTEGER NOT NULL DEFAULT 1", "as in calls"),
    ("batch_items", "dropped", "TEXT NOT NULL DEFAULT '[]'", "JSON array: parameters that were asked for and not sent"),
    ("batch_items", "reservation", "TEXT", "money that is set aside for it"),
)
"""(table, column, type, documentation) of every column that step 6 adds, in order."""

DOCS = {(table, column): doc for table, column, _, doc in ADDED}

ALTER = ";\n".join(f"ALTER TABLE {table} ADD COLUMN {column} {kind}" for table, column, kind, _ in ADDED) + ";\n"
