"""Labels with what training and evaluation need beside them: prompt, answers, what people said, cost of judging."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

from ensemble.store.address import Where
from ensemble.store.content import loads, logprobs_of, prompt_of, tool_calls_of, unbind
from ensemble.store.database import Database
from ensemble.store.label_rows import Row, label_rows, label_rows_of
from ensemble.store.opening import reading
from ensemble.store.people import Words, opinion, words
from ensemble.store.queries import label_of
from ensemble.store.texts import TEXTS
from ensemble.types import Label, RequestId
from judges.calibration import STAGE
from judges.shrinkage import SHRUNK
from judges.types import CandidateId, Completion, FinishReason, Message, Prompt

_REQUEST = f"""
SELECT messages, options, tags, metadata, reference, data_class FROM requests
WHERE id = ? AND {TEXTS.format("content")}
"""  # noqa: S608 - own constants
_ANSWERS = """
SELECT c.id, c.member, c.text, k.member_digest, c.finish_reason, c.tool_calls, c.logprobs FROM candidates c
LEFT JOIN calls k ON k.request_id = c.request_id AND k.id = c.call_id
LEFT JOIN verdicts v ON v.id = ?
WHERE c.request_id = ? ORDER BY c.member, coalesce(instr(v.panel, c.id), 0) > 0 DESC, c.sample, c.call_id
"""
_JUDGING = """
SELECT CASE WHEN count(nano_usd) = count(*) THEN coalesce(sum(nano_usd), 0) END FROM calls
WHERE request_id = :id AND purpose = 'judge' AND id NOT IN (
    -- Asked when the request was judged again, which is no part of what the label cost; replies are used again there.
    SELECT e.call_id FROM verdicts w JOIN exchanges e ON e.verdict_id = w.id
    WHERE w.request_id = :id AND e.call_id IS NOT NULL GROUP BY e.call_id
    HAVING sum(CASE
        WHEN w.phase = 'rejudged' AND w.id <> :verdict AND w.id NOT LIKE :verdict || '/%' THEN 0 ELSE 1
    END) = 0
)
"""
_MODELS = """
SELECT DISTINCT member, model FROM calls
WHERE purpose IN ('candidate', 'shadow') AND failure IS NULL AND model IS NOT NULL ORDER BY member, model
"""
_BALLOTS = """
SELECT id, judge_digest, winners, nano_usd FROM verdicts WHERE parent = ? ORDER BY length(id), id
"""
_FLAGS = "SELECT flags FROM verdicts WHERE id = ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ballot:
    """What one judge of a jury found: the members that it finds best, none where it found nothing."""

    seat: str
    winners: frozenset[str]
    nano_usd: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What an answer was beside its text, as the log has it: read when it is wanted, since logprobs are large."""

    finish_reason: FinishReason
    tool_calls: str | None
    logprobs: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One label and what it is about.

    Attributes:
        judged: members that the finding is on, those set aside before it too; None where that is unknown.
        label: who was set aside before a judge that scores, or beaten in an earlier stage, has 0 in it.
        answers: of each member the first that was judged, else its first; ``stored``, what it was beside its text.
        digests: what each of them was when it gave it (``Member.digest``), where that is known.
        alike: by member a number that answers share which surely say the same; None where only their texts tell.
        people: members that most people find best, none where they find all bad; None where nobody told.
        judge_nano_usd: what judging the request cost, without judging it again later; None where that is unknown.
        ballots: of the verdict that made the label, where a jury gave it.
        data_class: of the request: where its texts may go.
    """

    label: Label
    prompt: Prompt
    tags: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    reference: str | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    stored: Mapping[str, Stored] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    people: frozenset[str] | None = None
    judge_nano_usd: int | None = None
    ballots: tuple[Ballot, ...] = ()
    data_class: str | None = None
    judged: frozenset[str] | None = None
    alike: Mapping[str, int] | None = None

    @property
    def messages(self) -> tuple[Message, ...]:
        """The conversation."""
        return self.prompt.messages

    def completion(self, member: str) -> Completion | None:
        """The first answer of ``member`` as a judge sees it; what is known by its text alone came to its end."""
        text, beside = self.answers.get(member), self.stored.get(member)
        if text is None or beside is None:
            return None if text is None else Completion(text=text, finish_reason="stop")
        return Completion(
            text=text,
            finish_reason=beside.finish_reason,
            tool_calls=tool_calls_of(beside.tool_calls),
            logprobs=logprobs_of(beside.logprobs),
        )


def examples(where: Where, *, complete: bool = True) -> Iterator[Example]:
    """The labels of judges in the log ``where``, in order of arrival and one snapshot; without expired texts. Blocks.

    ``complete=False`` adds those for which not every member of the plan was judged.

    Raises:
        StoreError: there is no such log, or it cannot be read.
    """
    with reading(where) as db:
        told = words(db)
        for row in label_rows(db, complete=complete, people="ignore"):
            found = _example(db, row, told)
            if found is not None:
                yield found


def examples_of(db: Database, ids: Collection[str]) -> Iterator[Example]:
    """The labels of judges of these requests, as ``examples`` gives them, from the open transaction of ``db``."""
    told = words(db, [RequestId(id_) for id_ in ids])
    for row in label_rows_of(db, ids):
        found = _example(db, row, told)
        if found is not None:
            yield found


def models(where: Where) -> Mapping[str, tuple[str, ...]]:
    """Model ids that providers returned with good answers, by member, of the whole log at ``where``. Blocks.

    Raises:
        StoreError: there is no such log, or it cannot be read.
    """
    found: dict[str, tuple[str, ...]] = {}
    with reading(where) as db:
        for member, model in db.execute(_MODELS):
            found[unbind(member)] = (*found.get(unbind(member), ()), unbind(model))
    return found


def lost(label: Label, judged: Iterable[str]) -> Label:
    """``label`` with 0 for the ``judged`` that have no score beside others, since they lost before they got one.

    They were set aside, or beaten in an earlier stage. Were they unknown instead, a member would be measured where its
    answers are whole, and seem better than it is.
    """
    beaten = dict.fromkeys((one for one in judged if one not in label.best), 0.0)
    return replace(label, scores={**beaten, **label.scores}) if label.scores else label


def _example(db: Database, row: Row, told: Mapping[str, Words]) -> Example | None:
    label, verdict = label_of(row), row["verdict_id"]
    request = db.execute(_REQUEST, [label.request]).fetchone()
    if request is None:
        return None
    messages, options, tags, metadata, reference, data_class = request
    authors: dict[CandidateId, str] = {}
    answers: dict[str, str] = {}
    digests: dict[str, str] = {}
    stored: dict[str, Stored] = {}
    for id_, member, text, digest, finish, calls, logprobs in db.execute(_ANSWERS, [verdict, label.request]):
        authors[id_] = name = unbind(member)
        answers.setdefault(name, unbind(text))
        stored.setdefault(name, Stored(finish_reason=finish, tool_calls=calls, logprobs=logprobs))
        if digest is not None:
            digests.setdefault(name, digest)
    said = told.get(label.request)
    heard = opinion(said, authors) if said else None
    (flags,) = db.execute(_FLAGS, [verdict]).fetchone()
    judged = None if row["judged"] is None else frozenset(cast("list[str]", loads(row["judged"])))
    return Example(
        label=lost(label, (*cast("dict[str, str]", loads(row["set_aside"])), *(judged or ()))),
        prompt=prompt_of(messages, options),
        tags=cast("dict[str, str]", loads(tags)),
        metadata=cast("dict[str, str]", loads(metadata)),
        reference=None if reference is None else unbind(reference),
        answers=answers,
        stored=stored,
        digests=digests,
        people=None if heard is None else frozenset(authors[one] for one in heard.best),
        data_class=None if data_class is None else unbind(data_class),
        judge_nano_usd=db.execute(_JUDGING, {"id": label.request, "verdict": verdict}).fetchone()[0],
        ballots=_ballots(db, verdict, frozenset(_ids(flags)), authors),
        judged=judged,
    )


def _ids(told: str) -> list[CandidateId]:
    return cast("list[CandidateId]", loads(told))


def _ballots(
    db: Database, verdict: str, flags: frozenset[str], authors: Mapping[CandidateId, str]
) -> tuple[Ballot, ...]:
    """The seats of the jury that gave ``verdict``: of a shrunk one those of the plain finding, its first ballot.

    Stages that hand on to one another do not vote, so they are none.
    """
    if any(flag.startswith(STAGE) for flag in flags):
        return ()
    rows = db.execute(_BALLOTS, [f"{verdict}/0" if SHRUNK in flags else verdict]).fetchall()
    return tuple(
        Ballot(
            seat=f"{number}: {digest[:12]}",
            winners=frozenset(authors[one] for one in cast("list[CandidateId]", loads(winners)) if one in authors),
            nano_usd=nano_usd,
        )
        for number, (_, digest, winners, nano_usd) in enumerate(rows, 1)
    )
