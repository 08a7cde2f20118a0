"""Answers as they were served, to whoever knows their id alone."""

from datetime import datetime
from typing import Any, cast

from ensemble.store.content import bind, loads, prompt_of, unbind
from ensemble.store.database import Database
from ensemble.store.recalled import recall
from ensemble.types import Answer, Request, RequestId

_SQL = """
SELECT id, model, dialect, stream, arrived_at, conversation, key_id, tenant, data_class, end_user, tags, metadata,
    messages, options
FROM requests WHERE id = ? AND status = 'answered' AND content = 'kept'
"""


def served(db: Database, id_: RequestId) -> Answer | None:
    """The answer to a request, as it was when it left.

    None if there is no such request, it was not answered, or its texts are no longer kept as they were.
    """
    for row in db.query(_SQL, [bind(id_)]):
        return recall(db, _request(row), RequestId(row["id"]))
    return None


def _request(row: dict[str, Any]) -> Request:
    return Request(
        id=RequestId(row["id"]),
        model=unbind(row["model"]),
        prompt=prompt_of(row["messages"], row["options"]),
        arrived_at=datetime.fromisoformat(row["arrived_at"]),
        deadline=0.0,
        stream=bool(row["stream"]),
        dialect=unbind(row["dialect"]),
        conversation=_text(row["conversation"]),
        key_id=_text(row["key_id"]),
        tenant=_text(row["tenant"]),
        data_class=_text(row["data_class"]),
        user=_text(row["end_user"]),
        tags=cast("dict[str, str]", loads(row["tags"])),
        metadata=cast("dict[str, str]", loads(row["metadata"])),
    )


def _text(value: str | None) -> str | None:
    return None if value is None else unbind(value)
