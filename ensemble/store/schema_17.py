"""Step 17 of the schema: less to write, and labels that say what was judged. Never edited once released.

Two indexes by member go. They were a quarter of the pages of a lone request's commit, and hardly anybody read them: who
asks for the latest calls of a member reads the newest rows instead, and who asks for those of a day reads the table.

Labels are made of what the judge found, never of what came of it once logged means were weighed in, which is what was
served. And they count the calls of a member by the settings that were judged, not those by earlier ones beside them.
"""

INDEXES = """
DROP INDEX calls_member;
DROP INDEX candidates_member;
"""

PLAIN = """coalesce((SELECT b.id FROM verdicts b WHERE v.flags LIKE '%"shrunk"%' AND b.id = v.id || '/0'), v.id)"""
"""Id of what the judge itself found, for ``verdicts v``, which may be weighed against logged means."""

# Most members were called by one digest alone, and for them the first half is all that is looked at.
AS_JUDGED = """(
    NOT EXISTS (
        SELECT 1 FROM calls n WHERE n.request_id = k.request_id AND n.member = k.member
            AND n.member_digest <> k.member_digest AND n.purpose IN ('candidate', 'shadow')
    ) OR k.member_digest = coalesce(
        (
            SELECT n.member_digest FROM calls n WHERE n.request_id = k.request_id AND n.member = k.member
                AND instr(v.panel, n.candidate_id) > 0 LIMIT 1
        ), (
            SELECT n.member_digest FROM calls n WHERE n.request_id = k.request_id AND n.member = k.member
                AND n.purpose IN ('candidate', 'shadow') ORDER BY n.id DESC LIMIT 1
        )
    )
)"""
"""Condition on ``calls k``: made by the settings of the member that ``verdicts v`` judged, of others by the latest."""

LABELS = f"""
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
    f.id AS finding, -- the same, or its ballot that says what the judge found before logged means were weighed in
    v.phase,
    v.stage,
    f.confidence,
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
            WHERE s.verdict_id = f.id AND s.winner = 1 ORDER BY c.member
        )
    ) AS best, -- JSON array of members
    (
        SELECT json_group_object(member, score) FROM (
            SELECT c.member, avg(s.score) AS score FROM scores s
            JOIN candidates c ON c.request_id = r.id AND c.id = s.candidate_id
            WHERE s.verdict_id = f.id AND s.score IS NOT NULL GROUP BY c.member ORDER BY c.member
        )
    ) AS scores, -- JSON object: mean over the samples of a member
    (
        SELECT json_group_object(member, spread) FROM (
            SELECT c.member, sqrt(max(0, avg(s.score * s.score) - avg(s.score) * avg(s.score))) AS spread
            FROM scores s JOIN candidates c ON c.request_id = r.id AND c.id = s.candidate_id
            WHERE s.verdict_id = f.id AND s.score IS NOT NULL GROUP BY c.member HAVING count(*) > 1 ORDER BY c.member
        )
    ) AS spread, -- JSON object: standard deviation over the samples of a member that has several
    (
        SELECT json_group_object(member, nano_usd) FROM (
            SELECT k.member, CASE WHEN count(k.nano_usd) = count(*) THEN sum(k.nano_usd) END AS nano_usd
            FROM calls k WHERE k.request_id = r.id AND k.purpose IN ('candidate', 'shadow')
                AND {AS_JUDGED}
            GROUP BY k.member ORDER BY k.member
        )
    ) AS nano_usd, -- JSON object: every attempt of a member by the settings that were judged; null if one is unknown
    (
        SELECT json_group_object(member, total_s) FROM (
            SELECT member, max(total_s) AS total_s FROM (
                SELECT c.member, sum(k.total_s) AS total_s FROM calls k
                JOIN candidates c ON c.request_id = r.id AND c.id = k.candidate_id
                WHERE k.request_id = r.id AND k.hedge = 0 AND {AS_JUDGED}
                GROUP BY c.id, c.member
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
JOIN verdicts f ON f.id = {PLAIN}
LEFT JOIN plans p ON p.request_id = r.id;
"""  # noqa: S608 - own constants

STALE = """
INSERT INTO audit_stale (request_id) SELECT request_id FROM (
    SELECT request_id FROM verdicts WHERE parent IS NULL AND flags LIKE '%"shrunk"%'
    UNION SELECT request_id FROM calls WHERE purpose IN ('candidate', 'shadow')
    GROUP BY request_id, member HAVING count(DISTINCT member_digest) > 1
) changed ORDER BY request_id DESC;
"""
"""Facts that were made of labels as they were."""
