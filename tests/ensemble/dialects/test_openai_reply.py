"""What goes back, read with the official client's own types."""

import json
import math
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import TypeAdapter

from ensemble.dialects import openai_chat
from ensemble.dialects.dialect import problem_of
from ensemble.dialects.openai_chat import Asked
from ensemble.errors import BudgetExceeded, DeadlineExceeded, LimitExceeded, NoCandidate, Unauthenticated, UnknownModel
from ensemble.types import Answer
from judges.types import CandidateId, Completion, TokenLogprob, ToolCall, Usage
from tests.ensemble.answers import a_call, a_completion, a_prompt, an_answer

CALLS = (ToolCall(id="t1", name="f", arguments='{"x": 1}'), ToolCall(id="t2", name="g", arguments="{"))


def an_asked(**changes: Any) -> Asked:
    return Asked(**{"model": "panel", "prompt": a_prompt(), **changes})


def reply(answer: Answer, asked: Asked | None = None) -> ChatCompletion:
    body = openai_chat.dumps(openai_chat.render(answer, asked or an_asked()))
    return TypeAdapter(ChatCompletion).validate_json(body)


def stream(answer: Answer, **changes: Any) -> list[ChatCompletionChunk]:
    said = openai_chat.chunks(answer, an_asked(stream=True, **changes))
    return [TypeAdapter(ChatCompletionChunk).validate_json(openai_chat.dumps(chunk)) for chunk in said]


def test_a_reply_is_the_winners_and_nothing_more() -> None:
    said = reply(an_answer())
    assert (said.id, said.object, said.model) == ("chatcmpl-r1", "chat.completion", "good")
    assert (said.created, said.system_fingerprint) == (1795435200, "fp_1")
    assert said.choices[0].message.content == "Rayleigh scattering."
    assert said.choices[0].finish_reason == "stop"
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens, said.usage.total_tokens) == (10, 5, 15)
    assert said.model_extra == {}


def test_token_details_are_told_where_known() -> None:
    usage = Usage(input_tokens=10, output_tokens=5, cached_input_tokens=4, cache_write_tokens=1, reasoning_tokens=3)
    said = reply(an_answer(a_completion(usage=usage))).usage
    assert said is not None
    assert said.prompt_tokens_details is not None
    assert said.completion_tokens_details is not None
    assert (said.prompt_tokens_details.cached_tokens, said.prompt_tokens_details.cache_write_tokens) == (4, 1)
    assert said.completion_tokens_details.reasoning_tokens == 3


def several() -> Answer:
    """Two choices of two members, the second one cut off by the limit of tokens."""
    calls = (
        a_call("good", a_completion()),
        a_call("other", a_completion("Because", finish_reason="length", dropped=("seed",), tool_calls=CALLS)),
    )
    return an_answer(calls=calls, ranking=(CandidateId("c-good"), CandidateId("c-other")))


def test_several_choices_are_the_best_in_order_and_usage_is_theirs() -> None:
    said = reply(several())
    assert [(one.index, one.message.content, one.finish_reason) for one in said.choices] == [
        (0, "Rayleigh scattering.", "stop"),
        (1, "Because", "length"),
    ]
    assert said.usage is not None
    assert (said.usage.prompt_tokens, said.usage.completion_tokens) == (20, 10)
    about = (said.model_extra or {})["ensemble"]
    assert about["dropped"] == ["seed"]
    assert [one["member"] for one in about["choices"]] == ["good", "other"]


def test_several_choices_are_streamed_under_their_numbers() -> None:
    chunks = stream(several(), include_usage=True)
    told = [piece for chunk in chunks for piece in chunk.choices]
    texts = ["".join(one.delta.content or "" for one in told if one.index == index) for index in (0, 1)]
    assert texts == ["Rayleigh scattering.", "Because"]
    assert [(one.index, one.finish_reason) for one in told if one.finish_reason] == [(0, "stop"), (1, "length")]
    assert {one.index for one in told if one.delta.tool_calls} == {1}
    assert (chunks[-1].choices, chunks[-1].usage is not None) == ([], True)


def test_an_unknown_count_is_no_number() -> None:
    assert reply(an_answer(a_completion(usage=Usage(input_tokens=10)))).usage is None


@pytest.mark.parametrize(
    ("completion", "finish", "content", "refusal"),
    [
        (a_completion("x", finish_reason="length"), "length", "x", None),
        (a_completion("x", finish_reason="other"), "stop", "x", None),
        (a_completion("No.", finish_reason="refusal"), "stop", None, "No."),
        (a_completion("", finish_reason="refusal"), "content_filter", None, None),
        (a_completion("", finish_reason="tool_calls", tool_calls=CALLS), "tool_calls", None, None),
    ],
)
def test_how_an_answer_ended(completion: Completion, finish: str, content: str | None, refusal: str | None) -> None:
    choice = reply(an_answer(completion)).choices[0]
    assert (choice.finish_reason, choice.message.content, choice.message.refusal) == (finish, content, refusal)
    chunks = stream(an_answer(completion))
    deltas = [chunk.choices[0].delta for chunk in chunks]
    assert "".join(delta.content or "" for delta in deltas) == (content or "")
    assert "".join(delta.refusal or "" for delta in deltas) == (refusal or "")
    assert chunks[-1].choices[0].finish_reason == finish


