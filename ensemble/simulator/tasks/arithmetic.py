"""Sums, products, percentages and small stories with numbers."""

import ast
import operator
import re
from collections.abc import Callable
from fractions import Fraction
from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms, ladder, near

_OPERATORS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "–": "-"})
MOST_DIGITS = 12


def evaluate(expression: str) -> tuple[Fraction, float]:
    """Value and effort of ``expression`` (``+ - * /`` and brackets); raises ValueError for anything else."""
    plain = re.sub(r"(?<=\d)\s*x\s*(?=[\d(])", "*", expression.translate(_SIGNS))
    try:
        tree = ast.parse(plain.strip(), mode="eval").body
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("no expression") from error
    if not isinstance(tree, ast.BinOp):
        raise ValueError("nothing to work out")
    return _value(tree, 0)


def _value(node: ast.expr, depth: int) -> tuple[Fraction, float]:
    if depth > 20:
        raise ValueError("nested too deeply")
    match node:
        case ast.Constant(value=int() as number) if not isinstance(number, bool):
            if len(str(abs(number))) > MOST_DIGITS:
                raise ValueError("too long a number")
            return Fraction(number), 0.0
        case ast.Constant(value=float() as number):
            return Fraction(str(number)), 0.0
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value, effort = _value(operand, depth + 1)
            return -value, effort
        case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _OPERATORS:
            first, one = _value(left, depth + 1)
            second, other = _value(right, depth + 1)
            if isinstance(sign, ast.Div) and second == 0:
                raise ValueError("division by zero")
            return _OPERATORS[type(sign)](first, second), one + other + _effort(sign, first, second)
    raise ValueError("no expression")


def _effort(sign: ast.operator, first: Fraction, second: Fraction) -> float:
    one, other = (len(str(abs(int(each)))) for each in (first, second))
    if isinstance(sign, ast.Mult | ast.Div):
        return one * other + 0.5
    return max(one, other) * 0.7


def number(value: Fraction) -> str:
    """``value`` in decimal, rounded to two places where it is not whole."""
    return str(value.numerator) if value.denominator == 1 else f"{float(value):.2f}".rstrip("0").rstrip(".")


def _draw_expression(rng: Random, level: float) -> Values:
    def of(digits: int) -> int:
        return rng.randint(10 ** (digits - 1), 10**digits - 1)

    match ladder(level, (0, 1, 2, 3, 4, 5)):
        case 0:
            text = f"{of(2)} {rng.choice('+-')} {of(rng.choice((1, 2)))}"
        case 1:
            text = f"{of(2)} × {rng.randint(3, 9)}" if rng.random() < 0.5 else f"{of(3)} + {of(3)}"
        case 2:
            text = f"{of(2)} × {rng.randint(12, 19)}"
        case 3:
            text = f"{of(3)} * {of(2)} + {of(2)}"
        case 4:
            text = f"{of(3)} × {of(3)}"
        case _:
            text = f"({of(4)} - {of(3)}) * {of(3)}"
    return {"expression": text}


def _work_expression(said: Values) -> Work:
    value, effort = evaluate(said["expression"].replace(",", ""))
    truth = number(value)
    whole = round(value)
    return Work(
        kind="arithmetic",
        checker="number",
        truth=truth,
        wrongs=near(whole, whole + (100 if effort > 4 else 10)),
        difficulty=effort / 14,
        steps=f"Working through {said['expression']} step by step gives {{answer}}.",
    )


def _draw_percent(rng: Random, level: float) -> Values:
    percent = rng.choice((10, 20, 25, 50)) if level < 0.35 else rng.choice((12, 17, 35, 45, 85))
    return {"percent": str(percent), "number": str(rng.randint(2, 40) * (20 if level < 0.5 else 100))}


def _work_percent(said: Values) -> Work:
    percent, whole = int(said["percent"]), int(said["number"])
    value = Fraction(percent * whole, 100)
    return Work(
        kind="arithmetic",
        checker="number",
        truth=number(value),
        wrongs=(number(value * 10), number(value + percent), number(Fraction(whole - percent))),
        difficulty=0.12 if 100 % percent == 0 else 0.38,
        steps=f"One percent of {whole} is {number(Fraction(whole, 100))}, and {percent} times that is {{answer}}.",
    )


