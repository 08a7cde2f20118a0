"""Step 13 of the schema: what waits for a person, and what waits for a webhook. Never edited once released."""

TABLES = """
CREATE TABLE reviews ( -- Answers that a person is to look at, one row per request.
    request_id TEXT PRIMARY KEY NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- whose answer
    created_at TEXT NOT NULL, -- UTC
    reason TEXT NOT NULL, -- which minimum it does not reach, or what came of it later
    overturned INTEGER NOT NULL, -- 1 if a later verdict on the full panel names another winner
    status TEXT NOT NULL, -- waiting, claimed or decided
    claimed_by TEXT, -- alias of who is at it
    claimed_until TEXT, -- UTC: then it is anybody's again
    decided_by TEXT, -- alias of who decided
    decided_at TEXT, -- UTC
    feedback_id TEXT -- row of feedback that says what was found
) STRICT;
CREATE INDEX reviews_open ON reviews (overturned DESC, created_at, request_id) WHERE status <> 'decided';

CREATE TABLE outbox ( -- Events for the webhook, written in the transaction of what they tell of.
    id TEXT PRIMARY KEY NOT NULL, -- UUIDv7; sent as webhook-id, the same with every attempt
    kind TEXT NOT NULL, -- review.created, answer.overturned or review.decided
    created_at TEXT NOT NULL, -- UTC
    body TEXT NOT NULL, -- JSON, as it is sent; no text of a user or a model is in it
    attempts INTEGER NOT NULL, -- made so far
    next_at TEXT, -- UTC: when to try (again); NULL once it is delivered or given up
    delivered_at TEXT, -- UTC; NULL while it is not
    problem TEXT -- why the last attempt failed
) STRICT;
CREATE INDEX outbox_due ON outbox (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX outbox_age ON outbox (created_at);
"""
