"""The names that an export can be narrowed down to, for whoever gave one that the log does not hold."""

import re
from collections.abc import Iterator

from ensemble.store.content import unbind
from ensemble.store.database import Database
from ensemble.store.export.filters import Filters

_MOST = 12
_KNOWN = {
    "judge": "SELECT DISTINCT judge FROM verdicts WHERE parent IS NULL ORDER BY 1",
    "router": "SELECT DISTINCT model FROM requests ORDER BY 1",
    "dataset": "SELECT DISTINCT dataset FROM dataset_rows ORDER BY 1",
    "domain": "SELECT DISTINCT domain FROM requests WHERE domain IS NOT NULL ORDER BY 1",
}


def unheard_of(db: Database, filters: Filters) -> Iterator[str]:
    """A sentence for each name of ``filters`` that nothing in the log has; reads much of a large log."""
    for kind, sql in _KNOWN.items():
        name = getattr(filters, kind)
        if name is None or (kind == "judge" and re.fullmatch(r"[0-9a-f]{8,64}", name)):
            continue
        known = [unbind(str(one)) for (one,) in db.execute(sql).fetchall()]
        if name not in known:
            more = ", ..." if len(known) > _MOST else ""
            yield f"The log knows no {kind} {name!r}, but {', '.join(known[:_MOST]) or 'none'}{more}."
