"""What verdicts in the log teach about the quality of members: the plain findings, not the shrunk ones.

They are worth what ``ensemble.means.quality_of`` makes of them as they come.
"""

from collections.abc import Iterator

from ensemble.means import Finding, mean_quality
from ensemble.store.database import Database
from ensemble.types import RequestId
from judges.shrinkage import SHRUNK

_SQL = f"""
SELECT v.request_id, v.stage, found.judge_digest, v.id, c.member,
    s.score, coalesce(s.winner, 0)
FROM (
    SELECT id, request_id, stage, panel, CASE WHEN flags LIKE '%"{SHRUNK}"%' THEN id || '/0' ELSE id END AS plain
    FROM verdicts
    WHERE parent IS NULL AND usable = 1 AND fallback IS NULL AND phase IN ('served', 'full')
        AND outcome IN ('decided', 'tie') AND panel IS NOT NULL
    ORDER BY id DESC LIMIT ?
) v
JOIN verdicts found ON found.id = v.plain
CROSS JOIN json_each(v.panel) p
JOIN candidates c ON c.request_id = v.request_id AND c.id = p.value
LEFT JOIN scores s ON s.verdict_id = v.plain AND s.candidate_id = c.id
ORDER BY v.id
"""  # noqa: S608 - an own constant


def findings(db: Database, most: int) -> list[Finding]:
    """The latest ``most`` usable findings, oldest first; the full one of a request comes after the served one."""
    return list(_findings(db, most))


def _findings(db: Database, most: int) -> Iterator[Finding]:
    about: tuple[str, int, str, str] | None = None
    judged: list[tuple[str, float | None, bool]] = []
    for *key, member, score, won in db.execute(_SQL, [most]):
        if about is not None and about[3] != key[3]:
            yield _finding(about, judged)
            judged = []
        about = (key[0], key[1], key[2], key[3])
        judged.append((member, score, bool(won)))
    if about is not None:
        yield _finding(about, judged)


def _finding(about: tuple[str, int, str, str], judged: list[tuple[str, float | None, bool]]) -> Finding:
    request, stage, judge, _ = about
    return Finding(request=RequestId(request), stage=stage, judge=judge, quality=mean_quality(judged))
