"""Step 12 of the schema: which candidates were served, where the client wanted several. Never edited once released."""

ADDED = (
    ("requests", "ranking", "TEXT NOT NULL DEFAULT '[]'", "JSON array: candidates served, best first, if several were"),
)
"""(table, column, type, documentation) of every column that step 12 adds, in order."""

DOCS = {(table, column): doc for table, column, _, doc in ADDED}

ALTER = ";\n".join(f"ALTER TABLE {table} ADD COLUMN {column} {kind}" for table, column, kind, _ in ADDED) + ";\n"
