"""Decisions in which an error harms: doses, drugs, gases, contracts, money and running systems, long ones and short.

All facts in here are a toy's: rounded, few, and of no use outside the simulator.
"""

from random import Random

from ensemble.simulator.tasks.base import Pattern, Values, Work, forms, near

# Two drugs, whether they may be taken together, and how little known that is in [0, 1].
_PAIRS: dict[tuple[str, str], tuple[bool, float]] = {
    ("warfarin", "aspirin"): (False, 0.3),
    ("warfarin", "ibuprofen"): (False, 0.35),
    ("insulin", "vitamin C"): (True, 0.4),
    ("metformin", "paracetamol"): (True, 0.45),
    ("lithium", "ibuprofen"): (False, 0.6),
    ("sildenafil", "nitroglycerin"): (False, 0.4),
    ("methotrexate", "trimethoprim"): (False, 0.75),
    ("simvastatin", "clarithromycin"): (False, 0.7),
    ("amlodipine", "paracetamol"): (True, 0.55),
    ("azathioprine", "allopurinol"): (False, 0.85),
    ("tamoxifen", "paroxetine"): (False, 0.9),
    ("levothyroxine", "amoxicillin"): (True, 0.8),
}
# Greatest concentration of a gas in ppm at which people may work, and how little known it is.
_GASES: dict[str, tuple[int, float]] = {
    "carbon monoxide": (35, 0.3),
    "ammonia": (25, 0.45),
    "hydrogen sulfide": (10, 0.5),
    "sulfur dioxide": (2, 0.65),
    "nitrogen dioxide": (5, 0.75),
    "hydrogen cyanide": (5, 0.85),
}
_DRUGS = ("amoxicillin", "paracetamol", "gentamicin", "ibuprofen")


def _decided(said: bool, difficulty: float, steps: str) -> Work:
    """A decision by yes or no."""
    truth, wrong = ("yes", "no") if said else ("no", "yes")
    return Work(
        kind="critical",
        checker="text",
        truth=truth,
        wrongs=(wrong,),
        difficulty=difficulty,
        steps=f"{steps} {{answer}}.",
    )


def _counted(found: int, difficulty: float, steps: str, *tempting: int) -> Work:
    """A decision by a number."""
    return Work(
        kind="critical",
        checker="number",
        truth=str(found),
        wrongs=near(found, *tempting),
        difficulty=difficulty,
        steps=steps,
    )


def _draw_pair(rng: Random, level: float) -> Values:
    first, second = rng.choice(sorted(_PAIRS, key=lambda pair: abs(_PAIRS[pair][1] - level))[:5])
    return {"first": first, "second": second}


def _work_pair(said: Values) -> Work:
    key = next(
        (pair for pair in _PAIRS if {said["first"].lower(), said["second"].lower()} == {each.lower() for each in pair}),
        None,
    )
    if key is None:
        raise ValueError("not in the toy's table")
    together, rare = _PAIRS[key]
    return _decided(together, rare, f"On {key[0]} together with {key[1]} the table says")


def _draw_dose(rng: Random, level: float) -> Values:
    doses = rng.choice((2, 3, 4) if level > 0.5 else (1, 2))
    kg = rng.randint(5, 40) if level > 0.5 else rng.choice((10, 20, 30))
    return {
        "drug": rng.choice(_DRUGS),
        "kg": str(kg),
        "mg": str(doses * rng.randint(3, 25)),
        "doses": str(doses),
    }


def _work_dose(said: Values) -> Work:
    kg, mg, doses = (int(said[name]) for name in ("kg", "mg", "doses"))
    if doses < 1 or kg * mg % doses:
        raise ValueError("the dose does not come out even")
    found = kg * mg // doses
    hard = 0.35 + (0.0 if kg % 10 == 0 else 0.25) + 0.1 * (doses - 1)
    return _counted(found, hard, f"{kg} times {mg} mg, in {doses} parts, is {{answer}} mg.", kg * mg, mg * doses)


def _draw_gas(rng: Random, level: float) -> Values:
    gas = rng.choice(sorted(_GASES, key=lambda name: abs(_GASES[name][1] - level))[:3])
    limit = _GASES[gas][0]
    return {"gas": gas, "ppm": str(rng.choice((max(1, limit - rng.randint(1, 9)), limit + rng.randint(1, 20))))}


def _work_gas(said: Values) -> Work:
    gas, ppm = said["gas"].lower(), int(said["ppm"])
    if gas not in _GASES:
        raise ValueError("not in the toy's table")
    limit, rare = _GASES[gas]
    return _decided(ppm <= limit, rare, f"The limit for {gas} is {limit} ppm, so the answer to go or not is")


def _draw_notice(rng: Random, level: float) -> Values:
    months = rng.randint(1, 6)
    end = rng.randint(months + 1, 12)
    return {"months": str(months), "end": str(end), "given": str(max(1, end - months + rng.choice((-1, 0, 1))))}


