"""Which answers of a run on tasks with known truth are right, what they cost, and how sure the differences are."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from ensemble.simulator.tasks import Task, check
from scripts._runs import RunFailed

NANO = 10**9
DRAWS = 10_000
"""Resamples behind an interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: which task it was, which router answered it, and the text that was served."""

    id: str
    task: int
    router: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A way to choose an answer: per scored task whether it is right, in [0, 1], and what a request took of judges.

    The other figures are means per request, None where no request of this kind was made; ``usd`` is for the answers
    and the judges together.
    """

    name: str
    right: Sequence[float]
    judge_calls: float | None = None
    judge_usd: float | None = None
    usd: float | None = None

    @property
    def share(self) -> float:
        """Share of right answers."""
        return sum(self.right) / len(self.right)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Share of right answers of one choice minus that of another, over the same tasks, with its 95 % interval."""

    mean: float
    low: float
    high: float


def difference(one: Choice, other: Choice, *, seed: int = 0) -> Difference:
    """Paired bootstrap over tasks (Efron 1979, percentile interval)."""
    import numpy as np

    gaps = np.asarray(one.right, dtype=float) - np.asarray(other.right, dtype=float)
    drawn = np.random.default_rng(seed).integers(0, len(gaps), (DRAWS, len(gaps)))
    low, high = np.quantile(gaps[drawn].mean(axis=1), (0.025, 0.975))
    return Difference(mean=float(gaps.mean()), low=float(low), high=float(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """What the log of the run holds, by request.

    ``said`` is each member's answer, ``found`` the winners of the plain verdict by member, ``shrunk`` the requests
    whose verdict was weighed, ``judging`` (judge calls, their nano-USD), ``paid`` what each member's answer cost in
    nano-USD.
    """

    said: Mapping[str, Mapping[str, str]]
    found: Mapping[str, Sequence[str]]
    shrunk: frozenset[str]
    judging: Mapping[str, tuple[int, int]]
    paid: Mapping[str, Mapping[str, int]]


_VERDICTS = """
SELECT v.request_id, v.flags, coalesce(plain.winners, v.winners)
FROM verdicts v LEFT JOIN verdicts plain ON plain.id = v.id || '/0' AND v.flags LIKE '%"shrunk"%'
WHERE v.parent IS NULL
"""


def read_log(database: Path) -> Log:
    """Read it. Raises RunFailed where a call has no known price."""
    said: dict[str, dict[str, str]] = {}
    authors: dict[str, str] = {}
    found: dict[str, list[str]] = {}
    shrunk: set[str] = set()
    judging: dict[str, tuple[int, int]] = {}
    paid: dict[str, dict[str, int]] = {}
    with closing(sqlite3.connect(database)) as db:
        for request, id_, member, text in db.execute("SELECT request_id, id, member, text FROM candidates"):
            said.setdefault(request, {})[member] = text
            authors[id_] = member
        for request, flags, winners in db.execute(_VERDICTS):
            found[request] = [authors[one] for one in json.loads(winners)]
            if "shrunk" in json.loads(flags):
                shrunk.add(request)
        for request, member, purpose, cost in db.execute("SELECT request_id, member, purpose, nano_usd FROM calls"):
            if cost is None:
                raise RunFailed(f"request {request}: what {member} cost is unknown")
            if purpose == "judge":
                calls, sum_ = judging.get(request, (0, 0))
                judging[request] = calls + 1, sum_ + cost
            else:
                paid.setdefault(request, {})[member] = paid.get(request, {}).get(member, 0) + cost
    return Log(said=said, found=found, shrunk=frozenset(shrunk), judging=judging, paid=paid)


def choices(
    tasks: Sequence[Task],
    asked: Sequence[Asked],
    log: Log,
    members: Sequence[str],
    routers: Sequence[str],
    scored: Sequence[int],
) -> list[Choice]:
    """Every way to choose, over the tasks ``scored``, the first router's first.

    The best single model is found on the other tasks.

    Raises:
        RunFailed: two routers did not get the same candidates, so that nothing is paired.
    """
    served = {(one.router, one.task): one for one in asked}
    by_task: dict[int, Mapping[str, bool]] = {}
    for one in asked:
        right = {member: check(tasks[one.task], text) for member, text in log.said[one.id].items()}
        if set(right) != set(members) or by_task.setdefault(one.task, right) != right:
            raise RunFailed(f"task {one.task}: the routers did not get the same candidates")
    others = [task for task in by_task if task not in set(scored)]
    best = max(members, key=lambda member: sum(by_task[task][member] for task in others))
    made: list[Choice] = []
    for router in routers:
        mine = [served[router, task] for task in scored]
        if any(one.id in log.shrunk for one in mine):
            made.append(_served(f"{router}, shrunk", tasks, mine, log))
            plain = [float(by_task[one.task][_first(log.found[one.id], members)]) for one in mine]
            made.append(Choice(name=f"{router}, plain", right=plain))
        else:
            made.append(_served(router, tasks, mine, log))
    alone = sum(log.paid[served[routers[0], task].id][best] for task in scored) / len(scored) / NANO
    made += [
        Choice(
            name=f"best single model ({best})",
            right=[float(by_task[task][best]) for task in scored],
            judge_calls=0.0,
            judge_usd=0.0,
            usd=alone,
        ),
        Choice(name="random candidate", right=[sum(by_task[task].values()) / len(members) for task in scored]),
        Choice(name="oracle", right=[float(any(by_task[task].values())) for task in scored]),
    ]
    return made


def _served(name: str, tasks: Sequence[Task], asked: Sequence[Asked], log: Log) -> Choice:
    judging = [log.judging.get(one.id, (0, 0)) for one in asked]
    calls, spent = (sum(each) / len(asked) for each in zip(*judging, strict=True))
    panel = sum(sum(log.paid[one.id].values()) for one in asked) / len(asked)
    return Choice(
        name=name,
        right=[float(check(tasks[one.task], one.text)) for one in asked],
        judge_calls=calls,
        judge_usd=spent / NANO,
        usd=(spent + panel) / NANO,
    )


def _first(winners: Sequence[str], members: Sequence[str]) -> str:
    """Whom the order of the members serves of ``winners``; of all of them where the judge found nobody."""
    return min(winners or members, key=members.index)
