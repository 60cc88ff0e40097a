"""A problem to be fitted: targets and a loss; and columns that are left out, without an optimum."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from fastclf.errors import InputError
from fastclf.estimators.encoding import Distributions, Labels
from fastclf.estimators.validation import check_total_weight
from fastclf.functional import smooth_labels
from fastclf.losses import Distillation, Loss, Sigmoid, Softmax
from fastclf.targets import Target, weighted_sums

_ENTRIES = 1 << 16
"""Entries of ``1 - p`` that are computed at a time."""


@dataclass(frozen=True)
class Problem:
    """A target with the loss that fits it, over ``n_columns`` columns of logits."""

    target: Target
    loss: Loss
    n_columns: int

    @property
    def is_one(self) -> bool:
        """Whether this is one problem, and not one for each label."""
        return not self.loss.is_sigmoid or self.n_columns == 1

    @property
    def mass(self) -> np.ndarray:
        """The weight on and off each column's class, or on its positive and negative side (2, C).

        A distilled problem has that of its targets and of its teacher in their shares.
        """
        target, mixture = self.target, self.loss.distillation
        if target.codes.size:
            on = np.bincount(target.codes, target.weights[0], minlength=self.n_columns)
            mass = np.stack([on, on.sum() - on])
        else:
            mass = self._mass(target.soft)
        if mixture is None:
            return mass
        return mixture.hard_weight * mass + (1 - mixture.hard_weight) * self._mass(target.teacher)

    def _mass(self, p: np.ndarray) -> np.ndarray:
        weights = self.target.weights
        on = weighted_sums(weights, p)
        off = on.sum() - on
        if self.loss.is_sigmoid:  # total - on may not be exactly 0
            off = np.zeros_like(on)
            step = max(1, _ENTRIES // p.shape[1])
            for first in range(0, len(p), step):
                rows = slice(first, first + step)
                off += weighted_sums(weights[:, rows], 1 - p[rows])
        return np.stack([self.loss.pos_weights(self.n_columns) * on, off])

    def centred(self, theta: np.ndarray, squared: bool = True) -> np.ndarray:
        """Return theta (d + 1, C) with the sum of each row over the classes of a softmax set to 0.

        A shift of all classes changes no prediction, so this makes theta unique. Under another
        penalty than the squared norm only the intercepts may be shifted.
        """
        if self.loss.is_sigmoid:
            return theta
        shift = theta.mean(axis=1, keepdims=True)
        if not squared:
            shift[:-1] = 0
        return theta - shift

    def rows(self, index: np.ndarray | slice) -> "Problem":
        """Return the problem of some rows."""
        return replace(self, target=self.target.rows(index))


def problem_of_classes(
    encoded: Labels | Distributions,
    sample_weight: np.ndarray,
    of_class: np.ndarray,
    dtype: np.dtype,
    label_smoothing: float,
    *,
    is_part: bool = False,
    teacher: np.ndarray | None = None,
    distillation: Distillation | None = None,
) -> Problem:
    """Return the problem of labels or distributions over K classes; of two it has one column.

    Rows weigh ``sample_weight`` (n,) times the weight ``of_class`` (K,); ``dtype`` is that of X. If
    the rows are only a part of all (``is_part``) they may all weigh 0. A ``teacher`` (n, K) of
    softened probabilities is mixed in by the ``distillation``.
    """
    with np.errstate(over="ignore"):
        weights = encoded.weigh(sample_weight, of_class)[None, :]
        total = weights.sum()
    if not is_part:
        if not total > 0:
            raise InputError("the weights of all rows are 0; check class_weight and sample_weight")
        check_total_weight(total, dtype, "class_weight, sample_weight")
    eps, K = float(label_smoothing), len(encoded.classes)
    taught = {} if teacher is None else {"teacher": teacher[:, 1:] if K == 2 else teacher}
    if K == 2:
        if isinstance(encoded, Labels):
            positive = encoded.codes[:, None].astype(dtype)
        else:
            positive = np.ascontiguousarray(encoded.weighted(of_class)[:, 1:])
        if eps > 0:
            positive = (1 - eps) * positive + eps / 2
        loss = Sigmoid(distillation=distillation)
        return Problem(Target(weights, soft=positive, **taught), loss, 1)
    if isinstance(encoded, Labels):
        target = Target(weights, codes=encoded.codes, **taught)
        return Problem(target, Softmax(eps, distillation), K)
    soft = encoded.weighted(of_class)
    if eps > 0:
        soft = smooth_labels(soft, eps)
    return Problem(Target(weights, soft=soft, **taught), Softmax(0.0, distillation), K)


@dataclass(frozen=True)
class Massless:
    """Classes or labels without weight on one side, so that a free intercept has no optimum.

    Their coefficients are 0, and their intercepts the log-odds of the rate smoothed by half an
    observation. The solver sees only the columns that are ``present`` (C,). ``mass`` (2, C) is the
    weight on both sides.
    """

    mass: np.ndarray
    present: np.ndarray

    @classmethod
    def find(cls, problem: Problem, fit_intercept: bool) -> "Massless":
        """Find such columns.

        With label smoothing, or without an intercept, every column has an optimum, except labels
        of which no row is known.
        """
        return cls.of(problem.mass, problem.loss, fit_intercept)

    @classmethod
    def of(cls, mass: np.ndarray, loss: Loss, fit_intercept: bool) -> "Massless":
        """Find such columns by the weight on both sides (2, C)."""
        smoothing, _, hard_weight = loss.parameters
        if not fit_intercept or smoothing * hard_weight > 0:
            return cls(mass, np.asarray(mass.any(axis=0)))
        # If one class of a softmax has all the weight, every other class has none.
        return cls(mass, np.asarray((mass > 0).all(axis=0)))

    def warnings(self, classes: np.ndarray) -> list[Warning]:
        """Return one warning that names the classes or labels that can't be fitted, if any."""
        if self.present.all():
            return []
        if len(classes) == 2 and self.present.size == 1:
            names = classes[self.mass[::-1, 0] == 0]
        else:
            names = classes[~self.present]
        return [nothing_learned("there is", names)]

    def restrict(self, problem: Problem) -> Problem:
        """Return the problem of the columns that are present."""
        return of_columns(problem, self.present)

    def expand(self, theta: np.ndarray) -> np.ndarray:
        """Return theta over all columns, from that of the present ones."""
        if self.present.all():
            return theta
        full = np.zeros((theta.shape[0], self.present.size))
        full[:, self.present] = theta
        on, off = self.mass[:, ~self.present]
        full[-1, ~self.present] = np.log((on + 0.5) / (off + 0.5))
        return full


