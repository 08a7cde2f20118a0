"""Step 10 of the schema: idempotency keys, and all that it takes to tell a stored answer anew. Never edited later."""

ADDED = (
    ("plans", "warnings", "TEXT NOT NULL DEFAULT '[]'", "JSON array: what the client was told with the answer"),
    ("candidates", "stop_sequence", "TEXT", "the stop text that ended it, where the provider told it"),
)
"""(table, column, type, documentation) of every column that step 10 adds, in order."""

DOCS = {(table, column): doc for table, column, _, doc in ADDED}

ALTER = ";\n".join(f"ALTER TABLE {table} ADD COLUMN {column} {kind}" for table, column, kind, _ in ADDED) + ";\n"

TABLES = """
CREATE TABLE idempotency ( -- What idempotency keys of clients stand for.
    owner TEXT NOT NULL, -- id of the API key that asked; '' where none was needed
    key TEXT NOT NULL, -- as the client sent it
    body_hash TEXT NOT NULL, -- SHA-256 of path and body: another one under the same key is a conflict
    claimed_at TEXT NOT NULL, -- UTC
    lease_until TEXT NOT NULL, -- UTC: until then whoever claimed it is at work
    PRIMARY KEY (owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_claimed ON idempotency (claimed_at);
CREATE INDEX requests_idempotency ON requests (idempotency_key) WHERE idempotency_key IS NOT NULL;
"""
