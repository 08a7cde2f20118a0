"""What deterministic verifiers and the model's own logprobs say of one answer, as figures for a learned score."""

from collections.abc import Sequence

from judges.heuristics.arithmetic import wrong_sums
from judges.heuristics.format import keeps_form
from judges.heuristics.refusal import refuses
from judges.heuristics.schema import fits_schema
from judges.heuristics.truncated import cut_off
from judges.learning.model import EVIDENCE
from judges.learning.sureness import sureness
from judges.types import Completion, Message, ResponseFormat

NONE = (0.0,) * EVIDENCE
"""Of an answer that is not there."""


def evidence(messages: Sequence[Message], form: ResponseFormat | None, said: Completion) -> tuple[float, ...]:
    """``EVIDENCE`` figures: per verifier 1 passed, -1 failed, 0 silent; then ``sureness``. Blocks for about 1 ms.

    The verifiers are those that run nothing of the answer's: schema, format, arithmetic, refusal, truncation. Code on
    the examples of the prompt takes a sandbox, which no step of a cascade should wait for.
    """
    outcomes = (
        fits_schema(form, said),
        keeps_form(messages, said.text),
        _none(wrong_sums(said.text)),
        not refuses(said),
        not cut_off(said),
    )
    return (*map(_figure, outcomes), *sureness(said.logprobs))


def _none(wrong: Sequence[bool]) -> bool | None:
    return not any(wrong) if wrong else None


def _figure(passed: bool | None) -> float:
    return 0.0 if passed is None else 1.0 if passed else -1.0
