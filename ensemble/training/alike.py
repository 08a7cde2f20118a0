"""Answers that say the same are worth the same, whatever a judge made of each of them.

A judge rates each text by itself and errs by itself, so two answers that both end in 42 get two labels, and their
difference is nothing but his error. The mean of their labels is surer, and what a router is trained for, which of two
members answers better, is no longer learned from errors where both said the same.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np

from ensemble.training.table import Table
from judges.heuristics.agreement import surely_told


def evened(table: Table) -> Table:
    """``table`` where answers to a request that surely say the same have the mean of their known qualities. Blocks.

    Without texts of answers nothing changes, nor where none can be told.
    """
    if table.outputs is None:
        return table
    quality = table.quality.copy()
    for row, (text, answers) in enumerate(zip(table.texts, table.outputs, strict=True)):
        same: dict[str, list[int]] = defaultdict(list)
        for member, answer in enumerate(answers):
            if answer and not np.isnan(quality[row, member]) and (told := surely_told(answer, text)):
                same[told].append(member)
        for members in same.values():
            quality[row, members] = quality[row, members].mean()
    return replace(table, quality=quality)
