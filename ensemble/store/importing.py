"""What an import asks the log, and how it adds members to a plan that was imported before. Blocking."""

from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from ensemble.store.content import dumps, loads
from ensemble.store.database import Database
from ensemble.types import RequestId
from judges.types import CandidateId


class Imported(NamedTuple):
    """What a file said of a request when it was taken in last."""

    case_key: str | None
    winners: frozenset[CandidateId]
    scores: Mapping[CandidateId, float]
    all_bad: bool


def imported(db: Database, request: RequestId, judge: str) -> Imported | None:
    """The newest finding of ``judge``, a digest, on ``request``."""
    row = db.execute(
        "SELECT id, case_key, winners, all_bad FROM verdicts "
        "WHERE request_id = ? AND judge_digest = ? AND parent IS NULL ORDER BY id DESC LIMIT 1",
        [request, judge],
    ).fetchone()
    if row is None:
        return None
    verdict, key, winners, all_bad = row
    scores = db.execute("SELECT candidate_id, score FROM scores WHERE verdict_id = ? AND score IS NOT NULL", [verdict])
    return Imported(
        case_key=key,
        winners=frozenset(cast("list[CandidateId]", loads(winners))),
        scores={CandidateId(candidate): score for candidate, score in scores},
        all_bad=bool(all_bad),
    )


def extend_plan(db: Database, request: RequestId, samples: Mapping[str, int]) -> None:
    """Give the imported plan of ``request`` a seat for each sample of each member; those that it has stay."""
    (stored,) = db.execute("SELECT stages FROM plans WHERE request_id = ?", [request]).fetchone()
    stages = cast("list[dict[str, Any]]", loads(stored))
    stage = stages[-1]
    members = list(dict.fromkeys([*stage["members"], *samples]))
    several = {**stage.get("samples", {}), **{member: number for member, number in samples.items() if number > 1}}
    if (members, several) == (stage["members"], stage.get("samples", {})):
        return
    stage["members"], stage["samples"] = members, several
    db.conn.execute("UPDATE plans SET stages = ? WHERE request_id = ?", [dumps(stages).decode(), request])
