import json

import pytest

from ensemble.store.export import Shape
from ensemble.types import CallId
from judges.types import ToolCall
from tests.ensemble.store.builders import a_call, a_record, a_request, an_id, said
from tests.ensemble.store.export.conftest import Fill, exported

pytestmark = pytest.mark.both

TRL_PREFERENCE = ("prompt", "chosen", "rejected")
"""TRL, Dataset formats: type preference, explicit prompt, conversational."""
ARENA = ("question_id", "model_a", "model_b", "winner", "judge", "conversation_a", "conversation_b", "turn", "tstamp")
"""lmsys/chatbot_arena_conversations."""


async def test_preferences_are_messages_with_scores_and_margin(fill: Fill) -> None:
    rows = exported(await fill(a_record()), "preferences")
    assert [(row["chosen_model"], row["rejected_model"]) for row in rows] == [("small", "large"), ("small", "medium")]
    for row in rows:
        assert tuple(row)[:3] == TRL_PREFERENCE
        assert row["prompt"] == [{"role": "user", "content": "Why is the sky blue?"}]
        assert row["chosen"] == [{"role": "assistant", "content": "answer of small"}]
        assert [turn["role"] for turn in row["rejected"]] == ["assistant"]
        assert (row["score_chosen"], row["score_rejected"], row["margin"]) == (1.0, 0.25, 0.75)


async def test_pairs_and_margins_are_chosen(fill: Fill) -> None:
    log = await fill(a_record())
    assert len(exported(log, "preferences", shape=Shape(pairs="one"))) == 1
    assert exported(log, "preferences", shape=Shape(pairs="best", min_margin=0.8)) == []
    assert len(exported(log, "pairwise", shape=Shape(pairs="all"))) == 3
    assert len(exported(log, "pairwise", shape=Shape(pairs="best"))) == 2


async def test_what_decided_nothing_teaches_nothing(fill: Fill) -> None:
    failed = a_record(verdict={"outcome": "failed", "winners": ()}, ruling={"fallback": "member_order"})
    bad = a_record(verdict={"all_bad": True})
    log = await fill(failed, bad)
    assert exported(log, "preferences") == exported(log, "sft") == []
    assert {row["winner"] for row in exported(log, "pairwise")} == {"tie (bothbad)"}


async def test_pairwise_is_read_as_arena_and_routellm_do(fill: Fill) -> None:
    rows = exported(await fill(*(a_record(request=a_request(f"{n}?")) for n in range(8))), "pairwise")
    for row in rows:
        assert set(ARENA) <= set(row)
        assert row["winner"] in {"model_a", "model_b", "tie", "tie (bothbad)"}
        assert row["model_a"] != row["model_b"]
        best = "small" in (row["model_a"], row["model_b"])
        assert row["winner"] == ("tie" if not best else "model_a" if row["model_a"] == "small" else "model_b")
        assert row["winner_model_a"] + row["winner_model_b"] + row["winner_tie"] == 1
        # As routellm/routers/similarity_weighted/generate_embeddings.py reads the first turn.
        assert json.loads(row["prompt"])[0].strip().endswith("?")
        assert (
            json.loads(row["response_a"]) == [row["conversation_a"][-1]["content"]] == [f"answer of {row['model_a']}"]
        )
    # The place tells nothing.
    assert {row["winner"] for row in rows} == {"model_a", "model_b", "tie"}


async def test_sft_ends_with_the_best_answer_and_its_tool_calls(fill: Fill) -> None:
    request = a_request()
    asks = said("", tool_calls=(ToolCall(id="t1", name="look", arguments='{"at": 1}'),), finish_reason="tool_calls")
    call = a_call(request.id, "small", completion=asks, id=CallId(an_id()))
    plain = a_record(("small", "large"), request=request)
    first = next(iter(plain.authors))
    calls = (a_call(request.id, "small", completion=asks, candidate=first, id=call.id), *plain.calls[1:])
    log = await fill(a_record(("small", "large"), request=request, calls=calls, authors=plain.authors,
                              rulings=plain.rulings, chosen=first))  # fmt: skip
    (row,) = exported(log, "sft")
    assert row["messages"][-1]["tool_calls"] == [
        {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}}
    ]
    assert (row["model"], row["score"]) == ("small", 1.0)
