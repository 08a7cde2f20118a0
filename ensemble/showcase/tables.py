"""Configurations for the simulated three-tier fleet: one to label with, one with every kind of router."""

import json
from collections.abc import Sequence
from pathlib import Path

from ensemble.simulator.models import Profile

TIERS = ("small", "balanced", "large")
"""The members, cheapest first."""
LARGE = TIERS[-1]
PANEL = "parallel"
"""The router whose panel is labelled."""
LEARNED, SCORER = "learned", "scorer"
"""Folders of what is trained, beside the configuration."""
TRAINED = ("learned", "cascade", "auto")
"""Kinds of router that need them."""
KINDS = (*TIERS, PANEL, "rules", "split", "semantic", "llm", *TRAINED)
"""Every kind of router that is compared, by its name in the configuration; the first three are `single`."""

# Written from what the tiers are sold for; nothing in here was read off the tasks that are scored.
_ROUTERS = f"""
[routers.rules]
use = "rules"
small = "small"
balanced = "balanced"
large = "large"

[routers.split]
use = "split"
weights = {{ by_rules = 1, always_large = 1 }}

[routers.split.arms.by_rules]
use = "rules"
small = "small"
balanced = "balanced"
large = "large"

[routers.split.arms.always_large]
use = "single"
member = "{LARGE}"

[routers.llm]
use = "llm"
model = "small"
default = "large"

[routers.llm.members]
small = "greetings, simple and short tasks"
balanced = "everyday tasks of a moderate kind"
large = "hard tasks: long calculations, reasoning over many steps, critical decisions"

[routers.semantic]
use = "semantic"
default = "{LARGE}"

[routers.semantic.domains.talk]
members = "small"
examples = ["hello", "good morning", "thank you very much", "goodbye", "guten Tag", "bonjour", "hola", "ciao"]

[routers.semantic.domains.plain]
members = "balanced"
examples = [
  "how many letters are in this word", "count the words of the sentence", "put the numbers in order",
  "sort the words alphabetically", "convert kilometres to miles", "how many minutes are in two hours",
  "what is the capital of this country", "what is 12 plus 30", "extract the name and the city as JSON",
]
"""


def configuration(base_url: str, profiles: Sequence[Profile], database: Path, *, trained: bool, port: int = 0) -> str:
    """The fleet at ``base_url`` and its routers, as TOML; those that are learned only once they are ``trained``.

    Their folders are beside ``database``.
    """
    known = {one.name: one for one in profiles}
    lines = [f'[providers.simulated]\nuse = "openai"\nbase_url = "{base_url}"\n']
    for name in (*TIERS, "judge"):
        one = known[name]
        lines.append(
            f'[members.{name}]\nprovider = "simulated"\nmodel = "{name}"\nfamily = "{one.family}"\n'
            # At temperature 0 a model gives every router the same answer, so that all comparisons are paired.
            "max_output_tokens = 1000\noptions = { temperature = 0 }\n"
            f"price = {{ input = {one.usd_in}, output = {one.usd_out} }}\n"
        )
    lines += [
        '[judges.rating]\nuse = "pointwise"\nmodel = "judge"\n',
        f'[routers.{PANEL}]\nuse = "parallel"\nmembers = {json.dumps(TIERS[::-1])}\njudge = "rating"\n'
        # The scorer of the cascade learns from them.
        "logprobs = true\n",
        _ROUTERS,
        _trained(database.parent) if trained else "",
        f"[store]\npath = {json.dumps(str(database))}\n\n[server]\nport = {port}\n",
    ]
    return "\n".join(lines)


def _trained(folder: Path) -> str:
    learned, scorer = (json.dumps(str(folder / name)) for name in (LEARNED, SCORER))
    # What is reported is a point estimate, so that is what they aim at.
    return f"""
[judges.reader]
use = "learned"
path = {scorer}

[routers.learned]
use = "learned"
path = {learned}
margin = 0

[routers.cascade]
use = "cascade"
judge = "reader"
path = {scorer}
margin = 0
tiers = [{{ members = ["balanced", "small"] }}, {{ members = ["{LARGE}"] }}]

[routers.auto]
use = "auto"

[routers.auto.router]
use = "learned"
path = {learned}
margin = 0

[routers.auto.cascade]
use = "cascade"
judge = "reader"
path = {scorer}
margin = 0
tiers = [{{ members = ["balanced", "small"] }}, {{ members = ["{LARGE}"] }}]

[routers.auto.panel]
use = "parallel"
members = {json.dumps(TIERS[::-1])}
judge = "rating"
"""