def of_columns(problem: Problem, present: np.ndarray) -> Problem:
    """Return the problem of the columns in a mask (C,); rows of others have no class."""
    if present.all():
        return problem
    target, loss = problem.target, problem.loss
    kept = target.columns(present)
    if isinstance(loss, Sigmoid):
        loss = replace(loss, pos_weight=loss.pos_weights(present.size)[present])
    elif target.codes.size:
        position = np.where(present, np.cumsum(present) - 1, -1)  # kernels leave out -1
        kept = replace(kept, codes=position[target.codes])
    return Problem(kept, loss, int(present.sum()))


def nothing_learned(where: str, names: np.ndarray) -> Warning:
    """Return the warning of classes or labels with no weight on one side."""
    listed = ", ".join(repr(name) for name in names.tolist())
    return UserWarning(
        f"{where} no weight on the positive or on the negative rows of {listed}, so nothing can be "
        "learned: the coefficients are 0, and the intercept is that of the smoothed rate"
    )


def split_off(
    X: Any, problem: Problem, share: float, seed: int
) -> tuple[Any, Problem, tuple[Any, Problem]]:
    """Return training rows and their problem, and validation rows and theirs, a share of all."""
    rows = np.flatnonzero(problem.target.weights.any(axis=0))  # those with weight
    strata = problem.target.strata
    strata = None if strata is None else strata[rows]
    if strata is not None and np.bincount(strata).min(initial=2, where=np.bincount(strata) > 0) < 2:
        strata = None
    try:
        train, held_out = train_test_split(
            rows, test_size=share, random_state=seed, stratify=strata
        )
    except ValueError as error:
        raise InputError(
            f"early stopping can't split off validation rows: {error} Use more rows, another "
            "validation_fraction, or X_val and y_val"
        ) from None
    return X[train], problem.rows(train), (X[held_out], problem.rows(held_out))
