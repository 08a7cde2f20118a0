"""Step 9 of the schema: API keys, and what they have used. Never edited once released."""

TABLES = """
CREATE TABLE api_keys ( -- Who may ask; the keys themselves are nowhere.
    id TEXT PRIMARY KEY NOT NULL, -- of the key; stands in requests.key_id
    name TEXT NOT NULL, -- as the operator calls it
    hash TEXT NOT NULL UNIQUE, -- SHA-256 of the key, which is 256 random bits
    tenant TEXT, -- on whose behalf its requests are
    scopes TEXT NOT NULL, -- JSON array: use, read, review, admin
    data_class TEXT, -- class of what it sends, where a request states none
    limits TEXT NOT NULL, -- JSON array of texts such as usd=5/day
    created_at TEXT NOT NULL, -- UTC
    expires_at TEXT, -- UTC; NULL for never
    revoked_at TEXT, -- UTC; NULL while it is valid
    used_at TEXT, -- UTC, to the minute: the last request that came with it
    replaces TEXT -- key in whose place it was made
) STRICT;

CREATE TABLE key_usage ( -- What keys with limits have used and set aside, by window of the UTC calendar.
    key_id TEXT NOT NULL, -- whose
    per TEXT NOT NULL, -- minute, day, month or total
    start TEXT NOT NULL, -- name of the window
    requests INTEGER NOT NULL, -- begun in it
    tokens INTEGER NOT NULL, -- of requests begun in it, input and output
    nano_usd INTEGER NOT NULL, -- cost of requests begun in it, in 1e-9 US dollars
    PRIMARY KEY (key_id, per, start)
) STRICT, WITHOUT ROWID;

CREATE TABLE key_holds ( -- The part of key_usage that is set aside for requests under way.
    request_id TEXT PRIMARY KEY NOT NULL, -- for which request; it has a row of its own only once it is recorded
    key_id TEXT NOT NULL, -- of whom
    begun_at TEXT NOT NULL, -- UTC: names the windows
    expires_at TEXT NOT NULL, -- UTC: when its process must have ended
    tokens INTEGER NOT NULL, -- set aside
    nano_usd INTEGER NOT NULL -- set aside
) STRICT, WITHOUT ROWID;
CREATE INDEX key_holds_expiry ON key_holds (expires_at);
"""
