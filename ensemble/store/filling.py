"""What a labelling run asks the log: what of a prompt is there already, and what its members used to cost."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

from ensemble.errors import StoreError
from ensemble.store.content import (
    bind,
    bind_optional,
    dumps,
    loads,
    logprobs_of,
    prompt_of,
    tool_calls_of,
    unbind,
)
from ensemble.store.database import Database
from ensemble.store.habits import LATEST
from ensemble.types import Call, CallId, Plan, RequestId, Stage
from judges.types import CandidateId, Completion, Prompt, Usage


class Ruled(NamedTuple):
    """What tells one verdict from another: what was judged, by whom (a digest), and what came of it."""

    case_key: str | None
    judge: str
    outcome: str
    phase: str

    @property
    def stands(self) -> bool:
        """Whether it is a finding, and not one that was made beside the labels."""
        return self.outcome != "failed" and self.phase != "rejudged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the log has of one prompt.

    Attributes:
        candidates: one good call per candidate, in the order in which they came, with what a judge sees of its answer.
        replies: good lines of judges' questions that carry a key, with the whole reply, in the order asked.
        ruled: the verdict that labels are made of now, or None.
        served: the candidate that was the answer, or None where nothing was served.
    """

    request: RequestId
    status: str
    prompt: Prompt
    plan: Plan | None
    reference: str | None
    conversation: str | None
    domain: str | None
    domain_by: str | None = None
    data_class: str | None = None
    candidates: tuple[Call, ...] = ()
    replies: tuple[Call, ...] = ()
    ruled: Ruled | None = None
    served: CandidateId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRow:
    """Which row of which file is which request."""

    dataset: str
    row_id: str
    request: RequestId
    position: int
    metadata: Mapping[str, object] = field(default_factory=dict)


def held(db: Database, hashes: Iterable[str]) -> dict[str, Held]:
    """What there is of each prompt, by its hash: its newest request with its texts; unknown ones are left out."""
    wanted = list(hashes)
    marks = ", ".join("?" * len(wanted))
    found = db.execute(
        f"SELECT prompt_hash, max(id) FROM requests WHERE prompt_hash IN ({marks}) AND content = 'kept' "  # noqa: S608
        "GROUP BY prompt_hash",
        wanted,
    ).fetchall()
    return {hash_: _held(db, RequestId(id_)) for hash_, id_ in found}


def holding(db: Database, ids: Iterable[RequestId]) -> list[Held]:
    """What there is of each of these requests, in the same order."""
    return [_held(db, id_) for id_ in ids]


def found(db: Database, id_: RequestId) -> Held | None:
    """What there is of one request; None where the log does not have it, or not yet, since it was spilled."""
    return _held(db, id_) if db.execute("SELECT 1 FROM requests WHERE id = ?", [id_]).fetchone() else None


def stored(db: Database, where: str, after: RequestId | None, most: int) -> list[RequestId]:
    """The next ``most`` requests after one, in order of arrival, of those that ``where`` picks and that have texts.

    ``where`` is a condition in SQL on the columns of ``requests``.

    Raises:
        StoreError: ``where`` is no condition that SQLite understands.
    """
    sql = f"SELECT id FROM requests WHERE content = 'kept' AND id > ? AND ({where}\n) ORDER BY id LIMIT ?"  # noqa: S608
    try:
        return [RequestId(row[0]) for row in db.execute(sql, [after or "", most])]
    except db.conn.OperationalError as error:
        raise StoreError(f"--where: {error}; it is a condition on the columns of requests") from error


