"""What estimators that choose a penalty by cross-validation share: grid, folds and choice."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    _raise_for_params,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import _check_method_params

from fastclf.errors import InputError
from fastclf.estimators import choice, compatibility
from fastclf.estimators.extremes import advice, overflow
from fastclf.estimators.held_out import Scores, score_models
from fastclf.estimators.intercept_column import InterceptColumn
from fastclf.estimators.paths import Grid, Paths, Settings, fit_paths
from fastclf.estimators.problem import Problem
from fastclf.estimators.progress import print_progress
from fastclf.estimators.validation import (
    boolean,
    fraction,
    natural_number,
    non_negative_number,
    strength_number,
)
from fastclf.threads import resolve_n_threads

LIKELIHOOD = "neg_log_loss"
"""The scoring that needs no classes: targets may be distributions."""

Folds = list[tuple[np.ndarray, np.ndarray]]


def check_parameters(estimator: Any, l1_ratios: Any) -> Grid:
    """Check the parameters of an estimator, and return the grid of its Cs and of ``l1_ratios``.

    Raises
    ------
    InputError
        If one of them can't be used.
    """
    fraction(estimator.label_smoothing, "label_smoothing", below_one=True)
    natural_number(estimator.max_iter, "max_iter")
    boolean(estimator.fit_intercept, "fit_intercept")
    boolean(estimator.refit, "refit")
    non_negative_number(estimator.tol, "tol")
    resolve_n_threads(estimator.n_threads)
    choice.named(estimator.solver)
    if choice.is_minibatch(estimator.solver):
        raise InputError(
            f"solver={estimator.solver!r} trains on minibatches, whose results are too rough to "
            "compare penalties by; use an exact one, e.g. 'auto'"
        )
    grid = Grid(_Cs(estimator.Cs), _l1_ratios(l1_ratios))
    for l1_ratio in grid.l1_ratios:
        compatibility.check_solver(
            estimator.solver, grid.Cs.max(), float(l1_ratio), getattr(estimator, "dual", False)
        )
    if grid.l1_ratios.any():
        choice.check_l1(estimator.solver)
    return grid


def _Cs(Cs: Any) -> np.ndarray:
    given = np.asarray(Cs)
    if given.ndim == 0:
        if isinstance(Cs, bool) or not hasattr(Cs, "__index__") or Cs < 1:
            raise InputError(f"Cs must be an integer >= 1 or a list of numbers, got {Cs!r}")
        return np.logspace(-4, 4, int(Cs))
    if not given.size:
        raise InputError("Cs is empty; give at least one number, or how many to try")
    return np.array([strength_number(C, "each of Cs") for C in given.tolist()])


def _l1_ratios(l1_ratios: Any) -> np.ndarray:
    values = np.asarray(l1_ratios)
    if values.ndim != 1 or values.size == 0:
        raise InputError(f"l1_ratios must be a list of numbers in [0, 1], got {l1_ratios!r}")
    return np.array([fraction(ratio, "each of l1_ratios") for ratio in values.tolist()])


def settings(estimator: Any) -> Settings:
    """Return what all fits of an estimator have in common."""
    column = InterceptColumn.of(estimator)
    return Settings(
        estimator.fit_intercept and column is None,
        choice.named(estimator.solver),
        estimator.tol,
        estimator.max_iter,
        estimator.n_threads,
        print_progress if estimator.verbose else None,
        column,
    )


def router(estimator: Any, scorer: Any) -> MetadataRouter:
    """Return where an estimator's metadata go: to the splitter and to the scorer."""
    of_scorer = MethodMapping().add(caller="score", callee="score")
    return (
        MetadataRouter(owner=estimator)
        .add_self_request(estimator)
        .add(
            splitter=estimator.cv,
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
        .add(scorer=scorer, method_mapping=of_scorer.add(caller="fit", callee="score"))
    )


def routed(estimator: Any, method: str, sample_weight: Any, params: dict[str, Any]) -> Bunch:
    """Return what goes to the splitter's ``split`` and to the scorer's ``score``.

    Without metadata routing that is nothing but the sample weights, to the scorer.
    """
    _raise_for_params(params, estimator, method)
    sample_weight = None if sample_weight is None else np.asarray(sample_weight)
    weights = {} if sample_weight is None else {"sample_weight": sample_weight}
    if _routing_enabled():
        if method == "fit":
            return process_routing(estimator, method, sample_weight=sample_weight, **params)
        return process_routing(estimator, method, **weights, **params)
    return Bunch(splitter=Bunch(split={}), scorer=Bunch(score=weights))


def split(cv: Any, X: Any, y: np.ndarray, params: dict[str, Any]) -> Folds:
    """Return the rows to train on and to hold out, of each fold."""
    parts = check_cv(cv, y, classifier=True).split(X, y, **params)
    folds = [(_rows(train), _rows(test)) for train, test in parts]
    if not folds:
        raise InputError("cv has no folds; give an integer >= 2, a splitter or a list of splits")
    for f, (_, test) in enumerate(folds):
        if test.size == 0:
            raise InputError(f"fold {f} holds out no rows: choose another cv")
    return folds


def without(folds: Folds, ignored: np.ndarray) -> Folds:
    """Return folds without the rows of a mask (n,)."""
    kept = [(train[~ignored[train]], test[~ignored[test]]) for train, test in folds]
    for f, (_, test) in enumerate(kept):
        if test.size == 0:
            raise InputError(f"fold {f} holds out ignored rows alone: choose another cv")
    return kept


def _rows(part: Any) -> np.ndarray:
    part = np.asarray(part)
    return np.flatnonzero(part) if part.dtype == bool else part.astype(np.intp)


def scored(
    X: Any,
    folds: Folds,
    paths: Paths,
    weights: np.ndarray | None,
    params: dict[str, Any],
    judge: Callable[..., Scores],
    n_threads: int | None,
) -> np.ndarray:
    """Return the scores of all models of all folds, (F, r, c) or (F, r, c, L).

    ``judge`` makes :data:`fastclf.estimators.held_out.Scores` of the rows that a fold holds out,
    their features, and their part of the weights and of the scorer's parameters.
    """
    scores = []
    for f, (_, test) in enumerate(folds):
        own = None if weights is None else weights[test]
        if own is not None and not own.sum() > 0:
            raise InputError(f"fold {f} holds out no rows of positive weight: choose another cv")
        rows = X[test]
        judged = judge(test, rows, own, _check_method_params(X, params, indices=test))
        models = paths.coefs[f].reshape(-1, *paths.coefs.shape[3:])
        scores.append(score_models(models, rows, judged, n_threads))
    found = np.stack(scores)
    return found.reshape(*paths.n_iter.shape, *found.shape[2:])


def best(scores: np.ndarray) -> tuple[int, int]:
    """Return the places of the l1_ratio and the C with the highest scores (r, c).

    Of equal ones it is the first C, then the first l1_ratio.
    """
    c, r = np.unravel_index(np.argmax(scores.T), scores.T.shape)
    return int(r), int(c)


def warn(
    paths: Paths, grid: Grid, classes: np.ndarray, estimator: Any, X: Any, stacklevel: int
) -> None:
    """Say which classes or labels folds lack, and which fits didn't converge, once for each."""
    lacking = np.any([~m.present for m in paths.massless], axis=0)
    if lacking.any():
        names = classes if lacking.size < len(classes) else classes[lacking]
        listed = ", ".join(repr(name) for name in names.tolist())
        warnings.warn(
            f"in some folds there is no weight on one side of {listed}, so nothing can be learned "
            "there: the coefficients are 0 and the intercept is that of the smoothed rate",
            UserWarning,
            stacklevel=stacklevel,
        )
    if paths.stalled.any():
        Cs = grid.Cs[paths.stalled.any(axis=(0, 1))]
        sizes = advice(X, getattr(estimator, "feature_names_in_", None))
        warnings.warn(
            f"{type(estimator).__name__} stopped far from the optimum, where {X.dtype} arithmetic "
            f"allows no further progress, at C = {', '.join(f'{C:g}' for C in Cs)}. "
            f"{sizes}",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )
    if paths.unfinished.any():
        Cs = grid.Cs[paths.unfinished.any(axis=(0, 1))]
        warnings.warn(
            f"{type(estimator).__name__} stopped after {estimator.max_iter} iterations, before its "
            f"gradients were within tol={estimator.tol}, at C = {', '.join(f'{C:g}' for C in Cs)}: "
            "increase max_iter; or scale the features, or leave out the largest of Cs; or increase "
            "tol if less precision is enough",
            ConvergenceWarning,
            stacklevel=stacklevel,
        )


def fit_all(
    estimator: Any,
    X: Any,
    problem: Problem,
    weights: np.ndarray,
    grid: Grid,
    known: np.ndarray | None = None,
) -> Paths:
    """Fit the paths of all folds; see :func:`fastclf.estimators.paths.fit_paths`.

    Raises
    ------
    InputError
        If numbers of X are too large; it names their columns.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # `fit_paths` checks it
            return fit_paths(X, problem, weights, grid, settings(estimator), known)
    except FloatingPointError:
        raise overflow(X, getattr(estimator, "feature_names_in_", None)) from None


def scorer_of(scoring: Any, default: str) -> Any:
    """Return the scorer that a name or a callable stands for.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    return get_scorer(default if scoring is None else scoring)
