"""Fills the facts of judged requests and their daily sums, a few at a time. Blocking.

``make`` is for a reader, ``replace_facts`` is a quick change: so the writer is not held up while texts are compared.
Sums are corrected by taking out what a case counted before, so that nothing is ever counted twice. Several processes
may do so at once: facts of what has changed since they were made are left to the next round.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import isclose
from operator import itemgetter
from typing import NamedTuple, cast

from ensemble.store.audit.labelled import CALLS, CANDIDATES, SCORES, Label, Part, labels_of, plain_label
from ensemble.store.audit.sums import COLUMNS, Facts, count
from ensemble.store.content import json_text, small_loads, texts_of, tool_calls_of, unbind
from ensemble.store.database import Database
from ensemble.store.texts import KEPT
from judges.disagreement import Disagreement, disagreement, told_by
from judges.quick import maker
from judges.types import CandidateId, Completion, Preference

_CASES = """
SELECT r.id, r.arrived_at, r.model, coalesce(r.domain, '') AS domain, r.source, r.member, r.messages, r.content,
    r.answered_s, v.panel, v.stage, v.phase, v.judge, v.flags, v.all_bad, v.own_family,
    l.finding, l.kind, l.confidence, l.overturned, l.complete,
    (SELECT count(*) FROM scores s WHERE s.verdict_id = v.id AND s.set_aside IS NOT NULL) AS set_aside
FROM labels l JOIN requests r ON r.id = l.request_id JOIN verdicts v ON v.id = l.verdict_id
WHERE l.request_id IN (SELECT value FROM json_each(:ids))
"""
# What these cases are made of, beside what their labels are made of: each row begins with whose it is.
_PREFERENCES = """
SELECT verdict_id, position, shown_first, shown_second, outcome, strength, exchange FROM preferences
WHERE verdict_id IN (SELECT value FROM json_each(:verdicts))
"""
# What makes facts out of date, counted: none of it is ever taken back while the request is there.
_SEEN = """
SELECT r.id, (SELECT count(*) FROM verdicts v WHERE v.request_id = r.id) AS verdicts,
    (SELECT count(*) FROM calls k WHERE k.request_id = r.id) AS calls, r.domain
