"""Everything that can be set about the simulated fleet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatorSettings:
    """Settings of one simulator.

    Attributes:
        port: TCP port; 0 takes a free one.
        recording: a ``.jsonl.gz`` of recorded outputs to answer from, None for the procedural fleet.
        evaluator_noise: probability with which a judge prefers the worse of two answers.
        position_bias: probability with which a judge prefers what it was shown first, whatever it says.
        length_bias: probability with which a judge prefers the longer answer, whatever it says.
        gullibility: probability with which a model that chooses for a router obeys the request it reads.
        seed: of everything that is drawn.
        latency: factor on the simulated latencies; 0 answers at once.
        api_key: the one key that is let in, None for any or none.
        rpm, tpm: requests and tokens per ``window_s`` seconds before 429; None for no limit.
        faults: share of requests in [0, 1] that fail, by kind of fault.
        fault_retry_after_s: Retry-After of the 429, 503 and 529 among them.
        chunk_tokens: tokens per chunk of a stream.
        batch_s: seconds until a batch is done.
        keep_served: how many of the latest ``Served`` records are kept; None keeps all.
        keep_bodies: keep each request's body and headers in its ``Served`` record.
    """

    host: str = "127.0.0.1"
    port: int = 0
    recording: Path | None = None
    evaluator_noise: float = 0.0
    position_bias: float = 0.0
    length_bias: float = 0.0
    gullibility: float = 0.0
    seed: int = 0
    latency: float = 0.0
    api_key: str | None = field(default=None, repr=False)
    rpm: int | None = None
    tpm: int | None = None
    window_s: float = 60.0
    faults: Mapping[str, float] = field(default_factory=dict)
    fault_retry_after_s: float = 1.0
    chunk_tokens: int = 8
    batch_s: float = 0.0
    keep_served: int | None = None
    keep_bodies: bool = True
