"""What people and systems say of answers, at once or later: the body that the API, the command line and files share."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from ensemble.errors import Conflict, EnsembleError, InvalidRequest, NotFound, StoreError, StoreUnavailable
from ensemble.store import Store
from ensemble.store.database import Database
from ensemble.store.feedback import Kind, Noted, Refused, Remark, Source, Statement, add
from judges.registry import explain

ANONYMOUS = "anonymous"
R = TypeVar("R")
PREFIXES = ("chatcmpl-", "msg_", "resp_")
"""What the ids of replies have before the id of the request, by dialect."""
FINDINGS: tuple[Kind, ...] = ("tie", "all_bad", "cannot_tell")
Name = Annotated[StrictStr, Field(min_length=1, max_length=200)]
Text = Annotated[StrictStr, Field(min_length=1, max_length=100_000)]
Number = StrictBool | StrictInt | Annotated[StrictFloat, Field(allow_inf_nan=False)]


class Feedback(BaseModel):
    """One body. It is about a request or a conversation, and says at least one thing.

    Attributes:
        request_id: the answer's id, with or without `chatcmpl-`.
        conversation: the id of a conversation, for tags and metrics of the whole of it.
        preferred: the best candidate, by its id or by its member.
        tie: no candidate is better than another.
        all_bad: no candidate is acceptable.
        cannot_tell: somebody looked and could not tell.
        rating: of one answer, in [0, 1]; true and false are 1 and 0.
        correction: the text that the answer should have been.
        candidate: which one is rated or corrected, by id or member; the served answer where none is named.
        comment: why, beside a finding, a rating or tags.
        tags: names of what is noteworthy, at most 50.
        metrics: named booleans or numbers, such as whether a ticket was reopened; at most 100.
        given_by: alias of the person or system; what several say is counted by it.
        idempotency_key: the same body under the same key is stored once, another body is refused.
        at: when it was said, with its time zone; now where it is left out.
    """

    model_config = ConfigDict(extra="forbid")

    request_id: Name | None = None
    conversation: Name | None = None
    preferred: Name | None = None
    tie: StrictBool = False
    all_bad: StrictBool = False
    cannot_tell: StrictBool = False
    rating: Number | None = Field(default=None, ge=0, le=1)
    correction: Text | None = None
    candidate: Name | None = None
    comment: Text | None = None
    tags: Annotated[tuple[Name, ...], Field(max_length=50)] = ()
    metrics: Annotated[dict[Name, Number], Field(max_length=100)] = Field(default_factory=dict)
    given_by: Name = ANONYMOUS
    idempotency_key: Name | None = None
    at: AwareDatetime | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> "Feedback":
        if problem := self._problem():
            raise ValueError(problem)
        return self

    def _problem(self) -> str | None:
        """What contradicts itself; the sentence begins with the field."""
        found = [name for name in ("preferred", *FINDINGS) if getattr(self, name)]
        of_one = [name for name in ("rating", "correction") if getattr(self, name) is not None]
        if (self.request_id is None) == (self.conversation is None):
            return "request_id: give either request_id or conversation"
        if len(found) > 1:
            return f"{found[1]}: it contradicts {found[0]}; give one of them"
        if self.conversation is not None and (found or of_one):
            return f"{(found + of_one)[0]}: it is said of one answer, so give request_id"
        if self.candidate is not None and not of_one:
            return "candidate: it says what is rated or corrected; the best one is named in preferred"
        if self.comment is not None and not (found or self.rating is not None or self.tags):
            return "comment: it goes with preferred, tie, all_bad, cannot_tell, rating or tags; give one of them"
        if not (found or of_one or self.tags or self.metrics):
            return "preferred: nothing is said; give it, or tie, all_bad, cannot_tell, rating, ..."
        return None

    def statement(self, source: Source, *, idempotency_key: str | None = None, key_id: str | None = None) -> Statement:
        """As it is stored. ``idempotency_key`` is one that came beside the body. Raises InvalidRequest."""
        if idempotency_key and self.idempotency_key not in (None, idempotency_key):
            raise InvalidRequest("idempotency_key: the header says another one", param="idempotency_key")
        return Statement(
            remarks=tuple(self._remarks()),
            given_by=self.given_by,
            source=source,
            request=None if self.request_id is None else bare(self.request_id),
            conversation=self.conversation,
            key_id=key_id,
            idempotency_key=self.idempotency_key or idempotency_key,
            at=self.at,
        )

    def _remarks(self) -> list[Remark]:
        said = [Remark(kind=kind, text=self.comment) for kind in FINDINGS if getattr(self, kind)]
        if self.preferred is not None:
            said.append(Remark(kind="preferred", candidate=self.preferred, text=self.comment))
        if self.rating is not None:
            comment = None if said else self.comment
            said.append(Remark(kind="rating", candidate=self.candidate, value=float(self.rating), text=comment))
        comment = None if said else self.comment  # it is told once, with the first thing that it may go with
        if self.correction is not None:
            said.append(Remark(kind="correction", candidate=self.candidate, text=self.correction))
        for tag in dict.fromkeys(self.tags):
            said.append(Remark(kind="tag", name=tag, text=comment))
            comment = None
        said += [Remark(kind="metric", name=name, value=float(value)) for name, value in self.metrics.items()]
        return said


def parse(body: bytes | dict[str, Any]) -> Feedback:
    """Understand a body, JSON text or a tree of it.

    Raises:
        InvalidRequest: it is no feedback; ``param`` names the field.
    """
    try:
        return Feedback.model_validate(body) if isinstance(body, dict) else Feedback.model_validate_json(body)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
    if detail["type"] == "json_invalid":
        raise InvalidRequest(f"the body is not valid JSON: {detail['ctx']['error']}")
    told = explain(detail, Feedback)
    place = ".".join(str(step) for step in detail["loc"] if not str(step).startswith(("constrained", "function")))
    if not place:  # the sentence begins with the field
        raise InvalidRequest(told, param=told.partition(":")[0] if ":" in told else None)
    raise InvalidRequest(f"{place}: {told}", param=place.partition(".")[0])


async def note(
    store: Store, statement: Statement, step: Callable[[Database, Statement], Noted | Refused] = add
) -> Noted:
    """Store ``statement`` by ``step``.

    Raises:
        NotFound: the log has no such request or conversation.
        InvalidRequest: no such candidate.
        Conflict: another body came under the same idempotency key.
        StoreUnavailable: the log cannot be written.
    """
    try:
        return accepted(await store.change(lambda db: step(db, statement)))
    except StoreError as error:
        raise StoreUnavailable(str(error)) from error


def accepted(found: R | Refused) -> R:
    """What the log took, unless it ``found`` that it cannot. Raises NotFound, InvalidRequest and Conflict."""
    if not isinstance(found, Refused):
        return found
    errors: dict[str, type[EnsembleError]] = {"unknown": NotFound, "wrong": InvalidRequest, "conflict": Conflict}
    raise errors[found.why](found.message, param=found.field)


def bare(id_: str) -> str:
    """The id of a request, which may be given as a reply has it."""
    for prefix in PREFIXES:
        id_ = id_.removeprefix(prefix)
    return id_
