"""Refusals and length stops are candidates: they lose to complete answers, are served when nothing better exists."""

from typing import Any

from ensemble.simulator import reply
from tests.served import Served, a_question

LONG = "a very long answer that would win by its length, but was cut off in the mid"


async def ask(served: Served) -> Any:
    code, said, _ = await served.post(a_question(ensemble={"include": ["verdict", "candidates"]}))
    assert code == 200, said
    return said


async def test_they_lose_to_a_complete_answer(served: Served) -> None:
    served.simulator.script("alpha", [reply(LONG, finish="length")])
    served.simulator.script("beta", [reply("complete")])
    served.simulator.script("gamma", [reply(refusal="I would rather not talk about that at all, whoever you are.")])
    said = await ask(served)
    assert (said["model"], said["choices"][0]["message"]["content"]) == ("beta", "complete")
    set_aside = {one["member"]: one["reason"] for one in said["ensemble"]["verdict"]["set_aside"]}
    assert set_aside == {"alpha": "truncated", "gamma": "refused"}
    assert len(said["ensemble"]["candidates"]) == 3


async def test_a_length_stop_is_better_than_a_refusal(served: Served) -> None:
    served.simulator.script("alpha", [reply(refusal="I would rather not.")])
    served.simulator.script("beta", [reply("cut of", finish="length")])
    served.simulator.script("gamma", [reply(refusal="No, thank you very much.")])
    said = await ask(served)
    choice = said["choices"][0]
    assert (said["model"], choice["finish_reason"], choice["message"]["content"]) == ("beta", "length", "cut of")


async def test_where_all_refuse_a_refusal_is_served_and_nobody_asks_twice(served: Served) -> None:
    for name in ("alpha", "beta", "gamma"):
        served.simulator.script(name, [reply(refusal=f"{name} would rather not.")])
    said = await ask(served)
    message = said["choices"][0]["message"]
    assert message["content"] is None
    assert message["refusal"] == f"{said['model']} would rather not."
    assert len(served.simulator.served) == 3


async def test_a_quorum_does_not_count_them(served: Served) -> None:
    """With the whole panel cut off, the longest piece is served and marked as cut off."""
    served.simulator.script("alpha", [reply("one two", finish="length")])
    served.simulator.script("beta", [reply("one two three", finish="length")])
    served.simulator.script("gamma", [reply("one", finish="length")])
    said = await ask(served)
    assert (said["model"], said["choices"][0]["finish_reason"]) == ("beta", "length")
