"""Paths of penalties over the folds of a cross-validation, all folds in the same passes over X."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from fastclf.blas import single_threaded
from fastclf.errors import InputError
from fastclf.estimators import choice
from fastclf.estimators.elsewhere import RowsElsewhere
from fastclf.estimators.fitting import Settings, objective_of, shown_progress
from fastclf.estimators.problem import Massless, Problem, of_columns
from fastclf.estimators.representation import Representation
from fastclf.losses import Sigmoid
from fastclf.penalties import from_C
from fastclf.plan.passes import work_of_fit
from fastclf.solvers import Result, choose
from fastclf.solvers.ending import NOT_FINITE
from fastclf.solvers.folds import follow
from fastclf.solvers.optimality import far_from_optimum

_ROOM = 1 << 25
"""Most entries of the weights of all labels in the folds that are fitted together."""


@dataclass(frozen=True)
class Grid:
    """Penalties to try: each of ``Cs`` (c,) with each of ``l1_ratios`` (r,)."""

    Cs: np.ndarray
    l1_ratios: np.ndarray


@dataclass(frozen=True, eq=False)
class Study:
    """What is fitted: a problem, in all folds, with each penalty of a grid.

    ``problem`` is that of all rows, or one that stands for them.
    """

    X: Any
    problem: Problem
    grid: Grid
    settings: Settings

    @property
    def n_folds(self) -> int:
        """F."""
        raise NotImplementedError

    def masses(self) -> np.ndarray:
        """Return the weight on and off each column's class in each fold (F, 2, C)."""
        raise NotImplementedError

    def objectives(self, chosen: "Choice", X: Any, settings: Settings) -> tuple[Any, Any]:
        """Return the objective of some folds, and the one of all rows with their mean weights."""
        raise NotImplementedError

    def trained(self) -> "Study":
        """Return the study without rows that no fold trains on, where that needs no copy of X."""
        return self


@dataclass(frozen=True, eq=False)
class StudyInMemory(Study):
    """A study of rows X (n, d) in memory, which weigh ``weights`` (n,).

    A fold is the rows to train on and those to hold out. ``known`` (n, L) marks the labels that are
    known; None if all are.
    """

    weights: np.ndarray
    folds: Sequence[tuple[np.ndarray, np.ndarray]]
    known: np.ndarray | None = None

    @property
    def n_folds(self) -> int:
        """F."""
        return len(self.folds)

    @cached_property
    def of_folds(self) -> np.ndarray:
        """The weights (F, n) of the training rows of each fold."""
        of_folds = training_counts(self.folds, self.weights.size) * self.weights
        check_trained(of_folds.sum(axis=1))
        return of_folds

    def masses(self) -> np.ndarray:
        """Return the weight on and off each column's class in each fold (F, 2, C)."""
        return masses_of(self.problem, self.of_folds, self.known)

    def objectives(self, chosen: "Choice", X: Any, settings: Settings) -> tuple[Any, Any]:
        """Return the objective of some folds, and the one of all rows with their mean weights."""
        both = chosen.problems(self.problem, self.of_folds[chosen.members], self.known)
        folds, near = (objective_of(X, each, settings) for each in both)
        return folds, near

    def trained(self) -> "StudyInMemory":
        """Return the study without rows at the ends of a dense X that no fold trains on.

        A validation part that follows the training rows is such rows.
        """
        n = self.weights.size
        first = min((train.min(initial=n) for train, _ in self.folds), default=n)
        last = 1 + max((train.max(initial=-1) for train, _ in self.folds), default=-1)
        if first >= last or last - first == n or not isinstance(self.X, np.ndarray):
            return self
        some = slice(first, last)
        return replace(
            self,
            X=self.X[some],
            problem=self.problem.rows(some),
            weights=self.weights[some],
            folds=[(train - first, test) for train, test in self.folds],
            known=None if self.known is None else self.known[some],
        )


