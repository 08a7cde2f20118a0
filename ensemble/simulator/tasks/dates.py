"""Days, weekdays and leap years."""

import re
from datetime import date, timedelta
from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms, near

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES = "|".join(_MONTHS)
_DATE = rf"\d{{4}}-\d{{2}}-\d{{2}}|\d{{1,2}} (?:{_NAMES}) \d{{4}}|(?:{_NAMES}) \d{{1,2}}, \d{{4}}"


def read_date(text: str) -> date:
    """A date in one of the three usual spellings; raises ValueError for another or for a day that is none."""
    if iso := re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})", text):
        year, month, day = (int(part) for part in iso.groups())
        return date(year, month, day)
    words = text.replace(",", "").split()
    day_text, month_name = (words[0], words[1]) if words[0].isdigit() else (words[1], words[0])
    return date(int(words[2]), _MONTHS.index(month_name.capitalize()) + 1, int(day_text))


def _spell(rng: Random, day: date) -> str:
    month = _MONTHS[day.month - 1]
    return rng.choice((day.isoformat(), f"{day.day} {month} {day.year}", f"{month} {day.day}, {day.year}"))


def _any_day(rng: Random, level: float) -> date:
    return date(2024, 1, 1) + timedelta(days=rng.randint(0, 900) - int(level * 40000 * rng.random()))


def _draw_weekday(rng: Random, level: float) -> Values:
    return {"day": _spell(rng, _any_day(rng, level))}


def _work_weekday(said: Values) -> Work:
    day = read_date(said["day"])
    right = day.weekday()
    return Work(
        kind="dates",
        checker="text",
        truth=_DAYS[right],
        wrongs=tuple(_DAYS[(right + step) % 7] for step in (1, 6, 2)),
        difficulty=0.42 + abs(day.year - 2024) / 200,
        steps=f"Counting the days to {said['day']} from a weekday that is known leads to a {{answer}}.",
    )


def _draw_later(rng: Random, level: float) -> Values:
    return {"n": str(rng.randint(2, 5 + int(120 * level))), "day": _spell(rng, _any_day(rng, 0.1))}


def _work_later(said: Values) -> Work:
    start, n = read_date(said["day"]), int(said["n"])
    found = start + timedelta(days=n)
    months = abs((found.year - start.year) * 12 + found.month - start.month)
    return Work(
        kind="dates",
        checker="text",
        truth=found.isoformat(),
        wrongs=tuple((found + timedelta(days=off)).isoformat() for off in (1, -1, 30, -7)),
        difficulty=0.15 + 0.13 * months,
        steps=f"Going {n} days on from {start.isoformat()} ends at {{answer}}.",
    )


def _draw_between(rng: Random, level: float) -> Values:
    first = _any_day(rng, 0.1)
    second = first + timedelta(days=rng.randint(3, 10 + int(250 * level)))
    return {"first": _spell(rng, first), "second": _spell(rng, second)}


def _work_between(said: Values) -> Work:
    first, second = read_date(said["first"]), read_date(said["second"])
    n = abs((second - first).days)
    months = abs((second.year - first.year) * 12 + second.month - first.month)
    return Work(
        kind="dates",
        checker="number",
        truth=str(n),
        wrongs=near(n),
        difficulty=0.2 + 0.1 * months,
        steps=f"Adding up the months from {first.isoformat()} to {second.isoformat()} gives {{answer}} days.",
    )


def _draw_leap(rng: Random, level: float) -> Values:
    return {"year": str(rng.choice((1700, 1800, 1900, 2000, 2100, 1600)) if level > 0.4 else rng.randint(1950, 2090))}


def _work_leap(said: Values) -> Work:
    year = int(said["year"])
    right = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return Work(
        kind="dates",
        checker="text",
        truth="yes" if right else "no",
        wrongs=("no" if right else "yes",),
        difficulty=0.5 if year % 100 == 0 else 0.1,
        steps=f"Looking at whether {year} divides by 4, by 100 and by 400, one comes to {{answer}}.",
    )


PATTERNS = (
    Pattern(
        kind="dates",
        draw=_draw_weekday,
        work=_work_weekday,
        forms=forms(
            {"day": _DATE},
            "What day of the week is {day}?",
            "On which weekday does {day} fall?",
            "Which day of the week was {day}?",
        ),
    ),
    Pattern(
        kind="dates",
        draw=_draw_later,
        work=_work_later,
        forms=forms(
            {"day": _DATE, "n": r"\d{1,5}"},
            "What date is {n} days after {day}? Answer as YYYY-MM-DD.",
            "A parcel sent on {day} takes {n} days. On what date does it arrive? Write the date as YYYY-MM-DD.",
        ),
    ),
    Pattern(
        kind="dates",
        draw=_draw_between,
        work=_work_between,
        forms=forms(
            {"first": _DATE, "second": _DATE},
            "How many days are there from {first} to {second}?",
            "How many days lie between {first} and {second}, the last one counted?",
        ),
    ),
    Pattern(
        kind="dates",
        draw=_draw_leap,
        work=_work_leap,
        forms=forms(
            {"year": r"\d{3,4}"},
            "Is {year} a leap year? Answer yes or no.",
            "Yes or no: was {year} a leap year?",
        ),
    ),
)
