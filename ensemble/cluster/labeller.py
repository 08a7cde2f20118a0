"""One labeller: an actor of Ray Data that has batches of prompts answered and judged, by the runner of one machine."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from ensemble.bench import open_pipeline
from ensemble.cluster.keeper import End, KeptStore, KeptTill, asked
from ensemble.cluster.rows import labels, understood
from ensemble.config import load
from ensemble.dialects import openai_chat
from ensemble.errors import ConfigError, EnsembleError, StoreError
from ensemble.labelling.rejects import Rejects
from ensemble.labelling.rows import Reject, Row, RowReader
from ensemble.labelling.runner import Options, Runner
from ensemble.pipeline import Pipeline
from ensemble.store.rows import prompt_hash
from judges.types import Prompt

_NOBODY = Rejects(Path(os.devnull))
"""Where rejects of a labeller go: there are none, since its keeper has them."""


class Labeller:
    """Labels batches; what it needs is opened with the first one, and ends with the process.

    Args:
        keeper: handle of the actor that has the log.
        config: the configuration, to be found by this path on every machine.
    """

    def __init__(self, keeper: Any, config: Path, options: Options, columns: Mapping[str, str]) -> None:
        self._keeper, self._config, self._options = keeper, config, options
        self._reader = RowReader(parse=_parse, columns=columns)
        self._opening = asyncio.Lock()
        self._pipeline: Pipeline | None = None
        self._stack = AsyncExitStack()

    async def __call__(self, batch: Any) -> AsyncIterator[Any]:
        """The labels of a ``batch`` of rows, once all of it is in the log."""
        try:
            rows = list(understood(batch, self._reader))
            if rejects := [one for one in rows if isinstance(one, Reject)]:
                await asked(self._keeper, "rejected", rejects)
            good = [one for one in rows if isinstance(one, Row)]
            await self._all(good, owner=rows[0].position if rows else 0)
            found = await labels(KeptStore(self._keeper), self._options.run, good)
        except (EnsembleError, ConfigError, StoreError) as error:
            await asked(self._keeper, "end", End("failed", str(error)))
            raise
        yield found

    async def _all(self, rows: list[Row], owner: int) -> None:
        """Label ``rows``: first those whose prompts nobody else has under way, then the others."""
        hashes = [prompt_hash(row.prompt) for row in rows]
        left = list(zip(hashes, rows, strict=True))
        while left and await asked(self._keeper, "ended") is None:
            mine = await asked(self._keeper, "claim", owner, [hash_ for hash_, _ in left])
            try:
                await self._some([row for hash_, row in left if hash_ in mine])
            finally:
                await asked(self._keeper, "release", owner)
            left = [(hash_, row) for hash_, row in left if hash_ not in mine]

    async def _some(self, rows: list[Row]) -> None:
        pipeline = await self._opened()
        runner = Runner(pipeline, self._options, till=KeptTill(self._keeper))
        watching = asyncio.get_running_loop().create_task(self._watch(runner))
        try:
            outcome = await runner.label(iter(rows), _NOBODY)
        finally:
            watching.cancel()
            await asyncio.wait([watching])
            await asked(self._keeper, "count", runner.tally)
        if outcome.stopped is not None:
            await asked(self._keeper, "end", End(type(outcome.stopped).__name__, str(outcome.stopped)))

    async def _watch(self, runner: Runner) -> None:
        end: End = await asked(self._keeper, "until_end")
        runner.stop(end.why)

    async def _opened(self) -> Pipeline:
        async with self._opening:
            if self._pipeline is None:
                settings = await asyncio.to_thread(load, self._config)
                self._options = replace(self._options, classifier=settings.labelling.domain)
                opening = open_pipeline(settings, KeptStore(self._keeper))
                self._pipeline = await self._stack.enter_async_context(opening)
            return self._pipeline


def _parse(body: bytes) -> Prompt:
    return openai_chat.parse(body).prompt
