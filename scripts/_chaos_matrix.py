"""Each fault in each place: what the client gets, when, what the log says of it, and what is left behind."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from scripts._chaos_proxy import BEFORE, SPOILT, Mode
from scripts._chaos_stage import DEADLINE_S, GOOD, MODELS, PANEL, Got, Stage, ask, logged, staged

if TYPE_CHECKING:
    from ensemble.simulator import Step

Place = Literal["one", "several", "all", "judge", "streamed", "leader"]
PLACES: tuple[Place, ...] = ("one", "several", "all", "judge", "streamed", "leader")
"""``streamed``: one member, and the client streams; ``leader``: the member whose answer is streamed as it comes."""
SPOILS: Mapping[Place, Sequence[str]] = {
    "one": ("large",),
    "several": ("large", "balanced"),
    "all": PANEL,
    "judge": ("judge",),
    "streamed": ("large",),
    "leader": ("large",),
}
MIDST = 2000
"""Bytes of a stream after which some of its text has gone out."""
KEPT = 16
"""Connections that may be kept alive to one provider between requests that come one after another."""
LATE_S = 0.3
"""What a loaded machine may add to a deadline before it counts as broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way to fail: a step of the simulator or a mode of the proxy; ``harmless`` where the answer is good."""

    name: str
    step: "Step | None" = None
    mode: Mode = "pass"
    harmless: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One fault in one place: what the client got (``told`` is an error's code), and how the ledger names the fault.

    ``failures`` are those of the spoilt alone: whether the others were done or are cancelled when a leader breaks
    depends on the machine. ``breaches`` are sentences, empty for none.
    """

    fault: str
    place: Place
    status: int
    seconds: float
    told: str
    failures: Sequence[str]
    breaches: Sequence[str]


def faults() -> list[Fault]:
    """Every fault by its name."""
    from ensemble.simulator import fault
    from ensemble.simulator.script import FAULTS

    options: dict[str, dict[str, Any]] = {
        "oversized": {"amount": 500_000},
        "trickle": {"amount": 0.02},
        "429": {"retry_after": 0.05},
    }
    played = [
        Fault(
            name=kind,
            step=fault(kind, text=GOOD, **options.get(kind, {})),
            harmless=kind in ("surrogates", "no_usage"),
        )
        for kind in FAULTS
    ]
    return played + [Fault(name=f"tcp {mode}", mode=mode, harmless=mode == "delay") for mode in SPOILT]


async def matrix(folder: Path, plan: Sequence[tuple[Fault, Place]]) -> list[Cell]:
    """Play ``plan`` one after another against one service, whose file descriptors are counted before and after."""
    cells = list[Cell]()
    before = len(os.listdir("/proc/self/fd"))
    async with staged(folder) as stage:
        await ask(stage, "panel", stream=False)  # whatever is opened once is open now
        await ask(stage, "led", stream=True)
        await stage.service.idle()
        tasks = _tasks()
        for one, place in plan:
            cells.append(await _play(stage, one, place, tasks))
        many = [name for name, proxy in stage.proxies.items() if proxy.connections > KEPT]
    left = len(os.listdir("/proc/self/fd")) - before
    breaches = [f"{left} file descriptors are left open"] if left > 0 else []
    breaches += [f"more than {KEPT} connections to {name} are open at the end" for name in many]
    if breaches:
        cells.append(Cell(fault="after all", place="all", status=0, seconds=0, told="", failures=(), breaches=breaches))
    return cells


async def _play(stage: Stage, one: Fault, place: Place, tasks: int) -> Cell:
    from ensemble.simulator import reply

    spoilt = SPOILS[place]
    for name in PANEL:
        stage.simulator.always(name, reply(f"{GOOD} So says {name}."))
    for name in spoilt:
        if one.step is not None:
            stage.simulator.always(name, one.step)
        stage.proxies[name].mode = one.mode
        stage.proxies[name].before = MIDST if place == "leader" else BEFORE
    arrived = {name: _arrived(stage, name) for name in MODELS}
    got = await ask(stage, "led" if place == "leader" else "panel", stream=place in ("streamed", "leader"))
    await stage.service.idle()
    for name in MODELS:
        stage.simulator.always(name, None)
        stage.proxies[name].mode = "pass"
    arrived = {name: _arrived(stage, name) - before for name, before in arrived.items()}
    record = await logged(stage, got.id)
    breaches = [
        *_served(one, place, got, record),
        *_told(one, place, got, record, spoilt),
        *_counted(one, arrived, record),
        *await _left(stage, tasks),
    ]
    named = (call["failure"] for call in record.get("calls", ()) if call["member"] in spoilt)
    failures = sorted({str(failure) for failure in named if failure is not None})
    return Cell(
        fault=one.name,
        place=place,
        status=got.status,
        seconds=got.seconds,
        told=got.error,
        failures=failures,
        breaches=breaches,
    )


