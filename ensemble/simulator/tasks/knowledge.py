"""Questions to a toy knowledge base of capitals and elements."""

from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms

# Capital and how little known it is in [0, 1].
_CAPITALS: dict[str, tuple[str, float]] = {
    "France": ("Paris", 0.02),
    "Italy": ("Rome", 0.03),
    "Germany": ("Berlin", 0.03),
    "Japan": ("Tokyo", 0.04),
    "Spain": ("Madrid", 0.04),
    "Austria": ("Vienna", 0.1),
    "Poland": ("Warsaw", 0.12),
    "Egypt": ("Cairo", 0.12),
    "Norway": ("Oslo", 0.14),
    "Canada": ("Ottawa", 0.25),
    "Turkey": ("Ankara", 0.32),
    "Australia": ("Canberra", 0.34),
    "Brazil": ("Brasília", 0.38),
    "Switzerland": ("Bern", 0.45),
    "Kazakhstan": ("Astana", 0.55),
    "Myanmar": ("Naypyidaw", 0.7),
    "Bhutan": ("Thimphu", 0.72),
    "Burkina Faso": ("Ouagadougou", 0.8),
    "Palau": ("Ngerulmud", 0.95),
}
# What is mistaken for the capital.
_TEMPTING = {
    "Canada": "Toronto",
    "Turkey": "Istanbul",
    "Australia": "Sydney",
    "Brazil": "Rio de Janeiro",
    "Switzerland": "Zurich",
    "Kazakhstan": "Almaty",
    "Myanmar": "Yangon",
    "Palau": "Koror",
}
# Atomic number and how little known the element's symbol is.
_ELEMENTS: dict[str, tuple[str, int, float]] = {
    "hydrogen": ("H", 1, 0.02),
    "oxygen": ("O", 8, 0.03),
    "carbon": ("C", 6, 0.05),
    "iron": ("Fe", 26, 0.15),
    "gold": ("Au", 79, 0.2),
    "silver": ("Ag", 47, 0.25),
    "sodium": ("Na", 11, 0.25),
    "potassium": ("K", 19, 0.35),
    "lead": ("Pb", 82, 0.38),
    "tin": ("Sn", 50, 0.5),
    "antimony": ("Sb", 51, 0.7),
    "tungsten": ("W", 74, 0.6),
    "ytterbium": ("Yb", 70, 0.85),
    "praseodymium": ("Pr", 59, 0.9),
}


def _near(rng: Random, level: float, known: dict[str, float]) -> str:
    return rng.choice(sorted(known, key=lambda name: abs(known[name] - level))[:6])


def _draw_capital(rng: Random, level: float) -> Values:
    return {"country": _near(rng, level, {name: rare for name, (_, rare) in _CAPITALS.items()})}


def _work_capital(said: Values) -> Work:
    country = next((name for name in _CAPITALS if name.lower() == said["country"].lower()), None)
    if country is None:
        raise ValueError("not in the knowledge base")
    truth, rare = _CAPITALS[country]
    others = [capital for capital, _ in _CAPITALS.values() if capital != truth]
    tempting = (_TEMPTING[country],) if country in _TEMPTING else ()
    return Work(
        kind="knowledge",
        checker="text",
        truth=truth,
        wrongs=(*tempting, others[len(country) % len(others)], others[ord(country[0]) % len(others)]),
        difficulty=rare,
        steps=f"The government of {country} sits in {{answer}}.",
    )


def _draw_symbol(rng: Random, level: float) -> Values:
    return {"element": _near(rng, level, {name: rare for name, (_, _, rare) in _ELEMENTS.items()})}


def _work_symbol(said: Values) -> Work:
    name = said["element"].lower()
    if name not in _ELEMENTS:
        raise ValueError("not in the knowledge base")
    truth, _, rare = _ELEMENTS[name]
    return Work(
        kind="knowledge",
        checker="text",
        truth=truth,
        wrongs=(name[:2].capitalize(), name[0].upper() + name[-1], name[0].upper() + name[2]),
        difficulty=rare,
        steps=f"In the periodic table {name} is written {{answer}}.",
    )


def _draw_atomic(rng: Random, level: float) -> Values:
    known = {name: 0.2 + 0.8 * rare for name, (_, _, rare) in _ELEMENTS.items()}
    return {"number": str(_ELEMENTS[_near(rng, level, known)][1])}


def _work_atomic(said: Values) -> Work:
    found = next((name for name, (_, number, _) in _ELEMENTS.items() if number == int(said["number"])), None)
    if found is None:
        raise ValueError("not in the knowledge base")
    others = [name for name in _ELEMENTS if name != found]
    return Work(
        kind="knowledge",
        checker="text",
        truth=found,
        wrongs=(others[len(found) % len(others)], others[int(said["number"]) % len(others)], "helium"),
        difficulty=0.2 + 0.8 * _ELEMENTS[found][2],
        steps=f"Place {said['number']} of the periodic table is held by {{answer}}.",
    )


PATTERNS = (
    Pattern(
        kind="knowledge",
        draw=_draw_capital,
        work=_work_capital,
        forms=forms(
            {"country": "|".join(_CAPITALS)},
            "What is the capital of {country}?",
            "Which city is the capital of {country}?",
            "Name the capital city of {country}.",
            "{country}'s capital is called what?",
        ),
    ),
    Pattern(
        kind="knowledge",
        draw=_draw_symbol,
        work=_work_symbol,
        forms=forms(
            {"element": "|".join(_ELEMENTS)},
            "What is the chemical symbol of {element}?",
            "Which symbol does {element} have in the periodic table?",
        ),
    ),
    Pattern(
        kind="knowledge",
        draw=_draw_atomic,
        work=_work_atomic,
        forms=forms(
            {"number": r"\d{1,3}"},
            "Which element has the atomic number {number}?",
            "Name the chemical element with atomic number {number}.",
        ),
    ),
)
