"""Which rows stand for all of them."""

import numpy as np

from fastclf.targets import Target

_RARE = 30
"""A class with fewer rows in the sample than this gives it all the rows that it has, up to this."""


def representative_rows(target: Target, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows (m,) in rising order, and by how much each must be weighted up (m,).

    One row is drawn from each of about ``n_rows`` stretches of equal length, always the same ones.
    Of a class that would be rare among them, more rows are taken, with less weight. The weights
    have a mean of about 1.
    """
    weighty = target.weights.any(axis=0)
    candidates = None if weighty.all() else np.flatnonzero(weighty)
    n = target.n_rows if candidates is None else candidates.size
    edges = np.linspace(0, n, n_rows + 1)
    offsets = np.random.default_rng(0).random(n_rows)
    rows = np.minimum((edges[:-1] + offsets * np.diff(edges)).astype(np.intp), n - 1)
    if candidates is not None:
        rows = candidates[rows]
    strata = target.strata
    if strata is None:
        return rows, np.ones(rows.size)
    strata = np.maximum(strata, 0)  # a row of a class that was left out weighs nothing
    counts = np.bincount(strata)
    taken = np.bincount(strata[rows], minlength=counts.size)
    rare = np.flatnonzero(taken < np.minimum(_RARE, counts))
    if rare.size:
        of_rare = np.flatnonzero(np.isin(strata, rare))
        for k in rare:
            members = of_rare[strata[of_rare] == k]
            rows = np.union1d(rows, members[:: -(-members.size // _RARE)])
        taken = np.bincount(strata[rows], minlength=counts.size)
    weights = counts[strata[rows]] / taken[strata[rows]]
    return rows, weights * (rows.size / n)
