"""Who is to answer a prompt, what of it is stored, and what is missing."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from uuid_utils import uuid4

from ensemble.fanout import Seat
from ensemble.fleet import Fleet
from ensemble.types import Call, Plan, Stage
from judges.types import CandidateId


def whole_panel(plan: Plan, *, judge: str | None = None, extra: Iterable[str] = ()) -> Plan:
    """``plan`` as a labelling run fills it: every member of every stage and shadow, and ``extra``, at one stage.

    The judge is ``judge``, or else that of the last stage that has one. Nobody waits, so there is no quorum.
    """
    stages = plan.stages
    members = dict.fromkeys([m for stage in stages for m in stage.members] + [*plan.shadow, *extra])
    samples = {member: max(stage.samples.get(member, 1) for stage in stages) for member in members}
    judges = [stage.judge for stage in stages if stage.judge]
    stage = Stage(
        members=tuple(members),
        samples={member: number for member, number in samples.items() if number > 1},
        judge=judge or (judges[-1] if judges else None),
        min_panel=max(stage.min_panel for stage in stages),
        logprobs=any(stage.logprobs for stage in stages),
    )
    return replace(plan, stages=(stage,), shadow=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Seats:
    """The seats of one prompt's panel: ``have`` are answered, under the name that the panel uses; ``lack`` are not."""

    have: tuple[Call, ...]
    lack: tuple[Seat, ...]


def seats_of(plan: Plan, stored: Sequence[Call], fleet: Fleet) -> Seats:
    """Find each seat's stored answer.

    A seat is a member's digest and the number of the sample, so that a member by a new name is the same one; what was
    imported has no digest and is found by its name, and so is a member that the configuration has no more.
    """
    have: list[Call] = []
    lack: list[Seat] = []
    free = list(stored)
    wanted = [*plan.stages[0].seats()]
    named = {member for member, _ in wanted}
    for member, sample in wanted:
        digest = fleet[member].digest if member in fleet else None
        call = _find(free, member, sample, digest, named)
        if call is None:
            lack.append(Seat(member=member, sample=sample, candidate=CandidateId(str(uuid4()))))
        else:
            free.remove(call)
            have.append(call if call.member == member else replace(call, member=member))
    return Seats(have=tuple(have), lack=tuple(lack))


def _find(free: Sequence[Call], member: str, sample: int, digest: str | None, named: Collection[str]) -> Call | None:
    of_sample = [call for call in free if call.sample == sample]
    own = [call for call in of_sample if call.member == member and digest in (None, call.member_digest)]
    imported = [call for call in of_sample if call.member == member and call.member_digest is None]
    renamed = [call for call in of_sample if call.member not in named and digest and call.member_digest == digest]
    return next(iter(own or renamed or imported), None)
