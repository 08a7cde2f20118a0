"""Labels counted: who won, who met whom, how often nobody did well."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from ensemble.store.queries import Tree
from ensemble.types import Label


@dataclass(frozen=True, slots=True)
class Counted:
    """What some labels say.

    Attributes:
        cases: labels that say who was best, or that all were bad.
        members: by member ``cases`` that it was judged in, ``won`` (1, or its part of a shared first place), ``sole``
            wins, ``score_sum`` of ``scored``, ``nano_usd`` and ``unpriced`` answers.
        domains: the same by domain too, "" where there is none.
        pairs: by two members, ``a`` before ``b``: ``a_wins``, ``b_wins``, ``ties`` and ``cases``.
        comparisons: (request, a, b, share of a win of a), one by one.
    """

    cases: int = 0
    ties: int = 0
    all_bad: int = 0
    members: Sequence[Tree] = ()
    domains: Sequence[Tree] = ()
    pairs: Sequence[Tree] = ()
    comparisons: Sequence[tuple[str, str, str, float]] = field(default=(), repr=False)


def counted(labels: Iterable[Label]) -> Counted:
    """Count ``labels``; those of a fallback, and those that do not say who was judged, count for nothing."""
    members: dict[tuple[str, ...], dict[str, float]] = defaultdict(lambda: dict.fromkeys(_SUMS, 0.0))
    comparisons: list[tuple[str, str, str, float]] = []
    cases = ties = all_bad = 0
    for label in labels:
        judged = judged_members(label)
        if len(judged) < 2:
            continue
        cases += 1
        ties += len(label.best) > 1
        all_bad += label.kind == "all_bad"
        for member in judged:
            for key in ((member,), (label.domain or "", member)):
                _add(members[key], label, member)
        comparisons += _compared(label, judged)
    return Counted(
        cases=cases,
        ties=ties,
        all_bad=all_bad,
        members=[{"member": key[0], **sums} for key, sums in sorted(members.items()) if len(key) == 1],
        domains=[{"domain": key[0], "member": key[1], **sums} for key, sums in sorted(members.items()) if len(key) > 1],
        pairs=_pairs(comparisons),
        comparisons=comparisons,
    )


def judged_members(label: Label) -> list[str]:
    """Whom the label is about; nobody where it does not tell."""
    if not (label.usable or label.kind == "all_bad"):
        return []
    known = {*label.scores, *label.best}
    if label.complete:
        known |= {*label.total_s, *label.nano_usd}
    return sorted(known)


def _add(sums: dict[str, float], label: Label, member: str) -> None:
    won = member in label.best
    score, cost = label.scores.get(member), label.nano_usd.get(member)
    sums["cases"] += 1
    sums["won"] += 1 / len(label.best) if won else 0
    sums["sole_wins"] += won and len(label.best) == 1
    sums["score"] += score or 0.0
    sums["scored"] += score is not None
    sums["nano_usd"] += cost or 0
    sums["unpriced"] += cost is None


def _compared(label: Label, judged: Sequence[str]) -> Iterable[tuple[str, str, str, float]]:
    """Who is among the best beats who is not; of two others, who scored higher; two equals tie."""
    for a, b in combinations(judged, 2):
        first, second = a in label.best, b in label.best
        if first != second:
            yield label.request, a, b, float(first)
        elif first:
            yield label.request, a, b, 0.5
        elif (one := label.scores.get(a)) is not None and (other := label.scores.get(b)) is not None:
            yield label.request, a, b, 0.5 if one == other else float(one > other)


def _pairs(comparisons: Iterable[tuple[str, str, str, float]]) -> list[Tree]:
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(
        lambda: {"a_wins": 0, "b_wins": 0, "ties": 0, "cases": 0}
    )
    for _, a, b, share in comparisons:
        found[a, b]["a_wins" if share == 1 else "b_wins" if share == 0 else "ties"] += 1
        found[a, b]["cases"] += 1
    return [{"a": a, "b": b, **sums} for (a, b), sums in sorted(found.items())]


_SUMS = ("cases", "won", "sole_wins", "score", "scored", "nano_usd", "unpriced")
