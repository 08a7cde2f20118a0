"""Prefer candidates that answer."""

import re
from collections.abc import Mapping

from judges.heuristics._found import without
from judges.judge import JUDGES, Judge
from judges.types import Case, Completion, Model, Verdict

_LONGEST = 600  # characters; a longer text that opens with an apology mostly goes on to answer
_OPENING = re.compile(
    r"""^\W*(?:(?:i['’]?m|i\ am|we['’]?re|we\ are)\ (?:very\ |so\ |really\ |truly\ )?sorry|sorry|(?:i|my)\ apolog\w+
        |unfortunately|as\ an?\ (?:ai|language|large\ language|artificial)\b[^.!?\n]{0,60})?
        [\s,.:;!—–-]*(?:but|however|and)?[\s,]*(?:as\ an?\ (?:ai|language)\b[^.!?\n]{0,60}?,?\s*)?
        (?:i|we)\s(?:really\s|simply\s|just\s)?
        (?:can(?:['’]?t|not|\ not)|won['’]?t|will\ not|am\ not\ able\ to|['’]?m\ not\ able\ to|am\ unable\ to
          |['’]?m\ unable\ to|(?:must|have\ to)\ decline\ to|do(?:\ not|n['’]?t)\ feel\ comfortable)
        \s*(?:directly\s|personally\s)?
        (?:help|assist|provide|fulfil|fulfill|comply|answer|create|generate|write|do\ that|do\ this|engage|support
          |participate|discuss|share|give|offer|complete|continue|respond|produce|helping|assisting|providing|writing)\b""",
    re.IGNORECASE | re.VERBOSE,
)


def refuses(said: Completion) -> bool:
    """Whether a completion declines the task, by its finish reason or by a short text that opens with declining."""
    text = said.text.strip()
    return said.finish_reason == "refusal" or (len(text) <= _LONGEST and _OPENING.match(text) is not None)


@JUDGES.register("refusal")
class Refusal(Judge):
    """Prefer candidates that answer over those that decline; silent where all or none decline."""

    async def judge(self, case: Case, models: Mapping[str, Model]) -> Verdict:
        return without(self, case, frozenset(one.id for one in case.candidates if refuses(one.completion)), "refuse")
