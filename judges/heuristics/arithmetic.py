"""Prefer candidates that can count."""

import re
from collections.abc import Mapping
from fractions import Fraction

from judges.heuristics._found import without
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict

_NUMBER = r"\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_EQUATION = re.compile(
    rf"(?<![\w.,+\-*/×÷^=%)(:√])(?<![+\-*/×÷^=%)(√] )(?P<left>{_NUMBER}(?: ?[-+*/×÷−] ?{_NUMBER}){{1,8}}) ?= ?"
    rf"(?P<right>-?{_NUMBER})(?!\.?\d|,\d|\s*[-+*/×÷^%(]|\w)"
)
_DECIMALS = 9  # what stands behind them is the rounding of a machine
_TOKEN = re.compile(rf"({_NUMBER})|([-+*/×÷−])")


@JUDGES.register("arithmetic")
class Arithmetic(Judge):
    """Prefer candidates without a sum that is wrong over those that state one, such as ``3 * 4 = 13``.

    Only equations between plain numbers are checked, to the decimals in which their result is written. Silent where all
    or none go wrong.
    """

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        bad = frozenset(one.id for one in case.candidates if any(wrong_sums(one.completion.text)))
        return without(self, case, bad, "state a sum that is wrong")


def wrong_sums(text: str) -> list[bool]:
    """Of each sum that ``text`` states and that can be checked, whether it is wrong."""
    found = (_wrong(one["left"], one["right"]) for one in _EQUATION.finditer(text))
    return [wrong for wrong in found if wrong is not None]


def _wrong(left: str, right: str) -> bool | None:
    try:
        value = _value(left)
        return None if value is None else not _is(value, right)
    except ValueError:  # thousands of digits, which Python does not read
        return None


def _value(expression: str) -> Fraction | None:
    """The value by the usual precedence; None for a division by zero, or for two of them, where 7 / 1/2 may be 14."""
    if len(re.findall("[/÷]", expression)) > 1:
        return None
    total, term, sign, times = Fraction(0), Fraction(0), 1, ""
    for number, operator in _TOKEN.findall(expression):
        if number:
            value = Fraction(re.sub(r"[$,]", "", number))
            if times == "/" and not value:
                return None
            term = term * value if times == "*" else term / value if times == "/" else value
        elif operator in "*×":
            times = "*"
        elif operator in "/÷":
            times = "/"
        else:
            total, times = total + sign * term, ""
            sign = 1 if operator == "+" else -1
    return total + sign * term


def _is(value: Fraction, written: str) -> bool:
    plain = re.sub(r"[$,]", "", written)
    decimals = min(len(plain.partition(".")[2]), _DECIMALS)
    # A result may be rounded or cut at its last digit, and a whole one rounded where the value is not whole.
    return abs(value - Fraction(plain)) < Fraction(1, 10**decimals)