@dataclass(frozen=True, eq=False)
class Choice:
    """Folds that are fitted together: their numbers, and the columns that any of them has.

    ``present`` is a mask (C,), ``lacking`` (F, C) marks those that each of the folds can't fit.
    """

    members: list[int]
    present: np.ndarray
    lacking: np.ndarray

    @classmethod
    def of(cls, members: list[int], massless: Sequence[Massless]) -> "Choice":
        """Return the choice of some folds of all."""
        lacking = ~np.array([massless[f].present for f in members])
        return cls(members, np.asarray(~lacking.all(axis=0)), lacking)

    def problems(
        self, problem: Problem, weights: np.ndarray, known: np.ndarray | None
    ) -> tuple[Problem, Problem]:
        """Return the problem of the folds, one after another, and the one with mean weights.

        ``weights`` (F, n) are those of the training rows of these folds.
        """
        near = weighted(problem, weights.mean(axis=0), known)
        near = of_columns(near, self.present)
        F, target, loss = len(weights), near.target, near.loss
        if not isinstance(loss, Sigmoid):
            return Problem(replace(target, weights=weights), loss, F * near.n_columns), near
        of_each = np.repeat(weights, near.n_columns, axis=0)
        if known is not None:
            of_each *= np.tile(known[:, self.present].T, (F, 1))
        # Columns that a fold can't fit are left out of its results. Here they get the mean weights,
        # with which they have an optimum.
        middle = np.broadcast_to(target.weights, (near.n_columns, weights.shape[1]))
        missing = self.lacking[:, self.present]
        of_each[missing.ravel()] = middle[np.nonzero(missing)[1]]
        target = replace(target, weights=of_each, soft=np.tile(target.soft, (1, F)))
        if loss.pos_weight is not None:
            loss = replace(loss, pos_weight=np.tile(loss.pos_weight, F))
        return Problem(target, loss, F * near.n_columns), near


def weighted(problem: Problem, weights: np.ndarray, known: np.ndarray | None) -> Problem:
    """Return a problem with other weights of rows (n,)."""
    of_problem = weights[None]
    if known is not None:
        of_problem = np.ascontiguousarray(known.T * weights)
    return replace(problem, target=replace(problem.target, weights=of_problem))


def masses_of(problem: Problem, weights: np.ndarray, known: np.ndarray | None) -> np.ndarray:
    """Return the weight on and off each column's class (F, 2, C) under weights of rows (F, n)."""
    return np.stack([weighted(problem, row, known).mass for row in weights])


@dataclass(frozen=True)
class Paths:
    """The fits of F folds.

    ``coefs`` (F, r, c, C, d + 1) has the intercepts last. ``unfinished`` and ``stalled`` (F, r, c)
    mark fits that ended at the limit on iterations, or far from the optimum because of rounding.
    ``massless`` has what can't be fitted in each fold, and ``passes`` is how often X was read.
    """

    coefs: np.ndarray
    n_iter: np.ndarray
    unfinished: np.ndarray
    stalled: np.ndarray
    massless: list[Massless]
    passes: float


def training_counts(folds: Sequence[tuple[np.ndarray, np.ndarray]], n: int) -> np.ndarray:
    """Return how often each fold has each of n rows to train on, (F, n)."""
    counts = np.zeros((len(folds), n))
    for row, (train, _) in zip(counts, folds, strict=True):
        row += np.bincount(train, minlength=n)
    return counts


def check_trained(weights: np.ndarray) -> None:
    """Refuse folds whose training rows have no weight; ``weights`` (F,) are their sums."""
    empty = np.flatnonzero(~(weights > 0))
    if empty.size:
        raise InputError(
            f"fold {empty[0]} has no training rows of positive weight: choose another cv"
        )


def fit_paths(study: Study, tell: Callable[..., None] = lambda *fit: None) -> Paths:
    """Fit all folds with all penalties. Raises FloatingPointError if numbers aren't finite.

    ``tell(f, r, c, coefs)`` is called after each fit with the numbers of the fold, the l1_ratio and
    the C, and with the coefficients (C, d + 1).
    """
    study = study.trained()
    X, problem, grid, settings = study.X, study.problem, study.grid, study.settings
    shape = study.n_folds, grid.l1_ratios.size, grid.Cs.size
    coefs = np.zeros((*shape, problem.n_columns, X.shape[1] + 1), X.dtype)
    n_iter = np.zeros(shape, np.int32)
    unfinished, stalled = np.zeros(shape, bool), np.zeros(shape, bool)
    massless = [Massless.of(mass, problem.loss, settings.free_intercept) for mass in study.masses()]
    has_l1 = bool(grid.l1_ratios.any())
    in_memory = not isinstance(X, RowsElsewhere)
    if not in_memory:
        X.check(settings.solver, settings.intercept_column)
    may_reduce = in_memory and choice.named(settings.solver) is None and not has_l1
    shown = Representation.of(X, settings.intercept_column, may_reduce, problem.is_one)
    settings = settings._replace(tol=shown.tolerance(settings.tol))
    Cs, places = np.unique(grid.Cs, return_inverse=True)
    passes = 0.0
    for members in _groups(problem, massless):
        group = _Group.of(study, Choice.of(members, massless), shown.X, settings)
        with single_threaded(group.work * Cs.size * grid.l1_ratios.size):
            for r, l1_ratio in enumerate(grid.l1_ratios):
                for c, result in enumerate(group.follow(Cs, l1_ratio)):
                    if result.status == NOT_FINITE:
                        raise FloatingPointError
                    at = np.flatnonzero(places == c)
                    far = group.far_from_optimum(result, Cs[c], l1_ratio)
                    for i, f in enumerate(members):
                        theta = shown.expand(group.theta(result, i, squared=l1_ratio == 0))
                        theta = massless[f].expand(theta[:, massless[f].present[group.present]])
                        coefs[f, r, at] = theta.T
                        n_iter[f, r, at] = group.iterations(result, i)
                        unfinished[f, r, at] = result.status == "max_iter"
                        stalled[f, r, at] = far[i]
                        tell(f, r, int(at[0]), coefs[f, r, at[0]])
        passes += group.objective.passes + group.reference.passes
    for f, lacking in enumerate(massless):
        if not lacking.present.any():
            coefs[f] = lacking.expand(np.zeros((coefs.shape[-1], 0))).T
            for r, c in np.ndindex(shape[1:]):
                tell(f, r, c, coefs[f, r, c])
    if not np.isfinite(coefs).all():
        raise FloatingPointError
    return Paths(coefs, n_iter, unfinished, stalled, massless, passes)


