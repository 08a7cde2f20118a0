"""Fills the facts of judged requests and their daily sums, a few at a time. Blocking.

``make`` is for a reader, ``replace_facts`` is a quick change: so the writer is not held up while texts are compared.
Sums are corrected by taking out what a case counted before, so that nothing is ever counted twice. Several processes
may do so at once: facts of what has changed since they were made are left to the next round.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from operator import itemgetter
from typing import Any, NamedTuple, cast

from ensemble.store.audit.sums import SUMS
from ensemble.store.content import dumps, messages_of, small_loads, tool_calls_of, unbind
from ensemble.store.database import Database
from ensemble.store.texts import KEPT
from judges.disagreement import Disagreement, disagreement, told_by
from judges.types import CandidateId, Completion, Preference

Row = Mapping[str, Any]
Part = list[Any]
_CASES = """
SELECT r.id, r.arrived_at, r.model, coalesce(r.domain, '') AS domain, r.source, r.member, r.messages, r.content,
    r.answered_s, v.id AS verdict, v.panel, v.stage, v.phase, v.judge, v.flags, v.all_bad, v.own_family,
    (SELECT count(*) FROM scores s WHERE s.verdict_id = v.id AND s.set_aside IS NOT NULL) AS set_aside,
    f.id AS finding, f.winners,
    l.kind, l.confidence, l.overturned, l.complete, l.best, l.scores, l.nano_usd, l.total_s
FROM labels l JOIN requests r ON r.id = l.request_id JOIN verdicts v ON v.id = l.verdict_id
    JOIN verdicts f ON f.id = l.finding
WHERE l.request_id IN (SELECT value FROM json_each(:ids))
"""
# What these cases are made of: each row begins with whose it is.
_CANDIDATES = """
SELECT request_id, id, member, text, tool_calls, finish_reason, stage, after_answer FROM candidates
WHERE request_id IN (SELECT value FROM json_each(:ids))
"""
_CALLS = """
SELECT request_id, purpose, attempt, after_answer, nano_usd FROM calls
WHERE request_id IN (SELECT value FROM json_each(:ids))
"""
_SCORES = """
SELECT verdict_id, candidate_id, score FROM scores
WHERE verdict_id IN (SELECT value FROM json_each(:verdicts))
"""
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
COLUMNS = (
    "request_id", "arrived_at", "day", "router", "domain", "judge", "source", "candidates", "members", "winners",
    "served", "disagreement", "spread", "similarity", "margin", "flips", "conflicts", "confidence", "flags",
    "overturned", "fallback", "all_bad", "own_family", "complete", "cheapest_best", "nano_usd", "panel_nano_usd",
    "judge_nano_usd", "straggler_nano_usd", "retry_nano_usd", "answered_s",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The rows of one request: of ``audit_cases``, and, without its id, of ``audit_members`` and ``audit_pairs``."""

    case: Mapping[str, object]
    members: Sequence[tuple[str, float | None, float | None, int | None, float | None]]
    pairs: Sequence[tuple[str, str, str, int]]


class Seen(NamedTuple):
    """What the facts of a request are made of, as far as it may still change."""

    verdicts: int
    calls: int
    domain: str | None


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
    return {id_: Seen(*rest) for id_, *rest in db.execute(_SEEN, {"ids": dumps(sorted(ids)).decode()})}


def missing(db: Database) -> int:
    """How many judged requests are not in the facts yet, or changed since."""
    return int(db.execute("SELECT count(DISTINCT request_id) FROM audit_stale").fetchone()[0])


def facts_of(db: Database, ids: Iterable[str]) -> list[Facts]:
    """The facts of the requests ``ids`` that are judged."""
    of_requests = {"ids": dumps(sorted(ids)).decode()}
    cases = list(db.query(_CASES, of_requests))
    of_verdicts = {"verdicts": dumps([row["finding"] for row in cases]).decode()}
    candidates, calls = (_parts(db.execute(sql, of_requests)) for sql in (_CANDIDATES, _CALLS))
    scores, preferences = (_parts(db.execute(sql, of_verdicts)) for sql in (_SCORES, _PREFERENCES))
    return [
        _facts(row, candidates[row["id"]], calls[row["id"]], scores[row["finding"]], preferences[row["finding"]])
        for row in cases
    ]


