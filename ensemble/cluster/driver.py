"""A labelling run on a cluster of Ray, from the process that the operator started."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ensemble.bench import open_pipeline
from ensemble.cluster.keeper import End, Keeper, KeptStore, asked
from ensemble.cluster.labeller import Labeller
from ensemble.cluster.rows import BLOCK, source
from ensemble.config import Settings
from ensemble.errors import ConfigError, EnsembleError, InvalidRequest, StoreError
from ensemble.labelling.cashier import CapReached, LockedOut, Stopped
from ensemble.labelling.checks import check
from ensemble.labelling.opening import Prompts
from ensemble.labelling.runner import Options, Outcome
from ensemble.labelling.tally import Tally

LABELLERS = 2
BLOCK_BYTES = 256_000
"""About the most bytes of prompts in one block, so that there are blocks for every labeller."""
SHARD_ROWS = 10_000
STORE_BYTES = 200_000_000
LOOK_S = 0.5
_ENDS = {one.__name__: one for one in (CapReached, LockedOut, Stopped)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """What is asked of the cluster.

    Attributes:
        labellers: actors, each with ``Options.concurrency`` prompts under way.
        out: the folder that gets the shards.
        rejects: the file for rows that cannot be used.
    """

    labellers: int = LABELLERS
    out: Path
    rejects: Path


def check_cluster(settings: Settings, options: Options, cluster: Cluster) -> None:
    """Refuse what the cluster cannot do.

    Raises:
        ConfigError: the extra is missing, or limits would hold for each labeller instead of for all.
        InvalidRequest: something else is in the folder.
    """
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise ConfigError('--engine ray needs Ray Data: pip install "ensemble-judges[ray]"')
    if options.via == "batch":
        raise InvalidRequest("--engine ray asks online; --via batch needs no cluster")
    limited = [
        name
        for name, one in settings.providers.items()
        if one.requests_per_minute is not None or one.tokens_per_minute is not None
    ]
    if limited and settings.shared.url is None and cluster.labellers > 1:
        raise ConfigError(
            f"[providers.{limited[0]}] has limits, and each of {cluster.labellers} labellers would take the whole of "
            "them; name a Redis in [shared] url, which keeps them together, or take --labellers 1"
        )
    strange = [path.name for path in _inside(cluster.out) if path.suffix != ".parquet"]
    if strange or (cluster.out.exists() and not cluster.out.is_dir()):
        told = f"holds {strange[0]!r}" if strange else "is no folder"
        raise InvalidRequest(f"{cluster.out} {told}; name another folder for the shards with --out")


async def checked(settings: Settings, options: Options) -> None:
    """Refuse a run that cannot be made, before any cluster is begun. Raises ConfigError."""
    async with open_pipeline(settings, KeptStore(None)) as pipeline:
        check(pipeline, options)


def _inside(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if folder.is_dir() else iter(())


class Run:
    """One invocation of a run; ``tally`` is what it has come to, as of a moment ago."""

    def __init__(self, settings: Settings, options: Options, cluster: Cluster) -> None:
        self.tally = Tally()
        self._settings, self._cluster = settings, cluster
        # A classifier is a plugin, which every labeller makes from the configuration.
        self._options = replace(options, classifier=None)
        self._stopping = asyncio.Event()
        self.stopped: Stopped | None = None

    def stop(self, why: str) -> None:
        """Take up nothing new; calls under way end and are stored."""
        self.stopped = self.stopped or Stopped(why)
        self._stopping.set()

    async def label(self, prompts: Prompts) -> Outcome:
        """Label all of ``prompts`` and write the shards; what is in the log already is never paid again.

        Raises:
            StoreError: the log or the shards cannot be written.
            ConfigError, InvalidRequest: as the configuration and the prompts are.
        """
        loop = asyncio.get_running_loop()
        async with _keeper(self._settings, self._options, self._cluster) as keeper:
            work = loop.create_task(asyncio.to_thread(self._work, keeper, prompts))
            stopping = loop.create_task(self._stop_when_told(keeper))
            try:
                while not (await asyncio.wait([work], timeout=LOOK_S))[0]:
                    await self._look(keeper)
                await self._look(keeper)
            except asyncio.CancelledError:
                await asyncio.to_thread(leave)  # which ends the thread, and every labeller
                raise
            finally:
                stopping.cancel()
                await asyncio.wait([stopping, work])
            end: End | None = await asked(keeper, "ended")
            if (error := work.exception()) is not None:
                raise _sentence(error, end) from error
            spent = await asked(keeper, "spent") if self._options.max_nano_usd is not None else None
        return Outcome(self.tally, _ENDS.get(end.kind, Stopped)(end.why) if end else None, spent)

    async def _stop_when_told(self, keeper: Any) -> None:
        await self._stopping.wait()
        await asked(keeper, "end", End("Stopped", "interrupted"))

    async def _look(self, keeper: Any) -> None:
        found: Tally = await asked(keeper, "tally")
        for one in fields(found):
            if one.name != "total":
                setattr(self.tally, one.name, getattr(found, one.name))

    def _work(self, keeper: Any, prompts: Prompts) -> None:
        """All of it, in a thread: Ray Data blocks."""
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.target_max_block_size = BLOCK_BYTES
        read: Callable[..., Any] = ray.data.read_datasource
        # Every process looks for the file from where it was started.
        whole = replace(prompts, name=str(Path(prompts.name).absolute()))
        rows = read(source(whole), override_num_blocks=1, num_cpus=0)
        # Ray joins blocks that are small in bytes, and then there would be one for a single labeller.
        rows = rows.repartition(target_num_rows_per_block=BLOCK)
        found = rows.map_batches(
            Labeller,
            fn_constructor_args=(keeper, self._settings.path.absolute(), self._options, prompts.columns),
            batch_size=BLOCK,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=self._cluster.labellers),
            num_cpus=0,
        )
        found.write_parquet(
            str(self._cluster.out.absolute()),
            mode="overwrite",
            min_rows_per_file=SHARD_ROWS,
            compression="zstd",
            ray_remote_args={"num_cpus": 0},
        )


@asynccontextmanager
async def _keeper(settings: Settings, options: Options, cluster: Cluster) -> AsyncIterator[Any]:
    """The actor with the log, on this machine. Raises StoreError and InvalidRequest."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    mine = await asyncio.to_thread(start)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    address = settings.store.address
    keeper = (
        ray.remote(Keeper)
        .options(num_cpus=0, max_concurrency=10_000, scheduling_strategy=here)
        .remote(
            address.url or str(address.file and address.file.absolute()),
            settings.store.spill,
            cluster.rejects.absolute(),
            options.run,
        )
    )
    try:
        await asked(keeper, "open")
        yield keeper
        await asked(keeper, "close")
    finally:
        # Whoever is interrupted has left already; the log needs no closing, for what was acknowledged is durable.
        if mine:
            await asyncio.to_thread(leave)


def start() -> bool:
    """Join the cluster that ``RAY_ADDRESS`` names, or begin one of this machine alone. Blocks for ten seconds or so.

    False where either was done before.

    Raises:
        ConfigError: the cluster does not answer.
    """
    import ray

    # What is labelled is nobody else's business, nor that it is.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if ray.is_initialized():
        return False
    # Prompts pass through in small blocks; by default Ray would set aside a third of the memory for them.
    room = None if "RAY_ADDRESS" in os.environ else STORE_BYTES
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR, object_store_memory=room)
    except ConnectionError as error:
        told = "set RAY_AUTH_MODE=token where it asks for a token"
        raise ConfigError(f"RAY_ADDRESS: {error}; is it up, and can it be reached from here? {told}") from error
    return True


def leave() -> None:
    """End what ``start`` began, or leave the cluster. Blocks for a second or so."""
    import ray

    ray.shutdown()


def _sentence(error: BaseException, end: End | None) -> Exception:
    """What went wrong on the cluster, as the error that it would be here."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, EnsembleError | ConfigError | StoreError):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    if end is not None and end.kind == "failed":
        return StoreError(end.why)
    return StoreError(f"the run on Ray failed: {str(error).splitlines()[0][:300]}")
