"""Conversations whose last turn can only be answered from the earlier ones."""

from random import Random

from ensemble.simulator.tasks.base import NEXT_TURN, Pattern, Values, Work, forms, near

_NAMES = ("Mila", "Oskar", "Petra", "Rudi", "Sofie", "Tibor", "Ulla", "Viktor")
_GOODS = ("groceries", "books", "train tickets", "paint", "shoes", "a lamp")


def _draw_budget(rng: Random, level: float) -> Values:
    top = 60 if level < 0.4 else 900
    b, c = rng.randint(5, top), rng.randint(5, top)
    first, second = rng.sample(_GOODS, 2)
    return {"a": str(b + c + rng.randint(5, top)), "b": str(b), "c": str(c), "first": first, "second": second}


def _work_budget(said: Values) -> Work:
    a, b, c = (int(said[name]) for name in "abc")
    return Work(
        kind="dialogue",
        checker="number",
        truth=str(a - b - c),
        # Forgetting what was said two turns ago is the error that conversations bring.
        wrongs=near(a - b - c, a - c, a - b),
        difficulty=0.2 if a < 200 else 0.5,
        steps=f"Of the {a} euros, {b} and {c} are spent, which leaves {{answer}}.",
    )


def _draw_steps(rng: Random, level: float) -> Values:
    return {"a": str(rng.randint(3, 15 + int(80 * level))), "b": str(rng.randint(2, 9)), "c": str(rng.randint(2, 30))}


def _work_steps(said: Values) -> Work:
    a, b, c = (int(said[name]) for name in "abc")
    found = a * b - c
    return Work(
        kind="dialogue",
        checker="number",
        truth=str(found),
        wrongs=near(found, a * b, a * b + c, a - c),
        difficulty=0.2 + len(str(a)) * 0.15 + (0.1 if found < 0 else 0.0),
        steps=f"{a} times {b} is {a * b}, and less {c} it is {{answer}}.",
    )


def _draw_names(rng: Random, level: float) -> Values:
    me, sister, brother = rng.sample(_NAMES, 3)
    return {"me": me, "sister": sister, "brother": brother, "which": rng.choice(("sister", "brother"))}


def _work_names(said: Values) -> Work:
    which = said["which"].lower()
    truth, other = said[which], said["brother" if which == "sister" else "sister"]
    return Work(
        kind="dialogue",
        checker="text",
        truth=truth,
        wrongs=(other, said["me"]),
        difficulty=0.15,
        steps=f"You told me at the start that your {which} is called {{answer}}.",
    )


_N = {name: r"-?\d{1,6}" for name in "abc"}
PATTERNS = (
    Pattern(
        kind="dialogue",
        draw=_draw_budget,
        work=_work_budget,
        forms=forms(
            {**_N, "first": r"[a-z ]+", "second": r"[a-z ]+"},
            NEXT_TURN.join(
                (
                    "I have a budget of {a} euros this week.",
                    "I spent {b} euros on {first}.",
                    "And {c} euros on {second}. How many euros are left?",
                )
            ),
            NEXT_TURN.join(
                (
                    "My budget is {a} euros; {b} euros went on {first}.",
                    "Then {c} euros on {second}. What remains, in euros?",
                )
            ),
        ),
    ),
    Pattern(
        kind="dialogue",
        draw=_draw_steps,
        work=_work_steps,
        forms=forms(
            _N,
            NEXT_TURN.join(
                ("Think of the number {a}.", "Multiply it by {b}.", "Now take away {c}. Which number do you have?")
            ),
        ),
    ),
    Pattern(
        kind="dialogue",
        draw=_draw_names,
        work=_work_names,
        forms=forms(
            {"me": r"\w+", "sister": r"\w+", "brother": r"\w+", "which": "sister|brother"},
            NEXT_TURN.join(
                (
                    "Hi, I am {me}. My sister is {sister} and my brother is {brother}.",
                    "We are planning a trip together.",
                    "By the way, what is the name of my {which}?",
                )
            ),
        ),
        replies=("Nice to meet you!", "That sounds lovely."),
    ),
)
