"""What speaks against a run before it starts: names that are not there, and members that no cap can hold."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from ensemble.batch import BatchConnection
from ensemble.bounds import unbounded
from ensemble.errors import ConfigError
from ensemble.labelling.runner import Options
from ensemble.pipeline import Pipeline


def check(pipeline: Pipeline, options: Options) -> None:
    """Refuse a run that cannot be made.

    Raises:
        ConfigError: one sentence for each thing to mend.
    """
    if wrong := [*_unknown(pipeline, options), *_forgetful(pipeline, options)]:
        raise ConfigError("; ".join(wrong))
    if options.via == "batch" and (wrong := [*_without_batches(pipeline, options)]):
        raise ConfigError("; ".join(wrong))
    if options.max_nano_usd is not None and (wrong := [*_without_bound(pipeline, options)]):
        raise ConfigError("; ".join(wrong))


def members_of(pipeline: Pipeline, options: Options) -> list[str]:
    """Members that the run may call for candidates, as far as the router names them."""
    if options.members:
        return list(options.members)
    router = pipeline.routers[options.router] if options.router else None
    return list(dict.fromkeys(_named(router.references() if router else (), "member")))


def judges_of(pipeline: Pipeline, options: Options) -> list[str]:
    """Judges that the run may ask, as far as the router names them."""
    if options.judge:
        return [options.judge]
    router = pipeline.routers[options.router] if options.router else None
    return list(dict.fromkeys(_named(router.references() if router else (), "judge")))


def _named(references: Iterable[tuple[str, object]], kind: str) -> Iterator[str]:
    return (str(name) for _, name in references if getattr(name, "kind", "") == kind)


def _unknown(pipeline: Pipeline, options: Options) -> Iterator[str]:
    asked: list[tuple[str, str | None, Mapping[str, object]]] = [
        ("router", options.router, pipeline.routers),
        ("judge", options.judge, pipeline.judges),
    ]
    asked += [("member", member, pipeline.fleet) for member in options.members]
    for kind, name, known in asked:
        if name is not None and name not in known:
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)[:8]
            yield f"there is no {kind} {name!r}; try {', '.join(near) or 'adding one to the configuration'}"


def _without_batches(pipeline: Pipeline, options: Options) -> Iterator[str]:
    asked = dict.fromkeys(members_of(pipeline, options))
    for name in judges_of(pipeline, options):
        judge = pipeline.judges[name]
        if not judge.can_wait:
            yield (
                f"judge {name!r} cannot wait for a batch, which may take a day, as far as it says (Judge.can_wait);"
                " label with --via online, or with another judge"
            )
        asked |= dict.fromkeys(_named(judge.references(), "model"))
    for name in asked:
        member = pipeline.fleet.get(name)
        if member is not None and not isinstance(member.connection, BatchConnection):
            yield f"{name}: provider {str(member.settings.provider)!r} takes no batches; label with --via online"


def _forgetful(pipeline: Pipeline, options: Options) -> Iterator[str]:
    router = pipeline.routers.get(options.router) if options.router else None
    if router is not None and not router.store_content:
        yield f"router {options.router!r} has store_content = false, and a label without its texts is of no use"


def _without_bound(pipeline: Pipeline, options: Options) -> Iterator[str]:
    now, fleet, batch = datetime.now(UTC), pipeline.fleet, options.via == "batch"
    if options.router and [*_named(pipeline.routers[options.router].references(), "model")]:
        yield f"router {options.router!r} asks models before it plans, which no cap covers; label with another router"
    for name in members_of(pipeline, options):
        if why := unbounded(fleet[name], now, batch=batch):
            yield why
    for judge in judges_of(pipeline, options):
        for name in dict.fromkeys(_named(pipeline.judges[judge].references(), "model")):
            if name in fleet and (why := unbounded(fleet[name], now, judge=True, batch=batch)):
                yield why
