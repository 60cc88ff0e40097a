"""The problems of ``benchmark.py``, and the objective by which solutions are compared."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import scipy.sparse
from scipy.special import logsumexp
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.preprocessing import StandardScaler

BLOCK = 1 << 22
"""Largest number of logits in memory during an evaluation of the objective."""


@dataclass(frozen=True)
class Problem:
    """Features (n, d) in float64, dense or CSR; labels (n,) from 0 to K - 1, or indicators (n, L).

    For indicators, K is the number of labels L.
    """

    name: str
    X: np.ndarray | scipy.sparse.csr_array
    y: np.ndarray

    @property
    def K(self) -> int:
        return int(self.y.max()) + 1 if self.y.ndim == 1 else self.y.shape[1]

    def size(self) -> dict[str, str | int]:
        n, d = self.X.shape
        return {"problem": self.name, "n": n, "d": d, "K": self.K}


def objective(X: np.ndarray, y: np.ndarray, W: np.ndarray, b: np.ndarray, C: float = 1.0) -> float:
    """Return the mean loss of labels plus ``‖W‖² / (2 C n)``, in float64.

    W has shape (1, d) for two classes, else (K, d).
    """
    n = X.shape[0]
    W = np.asarray(W, dtype=np.float64)
    b = np.asarray(b, dtype=np.float64)
    rows = max(BLOCK // len(W), 1)
    total = 0.0
    for start in range(0, n, rows):
        labels = y[start : start + rows]
        Z = X[start : start + rows] @ W.T + b
        if len(W) == 1:
            total += np.logaddexp(0, (1 - 2.0 * labels) * Z[:, 0]).sum()
        else:
            total += (logsumexp(Z, axis=1) - Z[np.arange(len(Z)), labels]).sum()
    return float(total / n + (W**2).sum() / (2 * C * n))


Make = Callable[[str], Problem]
"""Creates the problem with the given name."""


def problem(name: str, X: np.ndarray | scipy.sparse.csr_array, y: np.ndarray) -> Problem:
    """Return a problem in float64, with labels numbered from 0; indicators are unchanged."""
    if not scipy.sparse.issparse(X):
        X = np.ascontiguousarray(X)
    if y.ndim == 1:
        y = np.unique(y, return_inverse=True)[1]
    return Problem(name, X.astype(np.float64, copy=False), y.astype(np.int64))


def bundled(load: Callable, name: str) -> Problem:
    return problem(name, *load(return_X_y=True))


def generated(
    n: int,
    d: int,
    K: int,
    name: str,
    signal: float = 1.5,
    decay: float = 0.5,
    informative: int | None = None,
) -> Problem:
    """Sample labels from a softmax of random logits with the standard deviation ``signal``.

    The singular values of X decay like ``(1 + j)^-decay``, in randomly rotated directions. The
    logits depend on the first ``informative`` features, by default on all.
    """
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    if decay > 0:
        Q, _ = np.linalg.qr(rng.standard_normal((d, d)))
        X = X @ ((1 + np.arange(d))[:, None] ** -decay * Q)
    Z = X[:, :informative] @ rng.standard_normal((d if informative is None else informative, K))
    Z *= signal / Z.std()
    Z += rng.standard_normal(K) / 4
    return problem(name, X, (Z + rng.gumbel(size=Z.shape)).argmax(axis=1))


PIXELS = ("mnist", "fashion_mnist")
"""Data sets of pixels from 0 to 255, which are divided by 255 to scale them."""

OF_SCALED = (
    "Features are standardised (mean 0, variance 1), except pixels, which are divided by 255, and "
    "generated features, which are as they are."
)
"""What scaled problems are, for the note of a table."""


@dataclass(frozen=True)
class Scaled:
    """The scaled form of a dense data set: standardised columns, or pixels divided by 255."""

    base: str
    make: Make
    sparse = multilabel = False

    def __call__(self, name: str) -> Problem:
        raw = self.make(self.base)
        X = raw.X / 255 if self.base in PIXELS else StandardScaler().fit_transform(raw.X)
        return Problem(name, X, raw.y)


BUNDLED: dict[str, Make] = {
    "iris": partial(bundled, load_iris),
    "wine": partial(bundled, load_wine),
    "breast_cancer": partial(bundled, load_breast_cancer),
    "digits": partial(bundled, load_digits),
}

GENERATED: dict[str, Make] = {
    "tall_binary": partial(generated, 100_000, 50, 2),
    "tall_7": partial(generated, 100_000, 50, 7),
    "million": partial(generated, 1_000_000, 20, 2),
    "wide": partial(generated, 5_000, 5_000, 2, decay=0, informative=500),
    "embedding": partial(generated, 50_000, 768, 100, signal=6),
}

PROBLEMS: dict[str, Make] = {
    key: make
    for name, raw in BUNDLED.items()
    for key, make in ((name, raw), (f"{name}_scaled", Scaled(name, raw)))
} | GENERATED

QUICK = (*list(PROBLEMS)[:8], "tall_binary")

FIRST = (
    "mnist",
    "mnist_255",
    "fashion_mnist",
    "covtype_93k",
    "letter",
    "shuttle",
    "kddcup99",
    "pendigits",
    "satimage",
    "adult_raw",
    "bank_marketing",
    "spambase",
    "colon",
    "leukemia",
    "khan",
    "magic_telescope",
    "electricity",
    "skin_nonskin",
    "usps",
    "optdigits",
)
"""Stored problems that are solved before the others."""

DENSIFIED = ("kddcup99",)
"""Problems that are stored as CSR but made dense, because they have few columns."""


@dataclass(frozen=True)
class Stored:
    """The training rows of a file NAME.npz, with y and either X, or X_data, … of a CSR matrix."""

    path: Path
    sparse: bool
    multilabel: bool

    def __call__(self, name: str) -> Problem:
        with np.load(self.path) as data:
            if "X" in data:
                return problem(name, data["X"], data["y"])
            parts = (data["X_data"].astype(np.float64), data["X_indices"], data["X_indptr"])
            X = scipy.sparse.csr_array(parts, shape=tuple(data["X_shape"]))
            return problem(name, X if self.sparse else X.toarray(), data["y"])


def stored(folder: Path) -> dict[str, Stored | Scaled]:
    """Return the binary, multi-class and multi-label problems of a folder, those in FIRST first."""
    found: dict[str, Stored | Scaled] = {}
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as data:
            y = data["y"]
            sparse = "X" not in data and path.stem not in DENSIFIED
        if y.ndim == 1 or y.dtype.kind in "bu":  # others are distributions
            found[path.stem] = Stored(path, sparse, multilabel=y.ndim == 2)
    if "mnist" in found:
        found["mnist_255"] = Scaled("mnist", found["mnist"])
    order = [name for name in FIRST if name in found]
    return {name: found[name] for name in [*order, *sorted(set(found) - set(order))]}


def choose(
    folder: Path | None, names: list[str] | None, quick: bool, multilabel: bool, sparse: bool
) -> dict[str, Make]:
    """Return the problems with the given names; by default all, or only the quick ones."""
    made = {} if multilabel or sparse else PROBLEMS
    files = stored(folder) if folder else {}
    files = {
        name: file
        for name, file in files.items()
        if (file.multilabel, file.sparse) == (multilabel, sparse)
    }
    if names:
        return {name: make for name, make in (made | files).items() if name in names}
    if quick:
        return {name: make for name, make in made.items() if name in QUICK}
    return made | files


def find(folder: Path | None, names: Iterable[str]) -> dict[str, Make]:
    """Return the problems with the given names, and print the names of those that are missing."""
    known: dict[str, Make] = PROBLEMS | (stored(folder) if folder else {})
    for name in names:
        if name not in known:
            print(f"without {name}: give its folder with --data", flush=True)
    return {name: known[name] for name in names if name in known}


def forms(problems: dict[str, Make]) -> tuple[dict[str, Make], dict[str, Make]]:
    """Return the scaled problems and the raw ones, both by the names of their data sets.

    The name of a data set stands for both forms, and that of its scaled form for this one alone.
    Generated problems count as scaled, sparse ones as raw.
    """
    scaled: dict[str, Make] = {}
    raw: dict[str, Make] = {}
    for name, make in problems.items():
        if isinstance(make, Scaled):
            scaled[make.base] = make
        elif name in GENERATED:
            scaled[name] = make
        else:
            raw[name] = make
            if not getattr(make, "sparse", False):
                scaled[name] = Scaled(name, make)
    return scaled, raw
