"""Several answers to one request (OpenAI's ``n``): seats for them, further ones where calls failed, and their order."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice

from ensemble.errors import InvalidRequest
from ensemble.fanout import FanOut
from ensemble.types import Plan, Stage
from judges.screen import BEST_FIRST
from judges.types import CandidateId, Verdict


def widened(plan: Plan, n: int) -> Plan:
    """``plan`` with at least ``n`` seats in every stage: its members give further samples, the most trusted first."""
    if n == 1:
        return plan
    stages = tuple(_widened(stage, n) for stage in plan.stages)
    return replace(plan, stages=stages, reason=f"{plan.reason}; {n} answers are wanted")


def _widened(stage: Stage, n: int) -> Stage:
    missing = n - len(stage.seats())
    samples = Counter({member: stage.samples.get(member, 1) for member in stage.members})
    samples.update(member for member, _ in islice(_in_turn(stage.members, stage), max(0, missing)))
    return replace(
        stage,
        samples={member: number for member, number in samples.items() if number > 1},
        quorum=None if stage.quorum is None else max(stage.quorum, n),
    )


def check_room(plan: Plan, n: int) -> None:
    """Whether every stage of ``plan``, which may have been narrowed, has ``n`` seats.

    Raises:
        InvalidRequest: one has fewer.
    """
    least = min([len(stage.seats()) for stage in plan.stages], default=n)
    if least < n:
        raise InvalidRequest(f"n: the limits in metadata leave room for {least} of {n} answers", param="n")


def further(stage: Stage, fanned: FanOut, n: int) -> tuple[tuple[str, int], ...]:
    """Seats (member, sample number) for what is missing to ``n`` answers, at those members that did answer.

    None where calls are still at work: then it is time that is short.
    """
    came = [call.member for call in fanned.done if call.failure is None]
    missing = n - len(came)
    if not came or missing <= 0 or fanned.late:
        return ()
    able = [member for member in stage.members if member in came]
    return tuple(islice(_in_turn(able, stage), missing))


def warned(plan: Plan, n: int, came: int) -> Plan:
    """``plan`` with a warning to the client where fewer than ``n`` answers came."""
    if came >= n:
        return plan
    told = f"{n} answers were wanted, {came} came"
    return replace(plan, warnings=(*plan.warnings, told), reason=f"{plan.reason}; {told}")


def _in_turn(members: Sequence[str], stage: Stage) -> Iterator[tuple[str, int]]:
    """Seats beyond those of ``stage``, without end."""
    return ((member, stage.samples.get(member, 1) + turn) for turn in count() for member in members)


def ranked(
    chosen: CandidateId,
    trusted: Sequence[CandidateId],
    set_aside: Mapping[CandidateId, str],
    verdict: Verdict | None = None,
) -> tuple[CandidateId, ...]:
    """The candidates ``trusted``, which stand in the order of trust, with the best first.

    ``chosen`` leads; then come the other winners, then who was judged by score, by comparisons won, by trust; then who
    was set aside before the judge, the nearest to a complete answer first.
    """
    winners = verdict.winners if verdict else ()
    scores = verdict.scores if verdict else {}
    won: dict[CandidateId, int] = {}
    for one in _won(verdict) if verdict else ():
        won[one] = won.get(one, 0) + 1

    def place(one: CandidateId) -> tuple[float, ...]:
        aside = BEST_FIRST.index(set_aside[one]) if one in set_aside else -1
        return one != chosen, aside, one not in winners, -scores.get(one, -1.0), -won.get(one, 0)

    return tuple(sorted(trusted, key=place))


def _won(verdict: Verdict) -> list[CandidateId]:
    """The winner of every comparison, those of a jury's ballots included."""
    won = [winner for one in verdict.preferences if (winner := one.winner) is not None]
    for ballot in verdict.ballots:
        won += _won(ballot)
    return won
