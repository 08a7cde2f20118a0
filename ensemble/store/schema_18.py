"""Step 18 of the schema: labels that say who was judged, and who was set aside. Never edited once released.

Without scores, a member that was not judged lost to nobody; beside scores, one that was set aside is worth nothing.
"""

from ensemble.store import schema_17

_LAST = "    p.propensities -- JSON object\n"
_JUDGED = """    p.propensities, -- JSON object
    (
        SELECT CASE WHEN v.panel IS NOT NULL THEN json_group_array(member) END FROM (
            SELECT DISTINCT c.member FROM candidates c
            WHERE c.request_id = r.id AND instr(v.panel, c.id) > 0 ORDER BY c.member
        )
    ) AS judged, -- JSON array of members, those set aside among them; NULL where it was not stored
    (
        SELECT json_group_object(member, set_aside) FROM (
            SELECT c.member, min(s.set_aside) AS set_aside FROM scores s
            JOIN candidates c ON c.request_id = r.id AND c.id = s.candidate_id
            WHERE s.verdict_id = v.id AND s.set_aside IS NOT NULL GROUP BY c.member ORDER BY c.member
        )
    ) AS set_aside -- JSON object: why an answer of the member lost before the judge saw it
"""

LABELS = schema_17.LABELS.replace(_LAST, _JUDGED)