def _work_notice(said: Values) -> Work:
    months, end, given = (int(said[name]) for name in ("months", "end", "given"))
    if not 1 <= given <= 12 or not 1 <= end <= 12 or months < 1:
        raise ValueError("no such month")
    apart = end - given - months
    return _decided(
        apart >= 0,
        0.45 if abs(apart) == 1 else 0.6,
        f"Between month {given} and month {end} lie {end - given} months, so whether the notice stands:",
    )


def _draw_cash(rng: Random, level: float) -> Values:
    burn, due = rng.randint(20, 90), rng.randint(50, 300)
    return {"cash": str(due + burn * rng.randint(2, 14) + rng.randint(1, burn - 1)), "burn": str(burn), "due": str(due)}


def _work_cash(said: Values) -> Work:
    cash, burn, due = (int(said[name]) for name in ("cash", "burn", "due"))
    if burn < 1 or cash < due:
        raise ValueError("the loan cannot be paid")
    found = (cash - due) // burn
    hard = 0.5 + 0.03 * min(found, 12)
    return _counted(found, hard, f"{cash} less {due} is {cash - due}, which pays {{answer}} months.", cash // burn)


def _draw_quorum(rng: Random, level: float) -> Values:
    nodes = rng.choice((3, 5, 7, 9) if level > 0.5 else (3, 5))
    return {"nodes": str(nodes), "down": str(rng.randint(0, nodes // 2))}


def _work_quorum(said: Values) -> Work:
    nodes, down = int(said["nodes"]), int(said["down"])
    if not 0 <= down < nodes or nodes < 3:
        raise ValueError("no such cluster")
    left = nodes - down - 1
    return _decided(
        left > nodes // 2,
        0.35 + 0.05 * (nodes - 3) + (0.1 if nodes // 2 in {left, left - 1} else 0.0),
        f"{left} of {nodes} would be left and {nodes // 2 + 1} are needed, so it is",
    )


_N = r"\d{1,6}"
_DRUG_NAMES = "|".join(sorted({name for pair in _PAIRS for name in pair}))
PATTERNS = (
    Pattern(
        kind="critical",
        draw=_draw_pair,
        work=_work_pair,
        forms=forms(
            {"first": _DRUG_NAMES, "second": _DRUG_NAMES},
            "Can a patient on {first} take {second}? Answer yes or no.",
            "{first} with {second}: safe for the patient, yes or no?",
            "She has been on {first} for years. The ward wants to prescribe {second}. May they? Yes or no.",
        ),
    ),
    Pattern(
        kind="critical",
        draw=_draw_dose,
        work=_work_dose,
        forms=forms(
            {"drug": "|".join(_DRUGS), "kg": _N, "mg": _N, "doses": r"\d"},
            "{drug} {mg} mg/kg/day in {doses} doses for a child of {kg} kg. How many mg per dose?",
            "A patient of {kg} kg is prescribed {drug}, {mg} mg per kg a day, split into {doses} doses. "
            "What is the single dose in mg?",
        ),
    ),
    Pattern(
        kind="critical",
        draw=_draw_gas,
        work=_work_gas,
        forms=forms(
            {"gas": "|".join(_GASES), "ppm": _N},
            "The meter shows {ppm} ppm of {gas}. May the crew enter? Answer yes or no.",
            "{ppm} ppm {gas} in the tank: safe to work, yes or no?",
        ),
    ),
    Pattern(
        kind="critical",
        draw=_draw_notice,
        work=_work_notice,
        forms=forms(
            {"months": r"\d{1,2}", "end": r"\d{1,2}", "given": r"\d{1,2}"},
            "The contract ends with month {end} and asks for {months} months' notice. The tenant gave notice at the "
            "end of month {given}. Is the termination valid? Answer yes or no.",
        ),
    ),
    Pattern(
        kind="critical",
        draw=_draw_cash,
        work=_work_cash,
        forms=forms(
            dict.fromkeys(("cash", "burn", "due"), _N),
            "We have {cash} thousand in the bank, a loan of {due} thousand falls due tomorrow, and we burn {burn} "
            "thousand a month. For how many full months are we solvent?",
            "Cash {cash}k, debt due now {due}k, burn {burn}k a month. How many full months of runway before "
            "bankruptcy?",
        ),
    ),
    Pattern(
        kind="critical",
        draw=_draw_quorum,
        work=_work_quorum,
        forms=forms(
            {"nodes": r"\d", "down": r"\d"},
            "Production cluster, {nodes} nodes, {down} down. May I stop one more without losing the majority? "
            "Yes or no.",
            "{down} of our {nodes} database nodes failed in production. Can we restart another one now and keep the "
            "quorum? Answer yes or no.",
        ),
    ),
)
