"""Weighing a verdict against what is known of the candidates' authors: a noisy judge over unequal models needs it.

Picking the best of many by a noisy judge picks the judge's errors too (the winner's curse), and the more candidates
are weak, the more often one of them is picked by error. ``Case.priors`` says how good each author has been so far.
"""

import asyncio
import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from judges.aggregate._around import strengths_around
from judges.quick import maker, replace
from judges.types import CandidateId, Case, Verdict
from judges.usage import NOTHING
from judges.values import what_it_says
from judges.written import listed, quoted

ACCURACY = 0.75
"""How often a judge that was never calibrated is taken to prefer the better of two candidates: what single judge
models reach on JudgeBench and LLMBar, whose pairs are hard, is 0.6 to 0.85."""
SHRUNK = "shrunk"
"""Flag of a verdict that was weighed against the priors; the judge's own finding is its first ballot."""
OVERRULED = "shrunk_overruled"
"""Flag beside it where the priors changed the winners."""
_VERSION = 1
_LEAST, _SAME = 0.001, 1e-9
_MEANS = "logged means"
_verdict = maker(Verdict)

Pair = tuple[CandidateId, CandidateId]


def plain(verdict: Verdict) -> Verdict:
    """What the judge itself found: ``verdict`` before ``shrink``."""
    return verdict.ballots[0] if SHRUNK in verdict.flags and verdict.ballots else verdict


def shrink(verdict: Verdict, case: Case, *, accuracy: float = ACCURACY) -> Verdict:
    """``verdict`` with the winners that are best once the judge's evidence is weighed against ``case.priors``.

    Scores are regressed towards the priors (Kelley 1947): r * score + (1 - r) * prior, where r is the reliability of
    scores that order two candidates rightly with probability ``accuracy``, r = sin²(pi * (accuracy - 1/2)) for normal
    errors. Comparisons are fitted by Bradley-Terry strengths with a normal prior around the log-odds of the priors.
    Its precision is such that of two candidates the one wins that Bayes' rule favours: the comparison counts as
    log(accuracy / (1 - accuracy)). A ballot on two candidates with a calibrated confidence counts by that instead.

    As it is comes back a verdict without a winner; one that rests on no opinion of a model, since a check's finding is
    a fact; one with a contender that has no prior; and any verdict where the priors are equal. ``ballots`` of the
    result are the plain verdict and the priors themselves, ``weights`` is a hash of the priors and ``accuracy``.

    Raises:
        ValueError: ``accuracy`` is not between 0.5 and 1.
    """
    if not 0.5 <= accuracy < 1:
        raise ValueError("accuracy must be at least 0.5, which is chance, and below 1")
    if not verdict.winners or _by_check(verdict):
        return verdict
    scored = set(verdict.scores) if set(verdict.winners) <= set(verdict.scores) else set()
    wins = {} if scored else _wins(verdict, accuracy)
    field = [one.id for one in case.candidates if one.id in (scored or {each for pair in wins for each in pair})]
    priors = {one: case.priors[one] for one in field if one in case.priors}
    if not set(verdict.winners) <= set(field) or len(priors) < len(field):
        return verdict
    if max(priors.values()) - min(priors.values()) < _SAME:
        return verdict
    quality = _regressed(verdict.scores, priors, accuracy) if scored else _fitted(wins, priors)
    return _weighed(verdict, case, _with_twins(quality, case), priors, accuracy)


async def shrunk(verdict: Verdict, case: Case, *, accuracy: float = ACCURACY) -> Verdict:
    """``shrink`` for an event loop, which does not feel it: a fit over a dozen candidates takes milliseconds."""
    if set(verdict.winners) <= set(verdict.scores):  # then nothing is fitted
        return shrink(verdict, case, accuracy=accuracy)
    return await asyncio.to_thread(shrink, verdict, case, accuracy=accuracy)


def _regressed(
    scores: Mapping[CandidateId, float], priors: Mapping[CandidateId, float], accuracy: float
) -> dict[CandidateId, float]:
    reliability = math.sin(math.pi * (accuracy - 0.5)) ** 2
    return {one: reliability * scores[one] + (1 - reliability) * prior for one, prior in priors.items()}


def _fitted(wins: Mapping[Pair, float], priors: Mapping[CandidateId, float]) -> dict[CandidateId, float]:
    """Strengths (log-odds) by candidate, around the priors."""
    places = {one: place for place, one in enumerate(priors)}
    counts = {(places[one], places[other]): share for (one, other), share in wins.items()}
    means = [_log_odds(prior) for prior in priors.values()]
    return dict(zip(places, strengths_around(means, counts, precision=1.0), strict=True))


def _wins(verdict: Verdict, accuracy: float) -> dict[Pair, float]:
    """How much each candidate won against each other in the opinions behind ``verdict``, in units of log-odds."""
    wins: dict[Pair, float] = {}
    for opinion in _opinions(verdict):
        shares = _shares(opinion)
        sure = opinion.confidence if len({one for pair in shares for one in pair}) == 2 else None
        weight = _log_odds(max(0.5, accuracy if sure is None else sure))
        for pair, share in shares.items():
            wins[pair] = wins.get(pair, 0.0) + weight * share
    return wins


def _opinions(verdict: Verdict) -> Iterator[Verdict]:
    """The findings of single judge models: those with comparisons, scores or questions of their own."""
    if verdict.preferences or verdict.exchanges or verdict.scores:
        yield verdict
    else:
        for ballot in verdict.ballots:
            yield from _opinions(ballot)


