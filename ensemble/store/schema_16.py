"""Step 16 of the schema: facts of judged requests and their daily sums, for the audit. Never edited once released.

They are derived, and filled behind the writer's back: triggers note which requests have changed, in ``audit_stale``.
"""

TABLES = """
CREATE TABLE audit_cases ( -- Facts of each judged request, derived from the other tables.
    request_id TEXT PRIMARY KEY NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- which one
    arrived_at TEXT NOT NULL, -- UTC
    day TEXT NOT NULL, -- UTC day of arrival
    router TEXT NOT NULL, -- requests.model
    domain TEXT NOT NULL, -- '' for none
    judge TEXT, -- name of the judge whose verdict is in force
    source TEXT NOT NULL, -- as in requests
    candidates INTEGER NOT NULL, -- that came
    members TEXT NOT NULL, -- JSON array: who made them, sorted
    winners TEXT NOT NULL, -- JSON array: the best of the label, sorted
    served TEXT, -- member whose answer was served
    disagreement REAL, -- index in [0, 1]; NULL for fewer than two candidates
    spread REAL, -- share of pairs whose final answers differ
    similarity REAL, -- mean likeness of the texts
    margin REAL, -- lead of the winners in the judge's scores
    flips REAL, -- share of pairs in which each order named another winner
    conflicts REAL, -- how evenly verifiers divide the candidates
    confidence REAL, -- of the verdict in force
    flags TEXT NOT NULL, -- JSON array: those of the verdict in force
    overturned INTEGER NOT NULL, -- 1 if a later verdict overturned the answer
    fallback INTEGER NOT NULL, -- 1 if no judge's decision stands
    all_bad INTEGER NOT NULL, -- 1 if no candidate is acceptable
    own_family INTEGER NOT NULL, -- 1 if the judge is of the family of a candidate
    complete INTEGER NOT NULL, -- 1 if every member of the plan was judged
    cheapest_best INTEGER, -- 1 if the cheapest member is among the best; NULL where a cost is unknown or nobody won
    nano_usd INTEGER, -- of the whole request; NULL where a part is unknown, here and below
    panel_nano_usd INTEGER, -- first attempts at candidates, before the answer
    judge_nano_usd INTEGER, -- the judge's calls
    straggler_nano_usd INTEGER, -- candidates that came after the answer; calls for labels alone are in no part
    retry_nano_usd INTEGER, -- further attempts, before the answer
    answered_s REAL NOT NULL -- seconds to the answer
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_cases_ranked ON audit_cases ( -- all that cases are filtered by: a scan of it reads no table
    disagreement DESC, request_id DESC, overturned, fallback, all_bad, own_family, complete, answered_s, confidence,
    margin, nano_usd, day, router, domain, judge, members, flags
);
CREATE INDEX audit_cases_overturned ON audit_cases (disagreement DESC, request_id DESC) WHERE overturned = 1;
CREATE INDEX audit_cases_all_bad ON audit_cases (disagreement DESC, request_id DESC) WHERE all_bad = 1;

CREATE TABLE audit_members ( -- How each member fared in a judged request.
    request_id TEXT NOT NULL REFERENCES audit_cases (request_id) ON DELETE CASCADE, -- which one
    member TEXT NOT NULL, -- who
    won REAL, -- 1 by the number of winners; 0 for the others; NULL where it was not judged, or nobody decided
    score REAL, -- mean over its samples
    nano_usd INTEGER, -- of all its attempts; NULL where unknown
    total_s REAL, -- of its slowest sample
    PRIMARY KEY (request_id, member)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_members_member ON audit_members (member, request_id);

CREATE TABLE audit_pairs ( -- How every two members of a judged request compare.
    request_id TEXT NOT NULL REFERENCES audit_cases (request_id) ON DELETE CASCADE, -- which one
    a TEXT NOT NULL, -- member; before b in the alphabet
    b TEXT NOT NULL, -- member
    outcome TEXT NOT NULL, -- a, b or tie, by the label, then by scores; none where neither tells
    agree INTEGER NOT NULL, -- 1 if they give the same answer, or both are among the best
    disagreement REAL, -- as in audit_cases
    PRIMARY KEY (request_id, a, b)
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_pairs_ranked ON audit_pairs (a, b, disagreement DESC, request_id DESC, outcome, agree);

CREATE TABLE audit_daily ( -- Sums over audit_cases.
    day TEXT NOT NULL, -- UTC day of arrival
    router TEXT NOT NULL, -- requests.model
    domain TEXT NOT NULL, -- '' for none
    cases INTEGER NOT NULL, -- all of them
    ties INTEGER NOT NULL, -- with several best members
    all_bad INTEGER NOT NULL, -- of them
    fallback INTEGER NOT NULL, -- of them
    overturned INTEGER NOT NULL, -- of them
    cheapest_best INTEGER NOT NULL, -- of them
    cheapest_known INTEGER NOT NULL, -- cases of which that is known
    panel_nano_usd INTEGER NOT NULL, -- known cost
    panel_unknown INTEGER NOT NULL, -- cases whose cost is not known
    judge_nano_usd INTEGER NOT NULL, -- known cost
    judge_unknown INTEGER NOT NULL, -- cases whose cost is not known
    straggler_nano_usd INTEGER NOT NULL, -- known cost
    straggler_unknown INTEGER NOT NULL, -- cases whose cost is not known
    retry_nano_usd INTEGER NOT NULL, -- known cost
    retry_unknown INTEGER NOT NULL, -- cases whose cost is not known
    disagreement REAL NOT NULL, -- sum of the index
    ranked INTEGER NOT NULL, -- cases whose index is known
    PRIMARY KEY (day, router, domain)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_daily_members ( -- Sums over audit_members.
    day TEXT NOT NULL, -- UTC day of arrival
    router TEXT NOT NULL, -- requests.model
    domain TEXT NOT NULL, -- '' for none
    member TEXT NOT NULL, -- who
    cases INTEGER NOT NULL, -- in which it was judged, as all that follows
    won REAL NOT NULL, -- a win that is shared counts in part
    sole_wins INTEGER NOT NULL, -- wins that are not shared
    score REAL NOT NULL, -- sum
    scored INTEGER NOT NULL, -- cases with a score
    nano_usd INTEGER NOT NULL, -- known cost
    unpriced INTEGER NOT NULL, -- cases of unknown cost
    served INTEGER NOT NULL, -- cases in which its answer was served
    PRIMARY KEY (day, router, domain, member)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_daily_pairs ( -- Sums over audit_pairs.
    day TEXT NOT NULL, -- UTC day of arrival
    router TEXT NOT NULL, -- requests.model
    domain TEXT NOT NULL, -- '' for none
    a TEXT NOT NULL, -- member; before b in the alphabet
    b TEXT NOT NULL, -- member
    cases INTEGER NOT NULL, -- in which both answered
    agree INTEGER NOT NULL, -- of them
    a_wins INTEGER NOT NULL, -- of them
    b_wins INTEGER NOT NULL, -- of them
    ties INTEGER NOT NULL, -- of them
    PRIMARY KEY (day, router, domain, a, b)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_stale ( -- Requests whose facts are missing or out of date, in the order in which they are made.
    seq INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, -- order; never used again
    request_id TEXT NOT NULL -- which one; it may stand here several times
) STRICT;
CREATE TRIGGER audit_judged AFTER INSERT ON verdicts WHEN new.parent IS NULL
BEGIN INSERT INTO audit_stale (request_id) VALUES (new.request_id); END;
CREATE TRIGGER audit_late AFTER INSERT ON calls WHEN new.after_answer = 1
BEGIN INSERT INTO audit_stale (request_id) VALUES (new.request_id); END;
CREATE TRIGGER audit_named AFTER UPDATE OF domain ON requests
BEGIN INSERT INTO audit_stale (request_id) VALUES (new.id); END;
INSERT INTO audit_stale (request_id) SELECT DISTINCT request_id FROM verdicts ORDER BY request_id DESC;
"""
