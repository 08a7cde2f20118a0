"""Tasks whose answer is a call of a tool."""

from collections.abc import Mapping
from random import Random

import orjson

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms

_CITIES = ("Oslo", "Lima", "Hanoi", "Quito", "Riga", "Tunis", "Perth", "Osaka")
_MONEY = ("EUR", "USD", "CZK", "GBP", "JPY", "CHF")
_EVENTS = ("team lunch", "budget review", "dentist", "piano lesson", "project kickoff")


def _tool(name: str, about: str, **properties: str) -> Mapping[str, object]:
    parameters = {
        "type": "object",
        "properties": {key: {"type": kind} for key, kind in properties.items()},
        "required": list(properties),
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}}


def call_text(name: str, arguments: Mapping[str, object]) -> str:
    """A tool call as the checker compares it."""
    return orjson.dumps({"name": name, "arguments": arguments}, option=orjson.OPT_SORT_KEYS).decode()


def _work(name: str, right: Mapping[str, object], slips: list[Mapping[str, object]], difficulty: float) -> Work:
    return Work(
        kind="tool_call",
        checker="tool_call",
        truth=call_text(name, right),
        wrongs=tuple(call_text(name, slip) for slip in slips),
        difficulty=difficulty,
    )


def _draw_weather(rng: Random, level: float) -> Values:
    return {"city": rng.choice(_CITIES), "days": str(rng.randint(1, 7))}


def _work_weather(said: Values) -> Work:
    days = int(said["days"])
    right = {"city": said["city"], "days": days}
    slips: list[Mapping[str, object]] = [{**right, "days": days + 1}, {**right, "city": "London"}]
    return _work("get_weather", right, slips, 0.2)


def _draw_exchange(rng: Random, level: float) -> Values:
    first, second = rng.sample(_MONEY, 2)
    return {"amount": str(rng.randint(5, 5000)), "first": first, "second": second}


def _work_exchange(said: Values) -> Work:
    first, second = said["first"].upper(), said["second"].upper()
    right = {"amount": int(said["amount"]), "source": first, "target": second}
    swapped = {**right, "source": second, "target": first}
    return _work("convert_currency", right, [swapped, {**right, "amount": 1}], 0.4)


def _draw_event(rng: Random, level: float) -> Values:
    day = f"2026-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
    return {"event": rng.choice(_EVENTS), "day": day, "hour": str(rng.randint(1, 11)), "half": rng.choice(("am", "pm"))}


def _work_event(said: Values) -> Work:
    hour = int(said["hour"]) % 12 + (12 if said["half"].lower() == "pm" else 0)
    right = {"title": said["event"], "date": said["day"], "start": f"{hour:02d}:00"}
    early = {**right, "start": f"{int(said['hour']):02d}:00"}
    late = {**right, "start": f"{(hour + 1) % 24:02d}:00"}
    return _work("add_event", right, [early, late], 0.65 if said["half"].lower() == "pm" else 0.35)


PATTERNS = (
    Pattern(
        kind="tool_call",
        draw=_draw_weather,
        work=_work_weather,
        tool=_tool("get_weather", "The forecast for a city.", city="string", days="integer"),
        forms=forms(
            {"city": r"[A-Z]\w+", "days": r"\d+"},
            "What will the weather in {city} be like over the next {days} days?",
            "I need the forecast for {city}, {days} days ahead.",
        ),
    ),
    Pattern(
        kind="tool_call",
        draw=_draw_exchange,
        work=_work_exchange,
        tool=_tool("convert_currency", "Converts an amount.", amount="integer", source="string", target="string"),
        forms=forms(
            {"amount": r"\d+", "first": "|".join(_MONEY), "second": "|".join(_MONEY)},
            "How much are {amount} {first} in {second} today?",
            "I want to change {amount} {first} into {second}. What do I get?",
            "How many {second} do I get for {amount} {first}?",
        ),
    ),
    Pattern(
        kind="tool_call",
        draw=_draw_event,
        work=_work_event,
        tool=_tool("add_event", "Adds to the calendar, start as HH:MM.", title="string", date="string", start="string"),
        forms=forms(
            {"event": "|".join(_EVENTS), "day": r"\d{4}-\d\d-\d\d", "hour": r"\d{1,2}", "half": "am|pm"},
            "Put {event} into my calendar for {day} at {hour} {half}.",
            "Please schedule: {event}, {day}, {hour} {half}",
        ),
    ),
)
