"""The stored sets of distributions over classes, ``soft_*.npz``, that scripts train on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class SoftProblem:
    """Features (n, d) in float64, dense and standardised or CSR, and what people said of the rows.

    P (n, K) holds distributions; votes (n, K) counts, and truth (n,) classes, where they are known.
    """

    name: str
    X: np.ndarray | scipy.sparse.csr_array
    P: np.ndarray
    votes: np.ndarray | None = None
    truth: np.ndarray | None = None

    @property
    def K(self) -> int:
        return self.P.shape[1]

    def size(self) -> dict[str, str | int]:
        n, d = self.X.shape
        return {"problem": self.name, "n": n, "d": d, "K": self.K}

    def take(self, rows: np.ndarray) -> "SoftProblem":
        """Return the problem of some rows."""
        votes = None if self.votes is None else self.votes[rows]
        truth = None if self.truth is None else self.truth[rows]
        return SoftProblem(self.name, self.X[rows], self.P[rows], votes, truth)


def load(path: Path) -> SoftProblem:
    """Read a set; rows of P are divided by their sums, which rounding has moved from 1."""
    with np.load(path, allow_pickle=False) as data:
        if "X" in data:
            X = StandardScaler().fit_transform(data["X"].astype(np.float64))
        else:
            parts = (data["X_data"].astype(np.float64), data["X_indices"], data["X_indptr"])
            X = scipy.sparse.csr_array(parts, shape=tuple(data["X_shape"]))
        P = data["y"].astype(np.float64)
        votes = data["y_counts"].astype(np.int64) if "y_counts" in data else None
        truth = data["y_hard"].astype(np.int64) if "y_hard" in data else None
    return SoftProblem(
        path.stem.removeprefix("soft_"), X, P / P.sum(axis=1, keepdims=True), votes, truth
    )


def paths(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by their names without ``soft_``."""
    return {path.stem.removeprefix("soft_"): path for path in sorted(folder.glob("soft_*.npz"))}
