"""What went into an export, counted while it is written: for the manifest and the data card."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.export.cases import Case
from ensemble.store.export.filters import OF_JUDGE, below
from ensemble.store.export.picking import Picking

_SEEN = """
SELECT member, min(started_at), max(started_at), count(*), json_group_array(DISTINCT model) FROM calls
WHERE request_id = ? AND purpose IN ('candidate', 'shadow') GROUP BY member
"""


@dataclass(slots=True)
class MemberSpan:
    """Between which days a member was called, how often, and which model ids it returned."""

    first: str
    last: str
    calls: int = 0
    models: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Coverage:
    """Counts over the requests that were written.

    Attributes:
        judges: verdicts by name and digest of the judge.
        prompts: questions by name and SHA-256 of the judge's prompt file.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    usable: int = 0
    requests: int = 0
    rows: int = 0
    first: str | None = None
    last: str | None = None
    judges: Counter[tuple[str, str]] = field(default_factory=Counter)
    prompts: Counter[str] = field(default_factory=Counter)
    members: dict[str, MemberSpan] = field(default_factory=dict)

    def add_request(self, db: Database, id_: str, rows: int) -> None:
        """Count a request that became ``rows`` rows."""
        arrived, source = db.execute("SELECT arrived_at, source FROM requests WHERE id = ?", [id_]).fetchone()
        self.requests += 1
        self.rows += rows
        self.origins[source] += 1
        self.first = min(self.first or arrived, arrived)
        self.last = max(self.last or arrived, arrived)
        for member, first, last, calls, models in db.execute(_SEEN, [id_]):
            span = self.members.setdefault(unbind(member), MemberSpan(first, last))
            span.first, span.last = min(span.first, first), max(span.last, last)
            span.calls += calls
            span.models.update(_models(models))

    def add_case(self, db: Database, case: Case) -> None:
        """Count the finding of a labelled request."""
        self.kinds[case.kind] += 1
        self.sources[case.source] += 1
        self.usable += case.usable
        if case.verdict is not None:
            self.judges[case.judge or "", case.judged_by or ""] += 1
            self._questions(db, case.verdict)

    def add_verdicts(self, db: Database, id_: str, judge: dict[str, object]) -> None:
        """Count every finding on a request."""
        sql = (
            "SELECT w.id, w.judge, w.judge_digest, w.usable = 1 AND w.fallback IS NULL FROM verdicts w "  # noqa: S608
            f"WHERE w.request_id = :id AND w.parent IS NULL AND {OF_JUDGE} ORDER BY w.id"
        )
        for verdict, name, digest, usable in db.execute(sql, {**judge, "id": id_}).fetchall():
            self.judges[unbind(name or ""), digest] += 1
            self.usable += bool(usable)
            self._questions(db, verdict)

    def _questions(self, db: Database, verdict: str) -> None:
        sql = (
            "SELECT prompt, count(*) FROM exchanges WHERE verdict_id = ? OR verdict_id BETWEEN ? AND ? GROUP BY prompt"
        )
        for prompt, count in db.execute(sql, [verdict, *below(verdict)]):
            self.prompts[prompt] += count


def members_of(db: Database, picking: Picking) -> tuple[str, ...]:
    """Everybody who wrote a candidate, was called for one, or was asked by a judge, of the requests that are taken."""
    return tuple(sorted({*authors_of(db, picking), *_asked(db, picking)}))


def authors_of(db: Database, picking: Picking) -> tuple[str, ...]:
    """Everybody who was to answer a request that is taken, sorted."""
    sql = (
        "SELECT member FROM calls WHERE request_id = ? AND purpose IN ('candidate', 'shadow') "
        "UNION SELECT member FROM candidates WHERE request_id = ?"
    )
    names = {unbind(row[0]) for id_ in picking.ids() for row in db.execute(sql, [id_, id_])}
    return tuple(sorted(names))


def _asked(db: Database, picking: Picking) -> Iterator[str]:
    sql = (
        "SELECT DISTINCT e.model FROM exchanges e JOIN verdicts v ON v.id = e.verdict_id WHERE v.request_id = ? "
        "AND e.text != ''"
    )
    for id_ in picking.ids():
        for row in db.execute(sql, [id_]):
            yield unbind(row[0])


def _models(text: str) -> Iterator[str]:
    import json

    return (unbind(model) for model in json.loads(text) if model is not None)
