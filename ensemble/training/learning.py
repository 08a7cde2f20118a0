"""The learning curve of a trained router: the same fit on fewer of its labels, measured on unseen ones."""

from collections.abc import Mapping
from typing import Any, cast, get_args

from ensemble.training.accuracy import mean_costs, taken
from ensemble.training.fit import Kind, fit
from ensemble.training.frontier import choose
from ensemble.training.held import Held
from ensemble.training.splits import unit
from ensemble.training.table import Table
from judges.learning.model import sample

SHARES = (0.125, 0.25, 0.5, 1.0)
LEAST = 40
"""Labels below which nothing is fitted."""


def learning_curve(seen: Table, held: Held, manifest: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """Labels and mean quality of always taking the best prediction, for nested shares of the groups in ``seen``.

    ``manifest`` is that of the router's folder, with its members, kind and seed. Empty where ``seen`` holds too few of
    its labels, or a member is unknown to them. Blocks for as long as two fits take.
    """
    kind, members = manifest.get("kind"), [str(name) for name in manifest.get("members", ())]
    known = set(members) <= {*seen.members} & {*held.table.members}
    if kind not in get_args(Kind) or not known or len(members) < 2 or not len(held):
        return ()
    seed = int(manifest.get("seed", 0))
    rows, asked = held.table.only(members), sample(held.table.texts)
    points = []
    for share in SHARES:
        # Not the hash by which a part was held back: of what has the lowest hashes, nothing is among ``seen``.
        part = seen.take([row for row, group in enumerate(seen.groups) if unit(f"share:{group}", seed) < share])
        if len(part) < LEAST:
            continue
        predicted = fit(part, members, kind=cast("Kind", kind), seed=seed).model.predict(asked)
        got = taken(rows.quality, choose(predicted, mean_costs(rows), 0.0))
        points.append((float(len(part)), float(got.mean())))
    return tuple(points)
