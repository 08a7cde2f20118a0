"""Step 15 of the schema: cases that a lot sends to people, some of them to two. Never edited once released."""

ADDED = (
    ("reviews", "draw", "TEXT", "draw that it was drawn in; NULL if it came into the queue by itself alone"),
    ("reviews", "stratum", "TEXT", "stratum of that draw"),
    ("reviews", "probability", "REAL", "with which it was drawn: cases drawn by cases of the stratum"),
    ("reviews", "place", "INTEGER", "its place in the draw, from 0, in random order"),
    (
        "reviews",
        "blind",
        "INTEGER NOT NULL DEFAULT 0",
        "1 if two people decide, each without the other's finding",
    ),
)
"""(table, column, type, documentation) of every column that step 15 adds, in order."""

DOCS = {(table, column): doc for table, column, _, doc in ADDED}

ALTER = ";\n".join(f"ALTER TABLE {table} ADD COLUMN {column} {kind}" for table, column, kind, _ in ADDED) + ";\n"

TABLES = """
CREATE INDEX reviews_drawn ON reviews (draw, stratum) WHERE draw IS NOT NULL;
CREATE INDEX reviews_decided ON reviews (decided_at DESC, request_id) WHERE status = 'decided';

CREATE TABLE review_seats ( -- The two people who decide on a blind case, one row each.
    request_id TEXT NOT NULL REFERENCES reviews (request_id) ON DELETE CASCADE, -- which case
    seat INTEGER NOT NULL, -- 1 or 2
    claimed_by TEXT, -- alias of who is at it
    claimed_until TEXT, -- UTC: then it is anybody's again
    decided_by TEXT, -- alias of who decided
    decided_at TEXT, -- UTC
    feedback_id TEXT, -- row of feedback that says what was found
    PRIMARY KEY (request_id, seat)
) STRICT, WITHOUT ROWID;

CREATE TABLE review_draws ( -- Lots by which cases were sent to people. Their frames follow one another without a gap.
    id TEXT PRIMARY KEY NOT NULL, -- UUIDv7
    seed TEXT NOT NULL, -- with the ids of the frame it says who was drawn
    made_at TEXT NOT NULL, -- UTC
    since TEXT NOT NULL, -- UTC: the frame holds what arrived after this; '' for all
    until TEXT NOT NULL, -- UTC: and not after this
    cases INTEGER NOT NULL, -- in the frame
    drawn INTEGER NOT NULL -- of them
) STRICT;
CREATE UNIQUE INDEX review_draws_since ON review_draws (since); -- two processes never draw from one frame

CREATE TABLE review_strata ( -- Strata of a draw.
    draw TEXT NOT NULL REFERENCES review_draws (id) ON DELETE CASCADE, -- which draw
    stratum TEXT NOT NULL, -- router, band of disagreement, or queued if it waited for a person anyway
    cases INTEGER NOT NULL, -- in the frame
    drawn INTEGER NOT NULL, -- of them
    PRIMARY KEY (draw, stratum)
) STRICT, WITHOUT ROWID;
"""
