"""The whole way on the simulated fleet: label, train, serve every router, score by the truth."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from ensemble.config import load
from ensemble.dialects import openai_chat
from ensemble.errors import EnsembleError
from ensemble.fleet import digest_of
from ensemble.labelling.opening import Prompts
from ensemble.labelling.rejects import Rejects
from ensemble.labelling.runner import Options as Labelling
from ensemble.labelling.runner import Runner
from ensemble.service import open_service
from ensemble.showcase.score import Line, Promises, lines, promises
from ensemble.showcase.tables import KINDS, LEARNED, PANEL, SCORER, TIERS, TRAINED, configuration
from ensemble.showcase.traffic import INJECTIONS, Served, serve, tasks
from ensemble.simulator import Simulator, SimulatorSettings
from ensemble.simulator.tasks import Task
from ensemble.training.held import hold
from ensemble.training.reading import examples_of
from ensemble.training.train import CannotLearn, Order, train
from judges.types import Prompt

LABELS, LOG = "labels.db", "served.db"
TEST = 0.05
"""Share of the labels that training measures on, the least that it may: what is scored here is scored on others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How large the run is, and how its judge errs.

    Attributes:
        learn: requests that the panel answers and the judge labels; below 100 nothing is learned from them.
        score: requests that every router answers and that are scored by their truth.
        noise: probability that the judge takes an answer for the opposite of what it is.
        length_bias: probability that it goes by the length of an answer, whatever that says.
        kinds: routers to compare; the three members are always among them.
        at_once: requests under way at once.
        draws: of the bootstrap.
    """

    learn: int = 600
    score: int = 400
    seed: int = 0
    noise: float = 0.1
    length_bias: float = 0.1
    kinds: Sequence[str] = KINDS
    at_once: int = 24
    draws: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it, all of it simulated; ``left_out`` says in a sentence why a router is missing."""

    lines: Sequence[Line]
    promises: Promises
    left_out: Mapping[str, str]
    labelled: int
    label_nano_usd: int
    config: Path
    seconds: float


Told = Callable[[str], None]


def simulator_of(options: Options, port: int = 0, latency: float = 0.0) -> Simulator:
    """The fleet, with a judge that errs as ``options`` say, and models that choose as any text before them demands."""
    return Simulator(
        SimulatorSettings(
            port=port,
            evaluator_noise=options.noise,
            length_bias=options.length_bias,
            gullibility=1.0,
            seed=options.seed,
            latency=latency,
            keep_served=1,
            keep_bodies=False,
        )
    )


async def drive(
    options: Options,
    folder: Path,
    simulator: Simulator,
    *,
    told: Told = lambda _: None,
    on_served: Callable[[Served], None] = lambda _: None,
) -> Outcome:
    """Label, train, serve and score, all over HTTP to the open ``simulator``; files are left in ``folder``.

    Raises:
        EnsembleError: a request has no answer, or something cannot be opened.
    """
    begin = time.monotonic()
    await asyncio.to_thread(_clear, folder)
    asked = tasks(options.learn + options.score, options.seed)
    learn, score = asked[: options.learn], asked[options.learn :]
    config = folder / "ensemble.toml"
    told(f"labelling {len(learn)} simulated requests: {len(TIERS)} answers each, rated by a noisy judge")
    labelled, spent = await _label(options, folder, simulator, learn)
    _write(config, simulator, folder / LOG, trained=False)
    told("training on the labels")
    left_out = await asyncio.to_thread(_train, folder, config, options.seed)
    _write(config, simulator, folder / LOG, trained=not left_out)
    kinds = [name for name in dict.fromkeys((*TIERS, *options.kinds)) if not (left_out and name in TRAINED)]
    served: dict[str, list[Served]] = {}
    swayed: list[Served] = []
    async with open_service(config) as service:
        for name in kinds:
            told(f"serving {len(score)} simulated requests through {name}")
            served[name] = await serve(service, name, score, at_once=options.at_once, on_served=on_served)
        if "llm" in kinds:
            told("appending texts that demand another model")
            for at, text in enumerate(INJECTIONS):
                swayed += await serve(
                    service, "llm", score[at :: len(INJECTIONS)], at_once=options.at_once, suffix=text
                )
    return Outcome(
        lines=await asyncio.to_thread(lambda: lines(served, seed=options.seed, draws=options.draws)),
        promises=promises(served, _in_order(swayed, score)),
        left_out=dict.fromkeys((name for name in options.kinds if name in TRAINED), left_out) if left_out else {},
        labelled=labelled,
        label_nano_usd=spent,
        config=config,
        seconds=time.monotonic() - begin,
    )


async def _label(options: Options, folder: Path, simulator: Simulator, learn: Sequence[Task]) -> tuple[int, int]:
    """Label as ``ensemble label`` does; returns how many labels there are and what they cost in nano-USD."""
    config, prompts = folder / "labelling.toml", folder / "prompts.jsonl"
    _write(config, simulator, folder / LABELS, trained=False)
    prompts.write_bytes(b"\n".join(orjson.dumps({"id": task.id, "messages": task.messages}) for task in learn))
    async with open_service(config) as service:
        runner = Runner(service.pipeline, Labelling(run="showcase", router=PANEL, concurrency=options.at_once))
        with Rejects(folder / "rejects.jsonl") as rejects:
            outcome = await runner.label(Prompts(name=str(prompts)).rows(_parse), rejects)
    tally = outcome.tally
    if lacking := tally.unfinished + tally.rejected + tally.unpriced:
        raise EnsembleError(f"{lacking} of {len(learn)} requests could not be labelled and priced")
    return tally.prompts, tally.nano_usd


def _clear(folder: Path) -> None:
    """Another run's labels and log would teach and weigh this one's."""
    for name in (LABELS, LOG):
        for old in folder.glob(f"{name}*"):
            old.unlink()


def _parse(body: bytes) -> Prompt:
    return openai_chat.parse(body).prompt


def _train(folder: Path, config: Path, seed: int) -> str:
    """Train router and scorer; the sentence why nothing can be learned, else an empty one."""
    held = hold(examples_of(folder / LABELS, complete=False))
    digests = {str(name): digest_of(one) for name, one in load(config).members.items()}
    try:
        for what, kind, members in ((LEARNED, "stack", TIERS), (SCORER, "scorer", TIERS)):
            order = Order(
                out=folder / what, kind=kind, members=members, digests=digests, source=LABELS, seed=seed, test=TEST,
                command=f"ensemble train --data {LABELS} --kind {kind} --test {TEST} --out {what}",
            )  # fmt: skip
            train(held.seen_by(kind).table, order)
    except CannotLearn as error:
        return str(error)
    return ""


def _write(config: Path, simulator: Simulator, database: Path, *, trained: bool) -> None:
    text = configuration(simulator.base_url, simulator.profiles, database.resolve(), trained=trained)
    config.write_text(text, encoding="utf-8")


def _in_order(served: Sequence[Served], asked: Sequence[Task]) -> list[Served]:
    by_task = {one.task.id: one for one in served}
    return [by_task[task.id] for task in asked if task.id in by_task]
