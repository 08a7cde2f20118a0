"""Step 3 of the schema: what a data set needs beside the log of a service. Never edited once released.

SQLite keeps no comment behind a column that is added, so the documentation of these stands in ``DOCS``.
"""

ADDED = (
    ("requests", "source", "TEXT NOT NULL DEFAULT 'served'", "served, label (asked for labels alone) or import"),
    ("requests", "reference", "TEXT", "a known right answer, where the prompt came with one"),
    ("requests", "domain_by", "TEXT", "digest of the classifier that named the domain; NULL where the client did"),
    (
        "requests",
        "content",
        "TEXT NOT NULL DEFAULT 'kept'",
        "what became of its texts: kept, off, redacted, ...",
    ),
    (
        "calls",
        "key",
        "TEXT",
        "of a judge's call: hash of its prompt and the member's digest; none is paid twice",
    ),
    ("calls", "run", "TEXT", "labelling run that paid for it"),
    ("calls", "batch", "TEXT", "the provider's id of the batch that it was part of"),
    ("verdicts", "case_key", "TEXT", "digest of the case as judged: prompt, reference and candidates"),
    ("verdicts", "panel", "TEXT", "JSON array: the candidates that were judged"),
)
"""(table, column, type, documentation) of every column that step 3 adds, in order."""

DOCS = {(table, column): doc for table, column, _, doc in ADDED}

ALTER = ";\n".join(f"ALTER TABLE {table} ADD COLUMN {column} {kind}" for table, column, kind, _ in ADDED) + ";\n"

TABLES = """
CREATE INDEX requests_prompt ON requests (prompt_hash, id);
CREATE INDEX calls_run ON calls (run, nano_usd) WHERE run IS NOT NULL;

CREATE TABLE dataset_rows ( -- Which row of which file of prompts is which request.
    dataset TEXT NOT NULL, -- name of the set, by default the file's
    row_id TEXT NOT NULL, -- the row's own id, or its number
    request_id TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- rows of one prompt share one
    position INTEGER NOT NULL, -- number of the row in the file, from 1
    metadata TEXT NOT NULL, -- JSON object: what else the row held
    PRIMARY KEY (dataset, row_id)
) STRICT;
CREATE INDEX dataset_rows_request ON dataset_rows (request_id);

CREATE TABLE reservations ( -- Money set aside for calls that are not settled yet: one row per call under way.
    id TEXT PRIMARY KEY NOT NULL, -- id of the candidate, or of the judge's question
    scope TEXT NOT NULL, -- for what: a labelling run
    nano_usd INTEGER NOT NULL, -- the most that the call can cost
    made_at TEXT NOT NULL -- UTC; one that outlives its process was lost, and counts as spent
) STRICT, WITHOUT ROWID;
CREATE INDEX reservations_scope ON reservations (scope, nano_usd);

CREATE TABLE feedback ( -- What people and systems say of an answer, at once or later.
    id TEXT PRIMARY KEY NOT NULL, -- UUIDv7
    request_id TEXT REFERENCES requests (id) ON DELETE CASCADE, -- about which request; NULL if about a conversation
    conversation TEXT, -- about which conversation, where no request is named
    kind TEXT NOT NULL, -- preferred, tie, all_bad, cannot_tell, rating, correction, tag or metric
    candidate_id TEXT, -- candidate that is preferred, rated or corrected; NULL for the answer that was served
    name TEXT, -- of a tag or metric
    value REAL, -- rating in [0, 1]; metric, with 0 and 1 for a boolean
    text TEXT, -- correction or comment: somebody wrote it, so escape it before display
    given_by TEXT NOT NULL, -- alias of a person or system
    source TEXT NOT NULL, -- api, cli, import or review
    key_id TEXT, -- which API key brought it
    idempotency_key TEXT, -- given by the sender; one row per sender and key
    probability REAL, -- with which the case was drawn for review; NULL if it was not drawn
    created_at TEXT NOT NULL -- UTC
) STRICT;
CREATE INDEX feedback_request ON feedback (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX feedback_conversation ON feedback (conversation) WHERE conversation IS NOT NULL;
CREATE UNIQUE INDEX feedback_once ON feedback (given_by, idempotency_key) WHERE idempotency_key IS NOT NULL;

CREATE TABLE anchors ( -- Cases with frozen verdicts, judged again on a schedule to see whether a judge drifts.
    anchor_set TEXT NOT NULL, -- name of the set
    request_id TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- which case
    panel TEXT NOT NULL, -- JSON array: the candidates to judge
    winners TEXT NOT NULL, -- JSON array: the frozen finding
    judged_by TEXT NOT NULL, -- digest of the judge, or alias of the person, that found so
    frozen_at TEXT NOT NULL, -- UTC
    PRIMARY KEY (anchor_set, request_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE anchor_checks ( -- One row per time that a set of anchors was judged again.
    id TEXT PRIMARY KEY NOT NULL, -- UUIDv7
    anchor_set TEXT NOT NULL, -- name of the set
    judge TEXT NOT NULL, -- name in the configuration
    judge_digest TEXT NOT NULL, -- its digest
    checked_at TEXT NOT NULL, -- UTC
    cases INTEGER NOT NULL, -- judged again
    agreed REAL NOT NULL, -- cases with the frozen finding, half for a tie that holds it
    low REAL NOT NULL, -- 95 % interval of the agreement
    high REAL NOT NULL, -- 95 % interval of the agreement
    drift INTEGER NOT NULL, -- 1 if judge_drift was raised
    nano_usd INTEGER -- cost; NULL if unknown
) STRICT;
CREATE INDEX anchor_checks_set ON anchor_checks (anchor_set, judge_digest, checked_at);

CREATE TABLE batches ( -- Batches that providers work on.
    id TEXT PRIMARY KEY NOT NULL, -- UUIDv7 made here
    run TEXT NOT NULL, -- labelling run
    provider TEXT NOT NULL, -- name in the configuration
    provider_id TEXT, -- the provider's id; NULL until it has taken the batch
    state TEXT NOT NULL, -- making, submitted, ended or taken_in
    made_at TEXT NOT NULL, -- UTC
    polled_at TEXT, -- UTC
    ended_at TEXT, -- UTC
    detail TEXT NOT NULL -- one sentence for the operator
) STRICT;

CREATE TABLE batch_items ( -- The calls of a batch.
    batch_id TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE, -- in which batch
    custom_id TEXT NOT NULL, -- by which the provider names it
    request_id TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- for which request
    member TEXT NOT NULL, -- who is called
    purpose TEXT NOT NULL, -- candidate or judge
    candidate_id TEXT, -- candidate that it is to make
    sample INTEGER NOT NULL, -- number of the sample, from 0
    key TEXT NOT NULL, -- as in calls
    state TEXT NOT NULL, -- waiting, done, failed or expired
    PRIMARY KEY (batch_id, custom_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_items_request ON batch_items (request_id);

CREATE TABLE tombstones ( -- What was erased: numbers, never texts.
    id TEXT PRIMARY KEY NOT NULL, -- UUIDv7
    erased_at TEXT NOT NULL, -- UTC
    scope TEXT NOT NULL, -- JSON object: what was asked for (ids, conversation, key or condition)
    reason TEXT NOT NULL, -- as given by the operator
    requests INTEGER NOT NULL, -- how many lost their texts
    numbers TEXT NOT NULL -- JSON object: rows per table, tokens and nano-USD that stay known
) STRICT;
"""