def test_tool_calls_are_told_whole_and_in_pieces() -> None:
    answer = an_answer(a_completion("", finish_reason="tool_calls", tool_calls=CALLS))
    whole = reply(answer).choices[0].message.tool_calls
    assert whole is not None
    assert [call.model_dump() for call in whole] == [
        {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
        {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{"}},
    ]
    pieces = [call for chunk in stream(answer) for call in chunk.choices[0].delta.tool_calls or ()]
    for index, call in enumerate(CALLS):
        own = [piece for piece in pieces if piece.index == index]
        assert (own[0].id, own[0].function and own[0].function.name) == (call.id, call.name)
        assert "".join(piece.function.arguments or "" for piece in own if piece.function) == call.arguments


def test_logprobs_come_only_when_asked_for() -> None:
    tokens = (
        TokenLogprob(token="é", logprob=-0.5, top=(("é", -0.5), ("e", -math.inf))),
        TokenLogprob(token="!", logprob=math.nan),
    )
    answer = an_answer(a_completion("é!", logprobs=tokens))
    assert reply(answer).choices[0].logprobs is None
    asked = an_asked(prompt=a_prompt(top_logprobs=2))
    told = reply(answer, asked).choices[0].logprobs
    assert told is not None
    assert told.content is not None
    assert [(t.token, t.logprob, t.bytes) for t in told.content] == [("é", -0.5, [195, 169]), ("!", -9999.0, [33])]
    assert [(t.token, t.logprob) for t in told.content[0].top_logprobs] == [("é", -0.5), ("e", -9999.0)]
    streamed = [chunk.choices[0].logprobs for chunk in stream(answer, prompt=asked.prompt)]
    assert [lp.content for lp in streamed if lp] == [told.content]


def test_a_stream_puts_the_text_together_again_and_ends_with_the_report() -> None:
    text = "Ünï\n" * 500
    chunks = stream(an_answer(a_completion(text)))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == text
    assert len(chunks) > 5
    assert {(chunk.id, chunk.object, chunk.model) for chunk in chunks} == {
        ("chatcmpl-r1", "chat.completion.chunk", "good")
    }
    assert [chunk.model_extra for chunk in chunks[:-1]] == [{}] * (len(chunks) - 1)
    report = (chunks[-1].model_extra or {})["ensemble"]
    assert report["winner"] == "good"
    assert report["verdict"]["outcome"] == "decided"
    assert "candidates" not in report


def test_usage_in_a_stream_stands_in_a_last_chunk_without_choices() -> None:
    chunks = stream(an_answer(), include_usage=True)
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 15
    assert "ensemble" in (chunks[-1].model_extra or {})
    assert chunks[-2].choices[0].finish_reason == "stop"


def test_the_report_tells_what_was_asked_for() -> None:
    said = reply(an_answer(), an_asked(include=frozenset({"candidates", "verdict"})))
    report = (said.model_extra or {})["ensemble"]
    assert report["cost"] == {
        "usd": "0.0000035",
        "panel_usd": "0.000003",
        "judge_usd": "0.0000005",
        "router_usd": "0.00",
        "known_usd": "0.0000035",
        "unpriced_calls": 0,
        "pending": ["slow"],
    }
    assert report["verdict"]["winners"] == [{"candidate": "c-good", "member": "good"}]
    assert report["verdict"]["scores"][1] == {"candidate": "c-other", "member": "other", "score": 0.4}
    assert report["verdict"]["reason"] == "It explains."
    assert [(c["member"], c["text"], c["served"]) for c in report["candidates"]] == [
        ("good", "Rayleigh scattering.", True),
        ("other", "Because.", False),
    ]
    assert report["candidates"][0]["cost_usd"] == "0.0000015"


def test_an_unknown_price_leaves_the_sum_unknown() -> None:
    answer = an_answer(a_completion(usage=Usage(input_tokens=1, output_tokens=1)), judged=False)
    report = (reply(answer, an_asked(include=frozenset({"verdict"}))).model_extra or {})["ensemble"]
    assert (report["cost"]["usd"], report["cost"]["panel_usd"]) == (None, None)
    assert (report["cost"]["judge_usd"], report["cost"]["known_usd"]) == ("0.0000005", "0.000002")
    assert report["cost"]["unpriced_calls"] == 1
    assert report["verdict"] is None


def test_half_a_surrogate_pair_from_a_model_spoils_no_reply() -> None:
    assert reply(an_answer(a_completion("a\ud800b😀"))).choices[0].message.content == "a\ufffdb😀"


@pytest.mark.parametrize(
    ("error", "kind", "code", "param"),
    [
        (UnknownModel("no such model", param="model"), "invalid_request_error", "model_not_found", "model"),
        (Unauthenticated("wrong key"), "invalid_request_error", "invalid_api_key", None),
        (LimitExceeded("slow down"), "rate_limit_error", "rate_limit_exceeded", None),
        (BudgetExceeded("spent"), "insufficient_quota", "insufficient_quota", None),
        (DeadlineExceeded("late"), "server_error", "deadline_exceeded", None),
    ],
)
def test_errors_have_openais_shape(error: Any, kind: str, code: str, param: str | None) -> None:
    assert openai_chat.render_error(problem_of(error), "r1") == {
        "error": {"message": str(error), "type": kind, "param": param, "code": code}
    }


def test_when_nobody_answers_every_candidates_own_error_is_told() -> None:
    calls = (
        a_call("good", None, failure="overloaded", attempt=1, http_status=529, detail="busy"),
        a_call("good", None, failure="overloaded", attempt=2, http_status=529, detail="still busy"),
        a_call("other", None, failure="timeout", detail="no answer within 2.0 s"),
        a_call("critic", None, failure="timeout", purpose="judge", candidate=None),
    )
    said = json.loads(openai_chat.dumps(openai_chat.render_error(problem_of(NoCandidate("nobody", calls=calls)), "r1")))
    assert said["error"]["candidates"] == [
        {"member": "good", "failure": "overloaded", "detail": "still busy", "attempts": 2, "http_status": 529},
        {
            "member": "other",
            "failure": "timeout",
            "detail": "no answer within 2.0 s",
            "attempts": 1,
            "http_status": None,
        },
    ]
