"""The models of an estimator along a path of penalties, in several folds, for others to compare."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastclf.estimators import labels, validation
from fastclf.estimators.endings import overflow
from fastclf.estimators.fitting import Settings
from fastclf.estimators.logistic import LogisticRegression, rows_and_problem
from fastclf.estimators.logistic import settings_of as settings_of_classes
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.estimators.multilabel import settings_of as settings_of_labels
from fastclf.estimators.paths import Grid, StudyInMemory, fit_paths
from fastclf.estimators.search import path_warnings


def fit_along(
    estimator: LogisticRegression | MultiLabelLogisticRegression,
    X: Any,
    y: Any,
    sample_weight: Any,
    grid: Grid,
    folds: Sequence[np.ndarray],
    tell: Callable[..., None],
) -> list[Warning]:
    """Fit an estimator with each penalty of a grid to the rows of each fold.

    Its ``classes_`` are set, which are those of all rows. Class weights that are "balanced" are so
    over all rows.

    Parameters
    ----------
    estimator : LogisticRegression or MultiLabelLogisticRegression
        With an exact solver.
    X : array-like or CSR matrix of shape (n, d)
    y : array-like of shape (n,), (n, K) or (n, L)
    sample_weight : array-like of shape (n,), or None
    grid : Grid
        The values of C and of l1_ratio.
    folds : sequence of ndarray of int
        The rows that each fold trains on.
    tell : callable
        ``tell(f, r, c, coefs)`` is called after each fit with the numbers of the fold, the l1_ratio
        and the C, and with the coefficients (C, d + 1), the intercepts last.

    Returns
    -------
    list of Warning

    Raises
    ------
    ValueError
        As by the estimator's ``fit``.
    """
    if isinstance(estimator, LogisticRegression):
        settings: Settings = settings_of_classes(estimator)
        X, problem = rows_and_problem(estimator, X, y, sample_weight)
        weights, known = problem.target.weights[0], None
    else:
        settings = settings_of_labels(estimator)
        X = validation.validate_features(estimator, X, reset=True)
        values, estimator.classes_ = labels.encode_labels(X, y)
        weights = validation.validate_sample_weight(sample_weight, X)
        names = estimator.classes_.tolist()[-values.shape[1] :]
        eps, pos_weight = estimator.label_smoothing, estimator.pos_weight
        problem = labels.problem_of_labels(values, weights, eps, pos_weight, names)
        known = None if not np.isnan(values).any() else ~np.isnan(values)
    study = StudyInMemory(
        X, problem, grid, settings, weights, [(rows, rows[:0]) for rows in folds], known
    )
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # `fit_paths` checks it
            paths = fit_paths(study, tell)
    except FloatingPointError:
        raise overflow(X, None) from None
    return path_warnings(paths, study, estimator.classes_, None)