def _by_check(verdict: Verdict) -> bool:
    """Whether the ballots that found what ``verdict`` finds asked no model, while others may have."""
    if verdict.preferences or verdict.exchanges or verdict.scores:
        return False
    agreeing = [ballot for ballot in verdict.ballots if set(ballot.winners) == set(verdict.winners)]
    return bool(agreeing) and not any(list(_opinions(ballot)) for ballot in agreeing)


def _shares(opinion: Verdict) -> dict[Pair, float]:
    """(winner, loser) -> share of a win. However often a pair was asked about, it counts once: one judge errs alike."""
    heard: dict[Pair, list[float]] = {}
    for one in opinion.preferences:
        if one.outcome != "none":
            won = {"first": 1.0, "second": 0.0, "tie": 0.5}[one.outcome]
            heard.setdefault(one.shown, []).append(won)
            heard.setdefault(one.shown[::-1], []).append(1.0 - won)
    if heard or opinion.preferences:
        return {pair: math.fsum(each) / len(each) for pair, each in heard.items()}
    if opinion.scores:
        return dict(_by_rank(opinion.scores))
    return dict(_by_rank(_named(opinion)))


def _named(opinion: Verdict) -> dict[CandidateId, float]:
    """1 for the winners and 0 for the others that the judge was shown."""
    shown = [one for exchange in opinion.exchanges for one in exchange.shown]
    return {one: float(one in opinion.winners) for one in (*opinion.winners, *shown)} if opinion.winners else {}


def _by_rank(worth: Mapping[CandidateId, float]) -> Iterator[tuple[Pair, float]]:
    least = min(worth.values(), default=0.0)
    for one, other in combinations(worth, 2):
        if worth[one] == worth[other] == least:
            continue  # of two that were only not named nothing is known
        won = 0.5 if worth[one] == worth[other] else float(worth[one] > worth[other])
        yield (one, other), won
        yield (other, one), 1.0 - won


def _with_twins(quality: Mapping[CandidateId, float], case: Case) -> Mapping[CandidateId, float]:
    """Candidates that say the same are equally good, whoever said it."""
    said: dict[str, list[CandidateId]] = {}
    for one in case.candidates:
        if one.id in quality:
            said.setdefault(what_it_says(one.completion), []).append(one.id)
    if len(said) == len(quality):  # as nearly always
        return quality
    return {one: max(quality[twin] for twin in twins) for twins in said.values() for one in twins}


def _weighed(
    verdict: Verdict,
    case: Case,
    quality: Mapping[CandidateId, float],
    priors: Mapping[CandidateId, float],
    accuracy: float,
) -> Verdict:
    best = max(quality.values())
    winners = _in_order(case, [one for one, worth in quality.items() if worth >= best - _SAME])
    same = set(winners) == set(verdict.winners)
    known = listed([f"[{quoted(one)}, {prior!r}]" for one, prior in sorted(priors.items())])
    recipe = f"[{_VERSION}, {accuracy!r}, {known}]".encode()
    version = hashlib.sha256(recipe).hexdigest()[:12]
    told = verdict.reason if same else f"{_why(winners, verdict.winners, priors)}; {verdict.reason}"
    return replace(
        verdict,
        outcome="decided" if len(winners) == 1 else "tie",
        winners=winners,
        scores={one: quality[one] for one in verdict.scores if one in quality},
        confidence=verdict.confidence if same else None,
        # The questions stay with the ballot that asked them, or they would count twice.
        preferences=(),
        exchanges=(),
        ballots=(verdict, _ballot(case, priors)),
        flags=(*verdict.flags, SHRUNK) if same else (*verdict.flags, SHRUNK, OVERRULED),
        weights=f"{verdict.weights}+{version}" if verdict.weights else version,
        reason=told,
    )


def _why(now: Sequence[CandidateId], before: Sequence[CandidateId], priors: Mapping[CandidateId, float]) -> str:
    """Why ``now`` are best and not the judge's choice, ``before``: the mean of these against that of who lost by it."""
    lost = [one for one in before if one not in now] or before
    mine, theirs = max(priors[one] for one in now), max(priors[one] for one in lost)
    if set(now) < set(before):
        return f"a logged mean of {mine:.3f} breaks the judge's tie, against {theirs:.3f}"
    return f"a logged mean of {mine:.3f} outweighs the judge's choice, whose mean is {theirs:.3f}"


def _ballot(case: Case, priors: Mapping[CandidateId, float]) -> Verdict:
    """The priors as a ballot, so that what influenced a verdict is shown and stored with it."""
    best = max(priors.values())
    winners = _in_order(case, [one for one, prior in priors.items() if prior == best])
    return _verdict(
        judge=_MEANS,
        outcome="decided" if len(winners) == 1 else "tie",
        winners=winners,
        scores=priors,
        reason="mean quality of the candidates' authors in the log",
        usage=NOTHING,
    )


def _in_order(case: Case, ids: Iterable[CandidateId]) -> tuple[CandidateId, ...]:
    named = set(ids)
    return tuple([one.id for one in case.candidates if one.id in named])


def _log_odds(share: float) -> float:
    held = min(1 - _LEAST, max(_LEAST, share))
    return math.log(held / (1 - held))
