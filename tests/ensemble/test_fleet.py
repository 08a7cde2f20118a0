import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ensemble.errors import CallFailed
from ensemble.ledger import Aim
from ensemble.types import Call
from judges.errors import ModelError
from judges.types import Completion, ImagePart, Message, OpaquePart, Prompt, ResponseFormat, TextPart, Usage
from tests.ensemble.doubles import a_member, a_request, failed, ledger, said
from tests.virtual import run_virtual

CANDIDATE = Aim(purpose="candidate")


def ask(
    *replies: Any, prompt: Prompt | None = None, aim: Aim = CANDIDATE, **settings: Any
) -> tuple[list[Call], Any, float]:
    """Every line of the ledger, the wire, and the seconds that it took."""

    async def main() -> tuple[list[Call], Any, float]:
        clock = asyncio.get_running_loop().time
        member, wire = a_member("m", *replies, **settings)
        seen, begin = ledger(), clock()
        request = a_request()
        last = await member.call(request, prompt or request.prompt, aim, seen=seen.append)
        assert seen[-1] is last
        return seen, wire, clock() - begin

    return run_virtual(main())


def test_a_good_call_is_one_line_with_its_exact_cost() -> None:
    (call,), wire, _ = ask("hello", price={"input": "2.5", "output": 10})
    assert call.failure is None
    assert call.completion is not None
    assert call.completion.text == "hello"
    assert call.usage.nano_usd == 10 * 2500 + 5 * 10_000
    assert call.price is not None
    assert len(wire.prompts) == 1


@pytest.mark.parametrize("price", [(), {"input": 1}, {"output": 1}])
def test_an_unknown_price_is_an_unknown_cost(price: Any) -> None:
    (call,), _, _ = ask("hello", price=price)
    assert call.usage.nano_usd is None


def test_a_retryable_failure_is_tried_again_and_each_attempt_is_a_line() -> None:
    calls, _, waited = ask(
        failed("overloaded", retryable=True), failed("unreachable", retryable=True, sent=False), "ok"
    )
    assert [(c.attempt, c.failure) for c in calls] == [(1, "overloaded"), (2, "unreachable"), (3, None)]
    assert [c.usage.nano_usd for c in calls] == [0, 0, 10 * 1000 + 5 * 2000]
    assert 0 < waited < 2


def test_a_tiny_wait_is_told_as_what_it_was() -> None:
    (call,), _, _ = ask("late", delay_s=25, timeout_s=0.0125, max_attempts=1)
    assert call.detail == "no answer within 0.0125 s"


def test_a_final_failure_is_not_tried_again() -> None:
    calls, wire, _ = ask(failed("rejected"))
    assert [c.failure for c in calls] == ["rejected"]
    assert len(wire.prompts) == 1


def test_retry_after_is_waited_for() -> None:
    calls, _, waited = ask(failed("rate_limited", retryable=True, retry_after_s=20), "ok")
    assert calls[-1].failure is None
    assert waited >= 20


def test_a_retry_that_the_deadline_does_not_allow_is_not_waited_for() -> None:
    calls, _, waited = ask(failed("rate_limited", retryable=True, retry_after_s=120), "ok")
    assert [c.failure for c in calls] == ["rate_limited"]
    assert waited == 0


def test_max_attempts_bounds_the_retries() -> None:
    calls, _, _ = ask(failed("overloaded", retryable=True), max_attempts=4)
    assert [c.attempt for c in calls] == [1, 2, 3, 4]


def test_one_slow_attempt_times_out_and_is_tried_again() -> None:
    calls, wire, waited = ask("late", delay_s=25, timeout_s=20, max_attempts=2)
    assert [c.failure for c in calls] == ["timeout", "timeout"]
    assert {c.detail for c in calls} == {"no answer within 20 s"}
    assert [c.usage.nano_usd for c in calls] == [None, None]
    assert wire.cancelled == 2
    assert 40 <= waited < 60


def test_a_partial_answer_is_kept_with_its_cost() -> None:
    partial = said("half an ans", finish_reason="other", partial=True)
    (call,), _, _ = ask(failed("cut_stream", completion=partial))
    assert call.completion is not None
    assert call.completion.text == "half an ans"
    assert call.usage.nano_usd == 10 * 1000 + 5 * 2000
    assert not call.good


def test_a_failure_that_may_have_been_billed_has_an_unknown_cost() -> None:
    (call,), _, _ = ask(failed("bad_reply", http_status=200, provider_request_id="req-1"))
    assert call.usage.nano_usd is None
    assert (call.http_status, call.provider_request_id) == (200, "req-1")


