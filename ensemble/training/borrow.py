"""What other members' labels say of a member that did not answer, or answered once and luckily.

A request that only some members answered, or members that are gone by now, still tells how hard it is. A ridge
regression from the other members' qualities, learned where all are known, fills what is missing and steadies what is
there: one answer is one draw.
"""

import numpy as np

from ensemble.training.table import FloatArray

LEAST = 50
"""Requests that a member must share with others before they say anything of it."""
STEADIED = 0.5
"""Weight of what the others say in a label that is there."""


def borrowed(quality: FloatArray, own: int) -> tuple[FloatArray, FloatArray]:
    """The first ``own`` columns of ``quality`` (n, m) with help of the others: targets (n, own), how known (n, own).

    A cell that is known by nothing is the member's mean with weight 0. Columns behind ``own`` are witnesses: members
    that are not to be predicted.
    """
    known = ~np.isnan(quality)
    mean = np.array(
        [column[seen].mean() if seen.any() else np.nan for column, seen in zip(quality.T, known.T, strict=True)]
    )
    targets = np.where(known[:, :own], quality[:, :own], mean[:own])
    weights = known[:, :own].astype(np.float64)
    witnesses = list(range(own, quality.shape[1]))
    incomplete = [one for one in range(own) if not known[:, one].all()]
    for member in range(own):
        others = witnesses or [one for one in range(own) if one != member and incomplete]
        if not others or not (witnesses or member in incomplete):
            continue
        filled, heard = _told(quality, known, mean, member, others)
        if filled is None:
            continue
        steadied = (1 - STEADIED) * quality[:, member] + STEADIED * filled if witnesses else quality[:, member]
        targets[:, member] = np.where(
            known[:, member], np.where(heard, steadied, quality[:, member]), np.where(heard, filled, mean[member])
        )
        weights[:, member] = np.where(known[:, member] | heard, 1.0, 0.0)
    return targets, weights


def _told(
    quality: FloatArray, known: np.ndarray, mean: FloatArray, member: int, others: list[int]
) -> tuple[FloatArray | None, np.ndarray]:
    """What ``others`` say of ``member`` (n,), and where they say anything."""
    heard = known[:, others].sum(axis=1) >= max(1, len(others) // 2)
    shared = heard & known[:, member]
    if shared.sum() < LEAST:
        return None, heard
    x = np.where(known[:, others], quality[:, others] - mean[others], 0.0)
    y = quality[shared, member] - mean[member]
    gram = x[shared].T @ x[shared] + np.eye(len(others))
    slope = np.linalg.solve(gram, x[shared].T @ y)
    filled: FloatArray = mean[member] + x @ slope
    return filled, heard