def _groups(problem: Problem, massless: list[Massless]) -> list[list[int]]:
    # Folds that are solved together: the problems of a softmax must have the same classes.
    some = [f for f, lacking in enumerate(massless) if lacking.present.any()]
    if problem.loss.is_sigmoid:
        size = max(1, _ROOM // (problem.target.n_rows * problem.n_columns))
        return [some[i : i + size] for i in range(0, len(some), size)]
    alike: dict[bytes, list[int]] = {}
    for f in some:
        alike.setdefault(massless[f].present.tobytes(), []).append(f)
    return list(alike.values())


@dataclass(frozen=True)
class _Group:
    """Folds that are fitted together.

    The problems of the ``objective`` are those of one fold after another's. The ``reference`` has
    the problem of all rows, with the mean of the folds' weights. ``present`` (C,) are the columns
    that any of the folds has, and ``problem`` has these.
    """

    objective: Any
    reference: Any
    problem: Problem
    present: np.ndarray
    settings: Settings

    @classmethod
    def of(cls, study: Study, chosen: Choice, X: Any, settings: Settings) -> "_Group":
        """Return some of the folds, on the features X that solvers work on."""
        any_penalty = settings._replace(C=1.0, l1_ratio=0.0)  # `follow` sets others
        objective, reference = study.objectives(chosen, X, any_penalty)
        near = of_columns(study.problem, chosen.present)
        return cls(objective, reference, near, chosen.present, settings)

    def follow(self, Cs: np.ndarray, l1_ratio: float) -> Iterator[Result]:
        """Solve for rising Cs, one result for each."""
        totals, middle = self.objective.total_weight, self.reference.total_weight
        penalties = [(from_C(C, l1_ratio, totals), from_C(C, l1_ratio, middle)) for C in Cs]
        some = self.settings
        solver = choice.named(some.solver) or choose(self.reference.with_penalty(penalties[0][1]))
        solver = choice.complete(solver, some.tol, some.max_iter, 0)
        with shown_progress(some.verbose) as observer:
            yield from follow(self.objective, self.reference, penalties, solver, observer)

    def far_from_optimum(self, result: Result, C: float, l1_ratio: float) -> np.ndarray:
        """Return a mask of the folds that arithmetic ended far from the optimum for C."""
        G = self.reference.n_problems
        if result.status != "precision":
            return np.zeros(self.objective.n_problems // G, bool)
        objective = self.objective.with_penalty(from_C(C, l1_ratio, self.objective.total_weight))
        far = far_from_optimum(objective, result.theta, self.settings.tol)
        return np.asarray(far.reshape(-1, G).any(axis=1))

    @property
    def work(self) -> float:
        """Nanoseconds of the fits of all folds with one penalty, roughly."""
        return work_of_fit(self.objective.shape, self.objective.costs)

    def theta(self, result: Result, i: int, squared: bool) -> np.ndarray:
        """Return theta of one fold, (d + 1, C)."""
        C = self.problem.n_columns
        return self.problem.centred(result.theta[:, i * C : (i + 1) * C], squared)

    def iterations(self, result: Result, i: int) -> int:
        """Return how many iterations a fold took."""
        G = self.reference.n_problems
        return int(result.counts[i * G : (i + 1) * G].max())