def test_a_request_that_cannot_fit_is_skipped_unpaid() -> None:
    (call,), wire, _ = ask(prompt=Prompt(messages=(Message(role="user", content="x" * 5000),)), context_tokens=1000)
    assert (call.failure, call.attempt, call.usage.nano_usd) == ("too_long", 0, 0)
    assert "1000" in call.detail
    assert not wire.prompts


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"tools": ({"type": "function"},)}, "tools"),
        ({"response_format": ResponseFormat(type="json_schema", schema={})}, "json_schema"),
        ({"top_logprobs": 0}, "logprobs"),
        ({"messages": (Message(role="user", content=(ImagePart(url="https://x/y.png"),)),)}, "images"),
    ],
)
def test_a_member_that_cannot_do_what_is_asked_is_skipped(changes: Any, missing: str) -> None:
    prompt = Prompt(**{"messages": (Message(role="user", content="hi"),), **changes})
    (call,), wire, _ = ask(prompt=prompt, capabilities=[])
    assert (call.failure, call.usage.nano_usd) == ("skipped", 0)
    assert missing in call.detail
    assert not wire.prompts


def test_the_members_own_settings_are_sent() -> None:
    prompt = Prompt(messages=(Message(role="user", content="hi"),), max_output_tokens=900, options={"top_p": 0.5})
    _, wire, _ = ask(
        prompt=prompt, max_output_tokens=100, options={"temperature": 0.3, "top_p": 0.9}, system="Be brief."
    )
    (sent,) = wire.prompts
    assert sent.max_output_tokens == 100
    assert sent.options == {"temperature": 0.3, "top_p": 0.5}
    assert [(m.role, m.text) for m in sent.messages] == [("system", "Be brief."), ("user", "hi")]


def test_a_judges_question_does_not_get_the_members_system_text() -> None:
    _, wire, _ = ask(system="Be brief.", aim=Aim(purpose="judge", seat="main"))
    assert [m.role for m in wire.prompts[0].messages] == ["user"]


def test_provider_state_of_another_member_is_left_out_and_recorded() -> None:
    parts = (TextPart(text="hi"), OpaquePart(origin="other", data={"signature": "s"}), OpaquePart(origin="m", data={}))
    (call,), wire, _ = ask(prompt=Prompt(messages=(Message(role="assistant", content=parts),)))
    assert wire.prompts[0].messages[0].content == (parts[0], parts[2])
    assert call.completion is not None
    assert call.completion.dropped == ("provider_state",)


def test_reasoning_state_is_signed_with_the_member() -> None:
    (call,), _, _ = ask(said("x", reasoning=(OpaquePart(origin="", data={"k": 1}),)))
    assert call.completion is not None
    assert call.completion.reasoning[0].origin == "m"


def test_a_member_as_a_judges_model_tells_the_ledger_and_raises_on_failure() -> None:
    async def main() -> None:
        member, _ = a_member("judge", "[[A]]", failed("rejected"))
        seen, request = ledger(), a_request()
        model = member.model_for(request, Aim(purpose="judge", seat="main"), seen=seen.append)
        assert (await model.complete(request.prompt)).text == "[[A]]"
        with pytest.raises(ModelError, match="rejected"):
            await model.complete(request.prompt)
        assert [(c.purpose, c.seat, c.failure) for c in seen] == [
            ("judge", "main", None),
            ("judge", "main", "rejected"),
        ]

    run_virtual(main())


@pytest.mark.parametrize(
    ("first", "cost"),
    [
        pytest.param(failed("bad_reply", retryable=True, http_status=200), None, id="it may have been billed"),
        pytest.param(failed("overloaded", retryable=True), 10 * 1000 + 5 * 2000, id="it was refused"),
    ],
)
def test_what_a_judge_is_told_of_the_cost_of_a_question_counts_every_attempt(first: Any, cost: int | None) -> None:
    async def main() -> None:
        member, _ = a_member("judge", first, "[[A]]")
        seen, request = ledger(), a_request()
        said = await member.model_for(request, Aim(purpose="judge"), seen=seen.append).complete(request.prompt)
        assert (said.usage.nano_usd, said.usage.output_tokens) == (cost, 5)
        assert [call.usage.nano_usd for call in seen] == [None if cost is None else 0, 10 * 1000 + 5 * 2000]

    run_virtual(main())


def test_the_price_in_force_on_the_day_applies() -> None:
    prices = [
        {"input": 1, "output": 1, "valid_from": "2020-01-01"},
        {"input": 9, "output": 9, "valid_from": "2999-01-01"},
    ]
    member, _ = a_member("m", price=prices)
    price = member.price(datetime(2026, 1, 1, tzinfo=UTC))
    assert price is not None
    assert price.cost(Usage(input_tokens=1, output_tokens=0)) == 1000


def test_the_digest_depends_on_what_decides_the_answer_alone() -> None:
    plain, dearer, hotter = (
        a_member("m")[0],
        a_member("n", price=(), model="m-id")[0],
        a_member("m", options={"t": 1})[0],
    )
    assert plain.digest == dearer.digest
    assert plain.digest != hotter.digest


