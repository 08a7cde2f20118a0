"""Steps 1 and 2 of the schema: what was there from the first day. Never edited once released."""

TABLES = """
CREATE TABLE requests ( -- What was asked, and what came of it.
    id TEXT PRIMARY KEY NOT NULL, -- UUIDv7 made here, so ids are in order of arrival
    arrived_at TEXT NOT NULL, -- UTC, 2026-11-23T23:30:44.123456Z
    status TEXT NOT NULL, -- answered, failed or cancelled
    model TEXT NOT NULL, -- the router or member that the client named
    dialect TEXT NOT NULL, -- wire format of the client, or library
    stream INTEGER NOT NULL, -- 1 if the client asked for a stream
    conversation TEXT, -- the client's id of the conversation
    key_id TEXT, -- which API key asked, never the key
    tenant TEXT, -- on whose behalf
    data_class TEXT, -- how the content may be handled
    end_user TEXT, -- the client's id of its own user
    idempotency_key TEXT, -- given by the client
    tags TEXT NOT NULL, -- JSON object of strings
    metadata TEXT NOT NULL, -- JSON object of strings
    domain TEXT, -- subject: the tag or metadata entry of that name, where the client gave one
    prompt_hash TEXT NOT NULL, -- SHA-256 of messages, a line feed and options: equal prompts have equal hashes
    messages TEXT NOT NULL, -- JSON array of the conversation, stored nowhere else
    options TEXT NOT NULL, -- JSON object: tools, response format, limits, sampling options
    chosen TEXT, -- candidate that was served
    member TEXT, -- who made it
    fallback TEXT, -- rule that chose because no judge did; NULL if a judge did or none was asked
    answered_s REAL NOT NULL, -- seconds from arrival to the decision
    error TEXT, -- code of the error that the client got
    error_detail TEXT NOT NULL, -- and its sentence
    config TEXT NOT NULL -- digest of the configuration in force
) STRICT;
CREATE INDEX requests_arrived ON requests (arrived_at, id);
CREATE INDEX requests_conversation ON requests (conversation, id) WHERE conversation IS NOT NULL;
CREATE INDEX requests_key ON requests (key_id, id) WHERE key_id IS NOT NULL;

CREATE TABLE plans ( -- What the router decided.
    request_id TEXT PRIMARY KEY NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- one plan per request
    router TEXT NOT NULL, -- digest of the router
    stages TEXT NOT NULL, -- JSON array: members, judge and waiting rules of each stage
    fallback_order TEXT NOT NULL, -- JSON array: members in order of trust
    shadow TEXT NOT NULL, -- JSON array: members called for labels alone
    predicted TEXT NOT NULL, -- JSON object: expected score per member
    propensities TEXT NOT NULL, -- JSON object: probability per member of being drawn; {} if not drawn
    reason TEXT NOT NULL -- the router's one line
) STRICT;

CREATE TABLE calls ( -- The ledger: one row per attempt, whatever came of it and whoever asked.
    request_id TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- for which request
    id TEXT NOT NULL, -- UUIDv7
    member TEXT NOT NULL, -- who was called
    purpose TEXT NOT NULL, -- candidate, shadow, judge or router
    seat TEXT, -- name of the judge or router that asked
    candidate_id TEXT, -- candidate that the attempt was to make; it has a row of its own only if one came
    stage INTEGER NOT NULL, -- index of the plan's stage
    sample INTEGER NOT NULL, -- number of the sample, from 0
    attempt INTEGER NOT NULL, -- from 1; 0 if nothing was sent
    hedge INTEGER NOT NULL, -- 1 for a second attempt beside a slow first one
    started_at TEXT NOT NULL, -- UTC
    total_s REAL NOT NULL, -- seconds, waiting for the limiter included
    first_token_s REAL, -- seconds to the first token of a stream
    failure TEXT, -- NULL for a good call
    detail TEXT NOT NULL, -- one sentence for the operator
    finish_reason TEXT, -- stop, length, tool_calls, refusal or other
    text TEXT, -- what arrived, where no candidate or exchange holds it: partial and unread answers
    http_status INTEGER, -- of the reply
    provider_request_id TEXT, -- the provider's id of the attempt
    model TEXT, -- model id that the provider returned
    system_fingerprint TEXT, -- as returned
    dropped TEXT NOT NULL, -- JSON array: parameters that were not sent
    transport TEXT NOT NULL, -- sdk or direct
    member_digest TEXT, -- digest of provider, model id, options, system text and output limit
    price TEXT, -- digest of the price row applied
    input_tokens INTEGER, -- cached and cache-written ones included
    output_tokens INTEGER, -- reasoning included
    cached_input_tokens INTEGER, -- read from the provider's cache
    cache_write_tokens INTEGER, -- written to it
    reasoning_tokens INTEGER, -- part of output_tokens
    image_tokens INTEGER, -- part of input_tokens
    nano_usd INTEGER, -- cost in 1e-9 US dollars; NULL is unknown, never 0
    provider_nano_usd INTEGER, -- cost that the provider itself stated
    after_answer INTEGER NOT NULL, -- 1 if it ended after the answer had gone out
    PRIMARY KEY (request_id, id)
) STRICT;
CREATE INDEX calls_member ON calls (member, started_at);

CREATE TABLE candidates ( -- The outputs as a judge sees them; the member is known here and hidden there.
    request_id TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- what it answers
    id TEXT NOT NULL, -- random, so that it tells nothing of the member
    call_id TEXT NOT NULL, -- the attempt that brought it
    member TEXT NOT NULL, -- who wrote it
    purpose TEXT NOT NULL, -- candidate or shadow
    stage INTEGER NOT NULL, -- index of the plan's stage
    sample INTEGER NOT NULL, -- number of the sample, from 0
    after_answer INTEGER NOT NULL, -- 1 if it came too late to be served
    text TEXT NOT NULL, -- written by a model: escape it before display
    tool_calls TEXT, -- JSON array
    finish_reason TEXT NOT NULL, -- stop, length, tool_calls, refusal or other
    logprobs TEXT, -- JSON array: [token, logprob, [[alternative, logprob], ...]]
    reasoning TEXT, -- JSON array: provider state to hand back to the same member
    PRIMARY KEY (request_id, id)
) STRICT;
CREATE INDEX candidates_member ON candidates (member, request_id);

CREATE TABLE verdicts ( -- The findings: one row per ruling, and one per ballot of a jury.
    id TEXT PRIMARY KEY NOT NULL, -- UUIDv7; a ballot's is its parent's with /0, /1, ... behind it
    request_id TEXT NOT NULL REFERENCES requests (id) ON DELETE CASCADE, -- what was judged
    parent TEXT REFERENCES verdicts (id) ON DELETE CASCADE, -- the verdict that this ballot went into
    stage INTEGER NOT NULL, -- index of the plan's stage
    judge TEXT, -- name in the configuration; NULL for a ballot
    judge_digest TEXT NOT NULL, -- equal digests judged by equal rules
    phase TEXT NOT NULL, -- served chose the answer; full counts what came later too
    outcome TEXT NOT NULL, -- decided, tie, abstained or failed
    winners TEXT NOT NULL, -- JSON array of candidates
    chosen TEXT, -- candidate that this verdict makes the answer
    confidence REAL, -- calibrated probability that the winners hold the best candidate
    fallback TEXT, -- rule that chose because the judge did not
    complete INTEGER NOT NULL, -- 1 if every member of the plan was judged
    overturned INTEGER NOT NULL, -- 1 if the served candidate is not among the winners of a full verdict
    usable INTEGER NOT NULL, -- 1 if a router may learn from it
    own_family INTEGER NOT NULL, -- 1 if the judge is of the family of a candidate
    all_bad INTEGER NOT NULL, -- 1 if no candidate is acceptable
    disagreement REAL, -- index of how far the candidates differ
    flags TEXT NOT NULL, -- JSON array: what a reviewer should know
    weights TEXT, -- version of the weights of the ballots
    reason TEXT NOT NULL, -- written by a model: escape it before display
    started_at TEXT NOT NULL, -- UTC
    total_s REAL NOT NULL, -- seconds that judging took; a ballot has its parent's
    input_tokens INTEGER, -- of the judging, ballots included
    output_tokens INTEGER, -- of the judging, ballots included
    nano_usd INTEGER -- of the judging, ballots included; the ledger has the same money in calls
) STRICT;
CREATE INDEX verdicts_request ON verdicts (request_id);
CREATE INDEX verdicts_parent ON verdicts (parent) WHERE parent IS NOT NULL;

CREATE TABLE scores ( -- How each candidate that a verdict names fared in it.
    verdict_id TEXT NOT NULL REFERENCES verdicts (id) ON DELETE CASCADE, -- in which verdict
    candidate_id TEXT NOT NULL, -- which candidate
    score REAL, -- quality in [0, 1]; NULL if it was not scored
    winner INTEGER NOT NULL, -- 1 if it is among the best
    set_aside TEXT, -- why it lost before the judge saw it
    PRIMARY KEY (verdict_id, candidate_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE preferences ( -- Single comparisons, with the order in which they were shown.
    verdict_id TEXT NOT NULL REFERENCES verdicts (id) ON DELETE CASCADE, -- in which verdict
    position INTEGER NOT NULL, -- from 0, in the order asked
    shown_first TEXT NOT NULL, -- candidate
    shown_second TEXT NOT NULL, -- candidate
    outcome TEXT NOT NULL, -- first, second, tie, or none where no verdict was given
    strength REAL, -- in (0, 1]; NULL if the judge states none
    exchange INTEGER, -- position of the exchange behind it
    PRIMARY KEY (verdict_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE exchanges ( -- Every question to a judge model, with its raw answer.
    verdict_id TEXT NOT NULL REFERENCES verdicts (id) ON DELETE CASCADE, -- in which verdict
    position INTEGER NOT NULL, -- from 0, in the order asked
    call_id TEXT, -- the attempt with this text and usage, where the ledger has one
    prompt TEXT NOT NULL, -- name and SHA-256 of the prompt file
    model TEXT NOT NULL, -- name under which the judge consulted the model
    shown TEXT NOT NULL, -- JSON array: candidates in the order on the page
    text TEXT NOT NULL, -- the raw answer, written by a model: escape it before display
    finish_reason TEXT, -- of that answer
    logprobs TEXT, -- JSON array, as in candidates
    parsed TEXT, -- which reading of the answer was used; NULL if none fitted
    error TEXT, -- why there is no usable answer
    attempt INTEGER NOT NULL, -- 2 for the question asked again
    input_tokens INTEGER, -- as in calls
    output_tokens INTEGER, -- as in calls
    nano_usd INTEGER, -- as in calls
    PRIMARY KEY (verdict_id, position)
) STRICT;

CREATE TABLE daily_requests ( -- Requests per day; kept by the transactions that write them.
    day TEXT NOT NULL, -- UTC day of arrival, 2026-11-23
    router TEXT NOT NULL, -- requests.model
    requests INTEGER NOT NULL, -- all of them
    answered INTEGER NOT NULL, -- of them
    failed INTEGER NOT NULL, -- of them
    cancelled INTEGER NOT NULL, -- of them
    fallbacks INTEGER NOT NULL, -- answered without a judge's decision
    overturned INTEGER NOT NULL, -- answers that a full verdict overturned
    answered_s REAL NOT NULL, -- seconds, summed
    PRIMARY KEY (day, router)
) STRICT, WITHOUT ROWID;

CREATE TABLE daily_calls ( -- Calls per day; kept by the transactions that write them.
    day TEXT NOT NULL, -- UTC day on which the call started
    router TEXT NOT NULL, -- requests.model
    member TEXT NOT NULL, -- who was called
    purpose TEXT NOT NULL, -- candidate, shadow, judge or router
    calls INTEGER NOT NULL, -- all of them
    failures INTEGER NOT NULL, -- of them
    nano_usd INTEGER NOT NULL, -- known cost
    unpriced INTEGER NOT NULL, -- calls of unknown cost
    PRIMARY KEY (day, router, member, purpose)
) STRICT, WITHOUT ROWID;
"""

LABELS = """
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
    ORDER BY w.phase = 'full' AND w.fallback IS NULL AND w.outcome IN ('decided', 'tie') DESC,
        w.phase = 'served' DESC, w.stage DESC, w.id DESC
    LIMIT 1
)
LEFT JOIN plans p ON p.request_id = r.id;
"""
