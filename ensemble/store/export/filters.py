"""Which requests, and which findings on them, go into an export."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal

from ensemble.errors import StoreError
from ensemble.store.content import bind, stamp

People = Literal["ignore", "first"]
_SPLIT = re.compile(r"[A-Za-z0-9_]{1,40}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What to take; by default every request, with the finding that its label is made of.

    Attributes:
        judge: findings of the judge with this name in the configuration, or with this digest (8 hex digits or more);
            later findings beside the labels (``rejudged``) are taken for it too.
        router: requests that were sent to this router.
        dataset: prompts of this data set.
        since: requests that arrived then or later (aware).
        until: requests that arrived before then (aware).
        domain: requests on this subject.
        min_confidence: findings at least as confident; those of unknown confidence are left out, people's word is not.
        usable_only: only what a router may learn from.
        people: ``first`` lets what people said outrank the judge.
        dedupe: one request per prompt (hash of messages and options), the newest.
        splits: share of the prompts by name of the split; they add up to 1. Empty for one split ``train``.
    """

    judge: str | None = None
    router: str | None = None
    dataset: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    domain: str | None = None
    min_confidence: float | None = None
    usable_only: bool = False
    people: People = "ignore"
    dedupe: bool = False
    splits: Mapping[str, Decimal] = field(default_factory=dict)

    def plain(self) -> dict[str, object]:
        """What was asked for, for the manifest."""
        tree: dict[str, object] = {
            "judge": self.judge,
            "router": self.router,
            "dataset": self.dataset,
            "since": stamp(self.since) if self.since else None,
            "until": stamp(self.until) if self.until else None,
            "domain": self.domain,
            "min_confidence": self.min_confidence,
            "usable_only": self.usable_only or None,
            "people": self.people if self.people == "first" else None,
            "dedupe": self.dedupe or None,
            "split": {name: str(share) for name, share in self.splits.items()} or None,
        }
        return {name: value for name, value in tree.items() if value is not None}

    def parameters(self) -> dict[str, object]:
        """What stands for the names in ``WHERE`` and in the choice of a finding."""
        digest = self.judge if self.judge and re.fullmatch(r"[0-9a-f]{8,64}", self.judge) else None
        return {
            "judge": bind(self.judge) if self.judge else None,
            "digest": digest,
            "router": bind(self.router) if self.router else None,
            "dataset": bind(self.dataset) if self.dataset else None,
            "since": stamp(self.since) if self.since else None,
            "until": stamp(self.until) if self.until else None,
            "domain": bind(self.domain) if self.domain else None,
        }


# PostgreSQL takes a parameter of which only NULL is asked for a value of no type, hence the casts.
WHERE = """(CAST(:router AS TEXT) IS NULL OR r.model = :router)
    AND (CAST(:since AS TEXT) IS NULL OR r.arrived_at >= :since)
    AND (CAST(:until AS TEXT) IS NULL OR r.arrived_at < :until)
    AND (CAST(:domain AS TEXT) IS NULL OR r.domain = :domain)
    AND (CAST(:dataset AS TEXT) IS NULL OR EXISTS (
        SELECT 1 FROM dataset_rows d WHERE d.request_id = r.id AND d.dataset = :dataset
    ))"""
"""Condition on ``requests r``."""

_ANY = "CAST(:judge AS TEXT) IS NULL"
OF_JUDGE = f"({_ANY} OR w.judge = :judge OR substr(w.judge_digest, 1, length(CAST(:digest AS TEXT))) = :digest)"
"""Condition on ``verdicts w``."""

_DECIDED = "w.fallback IS NULL AND w.outcome IN ('decided', 'tie')"
FINDING = f"""(
    SELECT w.id FROM verdicts w WHERE w.request_id = r.id AND w.parent IS NULL AND {OF_JUDGE}
    ORDER BY
        {_ANY} AND w.phase = 'rejudged',
        {_DECIDED} AND (w.phase = 'full' OR NOT {_ANY}) DESC,
        {_ANY} AND w.phase = 'served' DESC,
        w.stage DESC,
        CASE WHEN {_ANY} THEN 0 ELSE w.complete END DESC,
        w.id DESC
    LIMIT 1
)"""  # noqa: S608 - own constants
"""Id of the verdict that the label of ``requests r`` is made of: as in the view ``labels``, unless a judge is named."""


def below(verdict: str) -> tuple[str, str]:
    """Between which two ids those of the ballots below a verdict are: what follows the stroke is a digit."""
    return f"{verdict}/", f"{verdict}/:"


def splits_of(text: str) -> dict[str, Decimal]:
    """The shares that ``train=0.8,test=0.2`` tells.

    Raises:
        StoreError: it is no list of names and shares that add up to 1.
    """
    out: dict[str, Decimal] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        try:
            value = Decimal(share)
        except ArithmeticError:
            value = Decimal(0)
        if not _SPLIT.match(name) or not value.is_finite() or not 0 < value <= 1 or name in out:
            raise StoreError(f"--split: {part.strip()!r} is no NAME=SHARE, such as train=0.8, with a share above 0")
        out[name] = value
    if sum(out.values()) != 1:
        raise StoreError(f"--split: the shares add up to {sum(out.values())}, not to 1")
    return out