_NAMES = ("Anna", "Ben", "Clara", "David", "Eva", "Felix", "Greta", "Hugo")
_THINGS = ("apples", "pencils", "stickers", "marbles", "cards", "buttons")


def _draw_boxes(rng: Random, level: float) -> Values:
    a, b = rng.randint(2, 4 + int(10 * level)), rng.randint(3, 6 + int(30 * level))
    c = rng.randint(1, a * b - 1)
    return {"who": rng.choice(_NAMES), "thing": rng.choice(_THINGS), "a": str(a), "b": str(b), "c": str(c)}


def _work_boxes(said: Values) -> Work:
    a, b, c = (int(said[name]) for name in "abc")
    return Work(
        kind="arithmetic",
        checker="number",
        truth=str(a * b - c),
        wrongs=near(a * b - c, a + b - c, a * b + c, a * b),
        difficulty=0.08 + 0.05 * a * b**0.5 / 2,
        steps=f"There are {a} boxes of {b}, and {c} go away: {a} × {b} − {c} = {{answer}}.",
    )


def _draw_speed(rng: Random, level: float) -> Values:
    b, speed = rng.randint(2, 5), rng.randint(4, 12) * (10 if level < 0.5 else 7)
    return {"a": str(b * speed), "b": str(b), "c": str(rng.randint(2, 4 + int(8 * level)))}


def _work_speed(said: Values) -> Work:
    a, b, c = (int(said[name]) for name in "abc")
    value = Fraction(a * c, b)
    return Work(
        kind="arithmetic",
        checker="number",
        truth=number(value),
        wrongs=near(round(value), a * c, a + c),
        difficulty=0.25 if a % (10 * b) == 0 else 0.55,
        steps=f"In one hour it covers {number(Fraction(a, b))} km, so in {c} hours it covers {{answer}} km.",
    )


_N = {name: r"\d{1,6}" for name in ("a", "b", "c", "percent", "number")}
PATTERNS = (
    Pattern(
        kind="arithmetic",
        draw=_draw_percent,
        work=_work_percent,
        forms=forms(
            _N,
            "What is {percent}% of {number}?",
            "How much is {percent} percent of {number}?",
            "Please work out {percent} % of {number}.",
            "I need {percent}% of {number}",
        ),
    ),
    Pattern(
        kind="arithmetic",
        draw=_draw_boxes,
        work=_work_boxes,
        forms=forms(
            {**_N, "who": r"\w+", "thing": r"\w+"},
            "{who} buys {a} boxes with {b} {thing} each and gives {c} {thing} away. How many {thing} are left?",
            "There are {b} {thing} in each of {who}'s {a} boxes. If {c} {thing} get lost, how many remain?",
            "{who} packed {a} boxes, {b} {thing} in each. Later {c} {thing} were taken out. How many are still packed?",
        ),
    ),
    Pattern(
        kind="arithmetic",
        draw=_draw_speed,
        work=_work_speed,
        forms=forms(
            _N,
            "A train travels {a} km in {b} hours. How many km does it travel in {c} hours at the same speed?",
            "A car covers {a} km in {b} hours. At that pace, how far does it get in {c} hours? Answer in km.",
        ),
    ),
    Pattern(
        kind="arithmetic",
        draw=_draw_expression,
        work=_work_expression,
        forms=forms(
            {"expression": r"[-−(]?[\d(][\d\s+*/×÷().,−–x-]*[\d)]"},
            "What is {expression}?",
            "Calculate {expression}",
            "Compute {expression}",
            "How much is {expression}?",
            "Work out {expression} for me.",
            "{expression} = ?",
            "I need the value of {expression}",
            "What does {expression} come to?",
            "Can you tell me what {expression} equals?",
            "what's {expression}",
        ),
    ),
)