def hedged(slow_s: float, *replies: Any) -> tuple[list[Call], Any, float]:
    """A call of a member that has always taken a second and now takes ``slow_s``."""

    async def main() -> tuple[list[Call], Any, float]:
        member, wire = a_member("m", *replies, delay_s=slow_s)
        for _ in range(30):
            member.latencies.add(1.0)
        seen, request = ledger(), a_request()
        clock = asyncio.get_running_loop().time
        begin = clock()
        await member.call(request, request.prompt, Aim(purpose="candidate", hedge=True), seen=seen.append)
        return seen, wire, clock() - begin

    return run_virtual(main())


def test_a_call_slower_than_usual_is_hedged_and_both_are_in_the_ledger() -> None:
    calls, wire, waited = hedged(10, "first", "second")
    assert len(wire.prompts) == 2
    assert sorted((c.attempt, c.hedge, c.failure) for c in calls) == [(1, False, None), (2, True, "cancelled")]
    assert waited == 10


def test_where_the_first_attempt_fails_the_hedge_counts() -> None:
    calls, _, waited = hedged(5, failed("rejected"), "second")
    assert [(c.hedge, c.failure) for c in calls] == [(False, "rejected"), (True, None)]
    assert waited == 6


def test_a_call_as_fast_as_usual_is_not_hedged() -> None:
    calls, _, _ = hedged(0.9, "first")
    assert [c.hedge for c in calls] == [False]


def test_a_member_that_only_fails_is_left_alone_and_tried_again() -> None:
    async def main() -> None:
        member, wire = a_member("m", *[failed("overloaded")] * 3, "up again", circuit_failures=3, circuit_open_s=30)
        seen = ledger()

        async def once() -> Call:
            request = a_request()
            return await member.call(request, request.prompt, CANDIDATE, seen=seen.append)

        for _ in range(3):
            await once()
        skipped = await once()
        assert (skipped.failure, skipped.usage.nano_usd) == ("skipped", 0)
        assert "tried again in 30 s" in skipped.detail
        assert len(wire.prompts) == 3
        await asyncio.sleep(30)
        assert [(await once()).failure for _ in range(2)] == [None, None]

    run_virtual(main())


def test_what_opened_the_circuit_is_told_and_not_waited_on() -> None:
    async def main() -> None:
        down = CallFailed("boom", failure="overloaded", retryable=True, http_status=503)
        member, wire = a_member("m", *[down] * 9, max_attempts=3, circuit_failures=2, circuit_open_s=30)
        seen = ledger()

        async def once() -> Call:
            request = a_request()
            return await member.call(request, request.prompt, CANDIDATE, seen=seen.append)

        begin = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            both = [group.create_task(once()) for _ in range(2)]
        assert asyncio.get_running_loop().time() - begin <= 0.5, "one jitter at most, and none once it is open"
        assert [call.result().failure for call in both] == ["overloaded", "overloaded"]
        assert [call.failure for call in seen] == ["overloaded", "overloaded"], "no line of what was never tried"
        assert len(wire.prompts) == 2

    run_virtual(main())


def test_a_bug_in_a_provider_costs_the_call_and_not_the_request() -> None:
    class Broken(Exception):
        pass

    async def main() -> None:
        member, wire = a_member("m")
        wire.replies = [Broken("key sk-123")]  # type: ignore[list-item]
        seen, request = ledger(), a_request()
        call = await member.call(request, request.prompt, CANDIDATE, seen=seen.append)
        assert (call.failure, call.detail) == ("bad_reply", "the provider raised Broken")

    run_virtual(main())


def test_what_a_library_cancels_of_its_own_accord_costs_the_call_and_not_the_request() -> None:
    async def main() -> None:
        member, wire = a_member("m")

        async def complete(model: str, prompt: Prompt) -> Any:
            asyncio.get_running_loop().call_later(1, (lost := asyncio.get_running_loop().create_future()).cancel)
            return await lost

        wire.complete = complete  # type: ignore[method-assign]
        seen, request = ledger(), a_request()
        last = await member.call(request, request.prompt, CANDIDATE, seen=seen.append)
        assert seen == [last]
        assert (last.failure, last.detail) == ("bad_reply", "the provider raised CancelledError")

    run_virtual(main())


def test_of_two_good_attempts_that_end_at_once_the_first_is_the_answer() -> None:
    """It is the candidate in the log, too."""

    async def main() -> None:
        for _ in range(20):  # a set of two tasks is in no order
            member, _ = a_member("m")
            for _ in range(30):
                member.latencies.add(1.0)
            texts, both = iter(("first", "second")), asyncio.Event()

            async def complete(
                _: str, __: Prompt, texts: Iterator[str] = texts, both: asyncio.Event = both
            ) -> Completion:
                text = next(texts)
                if text == "second":
                    asyncio.get_running_loop().call_later(1, both.set)
                await both.wait()
                return said(text)

            seen, request = ledger(), a_request()
            aim = Aim(purpose="candidate", hedge=True)
            answer = await member.call(request, request.prompt, aim, seen=seen.append, send=complete)
            assert [call.failure for call in seen] == [None, None]
            assert answer is seen[0]

    run_virtual(main())
