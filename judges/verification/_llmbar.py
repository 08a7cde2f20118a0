"""LLMBar: each pair in both orders, per judge and subset, as its own evaluation counts."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from judges.readers import llmbar
from judges.verification._rows import Record, Row, compare, percent

FILE = "llmbar_games.jsonl.gz"
_ADVERSARIAL = ("Neighbor", "GPTInst", "GPTOut", "Manual")
Read = Callable[[str], Iterator[Record]]


def games(read: Read, expected: Mapping[str, object]) -> Iterator[Row]:
    """Every judge's rates; the last stage of a record is its verdict."""
    tallies: dict[str, dict[str, Tally]] = {}
    for record in read(FILE):
        tally = tallies.setdefault(record["judge"], {}).setdefault(record["subset"], Tally())
        tally.add(record["label"], *_winners(record))
    found = {judge: _with_pools(subsets) for judge, subsets in tallies.items()}
    for judge in (*expected, *(judge for judge in found if judge not in expected)):
        said, got = expected.get(judge), found.get(judge)
        for subset in dict.fromkeys((*_keys(said), *_keys(got))):
            yield compare(f"llmbar {judge}", subset, _of(said, subset), _of(got, subset))


@dataclass(slots=True)
class Tally:
    """The counts of one judge on one subset."""

    n: int = 0
    correct_12: int = 0
    correct_21: int = 0
    both: int = 0
    agree: int = 0

    def add(self, label: int, winner_12: int | None, winner_21: int | None) -> None:
        """Count one pair by who won it in either order, 1 or 2 of the pair."""
        self.n += 1
        self.correct_12 += winner_12 == label
        self.correct_21 += winner_21 == label
        self.both += winner_12 == winner_21 == label
        self.agree += winner_12 == winner_21

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            n=self.n + other.n,
            correct_12=self.correct_12 + other.correct_12,
            correct_21=self.correct_21 + other.correct_21,
            both=self.both + other.both,
            agree=self.agree + other.agree,
        )

    @property
    def rate(self) -> float:
        """Share of right games over both orders, in percent."""
        return 100 * (self.correct_12 + self.correct_21) / (2 * self.n) if self.n else 0.0

    def counts(self) -> dict[str, object]:
        """Every count of EXPECTED.json."""
        return {
            "n": self.n,
            "acc": percent(self.correct_12 + self.correct_21, 2 * self.n),
            "correct_12": self.correct_12,
            "correct_21": self.correct_21,
            "both": self.both,
            "agree": self.agree,
        }


def _with_pools(subsets: Mapping[str, Tally]) -> dict[str, object]:
    found: dict[str, object] = {name: tally.counts() for name, tally in subsets.items()}
    ours = {name: tally for name, tally in subsets.items() if name.startswith("LLMBar/")}
    hard = [tally for name, tally in ours.items() if name.rpartition("/")[2] in _ADVERSARIAL]
    if ours:
        found["ALL419"] = sum(ours.values(), Tally()).counts()
    if hard:
        pooled = sum(hard, Tally())
        macro = round(sum(tally.rate for tally in hard) / len(hard), 2)
        found["ADV319"] = {"n": pooled.n, "acc": pooled.counts()["acc"], "macro": macro}
    return found


def _winners(record: Record) -> tuple[int | None, int | None]:
    stage = record["stages"][-1]
    if stage["kind"] == "rating":
        return _by_rating(stage)
    reasons_first = _reasons_first(record["judge"], len(record["stages"]))
    won: dict[str, int | None] = {}
    for game in stage["games"]:
        reading = llmbar.strict(game["judgment_text"] or "", reasons_first=reasons_first)
        order = game["order"]
        won[order] = None if reading is None else int(order[0] if reading.label.side == "first" else order[1])
    return won.get("12"), won.get("21")


def _by_rating(stage: Record) -> tuple[int | None, int | None]:
    """The output shown second wins unless it was rated lower, so equal ratings go to the second shown.

    An empty rating is not a number and never lower or higher, which by the same comparison leaves the first shown.
    """
    one, two = (float(stage[name] or "nan") for name in ("score_1", "score_2"))
    return 2 if one <= two else 1, 1 if two <= one else 2


def _reasons_first(judge: str, stages: int) -> bool:
    """Whether the last stage was read as LLMBar reads its CoT prompts.

    Swap reasons in its first stage and only names the output in the second; the published run of PaLM2 with CoT was
    read as a plain one.
    """
    model, _, prompt = judge.partition("/")
    if prompt == "Swap":
        return stages == 1
    return prompt == "Swap_CoT" or (prompt == "CoT" and model != "PaLM2")


def _keys(of: object) -> tuple[str, ...]:
    return tuple(of) if isinstance(of, Mapping) else ()


def _of(mapping: object, key: str) -> object:
    return mapping.get(key) if isinstance(mapping, Mapping) else None
