"""What the log knows of the habits of members and judges: the newest answers and verdicts, oldest first."""

from collections.abc import Iterable

from ensemble.fitness import estimate_tokens, is_text
from ensemble.fleet import Member
from ensemble.habits import KEPT, Sittings
from ensemble.store.content import bind, prompt_of
from ensemble.store.database import Database
from judges.shrinkage import SHRUNK
from judges.types import Usage

NEWEST = 200_000
"""Lines of the ledger, the newest, among which habits are looked for: all are read in a tenth of a second, and no
commit has to keep an index for it."""
LATEST = f"k.rowid > (SELECT max(rowid) FROM calls) - {NEWEST}"  # noqa: S608 - an own constant
"""Condition on ``calls k``: rows are numbered in the order in which they were written."""
_ANSWERS = f"""
SELECT k.failure IS NULL, k.input_tokens, k.output_tokens, k.total_s, r.messages, r.options, r.content = 'kept'
FROM calls k JOIN requests r ON r.id = k.request_id
WHERE {LATEST} AND k.member = ? AND k.member_digest = ? AND k.purpose IN ('candidate', 'shadow') AND k.batch IS NULL
    AND k.transport NOT IN ('import', 'cache') AND (k.failure IS NULL OR k.failure IN ('timeout', 'cancelled'))
ORDER BY k.rowid DESC LIMIT ?
"""  # noqa: S608 - an own constant
_VERDICTS = """
SELECT json_array_length(v.panel), v.nano_usd, v.total_s
FROM verdicts v JOIN verdicts found
    ON found.id = CASE WHEN v.flags LIKE ? THEN v.id || '/0' ELSE v.id END
WHERE v.parent IS NULL AND v.phase IN ('served', 'full') AND v.panel IS NOT NULL AND found.judge_digest = ?
    AND NOT EXISTS (
        SELECT 1 FROM calls k WHERE k.request_id = v.request_id AND k.purpose = 'judge' AND k.batch IS NOT NULL
    )
ORDER BY v.id DESC LIMIT ?
"""


def recall(db: Database, members: Iterable[Member], judges: Iterable[str], sittings: Sittings) -> None:
    """Teach ``members`` their habits, and ``sittings`` those of the judges with the digests ``judges``. Blocks.

    Time spent before the last attempt at an answer is not in the ledger, so the first hours after a start know less of
    retries than later ones.
    """
    for member in members:
        rows = db.execute(_ANSWERS, [bind(member.name), member.digest, KEPT]).fetchall()
        for good, given, made, seconds, messages, options, kept in reversed(rows):
            ready, _ = member.prepare(prompt_of(messages, options), "candidate")
            usage = Usage(input_tokens=given, output_tokens=made) if good else Usage()
            member.habits.add(estimate_tokens(ready) if kept and is_text(ready) else None, usage, seconds)
    for digest in judges:
        for candidates, nano_usd, seconds in reversed(
            db.execute(_VERDICTS, [f'%"{SHRUNK}"%', digest, KEPT]).fetchall()
        ):
            sittings.add(digest, candidates, nano_usd, seconds)