def enter(db: Database, rows: Sequence[DatasetRow]) -> int:
    """Remember which row is which request; a row that is known is written anew.

    Returns how many ids rows took from other rows with another prompt, which are in the data set no more.
    """
    displaced = 0
    for dataset in {row.dataset for row in rows}:
        those = [row for row in rows if row.dataset == dataset]
        marks = ", ".join("?" * len(those))
        sql = f"SELECT row_id, request_id, position FROM dataset_rows WHERE dataset = ? AND row_id IN ({marks})"  # noqa: S608
        found = db.execute(sql, [bind(dataset), *(bind(row.row_id) for row in those)])
        known = {id_: (request, position) for id_, request, position in found}
        taken = set[str]()
        for row in those:
            request, position = known.get(row.row_id, (row.request, row.position))
            # A prompt that was edited where it stands is the same row.
            if request != row.request and position != row.position:
                taken.add(row.row_id)  # once, though each run over the same file takes it to and fro
            known[row.row_id] = row.request, row.position
        displaced += len(taken)
    db.conn.executemany(
        "INSERT INTO dataset_rows (dataset, row_id, request_id, position, metadata) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (dataset, row_id) DO UPDATE SET request_id = excluded.request_id, position = excluded.position, "
        "metadata = excluded.metadata",
        [(bind(r.dataset), bind(r.row_id), r.request, r.position, dumps(r.metadata).decode()) for r in rows],
    )
    return displaced


def complete_request(db: Database, held: Held) -> None:
    """Store what ``held`` knows of its request beyond the log; what is there stays."""
    reference, conversation, domain = map(bind_optional, (held.reference, held.conversation, held.domain))
    db.conn.execute(
        "UPDATE requests SET reference = coalesce(reference, ?), conversation = coalesce(conversation, ?), "
        "domain_by = CASE WHEN domain IS NULL THEN ? ELSE domain_by END, domain = coalesce(domain, ?), "
        "data_class = coalesce(data_class, ?) WHERE id = ?",
        [reference, conversation, held.domain_by, domain, bind_optional(held.data_class), held.request],
    )


def history(db: Database, member: str, digest: str, *, judge: bool, newest: int = 1000) -> tuple[int, float, float]:
    """Of the newest good calls of a member, as a judge or as a candidate: how many, mean tokens in and out.

    They are looked for among the newest lines of the ledger (``habits.NEWEST``).
    """
    purposes = "('judge')" if judge else "('candidate', 'shadow')"
    sql = (
        "SELECT count(*), avg(input_tokens), avg(output_tokens) FROM (SELECT input_tokens, output_tokens FROM calls k "  # noqa: S608
        f"WHERE {LATEST} AND member = ? AND member_digest = ? AND failure IS NULL AND purpose IN {purposes} "
        "AND input_tokens IS NOT NULL AND output_tokens IS NOT NULL ORDER BY k.rowid DESC LIMIT ?) newest"
    )
    count, given, made = db.execute(sql, [bind(member), digest, newest]).fetchone()
    return count, given or 0.0, made or 0.0


def _held(db: Database, id_: RequestId) -> Held:
    status, messages, options, reference, conversation, domain, domain_by, data_class, chosen = db.execute(
        "SELECT status, messages, options, reference, conversation, domain, domain_by, data_class, chosen "
        "FROM requests WHERE id = ?",
        [id_],
    ).fetchone()
    return Held(
        request=id_,
        status=status,
        prompt=prompt_of(messages, options),
        plan=_plan(db, id_),
        reference=None if reference is None else unbind(reference),
        conversation=None if conversation is None else unbind(conversation),
        domain=None if domain is None else unbind(domain),
        domain_by=domain_by,
        data_class=None if data_class is None else unbind(data_class),
        candidates=tuple(_candidates(db, id_)),
        replies=tuple(_replies(db, id_)),
        ruled=_ruled(db, id_),
        served=chosen,
    )


def _plan(db: Database, id_: RequestId) -> Plan | None:
    sql = "SELECT router, stages, fallback_order, shadow, propensities FROM plans WHERE request_id = ?"
    row = db.execute(sql, [id_]).fetchone()
    if row is None:
        return None
    router, *parts = row
    stages, fallback, shadow, propensities = (cast("Any", loads(part)) for part in parts)
    return Plan(
        router=router,
        stages=tuple(Stage(**{**stage, "members": tuple(stage["members"])}) for stage in stages),
        fallback=tuple(fallback),
        shadow=tuple(shadow),
        propensities=propensities,
    )


