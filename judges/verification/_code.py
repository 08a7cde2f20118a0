"""The code verifier on JudgeBench's programming tasks: never wrong, and not silent all the time.

Here candidates' code is run. Where this system cannot isolate it, nothing is run and the rows are differences: what was
not verified must not look as if it had been.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from judges.heuristics.code import Code
from judges.heuristics.format import Format
from judges.judge import Judge
from judges.types import Candidate, CandidateId, Case, Completion, Message, Verdict
from judges.verification._rows import Record, Row, compare

PART = "verifiers_judgebench"
_LEAST_RIGHT, _LEAST_SHARE = 18, 0.9
"""How many pairs it must get right: 18, or nine tenths of what the reference verifier got where that is less."""
Read = Callable[[str], Iterator[Record]]


def pairs(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """Wrong, right and silent verdicts of ``code``; what ``format`` finds is information."""
    records = list(read("judgebench_pairs.jsonl.gz"))
    programs = [record for record in records if record["source"] == "livecodebench"]
    found = asyncio.run(_count(Code(allow_execution=True), programs))
    if found["failed"]:
        told = f"could not be run on {found['failed']} of {len(programs)} pairs: {found['why']}"
        yield Row(part=PART, name="code", expected="run", found=told, right=False)
    yield _row("code wrong", found["wrong"], "0", found["wrong"] == 0)
    reference = expected.get("code_right")
    least = min(_LEAST_RIGHT, int(_LEAST_SHARE * reference)) if isinstance(reference, int) else _LEAST_RIGHT
    yield _row("code right", found["right"], f"at least {least}", int(found["right"]) >= least)
    said = (expected.get(f"code_{name}") for name in ("right", "wrong", "abstain"))
    yield compare(PART, "code pairs", sum(n for n in said if isinstance(n, int)), len(programs))
    forms = asyncio.run(_count(Format(), records))
    told = f"{forms['right']} right, {forms['wrong']} wrong, {forms['silent']} silent"
    yield Row(part=PART, name="format", expected=None, found=told, right=False, informative=True)


async def _count(judge: Judge, records: list[Record]) -> Mapping[str, int | str]:
    counts: Counter[str] = Counter(right=0, wrong=0, silent=0, failed=0)
    why = ""
    for record in records:
        verdict = await judge.judge(_case(record), {})
        counts[_outcome(verdict, record["label"][0])] += 1
        why = why or (verdict.reason if verdict.outcome == "failed" else "")
    return {**counts, "why": why}


def _outcome(verdict: Verdict, label: str) -> str:
    if verdict.outcome == "failed":
        return "failed"
    return "silent" if verdict.outcome != "decided" else "right" if verdict.winners[0] == label else "wrong"


def _case(record: Record) -> Case:
    texts = {"A": record["response_A"], "B": record["response_B"]}
    return Case(
        messages=(Message(role="user", content=record["question"]),),
        candidates=tuple(
            Candidate(id=CandidateId(name), completion=Completion(text=text, finish_reason="stop"))
            for name, text in texts.items()
        ),
    )


def _row(name: str, found: object, wanted: str, right: bool) -> Row:
    return Row(part=PART, name=name, expected=wanted, found=found, right=right)
