"""Answers that say the same are worth the same, whatever a judge made of each of them.

A judge rates each text by itself and errs by itself, so two answers that both end in 42 get two labels, and their
difference is nothing but his error. The mean of their labels is surer, and what a router is trained for, which of two
members answers better, is no longer learned from errors where both said the same.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ensemble.training.table import Table
from judges.heuristics.agreement import alike


def evened(table: Table) -> Table:
    """``table`` where answers to a request that surely say the same have the mean of their known qualities. Blocks.

    Where neither answers nor ``alike`` are known nothing changes, nor where none can be told.
    """
    if table.outputs is None and not table.alike:
        return table
    quality = table.quality.copy()
    for row in range(len(table)):
        same: dict[int, list[int]] = defaultdict(list)
        for name, number in _alike(table, row).items():
            if name in table.members and not np.isnan(quality[row, member := table.members.index(name)]):
                same[number].append(member)
        for members in same.values():
            quality[row, members] = quality[row, members].mean()
    return replace(table, quality=quality)


def _alike(table: Table, row: int) -> Mapping[str, int]:
    if table.alike and (told := table.alike[row]) is not None:
        return told
    answers = table.outputs[row] if table.outputs else ()
    return alike({name: text for name, text in zip(table.members, answers, strict=False) if text}, table.texts[row])
