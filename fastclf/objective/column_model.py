"""The quadratic model that coordinate descent on the columns of X minimises."""

from dataclasses import dataclass

import numpy as np
import scipy.special

from fastclf.kernels.steps import column_descent
from fastclf.losses import Loss, Softmax
from fastclf.penalties import Penalty
from fastclf.targets import Target


@dataclass(frozen=True)
class ColumnModel:
    """Second derivatives of one problem in its logits, as the columns of X need them.

    Parameters
    ----------
    a : ndarray of shape (T, n)
        Weights of the T terms of the loss, in each row.
    p : ndarray of shape (K, T, n)
        Probabilities of the classes; for a sigmoid its curvature.
    extra : ndarray of shape (K, n)
        What is added to the curvature of each logit, for the model to be above each class's loss.
    is_softmax : bool
    """

    a: np.ndarray
    p: np.ndarray
    extra: np.ndarray
    is_softmax: bool

    @classmethod
    def at(
        cls, logits: np.ndarray, loss: Loss, target: Target, shares: np.ndarray
    ) -> "ColumnModel":
        """Return the model at logits (n, K) of rows whose shares (1, n) sum to 1."""
        K = logits.shape[1]
        if isinstance(loss, Softmax):
            terms = loss.probabilities(logits, K)
            a = np.concatenate([share_of_term * shares for share_of_term, _ in terms])
            p = np.stack([p.T for _, p in terms], axis=1)
            extra = (a * (bound_of_curvature(p) - p * (1 - p))).sum(axis=1)
            return cls(a, np.ascontiguousarray(p), extra, True)
        curvature = loss.curvature(logits, target, K)
        p = np.ascontiguousarray(curvature.T[:, None])
        q = np.clip(scipy.special.expit(logits), 1e-30, 1 - np.finfo(logits.dtype).eps)
        extra = shares * (curvature * (bound_of_curvature(q) / (q * (1 - q)) - 1)).T
        return cls(shares, p, extra, False)

    def minimise(
        self,
        columns: tuple,
        theta: np.ndarray,
        gradient: np.ndarray,
        penalty: Penalty,
        damping: float,
        share: float,
        most: int,
    ) -> tuple[np.ndarray, float, float]:
        """Return where coordinate descent leads from theta (d + 1, K).

        ``columns`` are those of the features, and a last one of ones. See
        :meth:`fastclf.objective.protocol.Objective.descend` for the rest.
        """
        x = theta.T.copy()
        u = x.copy()
        decrease, slope = column_descent.minimise(
            columns,
            self.a,
            self.p,
            np.maximum(damping * self.extra, 0),
            self.is_softmax,
            gradient.T.copy(),
            (float(penalty.strength[0]), float(penalty.l1[0])),
            share,
            most,
            x,
            u,
        )
        return u.T.copy(), max(decrease, 0.0), max(slope, 0.0)


def bound_of_curvature(p: np.ndarray) -> np.ndarray:
    """Return the curvature of the parabola that touches a logistic loss at p and is never below it.

    With x the logit of p, ``tanh(x / 2) / (2 x)``, which is ``(p - 1/2) / x`` (Jaakkola and Jordan,
    2000).
    """
    q = np.clip(p.astype(np.float64), 1e-30, 1 - 1e-15)
    x = np.log(q) - np.log1p(-q)
    flat = np.abs(x) < 1e-3
    return np.where(flat, 0.25, (q - 0.5) / np.where(flat, 1, x)).astype(p.dtype)
