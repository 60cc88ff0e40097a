"""Hypothesis strategies for logits and targets.

Logits are multiples of 1/8, so that differences and shifts of them are exact in float32, too.
"""

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

CLASSES = (1, 2, 3, 5, 21)
"""Numbers of classes: a lone one, a pair, and both sides of where a kernel changes its ways."""


def grid(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(int(low * 8), int(high * 8)).map(lambda i: i / 8)


def arrays(shape: tuple[int, ...], low: float, high: float) -> st.SearchStrategy[np.ndarray]:
    return hnp.arrays(np.float64, shape, elements=grid(low, high))


def shapes(max_rows: int = 3) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(1, max_rows), st.sampled_from(CLASSES))


@st.composite
def problems(draw, kind: str, bound: float = 20.0, max_rows: int = 3):
    """Return logits (n, K) and targets: "hard" (n,), "soft" (n, K) of any sum, "unit" (n, K)."""
    n, K = draw(shapes(max_rows))
    z = draw(arrays((n, K), -bound, bound))
    if kind == "hard":
        return z, draw(hnp.arrays(np.intp, n, elements=st.integers(0, K - 1)))
    return z, draw(arrays((n, K), 0, 2 if kind == "soft" else 1))


@st.composite
def distributions(draw, max_rows: int = 3):
    """Return rows of probabilities (n, K), some of them 0."""
    counts = draw(arrays(draw(shapes(max_rows)), 0, 2))
    counts[counts.sum(axis=1) == 0] = 1
    return counts / counts.sum(axis=1, keepdims=True)
