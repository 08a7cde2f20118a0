"""What a few lines of Python print."""

from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms, near

_WORDS = ("planet", "silver", "python", "garden", "window", "butterfly", "telescope", "chocolate")


def _draw_loop(rng: Random, level: float) -> Values:
    start = rng.randint(0, 5)
    return {"start": str(start), "stop": str(start + 4 + int(level * 30)), "by": str(rng.randint(2, 4))}


def _work_loop(said: Values) -> Work:
    start, stop, by = (int(said[name]) for name in ("start", "stop", "by"))
    if by == 0 or stop - start > 10_000:
        raise ValueError("not a loop that I would run")
    found = sum(i for i in range(start, stop) if i % by == 0)
    return Work(
        kind="code",
        checker="number",
        truth=str(found),
        # The usual slip takes the upper bound of a range as included.
        wrongs=near(found, sum(i for i in range(start, stop + 1) if i % by == 0)),
        difficulty=0.12 + (stop - start) / 38,
        steps=f"The loop adds the multiples of {by} from {start} up to, but without, {stop}: {{answer}}.",
    )


def _draw_slice(rng: Random, level: float) -> Values:
    word = rng.choice(_WORDS[:4] if level < 0.4 else _WORDS[4:])
    return {"word": word, "slice": rng.choice(("[::-1]", "[1:4]") if level < 0.4 else ("[::2]", "[-4:]", "[::-2]"))}


def _work_slice(said: Values) -> Work:
    word = said["word"].lower()
    slices = {"[::-1]": word[::-1], "[1:4]": word[1:4], "[::2]": word[::2], "[-4:]": word[-4:], "[::-2]": word[::-2]}
    slips = {"[::-1]": word[:-1], "[1:4]": word[1:5], "[::2]": word[1::2], "[-4:]": word[:-4], "[::-2]": word[::2]}
    kind = said["slice"]
    return Work(
        kind="code",
        checker="text",
        truth=slices[kind],
        wrongs=(slips[kind], slices[kind][:-1], slices[kind] + word[0]),
        difficulty={"[::-1]": 0.25, "[1:4]": 0.2, "[::2]": 0.5, "[-4:]": 0.4, "[::-2]": 0.75}[kind] + len(word) / 60,
        steps=f"The slice {kind} of {word} picks {{answer}}.",
    )


PATTERNS = (
    Pattern(
        kind="code",
        draw=_draw_loop,
        work=_work_loop,
        forms=forms(
            {name: r"\d{1,4}" for name in ("start", "stop", "by")},
            "What does this Python code print?\n\n```python\ntotal = 0\nfor i in range({start}, {stop}):\n"
            "    if i % {by} == 0:\n        total += i\nprint(total)\n```",
            "What is the value of sum(i for i in range({start}, {stop}) if i % {by} == 0) in Python?",
        ),
    ),
    Pattern(
        kind="code",
        draw=_draw_slice,
        work=_work_slice,
        forms=forms(
            {"word": r"[a-z]+", "slice": r"\[(?:::-1|1:4|::2|-4:|::-2)\]"},
            'What does print("{word}"{slice}) print in Python?',
            'In Python, what string is "{word}"{slice}?',
        ),
    ),
)
