"""Every line of the ledger says what carried the call."""

from tests.served import Served


async def test_the_ledger_names_the_transport(served: Served, transport: str) -> None:
    status, _, headers = await served.post()
    assert status == 200
    record = await served.record(headers["x-ensemble-request-id"])
    assert [call["transport"] for call in record["calls"]] == [transport] * 3


async def test_and_so_it_does_beside_another_wire_format(mixed: Served, transport: str) -> None:
    status, _, headers = await mixed.post()
    assert status == 200
    record = await mixed.record(headers["x-ensemble-request-id"])
    assert {call["transport"] for call in record["calls"]} == {transport}
