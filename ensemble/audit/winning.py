"""Who wins: per member, by domain, and as strengths that do not depend on whom a member happened to meet."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ensemble.audit.cells import count, known, normal, number, ranged, share, spread
from ensemble.audit.shapes import Cell, Column, Table
from ensemble.store.queries import Tree
from judges.aggregate._strengths import bradley_terry, errors_by_case

DOMAINS = 12
"""Domains that are shown: the largest."""
Row = Mapping[str, Cell]


def members_table(rows: Iterable[Tree]) -> Table:
    """Win rates, from ``members`` of the store; the best first."""
    return replace(_MEMBERS, rows=sorted(map(_member, rows), key=lambda row: -number(row, "won")))


def domains_table(rows: Sequence[Tree]) -> Table:
    """Win rates by domain, from ``members`` of the store by domain: the largest domains first."""
    sizes: dict[str, int] = {}
    for row in rows:
        domain = str(row["domain"])
        # Every member of a domain has at most as many cases as the domain.
        sizes[domain] = max(sizes.get(domain, 0), count(row, "cases"))
    shown = sorted(sizes, key=lambda one: (-sizes[one], one))[:DOMAINS]
    found = [
        {"domain": domain or "(none)", **_won(row)}
        for domain in shown
        for row in sorted(rows, key=lambda one: str(one["member"]))
        if row["domain"] == domain
    ]
    note = _DOMAINS.note if len(shown) == len(sizes) else f"{_DOMAINS.note} The {DOMAINS} largest of {len(sizes)}."
    return replace(_DOMAINS, rows=found, note=note)


def strengths_table(pairs: Sequence[Tree], sample: Sequence[tuple[str, str, str, float]]) -> Table:
    """Bradley-Terry strengths from ``pairs`` of the store.

    ``sample`` holds comparisons of some of the requests: (request, a, b, share of a win of a). It tells how much the
    comparisons of one request resemble one another.
    """
    names = sorted({str(row[side]) for row in pairs for side in ("a", "b")})
    place = {name: number for number, name in enumerate(names)}
    wins: dict[tuple[int, int], float] = {}
    met = dict.fromkeys(names, 0)
    for row in pairs:
        a, b = str(row["a"]), str(row["b"])
        for one, other, won in ((a, b, number(row, "a_wins")), (b, a, number(row, "b_wins"))):
            wins[place[one], place[other]] = won + number(row, "ties") / 2
        compared = count(row, "a_wins") + count(row, "b_wins") + count(row, "ties")
        met[a] += compared
        met[b] += compared
    found = bradley_terry(len(names), wins)
    errors = _errors(found.error, errors_by_case(found, _numbered(sample, place)), len(sample), sum(met.values()) / 2)
    rows: list[Row] = [
        {"member": name, "comparisons": met[name], **spread("strength", normal(strength, error))}
        for name, strength, error in zip(names, found.strength, errors, strict=True)
    ]
    return replace(_STRENGTHS, rows=sorted(rows, key=lambda row: -number(row, "strength")))


def _errors(plain: Sequence[float], by_case: Sequence[float], sampled: int, of: float) -> list[float]:
    """Errors by case as of all comparisons, and never below those of independent ones."""
    if not sampled:
        return list(plain)
    shrunk = (sampled / max(of, sampled)) ** 0.5
    return [max(one, other * shrunk) for one, other in zip(plain, by_case, strict=True)]


def _numbered(
    sample: Iterable[tuple[str, str, str, float]], place: Mapping[str, int]
) -> Iterable[tuple[int, int, int, float]]:
    cases: dict[str, int] = {}
    for request, a, b, won in sample:
        if a in place and b in place:
            yield cases.setdefault(request, len(cases)), place[a], place[b], won


def _member(row: Tree) -> Row:
    cases, scored = count(row, "cases"), number(row, "scored")
    unpriced = count(row, "unpriced")
    priced = cases - unpriced
    return {
        **_won(row),
        "sole_wins": count(row, "sole_wins"),
        "served": count(row, "served"),
        "score": known(number(row, "score") / scored) if scored else None,
        "nano_usd": round(number(row, "nano_usd") / priced) if priced else None,
        "unpriced": unpriced,
    }


def _won(row: Tree) -> dict[str, Cell]:
    cases = count(row, "cases")
    return {"member": str(row["member"]), "cases": cases, **share("won", number(row, "won"), cases)}


_WON = (Column(name="cases", title="Requests", kind="count"), *ranged("won", "Win rate", "share"))
_EMPTY = "Nothing was judged here yet: send requests to a router with a panel and a judge, or widen the period."
_MEMBERS = Table(
    name="members",
    title="Win rate per member",
    columns=(
        Column(name="member", title="Member"),
        *_WON,
        Column(name="sole_wins", title="Won alone", kind="count"),
        Column(name="served", title="Served", kind="count"),
        Column(name="score", title="Mean score", kind="number"),
        Column(name="nano_usd", title="Cost per answer", kind="usd"),
        Column(name="unpriced", title="Of unknown cost", kind="count"),
    ),
    rows=(),
    note=(
        "Of the judged requests that a member answered, the share on which it is among the best; who shares the first "
        "place with others counts for its part. 95 % intervals by Wilson, requests taken for independent."
    ),
    empty=_EMPTY,
)
_DOMAINS = Table(
    name="domains",
    title="Win rate by domain",
    columns=(Column(name="domain", title="Domain"), Column(name="member", title="Member"), *_WON),
    rows=(),
    note="The domain is a tag, metadata entry or classifier's finding of that name.",
    empty="No judged request here names a domain; send `metadata` with an entry `domain`, or label with a classifier.",
)
_STRENGTHS = Table(
    name="strengths",
    title="Bradley-Terry strengths",
    columns=(
        Column(name="member", title="Member"),
        Column(name="comparisons", title="Comparisons", kind="count"),
        *ranged("strength", "Strength", "number"),
    ),
    rows=(),
    note=(
        "Log-odds around a mean of 0: a member 1 above another wins 73 % of the time, whoever else stood beside them. "
        "95 % intervals that allow for comparisons of one request resembling one another."
    ),
    empty=_EMPTY,
)