LABELS = """
DROP VIEW labels;
CREATE VIEW labels AS -- one row per judged request, from its full verdict where that decided, else the served one
SELECT
    r.id AS request_id,
    r.arrived_at,
    r.model AS router,
    r.conversation,
    r.tenant,
    r.data_class,
    r.domain,
    r.prompt_hash,
    r.source AS origin,
    r.content,
    r.reference,
    r.domain_by,
    CASE
        WHEN v.fallback IS NOT NULL OR v.outcome NOT IN ('decided', 'tie') THEN 'fallback'
        WHEN v.all_bad = 1 THEN 'all_bad'
        WHEN v.own_family = 1 THEN 'own_family'
        WHEN v.complete = 1 THEN 'full'
        ELSE 'early'
    END AS kind,
    'judge' AS source,
    v.judge_digest AS judged_by,
    v.judge,
    v.id AS verdict_id,
    v.phase,
    v.stage,
    v.confidence,
    v.complete,
    v.overturned,
    v.disagreement,
    CASE
        WHEN v.fallback IS NOT NULL OR v.outcome NOT IN ('decided', 'tie') THEN 0
        ELSE v.usable
    END AS usable,
    (
        SELECT json_group_array(member) FROM (
            SELECT DISTINCT c.member FROM scores s
            JOIN candidates c ON c.request_id = r.id AND c.id = s.candidate_id
            WHERE s.verdict_id = v.id AND s.winner = 1 ORDER BY c.member
        )
    ) AS best, -- JSON array of members
    (
        SELECT json_group_object(member, score) FROM (
            SELECT c.member, avg(s.score) AS score FROM scores s
            JOIN candidates c ON c.request_id = r.id AND c.id = s.candidate_id
            WHERE s.verdict_id = v.id AND s.score IS NOT NULL GROUP BY c.member ORDER BY c.member
        )
    ) AS scores, -- JSON object: mean over the samples of a member
    (
        SELECT json_group_object(member, spread) FROM (
            SELECT c.member, sqrt(max(0, avg(s.score * s.score) - avg(s.score) * avg(s.score))) AS spread
            FROM scores s JOIN candidates c ON c.request_id = r.id AND c.id = s.candidate_id
            WHERE s.verdict_id = v.id AND s.score IS NOT NULL GROUP BY c.member HAVING count(*) > 1 ORDER BY c.member
        )
    ) AS spread, -- JSON object: standard deviation over the samples of a member that has several
    (
        SELECT json_group_object(member, nano_usd) FROM (
            SELECT k.member, CASE WHEN count(k.nano_usd) = count(*) THEN sum(k.nano_usd) END AS nano_usd
            FROM calls k WHERE k.request_id = r.id AND k.purpose IN ('candidate', 'shadow')
            GROUP BY k.member ORDER BY k.member
        )
    ) AS nano_usd, -- JSON object: every attempt of a member; null if one is unknown
    (
        SELECT json_group_object(member, total_s) FROM (
            SELECT member, max(total_s) AS total_s FROM (
                SELECT c.member, sum(k.total_s) AS total_s FROM calls k
                JOIN candidates c ON c.request_id = r.id AND c.id = k.candidate_id
                WHERE k.request_id = r.id AND k.hedge = 0 GROUP BY c.id, c.member
            ) GROUP BY member ORDER BY member
        )
    ) AS total_s, -- JSON object: seconds of the slowest sample, its retries added up; members that answered
    p.propensities -- JSON object
FROM requests r
JOIN verdicts v ON v.id = (
    SELECT w.id FROM verdicts w WHERE w.request_id = r.id AND w.parent IS NULL
    ORDER BY w.phase = 'rejudged', w.phase = 'full' AND w.fallback IS NULL AND w.outcome IN ('decided', 'tie') DESC,
        w.phase = 'served' DESC, w.stage DESC, w.id DESC
    LIMIT 1
)
LEFT JOIN plans p ON p.request_id = r.id;
"""
