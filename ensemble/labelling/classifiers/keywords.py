"""The domain by words that speak for it."""

import re
from collections.abc import Mapping
from functools import cached_property

from pydantic import Field

from ensemble.labelling.classifier import CLASSIFIERS, Classifier
from judges.types import Prompt


@CLASSIFIERS.register("keywords")
class Keywords(Classifier):
    """Name the domain of which most words occur in what the user said; the first of the table where several do."""

    domains: Mapping[str, tuple[str, ...]] = Field(min_length=1)
    """Words and phrases of each domain; case does not matter, and only whole words count."""
    other: str | None = None
    """What to call a prompt in which none of them occurs; left out, it has no domain."""

    @cached_property
    def _patterns(self) -> Mapping[str, tuple[re.Pattern[str], ...]]:
        return {
            domain: tuple(re.compile(rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE) for word in words)
            for domain, words in self.domains.items()
        }

    def classify(self, prompt: Prompt) -> str | None:
        text = "\n".join(turn.text for turn in prompt.messages if turn.role == "user")
        found = {name: sum(bool(word.search(text)) for word in words) for name, words in self._patterns.items()}
        best = max(found, key=lambda name: found[name])
        return best if found[best] else self.other
