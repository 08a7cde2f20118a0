"""One target of ``scripts/fuzz`` in a process of its own: bytes come until the time is up; a finding ends it.

Run as ``python -m scripts._fuzz_one NAME SECONDS SEED FOLDER``. The last line on standard output is JSON.
"""

import json
import random
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from scripts._fuzz_targets import TARGETS, Target

SLOW_S = 0.1
"""Longest that one input may hold up an event loop, beside the share of a busy machine that others take."""
LONGEST = 65_536
MEMORY = 2 * 2**30
"""Bytes of address space that a target may take."""
NESTED = (b"[" * 50_000, b'{"a":' * 50_000, b'{"model":"p","messages":' + b"[" * 50_000, b"1" * 20_000, b"1e400", b"-0")
HOSTILE = (*NESTED, b"\x00", b'"\\ud800"', b'{"a":1,"a":2}', b"\xef\xbb\xbf{}", b"\xff\xfe", b"data: " * 10_000, b"")


class Finding(Exception):
    """An input broke a promise."""


class Trial:
    """Tries inputs and remembers the slowest."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self.tried, self.slowest_s = 0, 0.0

    def __call__(self, data: bytes) -> None:
        """Try ``data``; anything but a documented error comes out of it."""
        begin = time.process_time()
        self._take(data)
        took = time.process_time() - begin
        self.tried += 1
        if took > SLOW_S and len(data) <= LONGEST:
            begin = time.process_time()  # once more: the first time may have imported or compiled something
            self._take(data)
            took = min(took, time.process_time() - begin)
            if took > SLOW_S:
                raise Finding(f"{len(data)} bytes took {took:.2f} s of CPU")
        self.slowest_s = max(self.slowest_s, took)


def mutated(data: bytes, draw: random.Random) -> bytes:
    """``data`` with a few changes: bytes, pieces cut, doubled, swapped, or something hostile put in."""
    changed = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        at, kind = draw.randint(0, len(changed)), draw.randrange(5)
        end = min(len(changed), at + draw.randint(0, 40))
        if kind == 0 and at < len(changed):
            changed[at] = draw.randrange(256)
        elif kind == 1:
            del changed[at:end]
        elif kind == 2:
            changed[at:at] = changed[at:end] * draw.randint(1, 3)
        elif kind == 3:
            changed[at:at] = draw.choice(HOSTILE)[:200]
        else:
            changed[at:end] = draw.choice((b"null", b"[]", b"{}", b'""', b"1e999", b"true", b"-1", b'"\\u0000"'))
    return bytes(changed[:LONGEST])


def guided(target: Target, seconds: float, seed: int, folder: Path) -> Trial:
    """Let atheris (libFuzzer) look for branches; where it is not installed, mutate at random."""
    try:
        import atheris
    except ImportError:
        return blind(target, seconds, seed, folder)
    with atheris.instrument_imports(include=list(target.modules)):
        trial = Trial(target.prepare(folder))
    known(target, trial)
    corpus = folder / "corpus"
    corpus.mkdir()
    for at, data in enumerate(target.seeds):
        (corpus / f"seed-{at}").write_bytes(data)
    end = time.monotonic() + seconds

    def once(data: bytes) -> None:
        try:
            trial(data)
        except BaseException as error:
            tell(target, trial, data, error)
            raise
        if time.monotonic() > end:
            tell(target, trial)
            sys.stdout.flush()
            import os

            os._exit(0)  # libFuzzer knows no other way out

    options = [f"-seed={seed + 1}", f"-max_len={LONGEST}", "-rss_limit_mb=2048", "-timeout=20", "-verbosity=0"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], once)
    atheris.Fuzz()
    return trial


def blind(target: Target, seconds: float, seed: int, folder: Path) -> Trial:
    """Mutations of the seeds, without a guide."""
    trial = Trial(target.prepare(folder))
    known(target, trial)
    draw, end = random.Random(seed), time.monotonic() + seconds  # noqa: S311 - no secret
    while time.monotonic() < end:
        data = mutated(draw.choice(target.seeds), draw)
        try:
            trial(data)
        except Exception as error:
            tell(target, trial, data, error)
            raise
    return trial


def known(target: Target, trial: Trial) -> None:
    """Try the seeds and what is known to be hostile."""
    for data in (*target.seeds, *HOSTILE, *(seed[: len(seed) // 2] for seed in target.seeds)):
        try:
            trial(data)
        except Exception as error:
            tell(target, trial, data, error)
            raise


def peak_mib() -> float:
    """Most memory that this program has had; ``ru_maxrss`` would count that of the process that started it as well."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return float(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def tell(target: Target, trial: Trial, data: bytes | None = None, error: BaseException | None = None) -> None:
    """The result as a line of JSON."""
    frames = traceback.extract_tb(error.__traceback__) if error else ()
    where = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    print(
        json.dumps(
            {
                "target": target.name,
                "tried": trial.tried,
                "slowest_s": trial.slowest_s,
                "peak_mib": peak_mib(),
                "finding": None if error is None else f"{type(error).__name__}: {error}"[:300] + where,
                "input": None if data is None else repr(data[:400]),
            }
        ),
        flush=True,
    )


def main() -> None:
    """Try the target that is named."""
    name, seconds, seed, folder = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    target = next(target for target in TARGETS if target.name == name)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY * 4, MEMORY * 4))  # libFuzzer maps much that it does not use
    tell(target, guided(target, seconds, seed, folder))


if __name__ == "__main__":
    main()