def _served(one: Fault, place: Place, got: Got, record: Mapping[str, Any]) -> list[str]:
    """Whenever one candidate is good the client gets it in time; where none is, a documented error in time."""
    wrong = []
    if got.seconds > DEADLINE_S + LATE_S:
        wrong.append(f"the client waited {got.seconds:.2f} s, its deadline was {DEADLINE_S:g} s")
    if place == "leader":
        # What a leader has said is out; then its answer is broken, and the client is told so.
        good = got.text.strip() and not got.error
        if not good and got.error not in ("stream_broken", "deadline_exceeded"):
            wrong.append(f"the stream ended with {got.error or 'nothing'}")
        return wrong
    if place == "all" and not one.harmless:
        if got.error not in ("no_candidate", "deadline_exceeded"):
            wrong.append(f"without any candidate the client got {got.status} {got.error or got.text[:40]!r}")
        return wrong
    if got.error or not got.text.strip():
        wrong.append(f"a good candidate was there, and the client got {got.status} {got.error!r}")
    elif not any(one_["text"] == got.text for one_ in record.get("candidates", ())):
        wrong.append("the answer is none of the candidates in the log")
    return wrong


def _told(one: Fault, place: Place, got: Got, record: Mapping[str, Any], spoilt: Sequence[str]) -> list[str]:
    """The log says what happened: the status, who failed and how, and that no judge chose where none could."""
    if not record:
        return ["the request is not in the log"]
    wrong = []
    expected = {"failed"} if got.error else {"answered"}
    if record["status"] not in expected:
        wrong.append(f"the log says {record['status']}, the client got {got.status} {got.error}")
    failed = {call["member"] for call in record["calls"] if call["failure"] is not None}
    if not one.harmless and (silent := set(spoilt) - failed):
        wrong.append(f"the ledger names no failure of {', '.join(sorted(silent))}")
    if place == "judge" and not one.harmless and got.status == 200 and record["fallback"] is None:
        wrong.append("the judge failed, and the log does not say that a rule chose")
    if place == "judge" and not one.harmless and any(verdict["usable"] for verdict in record["verdicts"]):
        wrong.append("the judge failed, and its verdict is taken as a label")
    return wrong


def _counted(one: Fault, arrived: Mapping[str, int], record: Mapping[str, Any]) -> list[str]:
    """Every call that reached a provider is a line of the ledger; a line without a price is unknown, never 0."""
    wrong = []
    for name, count in arrived.items():
        lines = [call for call in record.get("calls", ()) if call["member"] == name and call["attempt"] > 0]
        if len(lines) < count or (one.mode == "pass" and len(lines) != count):
            wrong.append(f"{count} calls reached {name}, the ledger has {len(lines)}")
        wrong += [
            f"a good call of {name} costs {call['nano_usd']}"
            for call in lines
            if call["failure"] is None and call["nano_usd"] == 0
        ]
    return wrong


async def _left(stage: Stage, tasks: int) -> list[str]:
    """No task and no call is left once the request is over."""
    try:
        await stage.simulator.until(in_flight=0, timeout_s=2)
    except TimeoutError:
        return [f"{stage.simulator.in_flight()} calls are still open at the providers"]
    for _ in range(20):
        if _tasks() <= tasks:
            return []
        await asyncio.sleep(0.02)
    return [f"{_tasks() - tasks} tasks are left"]


def _tasks() -> int:
    """Tasks of the service, which has the process in common with its fleet and its client."""
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    files = [code.co_filename for code in codes if code is not None]
    return sum("/ensemble/" in file and "/simulator/" not in file for file in files)


def _arrived(stage: Stage, name: str) -> int:
    return sum(served.model == name for served in stage.simulator.served)
