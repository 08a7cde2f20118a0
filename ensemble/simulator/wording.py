"""How a simulated model puts an answer into words: in many ways, so that length and form vary as they do in life."""

from ensemble.simulator.draw import pick
from ensemble.simulator.tasks.base import Work

_TERSE = ("{answer}", "{answer}.", "It is {answer}.", "**{answer}**", "The answer is {answer}.")
_USUAL = (
    "The answer is {answer}.",
    "The answer is **{answer}**.",
    "{steps}\n\nThe answer is {answer}.",
    "{steps}\n\n**{answer}**",
    "Let me work it out.\n\n{steps}\n\nAnswer: {answer}",
    "Answer: {answer}\n\n{steps}",
)
_WORDY = (
    "Let's take this step by step.\n\n1. First I look at what is asked.\n2. {steps}\n3. A second look gives the same."
    "\n\nThe final answer is **{answer}**.",
    "Happy to help! {steps}\n\nChecking it once more leads to the same place, so I am confident.\n\n"
    "The answer is {answer}.",
    "{steps}\n\nTo be on the safe side I went through it a second time and found nothing to change.\n\n#### {answer}",
    "Good question.\n\n{steps}\n\n\\boxed{{{answer}}}\n",
)
_LISTED = ("{answer}", "Here they are in order:\n\n{answer}", "**{answer}**", "The answer is: {answer}")
_FENCED = ("{answer}", "```json\n{answer}\n```", "Here is the JSON:\n\n```json\n{answer}\n```")


def put(work: Work, answer: str, tier: str, asked: str, *about: object) -> str:
    """``answer`` in words, as long as ``tier`` tends to be and ``asked`` wants it; ``about`` draws the way."""
    if work.spoken:
        return answer
    if work.checker == "json":
        return pick(_FENCED, "fence", *about).format(answer=answer)
    if work.checker == "sequence":
        return pick(_LISTED, "list", *about).format(answer=answer)
    ways = {"small": _TERSE + _USUAL, "balanced": _USUAL, "large": _USUAL + _WORDY}.get(tier, _USUAL)
    if "just the answer" in asked.lower():
        ways = _TERSE
    elif "steps" in asked.lower() or "explain" in asked.lower():
        ways = tuple(way for way in ways + _WORDY if "{steps}" in way)
    steps = work.steps.format(answer=answer)
    return pick(ways, "way", *about).format(answer=answer, steps=steps)
