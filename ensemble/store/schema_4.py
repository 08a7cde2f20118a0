"""Step 4 of the schema: a judge's reply can be replayed whole before its verdict is stored. Never edited once released.

Without the log-probabilities a judge that weighs by them would find something else after a crash than before it.
"""

ADDED = (
    ("calls", "logprobs", "TEXT", "JSON array, as in candidates, where no candidate or exchange holds the answer"),
)
"""(table, column, type, documentation) of every column that step 4 adds, in order."""

DOCS = {(table, column): doc for table, column, _, doc in ADDED}

ALTER = ";\n".join(f"ALTER TABLE {table} ADD COLUMN {column} {kind}" for table, column, kind, _ in ADDED) + ";\n"
