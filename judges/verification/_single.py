"""The smaller files: one reader each."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations

from judges.readers import alpaca_eval, arena_hard, mt_bench
from judges.readers.labels import Reading
from judges.verification._rows import Record, Row, both, compare

_NEAR = 1e-9
_SIDES = {"first": "A>B", "second": "B>A", "tie": "A=B"}
Read = Callable[[str], Iterator[Record]]


def logprobs(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """Preferences from the logprobs of the verdict token; which side was shown first is not recorded."""
    part = "alpaca_logprob_rows_with_logprobs"
    rows = near = 0
    for record in read("alpaca_logprob_verdicts.jsonl.gz"):
        if record["top_logprobs"] is None:
            continue
        rows += 1
        weight = alpaca_eval.second_preferred(record["top_logprobs"])
        said = record["preference"] - 1
        near += weight is not None and min(abs(weight - said), abs(1 - weight - said)) <= _NEAR
    yield compare(part, "rows", expected.get(""), rows)
    yield compare(part, "within 1e-9", expected.get(""), near)


def win_rates(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """Mean preferences per model: from the logprobs where there are some, as recorded elsewhere."""
    preferences: defaultdict[str, list[float]] = defaultdict(list)
    for record in read("alpaca_logprob_verdicts.jsonl.gz"):
        preferences[record["model"]].append(_weighted(record))
    found = {model: [len(all_), round(100 * sum(all_) / len(all_), 4)] for model, all_ in preferences.items()}
    yield from both("alpaca_winrate_pct", expected, found)


def _weighted(record: Record) -> float:
    said: float = record["preference"] - 1
    weight = alpaca_eval.second_preferred(record["top_logprobs"] or {})
    if weight is None:
        return said
    return weight if abs(weight - said) <= abs(1 - weight - said) else 1 - weight


def ratings(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """Every rating of MT-Bench, from its text; a text without a rating is a missing one."""
    read_as: defaultdict[str, list[float]] = defaultdict(list)
    recorded = missed = 0
    for record in read("mtbench_single_gpt4.jsonl.gz"):
        rating = mt_bench.rating_strict(record["judgment"] or "")
        recorded += 1
        missed += rating is None or mt_bench.rating_robust(record["judgment"] or "") != rating
        if rating is not None:
            read_as[record["model"]].append(rating)
    found = {model: [len(all_), round(sum(all_) / len(all_), 4)] for model, all_ in read_as.items()}
    yield from both("mtbench_single_mean", expected, found)
    yield compare("mtbench_single_mean", f"of {recorded} texts, strict and robust differ on", 0, missed)


def tricky(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """The verdicts that parsers stumble over: all that are not marked hard must be read as labelled."""
    found: Counter[str] = Counter(n=0, easy=0, hard=0)
    strict = robust = invented = 0
    for record in read("tricky_verdicts.jsonl.gz"):
        text = record["judgment_text"] or ""
        readings = [_side(reader(text)) for reader in (arena_hard.strict, arena_hard.robust)]
        found["n"] += 1
        found["hard" if record["hard"] else "easy"] += 1
        if not record["hard"]:
            strict += readings[0] in record["acceptable"]
            robust += readings[1] in record["acceptable"]
        invented += record["acceptable"] == [None] and readings[1] is not None
    part = "tricky_verdicts"
    yield from both(part, {name: expected.get(name) for name in ("n", "easy", "hard")}, dict(found))
    reference = expected.get("reference_parsers_ok_of_easy")
    if isinstance(reference, Mapping):
        yield compare(part, "read strictly", reference.get("strict_judgebench"), strict)
    yield compare(part, "read robustly", expected.get("easy"), robust)
    yield compare(part, "winners from texts without a verdict", 0, invented)


def _side(reading: Reading | None) -> str | None:
    return _SIDES[reading.label.side] if reading else None


def attacks(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """How often the attack text won, by the recorded preference of the judge that it fooled."""
    n: Counter[str] = Counter()
    won: Counter[str] = Counter()
    for record in read("attack_verdicts_real.jsonl.gz"):
        n[record["attack"]] += 1
        won[record["attack"]] += record["preference_1honest_2attack"] > 1.5
    yield from both("real_attacks", expected, {name: {"n": n[name], "won": won[name]} for name in n})


def people(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """How far three people agree with each other, and two judges with their majority."""
    n = agreements = 0
    right: Counter[str] = Counter()
    for record in read("pandalm_human.jsonl.gz"):
        votes = [record[f"annotator{number}"] for number in (1, 2, 3)]
        n += 1
        agreements += sum(one == other for one, other in combinations(votes, 2))
        majority, count = Counter(votes).most_common(1)[0]
        for judge, said in record["judges"].items():
            right[judge] += count > 1 and _vote(said["result"]) == majority
    found = {
        "n": n,
        "human_pairwise_agreement": round(agreements / (3 * n), 4) if n else None,
        "judge_matches_majority": dict(right),
    }
    yield from both("pandalm", expected, found)


def _vote(result: object) -> int | None:
    """0 for a tie, 1, 2, in any spelling; None for anything else."""
    return {"0": 0, "tie": 0, "1": 1, "2": 2}.get(str(result).strip().casefold())
