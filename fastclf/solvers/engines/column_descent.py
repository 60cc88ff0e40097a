"""Coordinate descent on the columns of X, for problems whose matrix is too large for memory."""

import numpy as np
import scipy.special

from fastclf.kernels.steps import column_descent
from fastclf.losses import Loss, Softmax
from fastclf.objective import Objective
from fastclf.objective.features import logits_of
from fastclf.solvers.quadratic_model import Proposal
from fastclf.targets import Target

_SHARE, _MOST_READS = 0.1, 20
"""Share of its first violation to which a model is minimised, and the most reads of X for that."""


def descend(
    objective: Objective,
    theta: np.ndarray,
    gradient: np.ndarray,
    damping: float,
    share: float = _SHARE,
    most_reads: int = _MOST_READS,
) -> Proposal:
    """Minimise the quadratic model of one problem at theta (d + 1, K) with the L1 penalty.

    With a damping of 1 the model is an upper bound on each class's loss, with 0 it is the Taylor
    series. It ends when the largest violation is a ``share`` of the first one, or X was read
    ``most_reads`` times.
    """
    arrays, penalty = objective.arrays, objective.penalty
    assert arrays is not None
    objective.passes += 1
    logits = logits_of(arrays.features, theta, objective.n_threads)
    target = arrays.selection.target
    shares = target.weights / objective.total_weight[:, None].astype(target.weights.dtype)
    a, p, extra = _second_derivatives(arrays.loss, logits, target, shares)
    x = theta.T.copy()
    u = x.copy()
    decrease, slope = column_descent.minimise(
        arrays.features.by_column,
        a,
        p,
        np.maximum(damping * extra, 0),
        isinstance(arrays.loss, Softmax),
        gradient.T.copy(),
        (float(penalty.strength[0]), float(penalty.l1[0])),
        share,
        most_reads,
        x,
        u,
    )
    return Proposal(u.T.copy(), max(decrease, 0.0), max(slope, 0.0))


def _second_derivatives(
    loss: Loss, logits: np.ndarray, target: Target, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the second derivatives of one problem in its logits (n, K), as the kernel takes them.

    They are the weights (T, n) of the T terms of the loss in each row, the probabilities (K, T, n)
    of the classes, or for a sigmoid its curvature, and what is added to the curvature (K, n) of
    each logit to make the model an upper bound. The weights ``shares`` (1, n) of the rows sum to 1.
    """
    K = logits.shape[1]
    if isinstance(loss, Softmax):
        terms = loss.probabilities(logits, K)
        a = np.concatenate([share_of_term * shares for share_of_term, _ in terms])
        p = np.stack([p.T for _, p in terms], axis=1)
        extra = (a * (bound_of_curvature(p) - p * (1 - p))).sum(axis=1)
        return a, np.ascontiguousarray(p), extra
    curvature = loss.curvature(logits, target, K)
    q = np.clip(scipy.special.expit(logits), 1e-30, 1 - np.finfo(logits.dtype).eps)
    extra = shares * (curvature * (bound_of_curvature(q) / (q * (1 - q)) - 1)).T
    return shares, np.ascontiguousarray(curvature.T[:, None]), extra


def bound_of_curvature(p: np.ndarray) -> np.ndarray:
    """Return the curvature of the parabola that touches a logistic loss at p and is never below it.

    With x the logit of p, ``tanh(x / 2) / (2 x)``, which is ``(p - 1/2) / x`` (Jaakkola and Jordan,
    2000).
    """
    q = np.clip(p.astype(np.float64), 1e-30, 1 - 1e-15)
    x = np.log(q) - np.log1p(-q)
    flat = np.abs(x) < 1e-3
    return np.where(flat, 0.25, (q - 0.5) / np.where(flat, 1, x)).astype(p.dtype)
