"""A number in [0, 1) for each row, made from its values: which part of the data it belongs to.

The number depends on the row's values and on a seed alone. So a row stays in its part however the
rows are ordered, cut into chunks or shared between machines, and equal rows are in the same part.

Multilinear hashing (Lemire and Kaser, *Strongly universal string hashing is fast*, 2014): the sum
over the columns of a value's bits times the column's random odd multiplier, modulo 2^64, then mixed
by the last steps of splitmix64. Bits are those of the value as float32, so that it doesn't matter
in which precision a row is read; -0 counts as 0, and every NaN, a missing value, is the same.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse

_BLOCK_ENTRIES = 1 << 15
"""Entries of X that are hashed at a time, so that what is computed from them stays in cache."""

_NAN = np.uint32(0x7FC00000)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def of_matrix(X: Any, seed: Sequence[int]) -> np.ndarray:
    """Return the number of each row of a matrix (n,).

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n, d)
        A stored entry of a CSR matrix counts as it does in a dense one.
    seed : sequence of int
        Natural numbers; other seeds give independent numbers.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf import row_hash
    >>> X = np.array([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0]])
    >>> u = row_hash.of_matrix(X, [0])
    >>> bool(u[0] == u[2]), bool(u[0] == u[1]), bool((u < 1).all())
    (True, False, True)
    """
    n, d = X.shape
    multipliers = _multipliers(tuple(seed), d)
    sums = np.zeros(n, np.uint64)
    if scipy.sparse.issparse(X):
        products = number_bits(X.data) * multipliers[X.indices]
        filled = np.flatnonzero(np.diff(X.indptr))
        if filled.size:
            sums[filled] = np.add.reduceat(products, X.indptr[filled])
        return mixed(sums)
    step = max(1, _BLOCK_ENTRIES // max(d, 1))
    for start in range(0, n, step):
        rows = slice(start, start + step)
        sums[rows] = number_bits(X[rows]) @ multipliers
    return mixed(sums)


def of_columns(columns: Iterable[np.ndarray], n_columns: int, seed: Sequence[int]) -> np.ndarray:
    """Return the number of each row (n,), from the bits of the values in each column (n,).

    Bits are those that `number_bits` and `text_bits` return. Numbers alone give what `of_matrix`
    returns for them.
    """
    multipliers = _multipliers(tuple(seed), n_columns)
    sums = np.zeros(1, np.uint64)
    for bits, multiplier in zip(columns, multipliers, strict=True):
        sums = sums + bits * multiplier
    return mixed(sums)


def number_bits(values: np.ndarray) -> np.ndarray:
    """Return the bits of numbers as uint64: those of float32, of which -0 is 0 and NaN one NaN."""
    if values.dtype != np.float32:
        with np.errstate(over="ignore", invalid="ignore"):
            values = values.astype(np.float64, copy=False).astype(np.float32)
    bits = (values + np.float32(0)).view(np.uint32)  # -0 + 0 is 0
    missing = np.isnan(values)
    if missing.any():
        bits = np.where(missing, _NAN, bits)
    return bits.astype(np.uint64)


def text_bits(names: Sequence[str]) -> np.ndarray:
    """Return 64 bits of each text, and last those of a missing value, which are a NaN's.

    Numbers that some files of a folder hold as text hash as text does.
    """
    digests = b"".join(hashlib.blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.append(np.frombuffer(digests, "<u8").astype(np.uint64), np.uint64(_NAN))


def mixed(sums: np.ndarray) -> np.ndarray:
    """Return numbers in [0, 1) with 53 bits from sums modulo 2^64: the end of splitmix64."""
    x = sums ^ (sums >> np.uint64(30))
    x *= _MIXERS[0]
    x ^= x >> np.uint64(27)
    x *= _MIXERS[1]
    x ^= x >> np.uint64(31)
    return (x >> np.uint64(11)) * 2.0**-53


@lru_cache(maxsize=8)
def _multipliers(seed: tuple[int, ...], n_columns: int) -> np.ndarray:
    """Return an odd multiplier for each column; the first columns have the same in any number."""
    rng = np.random.default_rng([0x726F7773, *seed])
    found = rng.integers(0, 1 << 64, n_columns, np.uint64, endpoint=False) | np.uint64(1)
    found.flags.writeable = False
    return found
