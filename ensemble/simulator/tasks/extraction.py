"""Reading data out of a text into JSON."""

from random import Random

import orjson

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms

_FIRST = ("Anna", "Marek", "Lucia", "Tomas", "Ingrid", "Pavel", "Noor", "Jonas")
_LAST = ("Novak", "Berg", "Rossi", "Kovac", "Lind", "Meyer", "Silva", "Dumont")
_CITIES = ("Brno", "Graz", "Porto", "Lyon", "Turku", "Leeds", "Ghent", "Bergen")
_ITEMS = ("lamps", "chairs", "kettles", "notebooks", "headphones", "backpacks")


def _draw(rng: Random, level: float) -> Values:
    buyer, other = (f"{first} {last}" for first, last in zip(rng.sample(_FIRST, 2), rng.sample(_LAST, 2), strict=True))
    city, from_city = rng.sample(_CITIES, 2)
    return {
        "buyer": buyer,
        "other": other,
        "n": str(rng.randint(2, 40)),
        "item": rng.choice(_ITEMS),
        "total": f"{rng.randint(20, 900)}.{rng.randint(0, 99):02d}",
        "city": city,
        "from_city": from_city,
        # The distractor is what makes it hard: a second person, a second place, or neither.
        "note": ("", f" {other} from our office in {from_city} signed it.")[level > 0.4],
    }


def _work(said: Values) -> Work:
    n = int(said["n"])
    right = {"name": said["buyer"], "city": said["city"], "quantity": n, "total": float(said["total"])}
    note = said.get("note") or ""
    slips: list[dict[str, object]] = [{**right, "quantity": n + 1}, {**right, "city": None}]
    words = note.split()
    if len(words) > 2:
        slips.insert(0, {**right, "name": " ".join(words[:2])})
    return Work(
        kind="extraction",
        checker="json",
        truth=orjson.dumps(right).decode(),
        wrongs=tuple(orjson.dumps(slip).decode() for slip in slips),
        difficulty=0.6 if note else 0.2,
    )


_PATTERNS = {
    "buyer": r"\w+ \w+",
    "n": r"\d{1,4}",
    "item": r"\w+",
    "total": r"\d+\.\d\d",
    "city": r"\w+",
    "note": r"(?: \w+ \w+ from our office in \w+ signed it\.)?",
}
_WANTED = "Reply with a JSON object with the keys name, city, quantity and total."
PATTERNS = (
    Pattern(
        kind="extraction",
        draw=_draw,
        work=_work,
        forms=forms(
            _PATTERNS,
            f"Extract the buyer's order. {_WANTED}\n\n"
            "{buyer} from {city} ordered {n} {item} for {total} EUR in all.{note}",
            f"{_WANTED} The text: We confirm the sale of {{n}} {{item}} to {{buyer}}, {{city}}. "
            "The amount due is {total} EUR.{note}",
            f"Read this message and pull out the order. {_WANTED}\n\nHello, this is {{buyer}}. Please send "
            "{n} {item} to {city}; I have paid {total} EUR.{note}",
        ),
    ),
)
