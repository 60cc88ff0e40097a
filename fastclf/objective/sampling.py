"""The choice of a sample of rows."""

import numpy as np

from fastclf.targets import Target

RARE = 30
"""Rows of each class that a sample has at least, or all of the class if it has fewer."""


def representative_rows(target: Target, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (m,) in rising order, and factors (m,) for their weights, with a mean of about 1.

    All rows are cut into about ``n_rows`` stretches of equal length, and one row is drawn from each
    with a fixed seed. Of classes that would be rare, more rows are taken, with smaller factors.
    """
    weighty = target.weights.min(initial=1.0) > 0 or target.weights.any(axis=0)
    candidates = None if np.all(weighty) else np.flatnonzero(weighty)
    n = target.n_rows if candidates is None else candidates.size
    edges = np.linspace(0, n, n_rows + 1)
    offsets = np.random.default_rng(0).random(n_rows)
    rows = np.minimum((edges[:-1] + offsets * np.diff(edges)).astype(np.intp), n - 1)
    if candidates is not None:
        rows = candidates[rows]
    strata = target.strata
    if strata is None:
        return rows, np.ones(rows.size)
    if strata.min() < 0:  # those of classes that were left out are -1, with weight 0
        strata = np.maximum(strata, 0)
    counts = np.bincount(strata)
    taken = np.bincount(strata[rows], minlength=counts.size)
    rare = np.flatnonzero(taken < np.minimum(RARE, counts))
    if rare.size:
        of_rare = np.flatnonzero(np.isin(strata, rare))
        for k in rare:
            members = of_rare[strata[of_rare] == k]
            rows = np.union1d(rows, members[:: -(-members.size // RARE)])
        taken = np.bincount(strata[rows], minlength=counts.size)
    weights = counts[strata[rows]] / taken[strata[rows]]
    return rows, weights * (rows.size / n)
