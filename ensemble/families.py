"""Who is of whose family: opaque tokens for the judge, who stands aside, and which verdicts are marked."""

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import replace

from ensemble.fleet import Fleet
from judges.judge import Judge
from judges.types import Case, Verdict


def token(seed: int, family: str) -> str:
    """What stands for ``family`` in the case with that ``seed``: equal inside a case, of no meaning outside of it."""
    return hashlib.sha256(f"{seed}:{family}".encode()).hexdigest()[:12]


def recused(judge: Judge, case: Case, fleet: Fleet) -> frozenset[str]:
    """The models that stand aside from ``case``: their family wrote a candidate, and another seat can judge it.

    A seat is a judge inside ``judge`` that asks a model; one that asks none is no replacement. Where every seat is of a
    candidate's family, nobody stands aside.
    """
    if not case.groups:  # of no candidate's author the family is known
        return frozenset()
    seats = [models for models in map(frozenset, _seats(judge, fleet)) if models]
    own = [seat & _relatives(seat, case, fleet) for seat in seats]
    return frozenset().union(*own) if not all(own) else frozenset()


def marked(verdict: Verdict, case: Case, fleet: Fleet, asked: Collection[str] = ()) -> Verdict:
    """``verdict`` and its ballots with ``own_family`` where a model that was asked is of a candidate's family.

    ``asked`` are models that the whole verdict is known to have asked, beside those of its exchanges.
    """
    if not case.groups and not verdict.ballots:  # of nobody the family is known
        return verdict
    ballots = tuple(marked(ballot, case, fleet) for ballot in verdict.ballots)
    models = {exchange.model for exchange in verdict.exchanges} | set(asked)
    own = verdict.own_family or any(ballot.own_family for ballot in ballots) or bool(_relatives(models, case, fleet))
    if own == verdict.own_family and ballots == verdict.ballots:
        return verdict
    return replace(verdict, own_family=own, ballots=ballots)


def asked_by(judge: Judge, fleet: Fleet) -> set[str]:
    """Every member that ``judge`` may ask."""
    return {name for _, name in judge.references() if name.kind in ("model", "member") and name in fleet}


def _relatives(models: Collection[str], case: Case, fleet: Fleet) -> set[str]:
    written = set(case.groups.values())
    if not written:
        return set()
    families = {name: fleet[name].settings.family for name in models if name in fleet}
    return {name for name, family in families.items() if family and token(case.seed, family) in written}


def _seats(judge: Judge, fleet: Fleet) -> Iterator[Collection[str]]:
    """The models of every judge inside ``judge`` that holds no other."""
    inner = [part for _, part in judge.parts() if isinstance(part, Judge)]
    if not inner:
        yield asked_by(judge, fleet)
    for part in inner:
        yield from _seats(part, fleet)
