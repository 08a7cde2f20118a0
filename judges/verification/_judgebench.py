"""JudgeBench: pairs judged in both orders, counted by its rule (+1 a right game, -1 a wrong one, sign of the sum)."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from judges.readers import arena_hard, rubric
from judges.readers.labels import Side
from judges.verification._rows import Record, Row, both, compare, percent

FILE = "judgebench_games.jsonl.gz"
_CATEGORIES = {
    "mmlu-pro": "knowledge",
    "livebench-reasoning": "reasoning",
    "livebench-math": "math",
    "livecodebench": "coding",
}
_WRITERS = {"gpt-4o": "gpt-4o", "claude": "claude"}
Read = Callable[[str], Iterator[Record]]
Decision = Side | Literal["itself"] | None
"""Who won a game, as shown; "itself" for a label such as A>A, which is read but decides nothing."""


def games(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """Every judge's counts. Those of rubric judges under ``recorded`` are information: six stored decisions differ."""
    tallies: dict[str, Tally] = {}
    for record in read(FILE):
        tallies.setdefault(_name(record), Tally()).add(record, [_decide(record, game) for game in record["games"]])
    for name in (*expected, *(name for name in tallies if name not in expected)):
        said, tally = expected.get(name), tallies.get(name)
        if not isinstance(said, Mapping) or tally is None:
            yield compare("judgebench", name, said, tally and tally.counts())
            continue
        for reading, counts in said.items():
            informative = reading == "recorded" and "rubric|" in name
            yield from both(f"judgebench {name} {reading}", counts, tally.counts(), informative=informative)


def rubrics(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """The rubric judges, a score that cannot be read counting as an abstention of that game."""
    tallies: dict[str, Tally] = {}
    for record in read(FILE):
        if record["judge_name"] in ("rubric", "no_rubric"):
            name = f"{record['judge_model']}|{record['rubric_model']}"
            tallies.setdefault(name, Tally()).add(record, [_by_text(game) for game in record["games"]])
    found = {name: tally.outcomes() for name, tally in tallies.items()}
    yield from both("rubric_parse_failure_as_abstain", expected, found)


@dataclass(slots=True)
class Tally:
    """The counts of one judge."""

    n: int = 0
    counts_of: Counter[str] = field(default_factory=Counter)
    categories: dict[str, list[int]] = field(default_factory=dict)

    def add(self, record: Record, decisions: list[Decision]) -> None:
        """Count one pair; ``decisions`` are in the order of its games, seen from what was shown first."""
        shown_right = [("first" if game["order"] == record["label"][0::2] else "second") for game in record["games"]]
        signs = [_sign(one, right) for one, right in zip(decisions, shown_right, strict=True)]
        sides = [_side(one, game["order"]) for one, game in zip(decisions, record["games"], strict=True)]
        outcome = "correct" if sum(signs) > 0 else "wrong" if sum(signs) < 0 else "tie"
        raised = {
            outcome: True,
            "both": all(sign > 0 for sign in signs),
            "g1": signs[0] > 0,
            "g2": signs[-1] > 0,
            "consistent": len(set(sides)) == 1 and sides[0] not in (None, "itself"),
            "null_pairs": None in decisions,
        }
        self.n += 1
        self.counts_of.update(name for name, up in raised.items() if up)
        self.counts_of["null_games"] += decisions.count(None)
        self.counts_of["first"] += decisions.count("first")
        self.counts_of["second"] += decisions.count("second")
        category = next(name for start, name in _CATEGORIES.items() if record["source"].startswith(start))
        right, total = self.categories.setdefault(category, [0, 0])
        self.categories[category] = [right + (outcome == "correct"), total + 1]

    def outcomes(self) -> dict[str, object]:
        """Pairs, and how they came out."""
        return {"n": self.n, **{name: self.counts_of[name] for name in ("correct", "wrong", "tie")}}

    def counts(self) -> dict[str, object]:
        """Every count of EXPECTED.json."""
        shares = {name: percent(self.counts_of[name], self.n) for name in ("both", "g1", "g2", "consistent")}
        plain = {name: self.counts_of[name] for name in ("null_pairs", "null_games", "first", "second")}
        categories = {name: f"{got}/{all_}={100 * got / all_:.2f}" for name, (got, all_) in self.categories.items()}
        return {
            **self.outcomes(),
            "acc": percent(self.counts_of["correct"], self.n),
            **shares,
            **plain,
            "cats": categories,
        }


def _name(record: Record) -> str:
    writer = next(short for start, short in _WRITERS.items() if record["response_model"].startswith(start))
    name = f"{writer}|{record['judge_name']}|{record['judge_model']}"
    return f"{name}|{record['rubric_model']}" if record.get("rubric_model") else name


def _decide(record: Record, game: Record) -> Decision:
    match record["judge_name"]:
        case "arena_hard":
            text = game["judgment_text"] or ""
            reading = arena_hard.strict(text)
            return reading.label.side if reading else "itself" if arena_hard.names_itself(text) else None
        case "reward_model":
            first, second = game["scores"]
            return "first" if first > second else "second"  # JudgeBench gives equal scores to the second
        case _:
            first, second = (_score(game, shown) for shown in ("first", "second"))
            if first is second is None:
                return None
            # The stored runs wrote -1 for a score that could not be read.
            return _larger(-1.0 if first is None else first, -1.0 if second is None else second)


def _by_text(game: Record) -> Decision:
    first, second = (_score(game, shown) for shown in ("first", "second"))
    return None if first is None or second is None else _larger(first, second)


def _score(game: Record, shown: str) -> float | None:
    return rubric.strict(game["judgment_text"][shown] or "")


def _larger(first: float, second: float) -> Side:
    return "tie" if first == second else "first" if first > second else "second"


def _sign(decision: Decision, right: str) -> int:
    return 0 if decision in (None, "tie", "itself") else 1 if decision == right else -1


def _side(decision: Decision, order: str) -> str | None:
    """The answer that was preferred, A or B, whatever its place."""
    return {"first": order[0], "second": order[1]}.get(decision, decision) if decision else None
