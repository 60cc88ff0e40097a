"""What the linear estimators share: from a problem to fitted attributes, and prediction."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastclf.errors import InputError
from fastclf.estimators import choice, compatibility
from fastclf.estimators.callbacks import CallbackSupportMixin, Tasks, tasks_of
from fastclf.estimators.ending import STALLED, warn_of_ending
from fastclf.estimators.extremes import overflow
from fastclf.estimators.intercept_column import InterceptColumn
from fastclf.estimators.onnx import refusal
from fastclf.estimators.problem import Massless, Problem, split_off
from fastclf.estimators.progress import print_progress
from fastclf.estimators.streams import RowStream, StreamedRows
from fastclf.estimators.validation import (
    boolean,
    fraction,
    natural_number,
    non_negative_number,
    seed_from,
    strength_number,
    validate_features,
)
from fastclf.linear_model import LinearModel, Task
from fastclf.objective import InMemoryObjective, RowSpace, StreamedObjective
from fastclf.penalties import from_C
from fastclf.solvers import Result, choose, minimize, plan_of
from fastclf.solvers.ending import NOT_FINITE
from fastclf.solvers.optimality import far_from_optimum
from fastclf.threads import resolve_n_threads


class LinearClassifier(CallbackSupportMixin, BaseEstimator):
    """Base of the linear estimators; not for use by itself.

    Subclasses have at least the parameters that are declared here; their ``fit`` sets ``classes_``
    and calls :meth:`_fit_problem`.
    """

    C: float
    l1_ratio: float
    fit_intercept: bool
    solver: Any
    tol: float
    max_iter: int
    warm_start: bool
    random_state: Any
    n_threads: int | None
    verbose: int
    coef_: Any
    feature_names_in_: np.ndarray
    intercept_: np.ndarray
    _saved_as: str

    onnx_converter = refusal

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with ``deep`` also those of a solver object.

        Parameters
        ----------
        deep : bool

        Returns
        -------
        dict
        """
        params = super().get_params(deep=deep)
        if (
            deep
            and not isinstance(self.solver, str)
            and hasattr(self.solver, "__dataclass_fields__")
        ):
            for name in self.solver.__dataclass_fields__:
                params[f"solver__{name}"] = getattr(self.solver, name)
        return params

    def set_params(self, **params: Any) -> "LinearClassifier":
        """Set parameters; ``solver__learning_rate`` and the like change the solver.

        Parameters
        ----------
        **params

        Returns
        -------
        self
        """
        nested = {
            name.removeprefix("solver__"): params.pop(name)
            for name in list(params)
            if name.startswith("solver__")
        }
        super().set_params(**params)
        if nested:
            self.solver = choice.with_changes(self.solver, nested)
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Return the logits of each row.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n,) for two classes, (n, K) or (n, L) otherwise

        Raises
        ------
        ValueError
            If X isn't finite or has other features than in fit.
        """
        check_is_fitted(self)
        X = validate_features(self, X, reset=False)
        return self.linear_model().decision_function(X, self.n_threads)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return probabilities.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n, K) or (n, L)
        """
        check_is_fitted(self)
        X = validate_features(self, X, reset=False)
        return self.linear_model().predict_proba(X, self.n_threads)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return logarithms of probabilities, exact where those round to 0 or 1.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n, K) or (n, L)
        """
        check_is_fitted(self)
        X = validate_features(self, X, reset=False)
        return self.linear_model().predict_log_proba(X, self.n_threads)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each row, or the indicators of the labels.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)

        Returns
        -------
        ndarray of shape (n,) or (n, L)
        """
        check_is_fitted(self)
        X = validate_features(self, X, reset=False)
        return self.linear_model().predict(X, self.n_threads)

    def linear_model(self) -> LinearModel:
        """Return the fitted model as plain data.

        Returns
        -------
        LinearModel
        """
        check_is_fitted(self)
        names = getattr(self, "feature_names_in_", None)
        task, theta = self._task(), self._theta()
        columns = 1 if task == "binary" else len(self.classes_)
        if theta.shape[1] != columns:
            raise InputError(
                f"coef_ must have shape ({columns}, d) for these classes_, got "
                f"{(theta.shape[1], theta.shape[0] - 1)}"
            )
        return LinearModel(
            theta=theta,
            task=task,
            classes=np.asarray(self.classes_),
            threshold=self._threshold(),
            top_k=getattr(self, "top_k", None),
            feature_names=None if names is None else tuple(str(name) for name in names),
            metadata={"estimator": self._saved_as},
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to a file that :func:`fastclf.load` reads.

        Parameters
        ----------
        path : path-like
            Usually ends in ``.safetensors``; replaced in one step.

        Raises
        ------
        ModelFileError
            If the file can't be written.
        """
        self.linear_model().save(path)

    def sparsify(self) -> "LinearClassifier":
        """Turn ``coef_`` into CSR form, which takes less memory where most of it is zero.

        It is of the class that scikit-learn's own ``sparsify`` gives: a CSR matrix, or a CSR array
        where its configuration asks for arrays.

        Returns
        -------
        self
        """
        check_is_fitted(self, msg="Estimator, %(name)s, must be fitted before sparsifying.")
        self.coef_ = compatibility.sparse_like_scikit_learn(scipy.sparse.csr_array(self.coef_))
        return self

    def densify(self) -> "LinearClassifier":
        """Turn ``coef_`` back into an array.

        Returns
        -------
        self
        """
        check_is_fitted(self, msg="Estimator, %(name)s, must be fitted before densifying.")
        self.coef_ = self._dense_coef()
        return self

    def _dense_coef(self) -> np.ndarray:
        coef = self.coef_
        return coef.toarray() if scipy.sparse.issparse(coef) else np.asarray(coef)

    def _threshold(self) -> np.ndarray | None:
        return getattr(self, "threshold_", None)

    def _task(self) -> Task:
        return "binary" if len(self.classes_) == 2 else "multiclass"

    def _check_parameters(self) -> None:
        strength_number(self.C, "C")
        fraction(self.label_smoothing, "label_smoothing", below_one=True)
        natural_number(self.max_iter, "max_iter")
        boolean(self.fit_intercept, "fit_intercept")
        boolean(self.warm_start, "warm_start")
        non_negative_number(self.tol, "tol")
        C, l1_ratio = self._strength_and_share()
        fraction(l1_ratio, "l1_ratio")
        compatibility.check_solver(self.solver, C, l1_ratio, getattr(self, "dual", False))
        resolve_n_threads(self.n_threads)
        choice.named(self.solver)
        if self._has_l1:
            choice.check_l1(self.solver)

    @property
    def _has_l1(self) -> bool:
        C, share = self._strength_and_share()
        if isinstance(share, float | int) and not share:
            return False
        return bool(np.any(share) and np.any(np.isfinite(C)))

    @property
    def _has_free_intercept(self) -> bool:
        return self.fit_intercept and InterceptColumn.of(self) is None

    def _strength_and_share(self) -> tuple[Any, Any]:
        # C, and the share of the L1 penalty; numbers, or one for each label.
        return self.C, 0.0 if self.l1_ratio is None else self.l1_ratio

    def _objective(self, X: Any, problem: Problem, C: float | None = None) -> Any:
        M = problem.n_columns if problem.loss.is_sigmoid else 1
        total = np.broadcast_to(problem.target.total_weight, (M,))
        strength, share = self._strength_and_share()
        penalty = from_C(strength if C is None else C, share, total)
        what = problem.loss, problem.n_columns, penalty
        if isinstance(X, StreamedRows):
            about = total, X.found.center, X.resident
            return StreamedObjective(X, *what, *about, self.fit_intercept, self.n_threads)
        how = self._has_free_intercept, self.n_threads
        return InMemoryObjective(X, problem.target, *what, *how)

    def _takes_stream(self, stream: RowStream, n_features: int) -> None:
        """Set what a stream tells of its features."""
        self.n_features_in_ = n_features
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if stream.feature_names is not None:
            self.feature_names_in_ = np.asarray(stream.feature_names, dtype=object)

    def _fit_problem(
        self,
        X: Any,
        problem: Problem,
        validation: tuple[Any, Problem] | None = None,
        *,
        y: Any = None,
        sample_weight: Any = None,
    ) -> None:
        """Fit a problem over the classes in ``classes_`` and set the fitted attributes.

        To be called by ``fit`` itself, so that warnings point to its caller. Only scikit-learn's
        callbacks see ``y`` and ``sample_weight``.
        """
        solver = choice.named(self.solver)
        draws = self.random_state is not None or hasattr(solver, "seed")
        seed = seed_from(self.random_state) if draws else 0
        max_iter = getattr(solver, "max_iter", None)
        with tasks_of(
            self, self.max_iter if max_iter is None else max_iter, X, y, sample_weight
        ) as tasks:
            if solver is not None and solver.early_stopping is not None and validation is None:
                if isinstance(X, StreamedRows):
                    raise InputError(
                        "early stopping can't split rows off a stream; give X_val and y_val, or "
                        "set early_stopping to None"
                    )
                X, problem, validation = split_off(X, problem, solver.validation_fraction, seed)
            massless = Massless.find(problem, self._has_free_intercept)
            massless.warn(self.classes_, stacklevel=4)
            theta = self._initial_theta(X.shape[1], problem.n_columns)[:, massless.present]
            result, path = Result(theta, "converged", 0, {}, None), "nothing to fit"
            if massless.present.any():
                if validation is not None:
                    validation = validation[0], massless.restrict(validation[1])
                with np.errstate(over="ignore", invalid="ignore"):  # checked below
                    result, path = self._minimize(
                        X, massless, problem, theta, solver, seed, validation, tasks
                    )
                if result.status == NOT_FINITE or not np.isfinite(result.theta).all():
                    raise overflow(*self._in_memory(X))
            self._store_theta(massless.expand(result.theta), X.dtype)
            self.n_iter_ = np.array([result.n_iter], dtype=np.int32)
            self.history_ = {
                **result.history,
                "path": np.array(path),
                "status": np.array(result.status),
            }
        if massless.present.any() and not choice.is_minibatch(self.solver):
            warn_of_ending(self, X, massless, problem, result, stacklevel=3)

    def _minimize(
        self,
        X: Any,
        massless: Massless,
        problem: Problem,
        theta: np.ndarray,
        solver: Any,
        seed: int,
        validation: tuple[Any, Problem] | None,
        tasks: Tasks | None,
    ) -> tuple[Result, str]:
        # The result, and what the solver did in words. ``solver`` is None to choose by the problem.
        dtype, tol = X.dtype, self.tol
        problem = massless.restrict(problem)
        space, column = None, InterceptColumn.of(self)
        if isinstance(X, StreamedRows):
            X = X.restricted(massless)
            if self._has_l1:
                raise InputError(
                    "an L1 penalty needs all rows in memory; set l1_ratio=0 to fit a stream"
                )
            if column is not None:
                raise InputError(
                    f"solver={self.solver!r} penalises the intercept, for which it needs all rows "
                    "in memory; use solver='auto' to fit a stream"
                )
        if column is not None:
            X, theta = column.rows(X), column.reduce(theta)
            if validation is not None:
                validation = column.rows(validation[0]), validation[1]
        if solver is None and not self._has_l1 and not isinstance(X, StreamedRows):
            space = RowSpace.of(X)
        if space is not None:
            X, theta = space.rows, space.reduce(theta)
            tol = tol / np.sqrt(len(X))  # no entry of a vector is larger than its norm
            if validation is not None:
                validation = space.coordinates(validation[0]), validation[1]

        def full(theta: np.ndarray) -> np.ndarray:
            theta = problem.centred(theta, squared=not self._has_l1)
            theta = theta if space is None else space.expand(theta)
            return theta if column is None else column.expand(theta)

        def attributes(theta: np.ndarray) -> dict[str, np.ndarray]:
            return _coefficients(massless.expand(full(theta)), dtype)

        objective = self._objective(X, problem)
        solver = choice.complete(solver or choose(objective), tol, self.max_iter, seed)
        after_step = None
        if tasks is not None:
            tasks.iteration_name = compatibility.iteration_name(self.solver, solver)
            tasks.begin_iteration(lambda: attributes(theta))

            def after_step(state: Any) -> bool:
                return tasks.end_iteration(lambda: attributes(state.theta()))

        result = minimize(
            objective,
            theta,
            solver,
            validation=None if validation is None else self._objective(*validation, C=np.inf),
            observer=print_progress if self.verbose else None,
            after_step=after_step,
        )
        status = result.status
        if status == "precision" and far_from_optimum(objective, result.theta, tol).any():
            status = STALLED
        history = {**result.history, "solver": np.array(type(solver).__name__.lower())}
        return (
            replace(result, theta=full(result.theta), history=history, status=status),
            plan_of(solver, objective.shape, objective.costs).sentence(
                0 if space is None else len(X)
            ),
        )

    def _in_memory(self, X: Any) -> tuple[Any, Any]:
        # X, None for a stream, and the names of its columns.
        names = getattr(self, "feature_names_in_", None)
        return (None if isinstance(X, StreamedRows) else X), names

    def _store_theta(self, theta: np.ndarray, dtype: np.dtype) -> None:
        for name, value in _coefficients(theta, dtype).items():
            setattr(self, name, value)

    def _initial_theta(self, n_features: int, n_columns: int) -> np.ndarray:
        coef = getattr(self, "coef_", None)
        if self.warm_start and coef is not None and coef.shape == (n_columns, n_features):
            return self._start()
        return np.zeros((n_features + 1, n_columns))

    def _theta(self) -> np.ndarray:
        # From the attributes, which users may have set by hand.
        coef, intercept = np.atleast_2d(self._dense_coef()), np.asarray(self.intercept_)
        if intercept.size not in (1, len(coef)):
            raise InputError(
                f"intercept_ must have shape ({len(coef)},) for this coef_, got {intercept.shape}"
            )
        dtype = np.result_type(coef, intercept)
        theta = np.empty(
            (coef.shape[1] + 1, len(coef)), np.float32 if dtype == np.float32 else np.float64
        )
        theta[:-1], theta[-1] = coef.T, intercept.reshape(-1)
        return theta

    def _start(self) -> np.ndarray:
        # Where a warm start begins.
        theta = self._theta().astype(np.float64)
        if not np.isfinite(theta).all():
            raise InputError(
                "Floating-point under-/overflow: coef_ or intercept_, where this fit is to begin, "
                "holds NaN or infinity; set warm_start=False, or fit a new estimator"
            )
        if not self.fit_intercept:
            theta[-1] = 0
        return theta


def _coefficients(theta: np.ndarray, dtype: np.dtype) -> dict[str, np.ndarray]:
    # The attributes that hold theta.
    return {
        "coef_": np.ascontiguousarray(theta[:-1].T, dtype=dtype),
        "intercept_": theta[-1].astype(dtype),
    }
