"""How long the audit pages take on a large log, over HTTP from ``ensemble audit serve``.

The log is made first: 10,000 requests by the product, in which everything differs that the pages can be filtered by,
then copies of them by SQLite, some days earlier each. Facts and search indexes are up to date. Every page is asked for
one after the other, once to warm up and then several times; the figures are milliseconds to the last byte.

With ``--url`` the log is in PostgreSQL; ``--explain`` then prints the plan of each statement behind the pages in a log
of ten million requests, and fails where one reads a large table from end to end.

Exits with 1 where a page is not there, or a filter that must find something finds nothing. A figure that is worse than
its target is said, and breaks nothing.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import aiohttp

from ensemble.errors import StoreError
from ensemble.store.address import Address, address_of
from ensemble.store.opening import reading, schema_of
from scripts.bench._audit_log import COPIED, RARE_DOMAIN, RARE_FLAG, RARE_WORD, make
from scripts.bench._audit_postgres import plans
from scripts.bench._processes import BenchFailed
from scripts.bench.store import percentile

TARGETS_MS = {"/ui/overview": 300, "/ui/disagreement": 300, "/ui/requests": 50}
CASES: Mapping[str, str] = {
    "all": "",
    "deep in the ranking": "after=0.3~z",
    "a week": "since={week}",
    "a past week": "since={since}&until={until}",
    "one router": "router=panel",
    "one domain": "domain=maths",
    "a rare domain": f"domain={RARE_DOMAIN}",
    "one judge": "judge=jury",
    "a member": "members=small",
    "three members": "members=small,medium,large",
    "two who agree": "a=large&b=small&pair=agree",
    "two who differ": "a=large&b=small",
    "one better than the other": "a=large&b=small&pair=a",
    "a rare flag": f"flag={RARE_FLAG}",
    "low confidence": "confidence_to=0.001",
    "any confidence above a half": "confidence_from=0.5",
    "dear": "nano_usd_from=0.00043",
    "slow": "seconds_from=5",
    "low index": "index_to=0.05",
    "overturned: none": "overturned=1",
    "a rare word": f"text={RARE_WORD}",
    "a word that all have": "text=multiply",
    "rare word and low confidence": f"text={RARE_WORD}&confidence_to=0.1",
    "member, domain, judge, confidence": "members=small&domain=law&judge=jury&confidence_to=0.02",
    "nothing at all": "members=nobody&confidence_to=0.5",
}
"""Filters of the page on disagreement, each as it stands in the address; the first few hold for the overview, too."""
PLANNED = 10_000_000
"""Requests of the log that plans are made for."""
SIZE = (
    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' "
    "AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = ?)"
)
EMPTY = frozenset({"overturned: none", "nothing at all"})
"""Those that no case passes: the whole log has to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """An address, what it must hold, and what it is called in the table."""

    name: str
    address: str
    holds: str

    @property
    def target_ms(self) -> int:
        """What it may take."""
        return next(target for path, target in TARGETS_MS.items() if self.address.startswith(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Milliseconds that a page took: the first time, the median and the longest of the others; and whether it held."""

    page: Page
    first: float
    median: float
    longest: float
    sound: bool


def pages(where: Address) -> Iterator[Page]:
    """Every page to ask for."""
    with reading(where) as db:
        last = date.fromisoformat(db.execute("SELECT max(day) FROM audit_daily").fetchone()[0])
        ids = [row[0] for row in db.execute("SELECT id FROM requests WHERE rowid % 4999 = 0 LIMIT 20")]
        ids = ids or [db.execute("SELECT max(id) FROM requests").fetchone()[0]]
    before = {"week": 6, "since": 46, "until": 40}
    given = {name: str(last - timedelta(days=days)) for name, days in before.items()}
    for name in ("all", "a week", "a past week", "one router"):
        yield Page(name=f"overview: {name}", address=f"/ui/overview?{CASES[name].format(**given)}", holds="medium")
    for name, query in CASES.items():
        told = query.format(**given)
        holds = "No case fits" if name in EMPTY else "/ui/requests/"
        yield Page(name=f"disagreement: {name}", address=f"/ui/disagreement?{told}", holds=holds)
    for number, id_ in enumerate(ids[:5], 1):
        yield Page(name=f"request {number}", address=f"/ui/requests/{id_}", holds=id_)


@asynccontextmanager
async def serving(where: Address) -> AsyncIterator[str]:
    """``ensemble audit serve`` on the log, as a process of its own; yields its address. Raises BenchFailed."""
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("ensemble")), "audit", "serve", where.url or str(where.file), "--port", "0",
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None  # noqa: S101 - it was asked for
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        if not line:
            raise BenchFailed(f"ensemble audit serve did not start: exit code {await process.wait()}")
        yield line.rpartition(" ")[2].strip().removesuffix("/ui")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def timed(session: aiohttp.ClientSession, page: Page, times: int) -> Timed:
    """Ask for ``page`` once more than ``times``."""
    took, sound = list[float](), True
    for _ in range(times + 1):
        begin = time.perf_counter()
        async with session.get(page.address) as reply:
            body = await reply.text()
        took.append(time.perf_counter() - begin)
        sound = sound and reply.status == 200 and page.holds in body
    rest = sorted(took[1:])
    return Timed(
        page=page, first=took[0] * 1000, median=percentile(rest, 0.5), longest=percentile(rest, 1), sound=sound
    )


async def measure(where: Address, times: int) -> list[Timed]:
    """Ask for every page, and print the table."""
    found = []
    print("| page | first ms | median ms | longest ms | target ms |\n|---|---|---|---|---|")
    async with (
        serving(where) as address,
        aiohttp.ClientSession(address, timeout=aiohttp.ClientTimeout(total=120)) as session,
    ):
        for page in pages(where):
            one = await timed(session, page, times)
            told = "" if one.median < page.target_ms else ", missed"
            broken = "" if one.sound else ", NOT WHAT IT MUST BE"
            print(
                f"| {page.name}{broken} | {one.first:.0f} | {one.median:.0f} | {one.longest:.0f} "
                f"| {page.target_ms}{told} |",
                flush=True,
            )
            found.append(one)
    return found


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench/audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=1_000_000, help="requests in the log (default: %(default)s)")
    parser.add_argument("--times", type=int, default=5, help="how often each page is asked for (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the log goes, on the disk in question (default: temporary)")
    parser.add_argument("--file", type=Path, help="keep the log there; where it is there already, it is used as it is")
    parser.add_argument("--url", type=address_of, help="a log in PostgreSQL, in a schema of its own, likewise")
    parser.add_argument("--made", type=int, default=COPIED, help="requests that are no copies (default: %(default)s)")
    parser.add_argument("--explain", action="store_true", help="print plans for ten million instead; needs --url")
    return parser.parse_args()


def there(where: Address) -> bool:
    """Whether the log was made before."""
    if where.file is not None:
        return where.file.exists()
    try:
        return schema_of(where) > 0
    except StoreError:
        return False


def held(where: Address) -> str:
    """What is in the log, and how much room it takes."""
    with reading(where) as db:
        (count,) = db.execute("SELECT sum(cases) FROM audit_daily").fetchone()
        size = where.file.stat().st_size if where.file else db.execute(SIZE, [where.schema]).fetchone()[0]
    return f"{count:,} judged requests in the log, {size / 1e9:.2f} GB"


def explained(where: Address) -> int:
    """Print how PostgreSQL would answer in a log of ten million requests; the exit code."""
    found = asyncio.run(plans(where, [(page.name, page.address) for page in pages(where)], PLANNED))
    seen = set[str]()
    for one in found:
        if one.sql not in seen:
            seen.add(one.sql)
            told = f"READS {', '.join(sorted(one.whole))} WHOLE: " if one.whole else ""
            print(f"{told}{one.page}\n  {one.sql[:300]}\n    " + "\n    ".join(one.nodes) + "\n")
    wrong = sum(bool(one.whole) for one in found)
    print(f"scripts/bench/audit: {len(seen)} statements, {wrong} that read a large table from end to end")
    return 1 if wrong else 0


def main() -> int:
    """Run it; the exit code."""
    given = arguments()
    with tempfile.TemporaryDirectory(prefix="ensemble-bench-", dir=given.folder) as folder:
        where = given.url or address_of(given.file or Path(folder) / "audit.db")
        if not there(where):
            begin = time.perf_counter()
            asyncio.run(make(where, given.size, given.made))
            print(f"The log was made in {time.perf_counter() - begin:.0f} s.", file=sys.stderr)
        if given.explain:
            return explained(where)
        print(f"{held(where)}\n")
        found = asyncio.run(measure(where, given.times))
    broken = [one.page.name for one in found if not one.sound]
    missed = [one.page.name for one in found if one.median >= one.page.target_ms]
    print(
        f"\nscripts/bench/audit: {len(found) - len(missed)} of {len(found)} pages within their targets"
        + (f"; not what they must be: {', '.join(broken)}" if broken else "")
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
