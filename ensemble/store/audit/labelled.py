"""What facts take from the label of a request: who was best, and how each member fared."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from ensemble.store.content import dumps, small_loads
from ensemble.store.database import Database

Part = Sequence[Any]
CANDIDATES = """
SELECT request_id, id, member, text, tool_calls, finish_reason, stage, after_answer FROM candidates
WHERE request_id IN (SELECT value FROM json_each(:ids))
"""
CALLS = """
SELECT request_id, purpose, attempt, after_answer, nano_usd, member, candidate_id, hedge, total_s FROM calls
WHERE request_id IN (SELECT value FROM json_each(:ids))
"""
SCORES = """
SELECT verdict_id, candidate_id, score, winner FROM scores
WHERE verdict_id IN (SELECT value FROM json_each(:verdicts))
"""
_LABELS = """
SELECT request_id, best, scores, nano_usd, total_s FROM labels
WHERE request_id IN (SELECT value FROM json_each(:ids))
"""


class Label(NamedTuple):
    """Of the columns of ``labels`` those that tell of members."""

    best: set[str]
    scores: Mapping[str, float]
    costs: Mapping[str, int | None]
    seconds: Mapping[str, float | None]


def labels_of(db: Database, ids: Iterable[str]) -> dict[str, Label]:
    """As the log has them: twice the price of all else that facts are made of, so for those that are not plain."""
    return {
        id_: Label(
            set(cast("list[str]", small_loads(best))),
            cast("dict[str, float]", small_loads(scores)),
            cast("dict[str, int | None]", small_loads(costs)),
            cast("dict[str, float | None]", small_loads(seconds)),
        )
        for id_, best, scores, costs, seconds in db.execute(_LABELS, {"ids": dumps(sorted(ids)).decode()})
    }


def plain_label(written: Sequence[Part], calls: Sequence[Part], scored: Sequence[Part]) -> Label | None:
    """The same, from rows of ``CANDIDATES``, ``CALLS`` and the ``SCORES`` of the finding.

    None where a member was called more than once, since the view knows what of that counts.
    """
    authors = {part[1]: part[2] for part in written}
    costs: dict[str, int | None] = {}
    seconds: dict[str, float | None] = {}
    for _, purpose, _, _, cost, member, candidate, hedge, took in calls:
        if purpose in ("candidate", "shadow"):
            if hedge or member in costs or authors.get(candidate, member) != member:
                return None
            costs[member] = cost
            if candidate in authors:
                seconds[member] = took
        elif candidate is not None:
            return None
    best: set[str] = set()
    scores: dict[str, float] = {}
    for _, candidate, score, winner in scored:
        if candidate in authors:
            member = authors[candidate]
            if winner:
                best.add(member)
            if score is not None:
                if member in scores:
                    return None
                scores[member] = score
    return Label(best, scores, costs, seconds)
