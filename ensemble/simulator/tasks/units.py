"""Conversion of units and of temperatures."""

from decimal import Decimal
from fractions import Fraction
from random import Random

from ensemble.simulator.tasks.arithmetic import number
from ensemble.simulator.tasks.base import Pattern, Values, Work, forms

# Dimension, size in the dimension's base unit, and how unfamiliar the unit is in [0, 1].
_UNITS: dict[str, tuple[str, Fraction, float]] = {
    "millimetres": ("length", Fraction(1, 1000), 0.1),
    "centimetres": ("length", Fraction(1, 100), 0.1),
    "metres": ("length", Fraction(1), 0.05),
    "kilometres": ("length", Fraction(1000), 0.1),
    "inches": ("length", Fraction(254, 10000), 0.4),
    "feet": ("length", Fraction(3048, 10000), 0.45),
    "yards": ("length", Fraction(9144, 10000), 0.6),
    "miles": ("length", Fraction(1609344, 1000), 0.55),
    "grams": ("mass", Fraction(1), 0.05),
    "kilograms": ("mass", Fraction(1000), 0.1),
    "tonnes": ("mass", Fraction(1000000), 0.15),
    "ounces": ("mass", Fraction(28349523125, 10**9), 0.65),
    "pounds": ("mass", Fraction(45359237, 100000), 0.5),
    "seconds": ("time", Fraction(1), 0.05),
    "minutes": ("time", Fraction(60), 0.1),
    "hours": ("time", Fraction(3600), 0.15),
    "days": ("time", Fraction(86400), 0.25),
    "weeks": ("time", Fraction(604800), 0.35),
    "millilitres": ("volume", Fraction(1, 1000), 0.1),
    "litres": ("volume", Fraction(1), 0.05),
    "pints": ("volume", Fraction(56826125, 10**8), 0.8),
    "gallons": ("volume", Fraction(3785411784, 10**9), 0.6),
}


def _draw_unit(rng: Random, level: float) -> Values:
    while True:
        first, second = rng.sample(sorted(_UNITS), 2)
        value = rng.randint(2, 12 if level < 0.4 else 90)
        found = value * _UNITS[first][1] / _UNITS[second][1]
        alike = abs(max(_UNITS[first][2], _UNITS[second][2]) - level) < 0.25
        if _UNITS[first][0] == _UNITS[second][0] and alike and 0.05 < found < 10_000_000:
            return {"value": str(value), "first": first, "second": second}


def _work_unit(said: Values) -> Work:
    first, second = said["first"].lower(), said["second"].lower()
    if first == second or first not in _UNITS or second not in _UNITS or _UNITS[first][0] != _UNITS[second][0]:
        raise ValueError("units that do not convert")
    factor = _UNITS[first][1] / _UNITS[second][1]
    value = Fraction(said["value"]) * factor
    truth = _two(value)
    return Work(
        kind="units",
        checker="number",
        truth=truth,
        wrongs=(_two(value * 10), _two(Fraction(said["value"]) / factor), _two(value / 10), _two(value * 11 / 10)),
        difficulty=max(_UNITS[first][2], _UNITS[second][2]) + (0.0 if value.denominator == 1 else 0.1),
        steps=f"The factor is {_two(factor)}, so {said['value']} {first} are {{answer}} {second}.",
    )


def _two(value: Fraction) -> str:
    return number(value) if abs(value) >= 1 or value == 0 else f"{Decimal(f'{float(value):.3g}'):f}"


def _draw_temperature(rng: Random, level: float) -> Values:
    value = rng.randrange(0, 100, 10) if level < 0.5 else rng.randint(-40, 120)
    return {"value": str(value), "scale": rng.choice(("Celsius", "Fahrenheit"))}


def _work_temperature(said: Values) -> Work:
    value, scale = Fraction(said["value"].replace("−", "-")), said["scale"].capitalize()
    found = value * 9 / 5 + 32 if scale == "Celsius" else (value - 32) * 5 / 9
    slip = value * 9 / 5 if scale == "Celsius" else value * 5 / 9 - 32
    other = "Fahrenheit" if scale == "Celsius" else "Celsius"
    return Work(
        kind="units",
        checker="number",
        truth=number(found),
        wrongs=(number(slip), number(found + 2), number(found - 10), number(value + 32)),
        difficulty=0.3 if found.denominator == 1 else 0.6,
        steps=f"By the usual formula {said['value']} degrees {scale} are {{answer}} degrees {other}.",
    )


_NUMBER = r"[-−]?\d{1,9}(?:\.\d{1,4})?"
_NAME = "|".join(_UNITS)
PATTERNS = (
    Pattern(
        kind="units",
        draw=_draw_unit,
        work=_work_unit,
        forms=forms(
            {"value": _NUMBER, "first": _NAME, "second": _NAME},
            "Convert {value} {first} to {second}.",
            "How many {second} are {value} {first}?",
            "What is {value} {first} in {second}?",
            "I have {value} {first}. How much is that in {second}?",
            "Express {value} {first} in {second}",
        ),
    ),
    Pattern(
        kind="units",
        draw=_draw_temperature,
        work=_work_temperature,
        forms=forms(
            {"value": _NUMBER, "scale": "Celsius|Fahrenheit"},
            "What is {value} degrees {scale} on the other common scale?",
            "It is {value} degrees {scale} outside. What would a thermometer with the other scale show?",
        ),
    ),
)
