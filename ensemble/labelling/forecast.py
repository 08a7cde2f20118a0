"""What a run would do and cost, found out without a call: from the prompts, the log, and what members used to say."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import Any

from ensemble.bounds import most_nano_usd, most_tokens
from ensemble.fitness import estimate_tokens
from ensemble.fleet import Member
from ensemble.labelling.entry import NO_PLAN, Desk
from ensemble.labelling.filling import Job
from ensemble.labelling.panel import seats_of
from ensemble.labelling.rehearsal import Page, rehearse
from ensemble.labelling.rows import Reject, Row
from ensemble.labelling.runner import CHUNK, Options, Source
from ensemble.labelling.tally import Tally
from ensemble.pipeline import Pipeline
from ensemble.plurals import counted
from ensemble.store.filling import held, history
from ensemble.store.rows import prompt_hash
from judges.types import Prompt, Usage

_BYTES_PER_TOKEN = 4  # near the mean for English text


@dataclass(slots=True)
class Forecast:
    """What was found out.

    Attributes:
        rows: rows read, rejects included; ``rejected`` those that cannot be used, ``rejection`` why the first cannot.
        prompts: different prompts among them; ``stored`` those that lack nothing but perhaps a verdict.
        calls: calls to make, by member; ``judge_calls`` those of judges at most, where no reply is cut off.
        expected_nano_usd: what that costs if members go on as in the log; None where a price is unknown.
        most_nano_usd: what it can cost, each call made once; None where a price or a limit is unknown.
        basis: by member, what the expectation rests on.
        scale: by how much all counts were multiplied, for a sample; 1 where all rows were read.
    """

    rows: int = 0
    rejected: int = 0
    rejection: str | None = None
    prompts: int = 0
    stored: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    judge_calls: Counter[str] = field(default_factory=Counter)
    expected_nano_usd: int | None = 0
    most_nano_usd: int | None = 0
    basis: dict[str, str] = field(default_factory=dict)
    problems: Counter[str] = field(default_factory=Counter)
    scale: float = 1.0

    def add(self, expected: int | None, most: int | None) -> None:
        """Add the cost of one call."""
        self.expected_nano_usd = _sum(self.expected_nano_usd, expected)
        self.most_nano_usd = _sum(self.most_nano_usd, most)

    def plain(self) -> dict[str, Any]:
        """As JSON; a sample is scaled up to the whole, counts rounded."""
        by = self.scale
        return {
            "rows": round(self.rows * by),
            "rejected": round(self.rejected * by),
            "rejection": self.rejection,
            "prompts": round(self.prompts * by),
            "stored": round(self.stored * by),
            "calls": {name: round(count * by) for name, count in self.calls.items()},
            "judge_calls_at_most": {name: round(count * by) for name, count in self.judge_calls.items()},
            "expected_nano_usd": None if self.expected_nano_usd is None else round(self.expected_nano_usd * by),
            "most_nano_usd": None if self.most_nano_usd is None else round(self.most_nano_usd * by),
            "basis": self.basis,
            "problems": dict(self.problems),
            "sampled_rows": self.rows if by != 1 else None,
        }


@dataclass(slots=True)
class _Habit:
    """How a member answers: mean output tokens, the share of tokens to bytes of input, and how that is known."""

    output: float | None
    told: str


class Forecaster:
    """Looks at prompts as a run with ``options`` would, and writes nothing. It keeps some 60 bytes per prompt."""

    def __init__(self, pipeline: Pipeline, options: Options) -> None:
        self._pipeline, self._batch = pipeline, options.via == "batch"
        self._desk = Desk(
            pipeline=pipeline,
            tally=Tally(),
            run=options.run,
            router=options.router,
            judge=options.judge,
            members=options.members,
        )
        self._seen: set[int] = set()
        self._pages: dict[tuple[str, int], list[Page]] = {}
        self._habits: dict[tuple[str, bool], _Habit] = {}
        self._now = datetime.now(UTC)
        self.forecast = Forecast()

    async def look(self, source: Source) -> Forecast:
        """Take in every row of ``source``. Raises as a run does."""
        while chunk := await asyncio.to_thread(lambda: list(islice(source, CHUNK))):
            rows = [row for row in chunk if isinstance(row, Row)]
            self.forecast.rows += len(chunk)
            self.forecast.rejected += len(chunk) - len(rows)
            if self.forecast.rejection is None and len(rows) < len(chunk):
                first = next(row for row in chunk if isinstance(row, Reject))
                self.forecast.rejection = f"line {first.position}: {first.reason}"
            await self._take(rows)
        return self.forecast

    async def _take(self, rows: Sequence[Row]) -> None:
        new: dict[str, Row] = {}
        for row in rows:
            hash_ = prompt_hash(row.prompt)
            if (short := int(hash_[:16], 16)) not in self._seen:
                self._seen.add(short)
                new[hash_] = row
        known = await self._pipeline.store.read(partial(held, hashes=list(new)))
        for hash_, row in new.items():
            job = await self._desk.preview(row, known.get(hash_))
            self.forecast.prompts += 1
            if job is None:
                self.forecast.problems[f"{NO_PLAN} without asking a model"] += 1
            else:
                await self._count(job)

    async def _count(self, job: Job) -> None:
        forecast, fleet = self.forecast, self._pipeline.fleet
        seats = seats_of(job.plan, job.held.candidates, fleet)
        ask = [seat for seat in seats.lack if seat.member in fleet and (not job.only or seat.member in job.only)]
        forecast.stored += not ask
        for seat in ask:
            forecast.calls[seat.member] += 1
            await self._cost(fleet[seat.member], job.held.prompt)
        name = job.plan.stages[0].judge
        panel = len(seats.have) + len(ask)
        # With nothing to call, a verdict that stands is taken as it is; whether it does is found out by the run.
        if name is None or (not ask and job.held.ruled is not None and self._stands(job, name)):
            return
        for page in await self._asked(name, panel):
            forecast.judge_calls[page.member] += 1
            await self._page_cost(page, job)

    def _stands(self, job: Job, name: str) -> bool:
        ruled = job.held.ruled
        return ruled is not None and ruled.stands and ruled.judge == self._pipeline.judges[name].digest

    async def _asked(self, name: str, panel: int) -> list[Page]:
        if (name, panel) not in self._pages:
            pages = await rehearse(self._pipeline.judges[name], panel, self._pipeline.fleet)
            self._pages[name, panel] = pages
        return self._pages[name, panel]

    async def _cost(self, member: Member, prompt: Prompt) -> None:
        ready, _ = member.prepare(prompt, "candidate")
        habit = await self._habit(member, judge=False)
        output = habit.output if habit.output is not None else ready.max_output_tokens
        expected = self._price(member, estimate_tokens(ready), output)
        self.forecast.add(expected, most_nano_usd(member, prompt, "candidate", self._now, batch=self._batch))

    async def _page_cost(self, page: Page, job: Job) -> None:
        fleet = self._pipeline.fleet
        member = fleet[page.member]
        habit = await self._habit(member, judge=True)
        limit = min((n for n in (page.most_output, member.settings.max_output_tokens) if n is not None), default=None)
        written = [await self._habit(fleet[one], judge=False) for one in job.plan.stages[0].members if one in fleet]
        known = [one.output for one in written if one.output is not None]
        each = sum(known) / len(known) if known else _mean_limit(job, fleet)
        frame = page.frame_bytes / _BYTES_PER_TOKEN + estimate_tokens(job.held.prompt)
        size = None if each is None else frame + page.shown * each
        output = habit.output if habit.output is not None else limit
        longest = _most_limit(job, fleet)
        bytes_ = most_tokens(job.held.prompt)
        bound = None if longest is None or bytes_ is None else page.frame_bytes + bytes_ + page.shown * longest
        self.forecast.add(self._price(member, size, output), self._price(member, bound, limit))

    def _price(self, member: Member, given: float | None, made: float | None) -> int | None:
        price = member.price(self._now)
        if price is None or given is None or made is None:
            return None
        usage = Usage(input_tokens=round(given), output_tokens=round(made))
        return price.cost(usage, batch=self._batch)

    async def _habit(self, member: Member, *, judge: bool) -> _Habit:
        key = member.name, judge
        if key not in self._habits:
            ask = partial(history, member=member.name, digest=member.digest, judge=judge)
            count, _, made = await self._pipeline.store.read(ask)
            limit = member.settings.max_output_tokens
            known = f"its limit of {limit} tokens" if limit else "the judge's limit" if judge else "nothing"
            told = f"{counted(count, 'call')} in the log" if count else known
            self._habits[key] = _Habit(made if count else None, told)
            self.forecast.basis[f"{member.name} as a judge" if judge else member.name] = told
        return self._habits[key]


def _limits(job: Job, fleet: Any) -> list[int | None]:
    asked = job.held.prompt.max_output_tokens
    own = [fleet[one].settings.max_output_tokens for one in job.plan.stages[0].members if one in fleet]
    return [min((n for n in (asked, limit) if n is not None), default=None) for limit in own]


def _mean_limit(job: Job, fleet: Any) -> float | None:
    known = [limit for limit in _limits(job, fleet) if limit is not None]
    return sum(known) / len(known) if known else None


def _most_limit(job: Job, fleet: Any) -> int | None:
    limits = _limits(job, fleet)
    return None if None in limits else max((limit for limit in limits if limit is not None), default=0)


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def sample(source: Source, size: int, seed: int = 0) -> tuple[list[Any], int]:
    """``size`` rows of ``source`` drawn evenly (Vitter's algorithm R, 1985), and how many there were. Blocks."""
    import random

    draw = random.Random(seed)  # noqa: S311 - no secret
    kept: list[Any] = []
    count = 0
    for count, row in enumerate(source, 1):
        if len(kept) < size:
            kept.append(row)
        elif (at := draw.randrange(count)) < size:
            kept[at] = row
    return kept, count
