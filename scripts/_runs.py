"""What the long runs share: a recording, a configuration, the server as a process of its own, and the official client.

Recording and prices are read here apart from the product, so that what is checked and what checks it have no code in
common.
"""

import asyncio
import gzip
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import AsyncOpenAI

EVALUATOR = "recorded-evaluator"
"""What the simulated fleet calls the judge that repeats recorded preferences."""
PANEL = "panel"
"""The router that every run asks."""
START_S, STOP_S, REPLY_S = 60.0, 60.0, 180.0


class RunFailed(Exception):
    """The run itself could not be made, so nothing was found out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens."""

    input: Decimal
    output: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A prompt with what each model answered and how often, in [0, 1], an evaluator preferred that to a baseline."""

    prompt: str
    outputs: Mapping[str, str]
    preferences: Mapping[str, float]

    @property
    def usable(self) -> Mapping[str, str]:
        """The outputs that are not empty."""
        return {model: text for model, text in self.outputs.items() if text.strip()}

    def worth(self, text: str) -> float:
        """The recorded preference for ``text``: the highest where several models said it, 0 where none did."""
        said = (self.preferences[model] for model, output in self.outputs.items() if output == text)
        return max(said, default=0.0)


def read_questions(path: Path, limit: int | None = None) -> list[Question]:
    """The first ``limit`` questions of a recording in the format of ``alpaca_fleet``.

    Raises:
        RunFailed: it is in another one.
    """
    questions: list[Question] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            if len(questions) == limit:
                break
            row = json.loads(line)
            try:
                outputs = {name: said["output"] for name, said in row["models"].items()}
                preferences = {name: said["preference"] for name, said in row["models"].items()}
                questions.append(Question(prompt=row["prompt"], outputs=outputs, preferences=preferences))
            except KeyError as missing:
                raise RunFailed(f"{path} is no recording as alpaca_fleet.jsonl.gz: a line lacks {missing}") from missing
    return questions


def write_recording(path: Path, questions: Sequence[Question]) -> None:
    """Write ``questions`` in that format."""
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as lines:
        for at, question in enumerate(questions):
            models = {
                name: {"output": text, "preference": question.preferences[name]}
                for name, text in question.outputs.items()
            }
            lines.write(json.dumps({"id": f"made-{at}", "prompt": question.prompt, "models": models}) + "\n")


def configuration(base_url: str, prices: Mapping[str, Price], members: Sequence[str], database: Path) -> str:
    """A panel of ``members`` with the evaluator as its judge, as a TOML file. ``prices`` holds all of them."""
    lines = [
        "[providers.simulated]",
        'use = "openai"',
        f"base_url = {json.dumps(base_url)}",
        "[judges.recorded]",
        'use = "pairwise"',
        f"model = {json.dumps(EVALUATOR)}",
        f"[routers.{PANEL}]",
        'use = "parallel"',
        f"members = {json.dumps(list(members))}",
        'judge = "recorded"',
        f"deadline_s = {REPLY_S - 30:g}",
        "[store]",
        f"path = {json.dumps(str(database.resolve()))}",
        "[server]",
        "port = 0",
    ]
    for name in (*members, EVALUATOR):
        price = prices[name]
        lines += [
            f"[members.{json.dumps(name)}]",
            'provider = "simulated"',
            f"model = {json.dumps(name)}",
            f"price = {{ input = {price.input}, output = {price.output} }}",
        ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running ``ensemble serve``; ``url`` ends with ``/v1``."""

    process: asyncio.subprocess.Process
    url: str

    def client(self) -> "AsyncOpenAI":
        """The official client, without retries: a request that is lost must show. Use it as a context manager."""
        from openai import AsyncOpenAI

        return AsyncOpenAI(base_url=self.url, api_key="none", max_retries=0, timeout=REPLY_S)

    async def kill(self) -> None:
        """End the process at once, by SIGKILL."""
        self.process.kill()
        await self.process.wait()


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[Server]:
    """Run ``ensemble serve`` on ``config`` in a process of its own; what it logs goes to a file beside it.

    Raises:
        RunFailed: it does not start; the message ends with what it said.
    """
    log = config.with_suffix(".log")
    # What an operator's environment says of the service must not reach this one.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ENSEMBLE_")}
    command = [str(Path(sys.executable).with_name("ensemble")), "serve", "--quiet", "--config", str(config)]
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=errors, env=environment
        )
    try:
        yield Server(process=process, url=await _address(process, log))
    finally:
        await _stop(process)


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    assert process.stdout is not None  # noqa: S101 - for the type checker: it is a pipe
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode()
    except TimeoutError:
        line = ""
    found = re.search(r"http://\S+/v1", line)
    if found is None:
        raise RunFailed(f"ensemble serve did not start: {_last_words(log)}")
    return found[0]