FROM requests r WHERE r.id IN (SELECT value FROM json_each(:ids))
"""
_KNOWN = "SELECT request_id FROM audit_cases WHERE request_id IN (SELECT value FROM json_each(:ids))"
_INSERTS: Mapping[str, str] = {
    table: f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"  # noqa: S608 - own names
    for table, names in COLUMNS.items()
}
_SECOND = itemgetter(1)
_said = maker(Completion)
_ALIKE = 1e-14
"""Scores that differ by a smaller share of themselves are equal: they are means, of parts in any order."""


class _Case(NamedTuple):
    """A row of ``_CASES``."""

    id: str
    arrived_at: str
    model: str
    domain: str
    source: str
    member: str | None
    messages: str
    content: str
    answered_s: float
    panel: str | None
    stage: int
    phase: str
    judge: str | None
    flags: str
    all_bad: int
    own_family: int
    finding: str
    kind: str
    confidence: float | None
    overturned: int
    complete: int
    set_aside: int


_Told = tuple[str | None, str]
"""What an answer comes to, and its text."""


Seen = tuple[str, int, int, str | None]
"""What the facts of a request are made of, as far as it may still change: a row of ``_SEEN``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Facts that are to be stored: of ``done``, requests by the numbers under which they were noted, as ``seen``."""

    done: Mapping[int, str]
    seen: Mapping[str, Seen]
    facts: Sequence[Facts]


def stale(db: Database, most: int, skip: int = 0) -> Mapping[int, str]:
    """Up to ``most`` requests whose facts are to be made, by the numbers under which they were noted."""
    sql = "SELECT seq, request_id FROM audit_stale ORDER BY seq LIMIT ? OFFSET ?"
    return dict(db.execute(sql, [most, skip]).fetchall())


def make(db: Database, most: int, skip: int = 0) -> Made:
    """The facts of up to ``most`` stale requests after the first ``skip``, from one snapshot."""
    done = stale(db, most, skip)
    ids = set(done.values())
    return Made(done=done, seen=_seen(db, ids), facts=facts_of(db, ids) if ids else [])


def _seen(db: Database, ids: Iterable[str]) -> dict[str, Seen]:
    return {row[0]: row for row in db.execute(_SEEN, {"ids": json_text(sorted(ids))})}


def missing(db: Database) -> int:
    """How many judged requests are not in the facts yet, or changed since."""
    return int(db.execute("SELECT count(DISTINCT request_id) FROM audit_stale").fetchone()[0])


def facts_of(db: Database, ids: Iterable[str]) -> list[Facts]:
    """The facts of the requests ``ids`` that are judged.

    What they are made of is put in an order of its own where floats are summed up, so that the same comes out of every
    engine.
    """
    of_requests = {"ids": json_text(sorted(ids))}
    cases = list(map(_Case._make, db.execute(_CASES, of_requests)))
    of_verdicts = {"verdicts": json_text(sorted(one.finding for one in cases))}
    candidates, calls = (_parts(db.execute(sql, of_requests)) for sql in (CANDIDATES, CALLS))
    scores, preferences = (_parts(db.execute(sql, of_verdicts)) for sql in (SCORES, _PREFERENCES))
    labels = {one.id: plain_label(candidates[one.id], calls[one.id], scores[one.finding]) for one in cases}
    labels |= labels_of(db, [id_ for id_, label in labels.items() if label is None])
    return [
        _facts(
            one,
            cast("Label", labels[one.id]),
            sorted(candidates[one.id], key=_SECOND),
            calls[one.id],
            scores[one.finding],
            sorted(preferences[one.finding], key=_SECOND),
        )
        for one in cases
    ]


def _parts(rows: Iterable[Part]) -> Mapping[str, list[Part]]:
    """Rows by whose they are."""
    parts: dict[str, list[Part]] = defaultdict(list)
    for row in rows:
        parts[row[0]].append(row)
    return parts


def store_facts(db: Database, made: Made) -> int:
    """Store ``made``, where what it was made of is as it was; return how many notes that strikes off.

    Somebody else may have made the same meanwhile, of the same or of more.
    """
    now = _seen(db, made.seen)
    same = {id_ for id_ in made.done.values() if now.get(id_) == made.seen.get(id_)}
    done = {number: id_ for number, id_ in made.done.items() if id_ in same}
    return replace_facts(db, [one for one in made.facts if one.request in same], done)


def replace_facts(db: Database, found: Sequence[Facts], done: Mapping[int, str]) -> int:
    """Put ``found`` in the place of what was known of the same requests, and strike off the numbers ``done``.

    Returns how many of these were there still.
    """
    ids = json_text(sorted(set(done.values())))
    known = [id_ for (id_,) in db.execute(_KNOWN, {"ids": ids})]
    if known:
        _take_out(db, json_text(known))
    # Row by row: a statement of several copies the pages that it changes, many here, and took half as long again.
    db.conn.executemany(_INSERTS["audit_cases"], [one.case for one in found])
    db.conn.executemany(_INSERTS["audit_members"], [row for one in found for row in one.members])
    db.conn.executemany(_INSERTS["audit_pairs"], [row for one in found for row in one.pairs])
    count(db, found)
    numbers = json_text(sorted(done))
    struck = "DELETE FROM audit_stale WHERE seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"
    return int(db.conn.execute(struck, [numbers]).rowcount)


def _take_out(db: Database, ids: str) -> None:
    """Take cases out of the sums, and their facts out of the tables."""
    of = "WHERE request_id IN (SELECT value FROM json_each(?))"
    cases, members, pairs = (
        db.execute(f"SELECT {', '.join(names)} FROM {table} {of}", [ids]).fetchall()  # noqa: S608 - own names
        for table, names in COLUMNS.items()
    )
    of_members, of_pairs = _parts(members), _parts(pairs)
    count(db, [Facts(one[0], one, of_members[one[0]], of_pairs[one[0]]) for one in cases], -1)
    for table in ("audit_pairs", "audit_members", "audit_cases"):
        db.conn.execute(f"DELETE FROM {table} {of}", [ids])  # noqa: S608 - own names


def _facts(
    case: _Case,
    label: Label,
    written: Sequence[Part],
    calls: Sequence[Part],
    scored: Sequence[Part],
    shown: Sequence[Part],
) -> Facts:
    best, scores, costs, seconds = label
    said = {CandidateId(part[1]): _completion(part) for part in written}
    answers = _answers(case, said)
    signs = _signs(case, said, answers, scored, shown)
    index = signs.index
    told: dict[str, _Told] = {}  # by the first answer of each member
    for part, (id_, one) in zip(written, said.items(), strict=True):
        if part[2] not in told:
            told[part[2]] = answers[id_], one.text.strip()
    members = sorted(told)
    judged = set[str]() if case.kind == "fallback" else _judged(case, written)
    share = 1 / len(best) if best else 0.0
    row = (
        case.id, case.arrived_at, case.arrived_at[:10], case.model, case.domain, case.judge, case.source, len(said),
        json_text(members), json_text(sorted(best)), case.member, index, signs.spread, signs.similarity,
        signs.margin, signs.flips, signs.conflicts, case.confidence, case.flags, case.overturned,
        1 if case.kind == "fallback" else 0, case.all_bad, case.own_family, case.complete,
        _cheapest_best(members, costs, best), case.answered_s, *_money(calls),
    )  # fmt: skip
    return Facts(
        case.id,
        row,
        [
            (
                case.id,
                one,
                (share if one in best else 0.0) if one in judged else None,
                scores.get(one),
                costs.get(one),
                seconds.get(one),
            )
            for one in members
        ],
        [(case.id, index, a, b, *_compared(a, b, best, judged, scores, told)) for a, b in combinations(members, 2)],
    )


def _completion(part: Part) -> Completion:
    text, tool_calls, finish_reason = part[3:6]
    return _said(text=unbind(text), tool_calls=tool_calls_of(tool_calls), finish_reason=finish_reason)


def _answers(case: _Case, said: Mapping[CandidateId, Completion]) -> dict[CandidateId, str | None]:
    """What each answer comes to, by what was asked last."""
    turns = texts_of(case.messages) if case.content in KEPT else []
    question = turns[-1] if turns else ""
    return {id_: told_by(one, question) for id_, one in said.items()}


def _signs(
    case: _Case,
    said: Mapping[CandidateId, Completion],
    answers: Mapping[CandidateId, str | None],
    scored: Sequence[Part],
    shown: Sequence[Part],
) -> Disagreement:
    signs = disagreement(
        said,
        told=answers,
        winners=[one for _, one, _, winner in scored if winner],
        scores={CandidateId(one): score for _, one, score, _ in scored if score is not None},
        preferences=[
            Preference(shown=(one, other), outcome=outcome, strength=strength, exchange=exchange)
            for _, _, one, other, outcome, strength, exchange in shown
        ],
        set_aside=case.set_aside,
    )
    # Texts that have gone say nothing.
    return signs if case.content in KEPT else replace(signs, spread=None, similarity=None)


def _judged(case: _Case, written: Sequence[Part]) -> set[str]:
    """Members of the candidates that the verdict is about; nobody where that is a single one."""
    if case.panel is not None:
        panel = set(cast("list[str]", small_loads(case.panel)))
        found = {part[2] for part in written if part[1] in panel}
    else:
        full = case.phase == "full"
        found = {part[2] for part in written if part[6] == case.stage and (full or not part[7])}
    return found if len(found) > 1 else set()


def _compared(
    a: str, b: str, best: set[str], judged: set[str], scores: Mapping[str, float], told: Mapping[str, _Told]
) -> tuple[str, int]:
    """Who is better, and whether they agree."""
    (one, text), (other, other_text) = told[a], told[b]
    same = one == other if one is not None and other is not None else text == other_text != ""
    if a not in judged or b not in judged:
        return "none", int(same)
    if a in best:
        return ("tie", 1) if b in best else ("a", int(same))
    if b in best:
        return "b", int(same)
    if a not in scores or b not in scores:
        return "none", int(same)
    one_score, other_score = scores[a], scores[b]
    if isclose(one_score, other_score, rel_tol=_ALIKE):
        return "tie", int(same)
    return ("a" if one_score > other_score else "b"), int(same)


def _cheapest_best(members: Sequence[str], costs: Mapping[str, int | None], best: set[str]) -> int | None:
    known = [cost for one in members if (cost := costs.get(one)) is not None]
    if not best or not known or len(known) < len(members):
        return None
    least = min(known)
    return 1 if any([costs.get(one) == least for one in best]) else 0


def _money(calls: Sequence[Part]) -> tuple[int | None, ...]:
    """Cost of the whole, the panel, the judge, stragglers and retries; None where one call of it is of unknown cost."""
    parts: tuple[list[int | None], ...] = ([], [], [], [], [])
    whole, panel, judge, stragglers, retries = parts
    for _, purpose, attempt, late, cost, _, _, _, _ in calls:
        whole.append(cost)
        if purpose == "judge":
            judge.append(cost)
        elif purpose == "candidate":
            (stragglers if late else retries if attempt > 1 else panel).append(cost)
    return tuple(map(_sum, parts))


def _sum(costs: Sequence[int | None]) -> int | None:
    return None if None in costs else sum(cast("Sequence[int]", costs))
