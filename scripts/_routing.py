"""Recorded scores as tables: whoever answered a question, under one group per question across every file."""

import gzip
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ensemble.training.table import Table, winners
from judges.heuristics._evidence import NONE, evidence
from judges.types import Completion, Message

NANO = 1e9
WEAK, STRONG = "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"
PRICES = {
    "codegemma-7b": 0.2,
    "gemma-2-9b-it": 0.1,
    "llama-3.1-8b-instruct": 0.2,
    "llama-3.1-nemotron-51b-instruct": 0.9,
    "llama-3.3-nemotron-super-49b-v1": 0.9,
    "llama3-chatqa-1.5-70b": 0.9,
    "llama3-chatqa-1.5-8b": 0.2,
    "mistral-7b-instruct-v0.3": 0.2,
    "qwen2.5-7b-instruct": 0.2,
}
"""USD per million tokens as LLMRouter lists them; with one length for all calls, the constant price of a call."""
BENCH = ("routerbench_arc_challenge", "routerbench_winograde", "routerbench_mbpp")
Row = Mapping[str, Any]


def rows(folder: Path, name: str) -> list[Row]:
    """Rows of one recorded file."""
    with gzip.open(folder / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def question(prompt: str) -> str:
    """What makes two prompts one question: its letters and figures, without options and frames."""
    text = re.sub(r"^\s*question:\s*", "", prompt.strip(), flags=re.IGNORECASE)
    text = re.split(r"\n\s*A[.)]", text)[0]
    text = re.sub(r"\s*answer:\s*$", "", text, flags=re.IGNORECASE)
    return hashlib.sha256(re.sub(r"\W+", "", text.lower()).encode()).hexdigest()


def table(found: Sequence[Row], members: Sequence[str], costs: Mapping[str, float] | None = None) -> Table:
    """Rows as a table; ``costs`` are nano-USD of a call, left out, what the rows record."""
    said = [[row["models"].get(name, {}) for name in members] for row in found]
    shape = (len(found), len(members))
    quality = np.array([[one.get("score", np.nan) for one in line] for line in said], np.float64).reshape(shape)
    cost = np.array([[one.get("cost", np.nan) for one in line] for line in said], np.float64).reshape(shape) * NANO
    if costs is not None:
        cost = np.tile([costs.get(name, np.nan) for name in members], (len(found), 1)).reshape(shape)
    return Table(
        ids=tuple(row["id"] for row in found),
        texts=tuple(row["prompt"] for row in found),
        members=tuple(members),
        quality=quality,
        nano_usd=cost,
        seconds=np.full(shape, np.nan),
        best=winners(quality),
        groups=tuple(question(row["prompt"]) for row in found),
        arrived=("",) * len(found),
        weights=np.ones(len(found)),
        usable=np.ones(len(found), np.bool_),
        outputs=tuple(tuple(one.get("output") for one in line) for line in said),
        domains=tuple(row.get("domain", row["benchmark"]) for row in found),
    )


def two(folder: Path, name: str) -> Table:
    """GSM8K or MMLU with two models; a strong call costs 1, a weak one 1/20. Contaminated rows are left out."""
    kept = [row for row in rows(folder, name) if not row.get("contaminated")]
    return table(kept, (WEAK, STRONG), {WEAK: NANO / 20, STRONG: NANO})


def witnessed(plain: Table, folder: Path) -> Table:
    """``plain`` with what seven other models scored on the same questions and on others of the benchmark."""
    seen, known = _witnesses(plain, folder), set(plain.groups)
    rest = seen.take([number for group, number in _places(seen).items() if group not in known])
    return replace(_below(beside(plain, folder), _beside_left(rest, plain.members)), outputs=None)


def beside(plain: Table, folder: Path) -> Table:
    """``plain`` with what seven other models scored on the same questions; what they answered is unknown."""
    seen = _witnesses(plain, folder)
    place = _places(seen)
    quality = np.full((len(plain), len(seen.members)), np.nan)
    for number, group in enumerate(plain.groups):
        if group in place:
            quality[number] = seen.quality[place[group]]
    return _beside(plain, seen.members, quality)


def checked(plain: Table) -> Table:
    """``plain`` with what verifiers find in each answer, as ``Held.checked`` has it of a log; it came to its end."""
    told = [
        [NONE if said is None else _evidence(asked, said) for said in row]
        for asked, row in zip(plain.texts, plain.outputs or (), strict=True)
    ]
    return replace(plain, evidence=np.array(told, np.float64))


def _evidence(asked: str, said: str) -> tuple[float, ...]:
    return evidence((Message(role="user", content=asked),), None, Completion(text=said, finish_reason="stop"))


def _witnesses(plain: Table, folder: Path) -> Table:
    benchmark = plain.ids[0].partition("-")[0]
    found = [row for row in rows(folder, "routerdc7") if row["benchmark"] == benchmark]
    return table(found, sorted({name for row in found for name in row["models"]}), {})


def _places(seen: Table) -> Mapping[str, int]:
    return {group: number for number, group in enumerate(seen.groups)}


def nine(folder: Path) -> Table:
    """LLMRouter's nine models at a constant price per call."""
    found = rows(folder, "llmrouter9")
    members = tuple(sorted(found[0]["models"]))
    return table(found, members, {name: PRICES[name] * 1e-6 * NANO * 1000 for name in members})


def bench(folder: Path, names: Sequence[str] = BENCH) -> Table:
    """RouterBench's tasks pooled, at recorded costs."""
    found = [row for name in names for row in rows(folder, name)]
    return table(found, tuple(found[0]["models"]))


def _beside(plain: Table, others: Sequence[str], quality: "np.ndarray[Any, np.dtype[np.float64]]") -> Table:
    blank = np.full(quality.shape, np.nan)
    whole = np.hstack([plain.quality, quality])
    return replace(
        plain,
        members=(*plain.members, *others),
        quality=whole,
        nano_usd=np.hstack([plain.nano_usd, blank]),
        seconds=np.hstack([plain.seconds, blank]),
        best=np.hstack([plain.best, np.zeros(quality.shape, np.bool_)]),
        outputs=plain.outputs and tuple((*row, *(None for _ in others)) for row in plain.outputs),
    )


def _beside_left(rest: Table, members: Sequence[str]) -> Table:
    blank = np.full((len(rest), len(members)), np.nan)
    return replace(
        rest,
        members=(*members, *rest.members),
        quality=np.hstack([blank, rest.quality]),
        nano_usd=np.hstack([blank, rest.nano_usd]),
        seconds=np.hstack([blank, rest.seconds]),
        best=np.zeros((len(rest), len(members) + len(rest.members)), np.bool_),
        outputs=None,
    )


def _below(first: Table, second: Table) -> Table:
    joined: dict[str, Any] = {
        name: getattr(first, name) + getattr(second, name) for name in ("ids", "texts", "groups", "arrived", "domains")
    }
    for name in ("quality", "nano_usd", "seconds", "best", "weights", "usable"):
        joined[name] = np.concatenate([getattr(first, name), getattr(second, name)])
    return replace(first, **joined)


def pooled(tables: Sequence[Table]) -> Table:
    """Tables of the same members, one below another."""
    whole = replace(tables[0], outputs=None, evidence=None)
    for one in tables[1:]:
        whole = _below(whole, one)
    return whole
