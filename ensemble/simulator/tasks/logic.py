"""Who is the tallest, and what comes next."""

import re
from itertools import pairwise
from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms, ladder, near

_PEOPLE = ("Ada", "Bela", "Cid", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo")
_FACT = re.compile(r"(\w+) is taller than (\w+)")


def _draw_taller(rng: Random, level: float) -> Values:
    people = rng.sample(_PEOPLE, 3 + int(level * 5))
    facts = [f"{high} is taller than {low}" for high, low in pairwise(people)]
    rng.shuffle(facts)
    return {"facts": ". ".join(facts), "which": rng.choice(("tallest", "shortest"))}


def _work_taller(said: Values) -> Work:
    facts = _FACT.findall(said["facts"])
    higher, lower = {high for high, _ in facts}, {low for _, low in facts}
    tallest, shortest = higher - lower, lower - higher
    if len(tallest) != 1 or len(shortest) != 1:
        raise ValueError("the facts do not decide")
    wanted, other = (tallest, shortest) if said["which"].lower() == "tallest" else (shortest, tallest)
    (truth,), (opposite,) = wanted, other
    people = sorted(higher | lower)
    between = [name for name in people if name not in {truth, opposite}]
    return Work(
        kind="logic",
        checker="text",
        truth=truth,
        wrongs=(*between[:2], opposite),
        difficulty=0.1 + 0.14 * (len(people) - 2),
        steps=f"Putting the {len(facts)} facts in a row, {{answer}} stands at the end that was asked for.",
    )


def _draw_next(rng: Random, level: float) -> Values:
    start, step = rng.randint(1, 9), rng.randint(2, 5)
    match ladder(level, (0, 0, 1, 2, 3)):
        case 0:
            row = [start + step * at for at in range(5)]
        case 1:
            row = [start * step**at for at in range(5)]
        case 2:
            row = [start, start + step]
            while len(row) < 6:
                row.append(row[-1] + row[-2])
        case _:
            row = [start + step * at * (at + 1) // 2 for at in range(6)]
    return {"row": ", ".join(map(str, row))}


def _work_next(said: Values) -> Work:
    row = [int(each) for each in said["row"].split(",")]
    steps = [second - first for first, second in pairwise(row)]
    bends = [second - first for first, second in pairwise(steps)]
    if len(row) < 4:
        raise ValueError("too short a row")
    if not any(bends):
        found, difficulty = row[-1] + steps[-1], 0.12
    elif row[0] and all(first and second * row[0] == first * row[1] for first, second in pairwise(row)):
        found, difficulty = row[-1] * row[1] // row[0], 0.3
    elif all(third == first + second for first, second, third in zip(row, row[1:], row[2:], strict=False)):
        found, difficulty = row[-1] + row[-2], 0.5
    elif len(set(bends)) == 1:
        found, difficulty = row[-1] + steps[-1] + bends[-1], 0.75
    else:
        raise ValueError("no rule that I know")
    return Work(
        kind="logic",
        checker="number",
        truth=str(found),
        wrongs=near(found, row[-1] + steps[-1]),
        difficulty=difficulty,
        steps=f"The steps in the row are {', '.join(map(str, steps))}; carried on, they lead to {{answer}}.",
    )


PATTERNS = (
    Pattern(
        kind="logic",
        draw=_draw_taller,
        work=_work_taller,
        forms=forms(
            {"facts": r"\w+ is taller than \w+(?:\. \w+ is taller than \w+)+", "which": "tallest|shortest"},
            "{facts}. Who is the {which}?",
            "Here is what I know: {facts}. Which of them is the {which}?",
        ),
    ),
    Pattern(
        kind="logic",
        draw=_draw_next,
        work=_work_next,
        forms=forms(
            {"row": r"\d+(?:\s*,\s*\d+){3,}"},
            "What number comes next: {row}?",
            "Continue the sequence {row} with the next number.",
            "Which number follows in the row {row}, ...?",
        ),
    ),
)
