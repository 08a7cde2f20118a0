"""Whether what routers demand of their answers can be known, and whether every way out ends."""

from collections.abc import Iterator, Mapping

from ensemble.router import Router
from judges.judge import Judge


def unfit(name: str, routers: Mapping[str, Router], judges: Mapping[str, Judge]) -> Iterator[tuple[str, str]]:
    """What is wrong with the ``trust`` table of the router ``name``: key, and sentence."""
    router = routers[name]
    trust = router.trust
    if trust is None:
        return
    asked = [str(one) for place, one in router.references() if one.kind == "judge" and not place.startswith("shadow.")]
    for key in ("min_confidence", "min_score"):
        if getattr(trust, key) is not None and not asked:
            yield f"trust.{key}", "no judge is named in this router, so it is never reached; name one"
    known = [judges[one] for one in asked if one in judges]
    if trust.min_score is not None and known and not any(judge.scores_candidates for judge in known):
        told = ", ".join(repr(one) for one in dict.fromkeys(asked))
        yield "trust.min_score", f"it needs scores, and the judge gives none: {told}"
    if (path := _circle(name, routers)) is not None:
        yield "trust.escalate_to", f"it leads back to itself: {' > '.join(path)}"


def _circle(name: str, routers: Mapping[str, Router]) -> list[str] | None:
    path, at = [name], name
    while at in routers:
        trust = routers[at].trust
        if trust is None or trust.escalate_to is None:
            return None
        at = str(trust.escalate_to)
        path.append(at)
        if at == name:
            return path
        if at in path[:-1]:
            return None  # a circle that others are in, who are told of it
    return None