def _last_words(log: Path) -> str:
    said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " | ".join(said[-8:]) or "it said nothing"


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer that has come in whole.

    Attributes:
        id: the request's, from the header.
        models: every name that the reply gave as ``model``; more than one is a fault.
        winner: who won according to the header, or to the last chunk of a stream.
        usd: what the request has cost according to the same place, None where it was unknown.
        at: position of the question.
    """

    id: str
    models: frozenset[str]
    winner: str
    usd: Decimal | None
    text: str
    seconds: float
    streamed: bool
    at: int


def client_errors() -> tuple[type[Exception], ...]:
    """What ``ask`` raises where no whole reply comes."""
    from httpx2 import HTTPError
    from openai import OpenAIError

    return OpenAIError, HTTPError, RunFailed


async def ask(client: "AsyncOpenAI", prompt: str, *, stream: bool, at: int, model: str = PANEL) -> Reply:
    """Ask a router; raises one of ``client_errors``, also for a stream that ends before its last chunk."""
    begin = time.monotonic()
    came = await (_streamed if stream else _whole)(client, prompt, model)
    return Reply(**came, seconds=time.monotonic() - begin, streamed=stream, at=at)


async def _whole(client: "AsyncOpenAI", prompt: str, model: str) -> dict[str, Any]:
    raw = await client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": prompt}]
    )
    said = raw.parse()
    return {
        "id": raw.headers["x-ensemble-request-id"],
        "models": frozenset({said.model}),
        "winner": raw.headers["x-ensemble-winner"],
        "usd": _usd(raw.headers["x-ensemble-cost-usd"]),
        "text": said.choices[0].message.content or "",
    }


async def _streamed(client: "AsyncOpenAI", prompt: str, model: str) -> dict[str, Any]:
    raw = await client.chat.completions.with_raw_response.create(
        model=model, messages=[{"role": "user", "content": prompt}], stream=True
    )
    models, pieces, about = set[str](), list[str](), dict[str, Any]()
    async for chunk in raw.parse():
        models.add(chunk.model)
        pieces += [choice.delta.content or "" for choice in chunk.choices]
        about = (chunk.model_extra or {}).get("ensemble") or about
    if not about:
        raise RunFailed("a stream ended before its last chunk")
    return {
        "id": raw.headers["x-ensemble-request-id"],
        "models": frozenset(models),
        "winner": about["winner"],
        "usd": _usd(about["cost"]["usd"]),
        "text": "".join(pieces),
    }


def _usd(text: str | None) -> Decimal | None:
    return None if text in (None, "unknown") else Decimal(str(text))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """An aligned Markdown table; every column but the first is flushed right where all of it is numbers."""
    cells = [head, *rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    right = [all(re.fullmatch(r"[-+]?[\d,.]+( s| ± [\d.]+)?", row[at]) for row in rows) for at in range(len(head))]
    marks = ["-" * (width - 1) + (":" if at_right else "-") for width, at_right in zip(widths, right, strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if at_right else cell.ljust(width)
            for cell, width, at_right in zip(row, widths, right, strict=True)
        ]
        return f"| {' | '.join(padded)} |"

    return "\n".join([line(head), line(marks), *map(line, rows)])