def _parts(rows: Iterable[Sequence[Any]]) -> Mapping[str, list[Part]]:
    """Rows by whose they are, in an order of their own, so that sums of floats come out the same in every engine."""
    parts: dict[str, list[Part]] = defaultdict(list)
    for whose, *part in rows:
        parts[whose].append(part)
    for those in parts.values():
        those.sort(key=itemgetter(0))
    return parts


def store_facts(db: Database, made: Made) -> int:
    """Store ``made``, where what it was made of is as it was; return how many notes that strikes off.

    Somebody else may have made the same meanwhile, of the same or of more.
    """
    now = _seen(db, made.seen)
    same = {id_ for id_ in made.done.values() if now.get(id_) == made.seen.get(id_)}
    done = {number: id_ for number, id_ in made.done.items() if id_ in same}
    return replace_facts(db, [one for one in made.facts if one.case["request_id"] in same], done)


def replace_facts(db: Database, found: Sequence[Facts], done: Mapping[int, str]) -> int:
    """Put ``found`` in the place of what was known of the same requests, and strike off the numbers ``done``.

    Returns how many of these were there still.
    """
    ids = dumps(sorted(set(done.values()))).decode()
    for sql in SUMS:
        db.conn.execute(sql, {"ids": ids, "sign": -1})
    for table in ("audit_pairs", "audit_members", "audit_cases"):
        db.conn.execute(f"DELETE FROM {table} WHERE request_id IN (SELECT value FROM json_each(?))", [ids])  # noqa: S608
    marks = ", ".join(f":{name}" for name in COLUMNS)
    db.conn.executemany(f"INSERT INTO audit_cases ({', '.join(COLUMNS)}) VALUES ({marks})", [one.case for one in found])  # noqa: S608
    db.conn.executemany(
        "INSERT INTO audit_members (request_id, member, won, score, nano_usd, total_s) VALUES (?, ?, ?, ?, ?, ?)",
        [(one.case["request_id"], *row) for one in found for row in one.members],
    )
    db.conn.executemany(
        "INSERT INTO audit_pairs (request_id, disagreement, a, b, outcome, agree) VALUES (?, ?, ?, ?, ?, ?)",
        [(one.case["request_id"], one.case["disagreement"], *row) for one in found for row in one.pairs],
    )
    for sql in SUMS:
        db.conn.execute(sql, {"ids": ids, "sign": 1})
    numbers = dumps(sorted(done)).decode()
    struck = "DELETE FROM audit_stale WHERE seq IN (SELECT CAST(value AS BIGINT) FROM json_each(?))"
    return int(db.conn.execute(struck, [numbers]).rowcount)


def _facts(
    row: Row, written: Sequence[Part], calls: Sequence[Part], scored: Sequence[Part], shown: Sequence[Part]
) -> Facts:
    said = {CandidateId(one[0]): _completion(one) for one in written}
    authors = {CandidateId(one[0]): one[1] for one in written}
    question = _question(row["messages"]) if row["content"] in KEPT else ""
    answers = {id_: told_by(one, question) for id_, one in said.items()}
    signs = _signs(row, said, answers, scored, shown)
    if row["content"] not in KEPT:  # texts that have gone say nothing
        signs = replace(signs, spread=None, similarity=None)
    best = set(cast("list[str]", small_loads(row["best"])))
    scores = cast("dict[str, float]", small_loads(row["scores"]))
    costs = cast("dict[str, int | None]", small_loads(row["nano_usd"]))
    seconds = cast("dict[str, float]", small_loads(row["total_s"]))
    members = sorted(set(authors.values()))
    case = {
        "request_id": row["id"],
        "arrived_at": row["arrived_at"],
        "day": row["arrived_at"][:10],
        "router": row["model"],
        "domain": row["domain"],
        "judge": row["judge"],
        "source": row["source"],
        "candidates": len(said),
        "members": dumps(members).decode(),
        "winners": dumps(sorted(best)).decode(),
        "served": row["member"],
        "disagreement": signs.index,
        **{name: getattr(signs, name) for name in ("spread", "similarity", "margin", "flips", "conflicts")},
        "confidence": row["confidence"],
        "flags": row["flags"],
        "overturned": row["overturned"],
        "fallback": int(row["kind"] == "fallback"),
        "all_bad": row["all_bad"],
        "own_family": row["own_family"],
        "complete": row["complete"],
        "cheapest_best": _cheapest_best(members, costs, best),
        "answered_s": row["answered_s"],
        **_money(calls),
    }
    judged = set[str]() if row["kind"] == "fallback" else _judged(row, written)
    told = {member: _told(member, authors, said, answers) for member in members}
    return Facts(
        case=case,
        members=[(one, _won(one, best, judged), scores.get(one), costs.get(one), seconds.get(one)) for one in members],
        pairs=[(a, b, *_compared(a, b, best, judged, scores, told)) for a, b in combinations(members, 2)],
    )


