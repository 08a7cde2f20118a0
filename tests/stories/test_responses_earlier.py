"""What goes on from an earlier response: read again, continued, kept from others."""

from pathlib import Path
from typing import Any

import openai
import pytest

from ensemble.keys.issuing import a_key, create
from tests import messages
from tests.messages import say, sent
from tests.served import SERVER, Served, serving
from tests.stories.test_responses_client import ASKED, CALL, FUNCTION, asking


async def test_an_earlier_response_is_read_again_as_it_was(mixed: Served) -> None:
    say(mixed, "deep", "I look it up.", reasoning="It is winter.", tool_calls=(CALL,), finish="tool_calls")
    form: Any = {"format": {"type": "json_schema", "name": "cold", "schema": {"type": "object"}, "strict": True}}
    asked: Any = {
        **ASKED,
        "instructions": "Be brief.",
        "tools": [FUNCTION],
        "tool_choice": {"type": "function", "name": "weather"},
        "text": form,
        "temperature": 0.5,
        "metadata": {"team": "red"},
        "user": "u1",
        "reasoning": {"effort": "low", "summary": "auto"},
    }
    async with asking(mixed) as client:
        said = await client.responses.create(**asked)
        again = await client.responses.retrieve(said.id)
    assert again.to_dict() == said.to_dict()
    assert (said.temperature, said.metadata, said.user, said.tool_choice.to_dict()) == (
        0.5,
        {"team": "red"},
        "u1",
        {"type": "function", "name": "weather"},
    )
    assert said.output[0].to_dict()["summary"] == [{"type": "summary_text", "text": "It is winter."}]


async def test_an_output_goes_back_as_the_client_dumps_it(mixed: Served) -> None:
    say(mixed, "deep", "I look it up.", tool_calls=(CALL,), finish="tool_calls")
    async with asking(mixed) as client:
        said = await client.responses.create(**ASKED, tools=[FUNCTION])
        dumped = [item.model_dump() for item in said.output]
        result = {"type": "function_call_output", "call_id": said.output[-1].call_id, "output": "-3"}
        await client.responses.create(
            model="alpha", input=[{"role": "user", "content": "?"}, *dumped, result], tools=[FUNCTION]
        )
    assert [turn["role"] for turn in sent(mixed, "alpha")["messages"]] == ["user", "assistant", "tool"]


async def test_instructions_are_those_of_the_new_request_alone(mixed: Served) -> None:
    async with asking(mixed) as client:
        first = await client.responses.create(**ASKED, instructions="Be brief.")
        second = await client.responses.create(
            model="panel", input="And Rome?", previous_response_id=first.id, instructions="Be kind."
        )
        await client.responses.create(model="panel", input="And Bonn?", previous_response_id=second.id)
    turns = sent(mixed, "alpha")["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant", "user", "assistant", "user"]
    assert [turn["content"] for turn in turns[::2]] == ["How cold is Oslo?", "And Rome?", "And Bonn?"]
    record = await mixed.record(second.id)
    assert record["conversation"] == first.id.removeprefix("resp_")


async def test_a_class_of_data_holds_for_what_goes_on(tmp_path: Path) -> None:
    parts = messages.PARTS.replace('[providers.sim]\nuse = "openai"', '[providers.sim]\nuse = "openai"\ndata = ["eu"]')
    async with serving(tmp_path, SERVER, parts=parts) as served, asking(served) as client:
        first = await client.responses.create(model="alpha", input="A secret.", metadata={"data_class": "eu"})
        on: Any = {"input": "Tell it.", "previous_response_id": first.id}
        with pytest.raises(openai.UnprocessableEntityError, match="'eu' may not go to claude"):
            await client.responses.create(model="claude", **on)
        second = await client.responses.create(model="alpha", **on)
        assert (await served.record(second.id))["data_class"] == "eu"
        assert {one.model for one in served.simulator.served} == {"alpha"}


async def test_a_router_that_sticks_stays_with_who_answered_first(tmp_path: Path) -> None:
    parts = messages.PARTS + 'stick = "conversation"\n'
    async with serving(tmp_path, SERVER, parts=parts) as served, asking(served) as client:
        say(served, "claude")
        first = await client.responses.create(**ASKED)
        say(served, "alpha")
        second = await client.responses.create(model="panel", input="And Rome?", previous_response_id=first.id)
        third = await client.responses.create(model="panel", input="And Bonn?", previous_response_id=second.id)
    assert [said.model for said in (first, second, third)] == ["claude"] * 3


async def test_what_is_not_kept_or_of_another_key_is_404(mixed: Served) -> None:
    store = mixed.service.store
    mine = await store.change(lambda db: create(db, a_key("mine", ("use",))))
    other = await store.change(lambda db: create(db, a_key("other", ("use",))))
    async with asking(mixed, api_key=mine) as client, asking(mixed, api_key=other) as stranger:
        said = await client.responses.create(**ASKED)
        hidden = await client.responses.create(**ASKED, store=False)
        chat = await client.chat.completions.create(model="panel", messages=[{"role": "user", "content": "Why?"}])
        assert (hidden.to_dict()["store"], said.to_dict()["store"]) == (False, True)
        assert (await client.responses.retrieve(said.id)).output_text == said.output_text
        before = len(mixed.simulator.served)
        strange = chat.id.replace("chatcmpl-", "resp_")
        for who, id_ in ((stranger, said.id), (client, hidden.id), (client, strange), (client, "resp_nothing")):
            with pytest.raises(openai.NotFoundError) as missing:
                await who.responses.retrieve(id_)
            assert (missing.value.code, missing.value.param) == ("not_found", "id")
            with pytest.raises(openai.NotFoundError) as missing:
                await who.responses.create(**ASKED, previous_response_id=id_)
            assert (missing.value.code, missing.value.param) == ("not_found", "previous_response_id")
        assert len(mixed.simulator.served) == before
