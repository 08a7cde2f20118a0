import re

from hypothesis import given
from hypothesis import strategies as st

from ensemble.callids import portable, told_apart
from judges.types import Message, ToolCall

STRICT = re.compile(r"[a-zA-Z0-9_-]{1,40}")
ids = st.sampled_from(["", "call_0", "functions.f:0", "x" * 80, "toolu_1", "\ud800"]) | st.text(max_size=50)


def a_call(id_: str) -> ToolCall:
    return ToolCall(id=id_, name="f", arguments="{}")


def loop(turns: list[list[str]]) -> tuple[Message, ...]:
    """A tool loop: in each turn an assistant makes calls of these ids, and all are answered in their order."""
    messages = [Message(role="user", content="?")]
    for turn in turns:
        messages.append(Message(role="assistant", tool_calls=tuple(map(a_call, turn))))
        messages += [Message(role="tool", content=str(n), tool_call_id=id_) for n, id_ in enumerate(turn)]
    return tuple(messages)


@given(st.lists(st.lists(ids, min_size=1, max_size=3), max_size=4))
def test_every_id_fits_and_is_used_once_and_results_stay_with_their_calls(turns: list[list[str]]) -> None:
    messages = list(portable(loop(turns), STRICT))
    calls = [call.id for message in messages for call in message.tool_calls]
    results = [message.tool_call_id for message in messages if message.role == "tool"]
    assert all(STRICT.fullmatch(id_) for id_ in calls)
    assert len(set(calls)) == len(calls)
    assert calls == results


@given(st.lists(st.lists(ids, min_size=1, max_size=3), min_size=1, max_size=4))
def test_a_conversation_that_goes_on_begins_as_before(turns: list[list[str]]) -> None:
    """Or no provider's cache would know it again."""
    before = list(portable(loop(turns[:-1]), STRICT))
    assert list(portable(loop(turns), STRICT))[: len(before)] == before


def test_an_id_that_fits_stays() -> None:
    messages = loop([["call_1", "toolu_2"]])
    assert tuple(portable(messages, STRICT)) == messages


def test_a_result_without_a_call_gets_an_id_that_fits() -> None:
    (message,) = portable((Message(role="tool", content="x", tool_call_id="a.b"),), STRICT)
    assert STRICT.fullmatch(message.tool_call_id or "")


@given(st.lists(ids, max_size=4))
def test_calls_of_one_answer_are_told_apart(given_ids: list[str]) -> None:
    apart = [call.id for call in told_apart(tuple(map(a_call, given_ids)))]
    assert len(set(apart)) == len(apart)
    assert all(apart)
    assert all(new == old for new, old in zip(apart, given_ids, strict=True) if old and given_ids.count(old) == 1)