def _completion(one: Part) -> Completion:
    _, _, text, tool_calls, finish_reason, *_ = one
    return Completion(text=unbind(text), tool_calls=tool_calls_of(tool_calls), finish_reason=finish_reason)


def _question(messages: str) -> str:
    turns = messages_of(messages)
    return turns[-1].text if turns else ""


def _signs(
    row: Row,
    said: Mapping[CandidateId, Completion],
    answers: Mapping[CandidateId, str | None],
    scored: Sequence[Part],
    shown: Sequence[Part],
) -> Disagreement:
    return disagreement(
        said,
        told=answers,
        winners=cast("list[CandidateId]", small_loads(row["winners"])),
        scores={CandidateId(one): score for one, score in scored if score is not None},
        preferences=[
            Preference(shown=(one, other), outcome=outcome, strength=strength, exchange=exchange)
            for _, one, other, outcome, strength, exchange in shown
        ],
        set_aside=row["set_aside"],
    )


def _told(
    member: str,
    authors: Mapping[CandidateId, str],
    said: Mapping[CandidateId, Completion],
    answers: Mapping[CandidateId, str | None],
) -> tuple[str | None, str]:
    """What the first answer of a member comes to, and its text."""
    first = next(id_ for id_, author in authors.items() if author == member)
    return answers[first], said[first].text.strip()


def _judged(row: Row, written: Sequence[Part]) -> set[str]:
    """Members of the candidates that the verdict is about; nobody where that is a single one."""
    panel = None if row["panel"] is None else set(cast("list[str]", small_loads(row["panel"])))
    found = {
        member
        for id_, member, *_, stage, late in written
        if (id_ in panel if panel is not None else stage == row["stage"] and (row["phase"] == "full" or not late))
    }
    return found if len(found) > 1 else set()


def _won(member: str, best: set[str], judged: set[str]) -> float | None:
    if member not in judged:
        return None
    return 1 / len(best) if member in best else 0.0


def _compared(
    a: str,
    b: str,
    best: set[str],
    judged: set[str],
    scores: Mapping[str, float],
    told: Mapping[str, tuple[str | None, str]],
) -> tuple[str, int]:
    """Who is better, and whether they agree."""
    (one, text), (other, other_text) = told[a], told[b]
    same = one == other if one is not None and other is not None else text == other_text != ""
    if not {a, b} <= judged:
        return "none", int(same)
    if (a in best) != (b in best):
        return ("a" if a in best else "b"), int(same)
    if a in best:
        return "tie", 1
    if a not in scores or b not in scores:
        return "none", int(same)
    ahead = scores[a] - scores[b]
    return ("a" if ahead > 0 else "b" if ahead < 0 else "tie"), int(same)


def _cheapest_best(members: Sequence[str], costs: Mapping[str, int | None], best: set[str]) -> int | None:
    known = {one: cost for one in members if (cost := costs.get(one)) is not None}
    if not best or not known or len(known) < len(members):
        return None
    least = min(known.values())
    return int(any(known[one] == least for one in best if one in known))


def _money(calls: Sequence[Part]) -> dict[str, int | None]:
    """Cost of the whole and of its parts; None where one call of it is of unknown cost."""
    parts: dict[str, list[int | None]] = {name: [] for name in ("panel", "judge", "straggler", "retry")}
    for purpose, attempt, late, cost in calls:
        if purpose == "judge":
            parts["judge"].append(cost)
        elif purpose == "candidate":
            parts["straggler" if late else "retry" if attempt > 1 else "panel"].append(cost)
    return {"nano_usd": _sum([cost for *_, cost in calls])} | {
        f"{name}_nano_usd": _sum(costs) for name, costs in parts.items()
    }


def _sum(costs: Sequence[int | None]) -> int | None:
    known = [cost for cost in costs if cost is not None]
    return sum(known) if len(known) == len(costs) else None
