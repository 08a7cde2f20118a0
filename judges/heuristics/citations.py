"""Prefer candidates whose quotations and references are there."""

import re
from collections.abc import Mapping

from pydantic import PositiveInt

from judges.heuristics._found import without
from judges.judge import JUDGES, Judge
from judges.types import Case, Model, Verdict

_QUOTED = re.compile(r"[\"“]([^\"“”\n]{1,2000})[\"”]")
_WORD = re.compile(r"[^\W_]+")
_MARK = re.compile(r"\[(\d{1,3})\](?!\()")
_URL = re.compile(r"https?://[^\s)\]>\"'”]+")


@JUDGES.register("citations")
class Citations(Judge):
    """Prefer candidates that cite nothing which the conversation does not hold; silent where all or none go wrong.

    Checked are passages of at least ``least_words`` words in quotation marks, marks such as ``[3]`` where the
    conversation numbers its sources, and web addresses where it gives any. Case, spacing and punctuation do not count.
    """

    least_words: PositiveInt = 6

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        context = "\n".join(message.text for message in case.messages)
        bad = frozenset(one.id for one in case.candidates if self._invents(one.completion.text, context))
        return without(self, case, bad, "cite what is not there")

    def _invents(self, text: str, context: str) -> bool:
        known = _plain(context)
        quoted = (_plain(passage) for passage in _QUOTED.findall(text))
        if any(passage not in known for passage in quoted if passage.count(" ") >= self.least_words + 1):
            return True
        marks, addresses = set(_MARK.findall(context)), {_address(url) for url in _URL.findall(context)}
        if marks and not set(_MARK.findall(text)) <= marks:
            return True
        return bool(addresses) and not {_address(url) for url in _URL.findall(text)} <= addresses


def _plain(text: str) -> str:
    """Words alone, each between single spaces, so that a passage matches at whole words only."""
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _address(url: str) -> str:
    return url.rstrip(".,;:!?/")
