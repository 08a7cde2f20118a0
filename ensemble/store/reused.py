"""Answers in the log that may be taken once more."""

from datetime import datetime
from typing import Any, cast

from ensemble.store.content import bind_optional, loads, logprobs_of, stamp, tool_calls_of, unbind
from ensemble.store.database import Database
from ensemble.store.filling import USAGE
from judges.types import Completion, OpaquePart, Usage

_SQL = f"""
SELECT c.text, c.tool_calls, c.finish_reason, c.logprobs, c.reasoning, c.stop_sequence,
    k.model, k.system_fingerprint, k.dropped, {", ".join(f"k.{name}" for name in USAGE)}
FROM calls k JOIN requests r ON r.id = k.request_id
    JOIN candidates c ON c.request_id = k.request_id AND c.call_id = k.id
WHERE k.key = :key AND k.sample = :sample AND k.purpose = 'candidate' AND k.transport <> 'cache' AND k.failure IS NULL
    AND k.started_at >= :since AND c.finish_reason IN ('stop', 'tool_calls')
    AND CASE WHEN CAST(:key_id AS TEXT) IS NULL THEN r.key_id IS NULL ELSE r.key_id = :key_id END
    AND CASE WHEN CAST(:tenant AS TEXT) IS NULL THEN r.tenant IS NULL ELSE r.tenant = :tenant END AND r.content = 'kept'
ORDER BY k.started_at DESC LIMIT 1
"""  # noqa: S608 - own names


def find(
    db: Database, key: str, sample: int, key_id: str | None, tenant: str | None, since: datetime
) -> Completion | None:
    """The newest answer under ``key`` that this API key and tenant got after ``since``; None where there is none."""
    asked: dict[str, object] = {"key": key, "sample": sample, "since": stamp(since)}
    asked |= {"key_id": bind_optional(key_id), "tenant": bind_optional(tenant)}
    row = db.execute(_SQL, asked).fetchone()
    if row is None:
        return None
    text, tool_calls, finish, logprobs, reasoning, stop, model, fingerprint, dropped, *tokens = row
    state = cast("list[dict[str, Any]]", loads(reasoning)) if reasoning else []
    return Completion(
        text=unbind(text),
        finish_reason=finish,
        tool_calls=tool_calls_of(tool_calls),
        logprobs=logprobs_of(logprobs),
        usage=Usage(**dict(zip(USAGE, tokens, strict=True))),
        model=None if model is None else unbind(model),
        system_fingerprint=None if fingerprint is None else unbind(fingerprint),
        stop_sequence=None if stop is None else unbind(stop),
        reasoning=tuple(OpaquePart(**one) for one in state),
        dropped=tuple(cast("list[str]", loads(dropped))),
    )
