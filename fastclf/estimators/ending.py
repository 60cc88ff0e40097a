"""Warnings of fits that haven't reached an optimum."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastclf.estimators import compatibility
from fastclf.estimators.extremes import advice
from fastclf.estimators.problem import Massless, Problem
from fastclf.estimators.separation import told_apart, without_optimum
from fastclf.solvers import Result

STALLED = "stalled"
"""The status of a fit that arithmetic ends far from the optimum."""


def warn_of_ending(
    estimator: Any, X: Any, massless: Massless, problem: Problem, result: Result, stacklevel: int
) -> None:
    """Warn if a fit has no optimum, or has stopped before it.

    Parameters
    ----------
    estimator : LinearClassifier
        The estimator that was fitted.
    X : ndarray, CSR matrix or StreamedRows
        The features.
    massless : Massless
    problem : Problem
    result : Result
        With the coefficients of the columns that were fitted.
    stacklevel : int
        1 for warnings that point to the caller.
    """
    stacklevel += 1
    free = np.isinf(estimator._strength_and_share()[0])
    if free.any():
        apart = free & told_apart(X, massless, problem, result.theta)
        if apart.any():
            labels = estimator.classes_[massless.present][apart] if len(apart) > 1 else None
            warnings.warn(without_optimum(labels), ConvergenceWarning, stacklevel=stacklevel)
            return
    name = type(estimator).__name__
    if result.status == STALLED:
        warnings.warn(
            f"{name} stopped far from the optimum, for {X.dtype} arithmetic allows no further "
            f"progress. {advice(*estimator._in_memory(X))}",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
    if result.status == "max_iter":
        warnings.warn(
            f"{compatibility.failure(estimator.solver, result.n_iter)}{name} stopped "
            f"after {result.n_iter} iterations, before its gradient was within "
            f"tol={estimator.tol}: increase max_iter; or scale the features, or lower C, either of "
            "which makes the problem easier; or increase tol if less precision is enough",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
