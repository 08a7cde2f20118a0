"""Putting numbers and words in order."""

from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms

# fmt: off
_WORDS = (
    "apple", "anchor", "basket", "bridge", "candle", "castle", "dragon", "garden", "hammer", "island",
    "jacket", "kettle", "lantern", "lemon", "marble", "mirror", "needle", "ocean", "orange", "pencil",
    "pepper", "quarter", "rabbit", "ribbon", "saddle", "silver", "tunnel", "umbrella", "velvet", "window",
    "yellow", "zebra",
)
# fmt: on


def _length(rng: Random, level: float) -> int:
    return 3 + int(level * 9) + rng.randint(0, 1)


def _draw_numbers(rng: Random, level: float) -> Values:
    items = rng.sample(range(1, 100 if level < 0.5 else 1000), _length(rng, level))
    return {"items": ", ".join(map(str, items)), "way": rng.choice(("ascending", "descending"))}


def _work_numbers(said: Values) -> Work:
    items = [int(item) for item in said["items"].split(",")]
    return _work(sorted(map(str, items), key=int, reverse=said["way"].lower() == "descending"))


def _draw_words(rng: Random, level: float) -> Values:
    return {"items": ", ".join(rng.sample(_WORDS, _length(rng, level)))}


def _work_words(said: Values) -> Work:
    return _work(sorted(item.strip().lower() for item in said["items"].split(",")))


def _work(right: list[str]) -> Work:
    if len(right) < 3:
        raise ValueError("nothing to order")
    slips = [right.copy() for _ in range(3)]
    slips[0][-2], slips[0][-1] = right[-1], right[-2]
    slips[1].reverse()
    slips[2][0], slips[2][1] = right[1], right[0]
    return Work(
        kind="ordering",
        checker="sequence",
        truth=", ".join(right),
        wrongs=tuple(", ".join(slip) for slip in slips),
        difficulty=(len(right) - 2) / 10,
        steps="",
    )


_NUMBERS = r"\d+(?:\s*,\s*\d+){2,}"
PATTERNS = (
    Pattern(
        kind="ordering",
        draw=_draw_numbers,
        work=_work_numbers,
        forms=forms(
            {"items": _NUMBERS, "way": "ascending|descending"},
            "Sort these numbers in {way} order: {items}.",
            "Put {items} in {way} order.",
            "Please write the following numbers in {way} order, separated by commas: {items}",
        ),
    ),
    Pattern(
        kind="ordering",
        draw=_draw_words,
        work=_work_words,
        forms=forms(
            {"items": r"[a-z]+(?:\s*,\s*[a-z]+){2,}"},
            "Sort these words alphabetically: {items}.",
            "Put the following words in alphabetical order, separated by commas: {items}",
        ),
    ),
)
