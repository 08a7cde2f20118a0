"""``scripts/chaos`` in small, and what it must notice. The command plays all of it: it is too long for this suite."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ensemble.simulator import fault, status
from scripts import _chaos_matrix as played
from scripts._chaos_matrix import Fault, Place, matrix
from scripts._chaos_outage import storm
from scripts._chaos_proxy import Mode, Proxy
from scripts._chaos_stage import GOOD, Got
from scripts._chaos_store import FAULTS, _tried
from scripts.chaos import PROMISES, plan

CELLS: list[tuple[Fault, Place]] = [
    (Fault(name="html", step=fault("html")), "several"),
    (Fault(name="500", step=status(500)), "all"),
    (Fault(name="tcp reset", mode="reset"), "judge"),
    (Fault(name="tcp hang up", mode="hang up"), "streamed"),
    (Fault(name="cut", step=fault("cut", text=GOOD)), "leader"),
]


async def test_promises_hold_in_a_part_of_the_matrix(tmp_path: Path) -> None:
    cells = await matrix(tmp_path, CELLS)
    assert [cell.breaches for cell in cells] == [[]] * len(CELLS)
    assert [cell.failures for cell in cells] == [
        ["bad_reply"], ["overloaded"], ["cut_stream"], ["cut_stream"], ["cut_stream"],
    ]  # fmt: skip
    assert [cell.told for cell in cells] == ["", "no_candidate", "", "", "stream_broken"]


RECORD: dict[str, Any] = {
    "status": "answered",
    "fallback": "member_order",
    "calls": [{"member": "judge", "failure": "timeout", "attempt": 1, "nano_usd": None}],
    "candidates": [{"text": GOOD}],
    "verdicts": [{"usable": False}],
}
HTML = CELLS[0][0]
ANSWER = Got(id="1", status=200, seconds=0.1, text=GOOD)


@pytest.mark.parametrize(
    ("got", "changes", "word"),
    [
        (replace(ANSWER, seconds=9.0), {}, "waited"),
        (replace(ANSWER, status=502, text="", error="none"), {"status": "failed"}, "a good candidate was there"),
        (replace(ANSWER, text="of nobody"), {}, "none of the candidates"),
        (ANSWER, {"status": "failed"}, "the log says failed"),
        (ANSWER, {"fallback": None}, "does not say that a rule chose"),
        (ANSWER, {"verdicts": [{"usable": True}]}, "taken as a label"),
        (ANSWER, {"calls": []}, "names no failure of judge"),
    ],
)
def test_a_breach_is_told(got: Got, changes: dict[str, Any], word: str) -> None:
    record = RECORD | changes
    told = [*played._served(HTML, "judge", got, record), *played._told(HTML, "judge", got, record, ["judge"])]
    assert len(told) == 1
    assert word in told[0]


def test_a_call_that_is_not_in_the_ledger_is_told() -> None:
    assert played._counted(HTML, {"judge": 1}, RECORD) == []
    assert played._counted(HTML, {"judge": 2}, RECORD) == ["2 calls reached judge, the ledger has 1"]


async def test_a_log_that_another_program_holds_loses_nothing(tmp_path: Path) -> None:
    one = next(one for one in FAULTS if one.name == "locked, with a spill")
    trial = await _tried(one, tmp_path / "log")
    assert (trial.answered, trial.refused, trial.breaches) == (6, 0, [])


async def test_a_storm_of_retries_stays_within_the_limits(tmp_path: Path) -> None:
    acts = await storm(tmp_path / "storm", seconds=1.5)
    assert [act.breaches for act in acts] == [[]] * 3


def test_every_fault_is_played_on_one_member_and_by_full_everywhere() -> None:
    some, every = plan(0, full=False), plan(0, full=True)
    names = {fault.name for fault, _ in every}
    assert len(names) >= 20
    assert {fault.name for fault, place in some if place == "one"} == names
    assert len(some) < len(every) == 6 * len(names)


@pytest.mark.parametrize(
    ("mode", "came"),
    [("pass", b"HTTP/1.1 200 OK\r\n\r\nabcdefgh"), ("corrupt", b"HTTP/1.1 200 OK\r\n\r\n\xffbcdefg\xff")],
)
async def test_the_proxy_spoils_what_it_is_told_to(mode: Mode, came: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nabcdefgh")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, Proxy(server.sockets[0].getsockname()[1]) as proxy:
        proxy.mode = mode
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == came
        writer.close()


def test_the_readme_makes_the_same_promises() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert [promise for promise in PROMISES if promise not in " ".join(readme.split())] == []
