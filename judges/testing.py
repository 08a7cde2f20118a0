"""For authors of judges: builders of cases and verdicts, models that say what they are told, and the laws to keep."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from judges.judge import JUDGES, Judge
from judges.types import (
    Candidate,
    CandidateId,
    Case,
    Completion,
    FinishReason,
    Message,
    Model,
    Outcome,
    Prompt,
    ToolCall,
    Usage,
    Verdict,
)


def a_candidate(
    text: str = "An answer.",
    *,
    id: str = "c0",
    finish_reason: FinishReason = "stop",
    tool_calls: tuple[ToolCall, ...] = (),
    partial: bool = False,
) -> Candidate:
    """A candidate that says ``text``."""
    said = Completion(text=text, finish_reason=finish_reason, tool_calls=tool_calls, partial=partial)
    return Candidate(id=CandidateId(id), completion=said)


def a_case(*candidates: str | Candidate, question: str = "What is it?", seed: int = 0, comparable: bool = True) -> Case:
    """A case of ``candidates``, called c0, c1, ... where given as text; all of them comparable, or none."""
    made = tuple(
        one if isinstance(one, Candidate) else a_candidate(one, id=f"c{place}") for place, one in enumerate(candidates)
    )
    return Case(
        messages=(Message(role="user", content=question),),
        candidates=made,
        seed=seed,
        comparable=frozenset(one.id for one in made) if comparable else frozenset(),
    )


def a_verdict(
    *winners: str, outcome: Outcome | None = None, scores: Mapping[str, float] | None = None, reason: str = ""
) -> Verdict:
    """A verdict for ``winners``: decided for one, a tie for several, an abstention for none."""
    usual: Outcome = "abstained" if not winners else "decided" if len(winners) == 1 else "tie"
    return Verdict(
        judge="a judge",
        outcome=outcome or usual,
        winners=tuple(map(CandidateId, winners)),
        scores={CandidateId(one): score for one, score in (scores or {}).items()},
        reason=reason,
    )


class ScriptedModel:
    """A model that gives ``replies`` in turn, the last one for ever: a text, a completion, or an error to raise.

    ``asked`` holds the prompts so far. A text comes with known usage: 10 tokens in, 5 out, 1000 nano-USD.
    """

    def __init__(self, replies: Sequence[str | Completion | Exception], *, context_tokens: int | None = None) -> None:
        if not replies:
            raise ValueError("a scripted model needs at least one reply")
        self._replies = list(replies)
        self._context_tokens = context_tokens
        self.asked: list[Prompt] = []

    @property
    def context_tokens(self) -> int | None:
        return self._context_tokens

    async def complete(self, prompt: Prompt) -> Completion:
        reply = self._replies[min(len(self.asked), len(self._replies) - 1)]
        self.asked.append(prompt)
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply, Completion):
            return reply
        spent = Usage(input_tokens=10, output_tokens=5, nano_usd=1000)
        return Completion(text=reply, finish_reason="stop", usage=spent)


async def check_judge(judge: Judge, cases: Sequence[Case], models: Mapping[str, Model] | None = None) -> None:
    """Hold ``judge`` against the laws that every judge keeps; ``models`` must answer equal prompts equally.

    The laws: it survives its own configuration; judging again gives the same; the order of the candidates does not
    matter; new ids give the same finding under the new ids; winners are candidates of the case, in its order; an empty
    case and a model that fails are verdicts, not exceptions.

    Raises:
        AssertionError: names the law that is broken, and the case.
    """
    consulted = dict(models or {})
    rebuilt = JUDGES.build(judge.model_dump())
    _hold(rebuilt == judge and rebuilt.digest == judge.digest, "build(dump(judge)) is another judge", judge)
    for case in cases:
        await _check_case(judge, case, consulted)
    for case in (*cases, replace(cases[0], candidates=(), comparable=frozenset())) if cases else ():
        verdict = await judge.judge(case, {})
        _hold(verdict.judge == judge.digest, "a verdict carries another digest than its judge", case)


async def _check_case(judge: Judge, case: Case, models: Mapping[str, Model]) -> None:
    ids = [one.id for one in case.candidates]
    verdict = await judge.judge(case, models)
    _hold(verdict.judge == judge.digest, "a verdict carries another digest than its judge", case)
    _hold(list(verdict.winners) == [one for one in ids if one in verdict.winners], "winners leave the case", case)
    _hold(set(verdict.scores) <= set(ids), "scores for candidates that are not in the case", case)
    _hold(finding(await judge.judge(case, models)) == finding(verdict), "judging again gives something else", case)
    shuffled = list(case.candidates)
    random.Random(case.seed).shuffle(shuffled)  # noqa: S311  a test's order, no secret
    for order in (tuple(reversed(case.candidates)), tuple(shuffled)):
        other = await judge.judge(replace(case, candidates=order), models)
        _hold(finding(other) == finding(verdict), "the order of the candidates matters", case)
    names = {one: CandidateId(f"renamed-{len(ids) - place:04}") for place, one in enumerate(ids)}
    renamed = await judge.judge(relabelled(case, names), models)
    expected = frozenset(names[one] for one in verdict.winners)
    _hold((renamed.outcome, frozenset(renamed.winners)) == (verdict.outcome, expected), "the ids matter", case)


def finding(verdict: Verdict) -> tuple[Outcome, frozenset[CandidateId], Mapping[CandidateId, float]]:
    """What two verdicts must share to say the same: outcome, winners in any order, scores."""
    return verdict.outcome, frozenset(verdict.winners), dict(verdict.scores)


def relabelled(case: Case, names: Mapping[CandidateId, CandidateId]) -> Case:
    """``case`` with every candidate under its new name."""
    return replace(
        case,
        candidates=tuple(replace(one, id=names[one.id]) for one in case.candidates),
        groups={names[one]: group for one, group in case.groups.items()},
        priors={names[one]: prior for one, prior in case.priors.items()},
        comparable=frozenset(names[one] for one in case.comparable),
    )


def _hold(kept: bool, law: str, about: object) -> None:
    if not kept:
        raise AssertionError(f"{law}: {about!r}")
