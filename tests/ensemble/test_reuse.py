"""Equal calls that are under way at the same moment, on a virtual clock; over HTTP they are in tests/stories."""

import asyncio

import pytest

from ensemble.answers import Flying
from ensemble.errors import DeadlineExceeded
from ensemble.types import Request
from tests.ensemble.doubles import NothingKept, a_fleet, a_member, a_request
from tests.ensemble.engine import a_pipeline, panel
from tests.virtual import run_virtual


def asked(flying: Flying, seconds: float) -> Request:
    request = a_request(seconds=seconds, kept=NothingKept(flying))
    flying.board(request.id)
    return request


def test_who_waits_for_an_equal_call_keeps_to_its_own_times() -> None:
    async def main() -> None:
        fleet, wires = a_fleet(a=a_member("a", delay_s=50), b=a_member("b", "b"))
        patient, _ = a_pipeline(fleet, panel("a"))
        hurried, kept = a_pipeline(fleet, panel("a", "b", call_timeout_s=3))
        flying, clock = Flying(), asyncio.get_running_loop().time
        first = asyncio.get_running_loop().create_task(patient.answer(asked(flying, 600)))
        await asyncio.sleep(1)
        begin = clock()
        answer = await hurried.answer(asked(flying, 600))
        assert answer.member == "b"
        assert clock() - begin == pytest.approx(3, abs=0.1)
        lost = next(call for call in kept.records[0].calls if call.member == "a")
        assert (lost.failure, lost.attempt, lost.usage.nano_usd) == ("timeout", 0, 0)
        assert kept.records[0].rulings[0].panel == (answer.chosen.id,)
        begin = clock()
        with pytest.raises(DeadlineExceeded, match="a: timeout"):
            await patient.answer(asked(flying, 5))
        assert clock() - begin == pytest.approx(5, abs=0.1)
        assert (await first).member == "a"
        assert len(wires["a"].prompts) == 1

    run_virtual(main())
