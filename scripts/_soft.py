"""The data sets with distributions over classes, ``soft_*.npz``, of benchmarks and experiments."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.preprocessing import StandardScaler


@dataclass(frozen=True)
class SoftProblem:
    """Features (n, d) in float64, dense and standardised or CSR, and distributions P (n, K).

    ``votes`` (n, K) are the counts of votes and ``truth`` (n,) the true classes, if known.
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
        """Return a problem with a subset of the rows."""
        votes = None if self.votes is None else self.votes[rows]
        truth = None if self.truth is None else self.truth[rows]
        return SoftProblem(self.name, self.X[rows], self.P[rows], votes, truth)


def load(path: Path) -> SoftProblem:
    """Read a data set; rows of P are divided by their sums to undo rounding."""
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
    """Return the files of a folder by data set name (the file name without ``soft_``)."""
    return {path.stem.removeprefix("soft_"): path for path in sorted(folder.glob("soft_*.npz"))}
