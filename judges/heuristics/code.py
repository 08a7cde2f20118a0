"""Prefer code that does what the task's own examples show."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import PositiveInt

from judges.errors import InvalidOptions
from judges.heuristics import _programs
from judges.heuristics._equal import plain, same, same_text
from judges.heuristics._examples import Program, Task, task_of
from judges.heuristics._found import failed, silent, without
from judges.heuristics._sandbox import Limits, Run, run, unavailable
from judges.judge import JUDGES, Judge
from judges.types import CandidateId, Case, Model, Verdict

Result = Literal["passed", "failed", "unknown", "refused"]
Job = tuple[str, tuple[str, ...]]
"""Code, and the expressions to evaluate in it; none for a program of its own."""

# What a program cannot be blamed for: the jail lacks it or denies it.
_OF_THE_JAIL = ("ModuleNotFoundError", "ImportError", "PermissionError", "FileNotFoundError", "can't start new thread")


@JUDGES.register("code")
class Code(Judge):
    """Prefer candidates whose Python passes the examples in the prompt over those whose Python fails one.

    Off unless ``allow_execution`` is true: candidates' code is then **run**, in a jail without network, without files
    of this machine, and with limits on time and memory. Where this system cannot build such a jail, loading is refused
    and so is every verdict. The jail shares the kernel, the processors and the system's libraries with this machine:
    a fault in the kernel is a way out. A candidate that knows the examples can pass them by heart.

    Examples are the last user turn's ``Sample Input`` and ``Sample Output``, ``Input: x = 1`` and ``Output: 2``,
    ``assert f(1) == 2`` or ``>>> f(1)``. Silent unless one candidate passes all of them and another fails one; a
    candidate without Python, or one that the jail itself hinders, neither passes nor fails.
    """

    allow_execution: bool = False
    cpu_s: PositiveInt = 4
    """Seconds of processor time for one run."""
    memory_mib: PositiveInt = 512
    most_examples: PositiveInt = 8

    def load(self) -> None:
        """Prove the jail.

        Raises:
            InvalidOptions: execution is allowed, and this system cannot isolate it.
        """
        super().load()
        if self.allow_execution and (why := unavailable()) is not None:
            raise InvalidOptions(f"allow_execution: {why}", (("allow_execution", why),))

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        if not self.allow_execution:
            return silent(self, "allow_execution is off")
        question = next((message.text for message in reversed(case.messages) if message.role == "user"), "")
        texts = {one.id: one.completion.text for one in case.candidates}
        task, jobs = await asyncio.to_thread(_read, question, sorted(set(texts.values())))
        if len(jobs) < 2:
            return silent(self, f"{len(jobs)} texts hold code that the prompt has examples for")
        if (why := await asyncio.to_thread(unavailable)) is not None:
            return failed(self, why)
        async with asyncio.TaskGroup() as group:
            tasks = {text: group.create_task(self._try(job, task)) for text, job in jobs.items()}
        return self._verdict(case, texts, {text: one.result() for text, one in tasks.items()})

    async def _try(self, job: Job, task: Task) -> Result:
        code, expressions = job
        limits = Limits(cpu_s=self.cpu_s, wall_s=3.0 * self.cpu_s, memory_mib=self.memory_mib)
        if expressions:
            asked = expressions[: self.most_examples]
            wanted = [one.result for one in task.calls] + [one.result for one in task.checks]
            # What prints its finding may rightly return nothing.
            mute = task.in_place or "print(" in code
            return _answered(await run(code, expressions=asked, limits=limits), wanted[: len(asked)], task, mute=mute)
        for example in task.programs[: self.most_examples]:
            result = _written(await run(code, stdin=example.stdin, limits=limits), example, task)
            if result != "passed":
                return result
        return "passed"

    def _verdict(self, case: Case, texts: Mapping[CandidateId, str], results: Mapping[str, Result]) -> Verdict:
        found = set(results.values())
        if "refused" in found:
            return failed(self, "the jail could not be built this time, so nothing is known")
        if "passed" not in found:
            return silent(self, "no candidate passes the examples of the prompt")
        bad = frozenset(one for one, text in texts.items() if results.get(text) == "failed")
        return without(self, case, bad, "fail an example of the prompt")


def _read(question: str, texts: Sequence[str]) -> tuple[Task, dict[str, Job]]:
    """The examples of ``question``, and what to run of each text that holds code for them."""
    task = task_of(question)
    jobs = {text: _job(text, task) for text in texts}
    return task, {text: job for text, job in jobs.items() if job is not None}


def _job(text: str, task: Task) -> Job | None:
    if task.programs:
        source = _programs.program(text)
        return (source.code, ()) if source else None
    found = _programs.module(text, task) if task.calls or task.checks else None
    return (found[0].code, found[1]) if found else None


def _fault(ended: Run) -> Result | None:
    """What a run that brought no answer says about its program; None where it ended well."""
    if ended.how == "refused":
        return "refused"
    if ended.how == "wall":  # slept, or the machine is busy
        return "unknown"
    if ended.how != "ended" or ended.code < 0:
        return "failed"
    if ended.code == 0:
        return None
    last = (ended.err.strip().splitlines() or [""])[-1]
    return "unknown" if any(cause in last for cause in _OF_THE_JAIL) else "failed"


def _written(ended: Run, example: Program, task: Task) -> Result:
    if (fault := _fault(ended)) is not None:
        return fault
    if any(same_text(wanted, ended.out, any_case=task.any_case) for wanted in example.outputs):
        return "passed"
    return "unknown" if task.any_answer else "failed"


def _answered(ended: Run, wanted: Sequence[object], task: Task, *, mute: bool) -> Result:
    fault = _fault(ended)
    if fault == "failed" and "EOFError" in ended.err:
        return "unknown"  # it also wants to talk to somebody
    if fault is not None:
        return fault
    try:
        said = [json.loads(line) for line in ended.out.splitlines()]
    except (ValueError, RecursionError):
        return "failed"
    if len(said) == len(wanted) and all(map(same, map(plain, wanted), said)):
        return "passed"
    return "unknown" if task.any_answer or (mute and None in said) else "failed"
