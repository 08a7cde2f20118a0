"""Answers are read from the log as they were served."""

from dataclasses import replace
from typing import Any

import pytest

from ensemble.store import Store
from ensemble.store.served import served
from ensemble.types import Record, RequestId
from judges.types import Message, OpaquePart, Prompt, ResponseFormat, TokenLogprob, ToolCall, Usage
from tests.ensemble.store.builders import a_call, a_record, a_request, said

THOUGHT = OpaquePart(origin="small", data={"type": "reasoning_content", "text": "Hm."})


def answered(**changes: Any) -> Record:
    """A request of which everything is stated that an answer repeats."""
    request = a_request(
        prompt=Prompt(
            messages=(Message(role="system", content="Be brief."), Message(role="user", content=(THOUGHT,))),
            tools=({"type": "function", "function": {"name": "f"}},),
            response_format=ResponseFormat(type="json_schema", schema={"type": "object"}),
            options={"temperature": 0.5},
        ),
        dialect="openai-responses",
        conversation="c1",
        key_id="k1",
        tenant="t1",
        data_class="eu",
        user="u1",
        tags={"responses.store": "false"},
        metadata={"team": "r\x00d"},
    )
    completion = said(
        "Be\ud800cause.",
        finish_reason="tool_calls",
        tool_calls=(ToolCall(id="t1", name="f", arguments="{"),),
        logprobs=(TokenLogprob(token="Be", logprob=-0.5, top=(("Be", -0.5),)),),
        usage=Usage(input_tokens=10, output_tokens=5, reasoning_tokens=3, nano_usd=7),
        system_fingerprint="fp_1",
        reasoning=(THOUGHT,),
    )
    call = a_call(request.id, completion=completion)
    assert call.candidate is not None
    return replace(
        a_record(request=request),
        calls=(call,),
        authors={call.candidate: "small"},
        rulings=(),
        chosen=call.candidate,
        **changes,
    )


async def test_an_answer_is_what_was_served(store: Store) -> None:
    record = answered()
    await store.record(record)
    found = await store.read(lambda db: served(db, record.request.id))
    assert found is not None
    assert found.request == record.request
    (call,) = record.calls
    assert call.completion is not None
    assert (found.member, found.chosen.id, found.completion) == ("small", call.candidate, call.completion)


@pytest.mark.parametrize("changes", [{"status": "failed"}, {"keep": False}])
async def test_what_was_not_answered_or_is_not_kept_is_none(store: Store, changes: dict[str, Any]) -> None:
    record = answered(**changes)
    await store.record(record)
    assert await store.read(lambda db: served(db, record.request.id)) is None


@pytest.mark.parametrize("id_", ["nobody", "\ud800", ""])
async def test_an_unknown_id_is_none(store: Store, id_: str) -> None:
    await store.record(answered())
    assert await store.read(lambda db: served(db, RequestId(id_))) is None
