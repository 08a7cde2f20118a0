"""What the parts of a configuration read at start: prompts, models, the proof of a jail."""

import logging
from collections.abc import Iterator, Mapping, Sequence

from ensemble.config.settings import Problem, Settings
from ensemble.config.text import line, toml_key
from ensemble.errors import ConfigError
from judges.registry import Plugin, obstacles

log = logging.getLogger(__name__)


def unloadable(settings: Settings) -> Iterator[Problem]:
    """Let every part of ``settings``, nested ones included, read its artifacts; yield what stands in the way. Blocks.

    What a part raises that it should not is a problem too, since anybody may have written it; its traceback is logged.
    """
    tables: Mapping[str, Mapping[str, Plugin]] = {
        "providers": settings.providers,
        "judges": settings.judges,
        "routers": settings.routers,
    }
    for table, plugins in tables.items():
        for name, plugin in plugins.items():
            place = f"{table}.{toml_key(name)}"
            for option, wrong in _problems(plugin):
                told = f"{option}: {wrong}" if option else wrong
                yield Problem(place=place, line=line(f"{settings.path}: [{place}] {told}"))


def _problems(plugin: Plugin) -> Sequence[tuple[str, str]]:
    try:
        return obstacles(plugin)
    except ConfigError as error:
        return (("", str(error)),)
    except Exception as error:
        log.exception("%s raised while loading", plugin.use)
        return (("", f"{plugin.use!r} cannot be loaded: {type(error).__name__}: {error}"),)
