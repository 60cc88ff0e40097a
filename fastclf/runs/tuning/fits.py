"""The fits of a search: a model for each penalty, on the rows of each fold."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import clone

from fastclf.config import MINIBATCH_RULES, Recipe, TuneTable
from fastclf.data import Dataset
from fastclf.data.splits import fold_rows, split_rows
from fastclf.estimators.paths import Grid
from fastclf.estimators.penalty_paths import fit_along
from fastclf.estimators.prediction import set_coefficients
from fastclf.runs.build import Estimator, build_estimator
from fastclf.runs.distillation import fit_parts
from fastclf.runs.parts import Parts, in_dtype, prepare
from fastclf.runs.tuning.scoring import Scoring
from fastclf.table import Table

Splits = list[tuple[np.ndarray, np.ndarray]]

Tell = Callable[[int, int, int, float], None]
"""``tell(fold, r, c, score)`` is called after each fit."""


def splits_of(train: Dataset, recipe: Recipe, table: TuneTable) -> Splits:
    """Return the rows to fit to, and those to score on, of each fold of the training rows.

    Raises
    ------
    DataError
        If there are too few rows.
    """
    data = recipe.data
    how: dict[str, Any] = {
        "stratify": data.stratify,
        "seed": recipe.seed,
        "split_kind": data.split_kind,
    }
    if table.holdout is not None:
        return [split_rows(train, test_size=table.holdout, key="tune.holdout", **how)]
    return fold_rows(train, folds=table.n_folds, key="tune.folds", **how)


@dataclass(frozen=True)
class Fits:
    """The fits of a recipe with each penalty of a grid, on each fold.

    Parameters
    ----------
    recipe : Recipe
        With the values of a trial.
    train : Dataset
        The training rows.
    splits : list of pair of ndarray of int
        The rows of ``train`` to fit to, and those to score on, of each fold.
    grid : Grid
    scoring : Scoring
    """

    recipe: Recipe
    train: Dataset
    splits: Splits
    grid: Grid
    scoring: Scoring

    @property
    def n_folds(self) -> int:
        """The number of folds."""
        return len(self.splits)

    def run(self, folds: Sequence[int], tell: Tell) -> None:
        """Fit and score on some folds, one after another; those without preparation together.

        Raises
        ------
        FastclfError
            If a fold can't be fitted or scored.
        """
        together = self._together(folds)
        if together is not None:
            self._fit_together(folds, together, tell)
            return
        for fold in folds:
            parts = self._parts(fold)
            if self._has_path:
                self._follow(fold, parts, tell)
            else:
                self._fit_one_by_one(fold, parts, tell)

    @property
    def _has_path(self) -> bool:
        # Whether exact solvers go from one penalty to the next.
        return self.recipe.solver.name not in MINIBATCH_RULES and self.recipe.distill is None

    def _parts(self, fold: int) -> Parts:
        train = self.train
        if not isinstance(train.features, Table):
            train = in_dtype(train, self.recipe.data.dtype)
        rows, held_out = self.splits[fold]
        return prepare(train.take(rows), train.take(held_out), self.recipe.data)

    def _together(self, folds: Sequence[int]) -> list[Parts] | None:
        # The parts of all folds if no fold prepares its features; all can then be fitted in the
        # same passes over them.
        balanced = "balanced" in (
            getattr(self.recipe.model, "class_weight", None),
            getattr(self.recipe.model, "pos_weight", None),
        )
        if len(folds) < 2 or balanced or not self._has_path:
            return None
        if isinstance(self.train.features, Table) or self.recipe.data.scale != "none":
            return None
        return [self._parts(fold) for fold in folds]

    def _fit_together(self, folds: Sequence[int], parts: list[Parts], tell: Tell) -> None:
        train = in_dtype(self.train, self.recipe.data.dtype)
        estimator = self._estimator()
        views = [_Judge(self.scoring, estimator, part) for part in parts]

        def told(place: int, r: int, c: int, coefs: np.ndarray) -> None:
            tell(folds[place], r, c, views[place].score(coefs))

        rows = [self.splits[fold][0] for fold in folds]
        self._along(estimator, train.features, train.y, train.weights, rows, told)

    def _follow(self, fold: int, parts: Parts, tell: Tell) -> None:
        estimator = self._estimator()
        view = _Judge(self.scoring, estimator, parts)

        def told(place: int, r: int, c: int, coefs: np.ndarray) -> None:
            tell(fold, r, c, view.score(coefs))

        X, train = parts.prepared(parts.train.X), parts.train
        everything = [np.arange(len(train))]
        self._along(estimator, X, train.y, train.weights, everything, told)

    def _along(
        self,
        estimator: Estimator,
        X: Any,
        y: np.ndarray,
        weights: np.ndarray | None,
        rows: list[np.ndarray],
        told: Callable[..., None],
    ) -> None:
        for warning in fit_along(estimator, X, y, weights, self.grid, rows, told):
            warnings.warn(warning, stacklevel=1)

    def _fit_one_by_one(self, fold: int, parts: Parts, tell: Tell) -> None:
        X, held_out = parts.prepared(parts.train.X), parts.prepared(parts.test.X)
        for r, c, estimator in self._estimators():
            fitted, _ = fit_parts(self.recipe, parts, X, estimator, self.train)
            tell(fold, r, c, self.scoring.of(fitted, held_out, parts.test))

    def _estimator(self) -> Estimator:
        # With the weakest L1 penalty, so that the solver is checked.
        estimator = build_estimator(self.recipe, self.train.labels, self.train.class_names)
        return estimator.set_params(l1_ratio=float(self.grid.l1_ratios.max()))

    def _estimators(self) -> Iterator[tuple[int, int, Estimator]]:
        estimator = self._estimator()
        for r, l1_ratio in enumerate(self.grid.l1_ratios.tolist()):
            for c, C in enumerate(self.grid.Cs.tolist()):
                yield r, c, clone(estimator).set_params(C=C, l1_ratio=l1_ratio)


class _Judge:
    """Scores the coefficients of an estimator, whose classes are known by then, on a fold."""

    def __init__(self, scoring: Scoring, estimator: Estimator, parts: Parts) -> None:
        self._scoring = scoring
        self._estimator = estimator
        self._part = parts.test
        self._X = parts.prepared(parts.test.X)

    def score(self, coefs: np.ndarray) -> float:
        """Return the score of coefficients (C, d + 1), the intercepts last."""
        theta = np.ascontiguousarray(coefs.T)
        set_coefficients(self._estimator, theta, theta.dtype)
        return self._scoring.of(self._estimator, self._X, self._part)
