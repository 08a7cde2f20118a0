"""Step 8 of the schema: what is seen of served routers, and what is decided of them. Never edited once released."""

TABLES = """
CREATE TABLE watched ( -- The watch on a served router: what it saw and decided. Its state follows from these rows.
    id INTEGER PRIMARY KEY, -- in the order in which they count
    router TEXT NOT NULL, -- its name
    digest TEXT NOT NULL, -- its digest; another one begins anew
    judge TEXT NOT NULL, -- digest of the judge; another one begins anew
    at TEXT NOT NULL, -- UTC
    event TEXT NOT NULL, -- label, anchor, demoted, judge_drift or promoted
    request_id TEXT REFERENCES requests (id) ON DELETE CASCADE, -- that a label or anchor is about
    task TEXT, -- kind of task of a label
    value REAL, -- quality kept of a label, agreement of an anchor; both in [0, 1]
    why TEXT NOT NULL -- of a decision
) STRICT;
CREATE INDEX watched_router ON watched (router, digest, judge, id);
CREATE INDEX watched_request ON watched (request_id) WHERE request_id IS NOT NULL;
"""
