"""What judges made of judges share: hearing a seat, and adding up what the seats cost."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from judges.calibration import STAGE
from judges.judge import Judge
from judges.registry import ModelName
from judges.types import Case, Model, Usage, Verdict
from judges.usage import NOTHING, total

RECUSED = "recused"


async def hear(seat: Judge, case: Case, models: Mapping[str, Model]) -> Verdict:
    """The ballot of one seat. One that names no model asked none, so it cost nothing even where it does not say so.

    A seat whose models stand aside (``Case.recused``) is not heard: it abstains, with the flag ``recused``.
    """
    asks = {str(name) for _, name in seat.references() if isinstance(name, ModelName)}
    if asks & case.recused and (asks <= case.recused or not _holds_seats(seat)):
        told = f"recused: {', '.join(sorted(asks & case.recused))} and a candidate are of one family"
        return Verdict(judge=seat.digest, outcome="abstained", flags=(RECUSED,), reason=told, usage=NOTHING)
    ballot = await seat.decide(case, models)
    return ballot if asks or ballot.usage != Usage() else replace(ballot, usage=NOTHING)


def _holds_seats(judge: Judge) -> bool:
    return any(isinstance(part, Judge) for _, part in judge.parts())


def cost(ballots: Iterable[Verdict]) -> Usage:
    """What ``ballots`` cost together; unknown as soon as one is."""
    return total(ballot.usage for ballot in ballots)


def raised(ballots: Iterable[Verdict]) -> tuple[str, ...]:
    """Every flag of ``ballots``, once, in order of appearance; not which stage of its own a ballot comes from."""
    return tuple(dict.fromkeys(flag for one in ballots for flag in one.flags if not flag.startswith(STAGE)))
