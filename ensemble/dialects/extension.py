"""The ``ensemble`` object of a reply: who won, why, and what it has cost so far. The same in every dialect."""

from collections.abc import Collection, Iterable, Iterator
from typing import Literal

from ensemble.errors import (
    DeadlineExceeded,
    EnsembleError,
    NoCandidate,
    NotPermitted,
    TooLong,
    Unbounded,
    Unsupported,
)
from ensemble.money import add, total, usd
from ensemble.types import Answer, Call, Ruling
from judges.shrinkage import SHRUNK
from judges.types import Completion, Verdict

Part = Literal["candidates", "verdict"]


def report(answer: Answer, include: Collection[Part]) -> dict[str, object]:
    """The object, with the parts of ``include``. Texts in it were written by models: escape them before display.

    Behind a leader's stream it says ``unjudged`` while there is no verdict, ``overturned`` where that names another.
    """
    said: dict[str, object] = {
        "request_id": answer.request.id,
        "winner": answer.member,
        "fallback": answer.fallback,
        "dropped": list(dropped(answer)),
        "warnings": list(answer.plan.warnings),
        "cost": cost(answer),
    }
    if len(answer.ranking) > 1:
        said["choices"] = [{"candidate": one, "member": answer.authors[one]} for one in answer.ranking]
    if answer.unjudged:
        said["unjudged"] = True
    if any(ruling.overturned for ruling in answer.rulings):
        said["overturned"] = True
    if "verdict" in include:
        said["verdict"] = _verdict(answer, answer.rulings[-1]) if answer.rulings else None
    if "candidates" in include:
        said["candidates"] = list(_candidates(answer))
    return said


def cost(answer: Answer) -> dict[str, object]:
    """What the request has cost when its answer leaves, in US dollars as exact decimal text; null where unknown.

    ``known_usd`` is the sum without the ``unpriced_calls``; ``pending`` names members whose calls are still at work.
    """
    every = total(call.usage.nano_usd for call in answer.calls)
    return {
        "usd": _usd(answer.calls),
        "panel_usd": _usd(call for call in answer.calls if call.purpose in ("candidate", "shadow")),
        "judge_usd": _usd(call for call in answer.calls if call.purpose == "judge"),
        "router_usd": _usd(call for call in answer.calls if call.purpose == "router"),
        "known_usd": usd(every.nano_usd),
        "unpriced_calls": every.unpriced,
        "pending": list(answer.late),
    }


def wanted(answer: Answer, include: Collection[Part]) -> bool:
    """Whether the object belongs into a reply: a part of it was asked for, or the client must be told something."""
    return bool(include or dropped(answer) or answer.plan.warnings)


def dropped(answer: Answer) -> tuple[str, ...]:
    """Wire names of what was asked for and not sent for one of the answers that are served."""
    return tuple(dict.fromkeys([name for said in answer.choices for name in said.dropped]))


def exact_cost(answer: Answer) -> str | None:
    """Dollars that the request has cost so far, None where the price of a call is unknown."""
    return _usd(answer.calls)


def failures(error: EnsembleError) -> list[dict[str, object]]:
    """The last attempt of every candidate that failed, for errors that know them; else nothing."""
    if not isinstance(error, NoCandidate | TooLong | Unsupported | Unbounded | NotPermitted | DeadlineExceeded):
        return []
    last = {call.candidate: call for call in error.calls if call.candidate is not None and call.failure is not None}
    return [
        {
            "member": call.member,
            "failure": call.failure,
            "detail": call.detail,
            "attempts": call.attempt,
            "http_status": call.http_status,
        }
        for call in last.values()
    ]


def _verdict(answer: Answer, ruling: Ruling) -> dict[str, object]:
    verdict = ruling.verdict
    return {
        "judge": ruling.judge,
        "stage": ruling.stage,
        "outcome": verdict.outcome,
        "winners": _winners(answer, verdict),
        "scores": [
            {"candidate": i, "member": answer.authors.get(i), "score": score}
            for i, score in sorted(verdict.scores.items())
        ],
        "confidence": verdict.confidence,
        "reason": verdict.reason,
        "flags": list(verdict.flags),
        "all_bad": verdict.all_bad,
        "own_family": verdict.own_family,
        "plain": _plain(answer, verdict),
        "set_aside": [
            {"candidate": i, "member": answer.authors.get(i), "reason": why}
            for i, why in sorted(ruling.set_aside.items())
        ],
    }


def _winners(answer: Answer, verdict: Verdict) -> list[dict[str, object]]:
    return [{"candidate": i, "member": answer.authors.get(i)} for i in verdict.winners]


def _plain(answer: Answer, verdict: Verdict) -> dict[str, object] | None:
    """What the judge itself found, and the logged means that it was weighed against; null where nothing was weighed."""
    if SHRUNK not in verdict.flags or len(verdict.ballots) < 2:
        return None
    found, means = verdict.ballots
    return {
        "outcome": found.outcome,
        "winners": _winners(answer, found),
        "confidence": found.confidence,
        "means": [
            {"candidate": i, "member": answer.authors.get(i), "mean": mean} for i, mean in sorted(means.scores.items())
        ],
    }


def _candidates(answer: Answer) -> Iterator[dict[str, object]]:
    for call in answer.calls:
        if call.candidate is None or call.failure is not None or call.completion is None:
            continue
        yield {
            "id": call.candidate,
            "member": call.member,
            "sample": call.sample,
            "served": call.candidate == answer.chosen.id or call.candidate in answer.ranking,
            "model": call.completion.model,
            "seconds": round(call.total_s or 0.0, 6),
            "cost_usd": _usd([call]),
            **_said(call.completion),
        }


def _said(completion: Completion) -> dict[str, object]:
    return {
        "finish_reason": completion.finish_reason,
        "text": completion.text,
        "tool_calls": [{"id": c.id, "name": c.name, "arguments": c.arguments} for c in completion.tool_calls],
        "dropped": list(completion.dropped),
        "usage": {"input_tokens": completion.usage.input_tokens, "output_tokens": completion.usage.output_tokens},
    }


def _usd(calls: Iterable[Call]) -> str | None:
    exact = add(*[call.usage.nano_usd for call in calls])
    return None if exact is None else usd(exact)