_CANDIDATES = """
SELECT c.id, c.member, c.purpose, c.stage, c.sample, c.text, c.tool_calls, c.finish_reason, c.logprobs,
    k.id, k.member_digest, k.started_at, k.total_s
FROM candidates c LEFT JOIN calls k ON k.request_id = c.request_id AND k.id = c.call_id
WHERE c.request_id = ? ORDER BY c.call_id
"""


def _candidates(db: Database, id_: RequestId) -> Iterator[Call]:
    for row in db.execute(_CANDIDATES, [id_]):
        (
            candidate,
            member,
            purpose,
            stage,
            sample,
            text,
            tool_calls,
            finish,
            logprobs,
            call,
            digest,
            started,
            total_s,
        ) = row
        yield Call(
            id=CallId(call or candidate),
            request=id_,
            member=unbind(member),
            purpose=purpose,
            attempt=1,
            started_at=_moment(started),
            total_s=total_s or 0.0,
            candidate=CandidateId(candidate),
            stage=stage,
            sample=sample,
            completion=Completion(
                text=unbind(text),
                finish_reason=finish,
                tool_calls=tool_calls_of(tool_calls),
                logprobs=logprobs_of(logprobs),
            ),
            member_digest=digest,
        )


USAGE = (
    "input_tokens", "output_tokens", "cached_input_tokens", "cache_write_tokens", "reasoning_tokens", "image_tokens",
    "nano_usd", "provider_nano_usd",
)  # fmt: skip
# A reply stands with its exchange once there is a verdict, and with its call before that.
_REPLIES = """
SELECT k.id, k.member, k.seat, k.key, k.started_at, k.total_s, coalesce(k.text, e.text) AS said,
    coalesce(k.finish_reason, e.finish_reason), CASE WHEN k.text IS NULL THEN e.logprobs ELSE k.logprobs END,
    k.input_tokens, k.output_tokens, k.cached_input_tokens, k.cache_write_tokens, k.reasoning_tokens, k.image_tokens,
    k.nano_usd, k.provider_nano_usd
FROM calls k LEFT JOIN (
    SELECT e.call_id, max(e.text) AS text, max(e.finish_reason) AS finish_reason, max(e.logprobs) AS logprobs
    FROM verdicts v JOIN exchanges e ON e.verdict_id = v.id WHERE v.request_id = :id GROUP BY e.call_id
) e ON e.call_id = k.id
WHERE k.request_id = :id AND k.purpose = 'judge' AND k.key IS NOT NULL AND k.failure IS NULL
    AND coalesce(k.text, e.text) IS NOT NULL
ORDER BY k.id
"""


def _replies(db: Database, id_: RequestId) -> Iterator[Call]:
    for row in db.execute(_REPLIES, {"id": id_}):
        call, member, seat, key, started, total_s, text, finish, logprobs, *tokens = row
        usage = Usage(**dict(zip(USAGE, tokens, strict=True)))
        yield Call(
            id=CallId(call),
            request=id_,
            member=unbind(member),
            purpose="judge",
            attempt=1,
            started_at=_moment(started),
            total_s=total_s,
            seat=seat,
            completion=Completion(text=unbind(text), finish_reason=finish, logprobs=logprobs_of(logprobs), usage=usage),
            usage=usage,
            key=key,
        )


def _ruled(db: Database, id_: RequestId) -> Ruled | None:
    """The verdict that the view ``labels`` takes."""
    row = db.execute(
        "SELECT v.case_key, v.judge_digest, v.outcome, v.phase FROM labels l JOIN verdicts v ON v.id = l.verdict_id "
        "WHERE l.request_id = ?",
        [id_],
    ).fetchone()
    return None if row is None else Ruled(*row)


def _moment(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.fromtimestamp(0, UTC)
