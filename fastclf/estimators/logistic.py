"""Logistic regression for two or more classes, on labels or on distributions."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastclf.errors import InputError
from fastclf.estimators import choice, compatibility, encoding, prediction, streams, validation
from fastclf.estimators.encoding import Distributions, Labels
from fastclf.estimators.endings import overflow
from fastclf.estimators.fitting import Settings, fit_estimator, objective_of
from fastclf.estimators.incremental import Incremental
from fastclf.estimators.prediction import AccuracyScore, LinearPredictor
from fastclf.estimators.problem import Problem, problem_of_classes
from fastclf.estimators.sampled import HeldOut
from fastclf.estimators.streams import RowStream, StreamedRows
from fastclf.estimators.tallies import (
    ClassEncoding,
    ClassTally,
    DistributionTally,
    class_tally,
)


@dataclass(kw_only=True, eq=False, repr=False)
class LogisticRegression(choice.SolverParameters, AccuracyScore, LinearPredictor):
    """Logistic regression: sigmoid for two classes, softmax for more; labels or distributions.

    Minimises ``Σ w_i loss_i / Σ w_i + ((1 - r) ‖W‖² / 2 + r ‖W‖₁) / (C Σ w_i)``, r the `l1_ratio`
    and the intercepts unpenalised, as scikit-learn's class of the same name does; see
    `intercept_scaling` for the exception.

    Parameters
    ----------
    C : float
        Inverse strength of the penalty; infinity for none.
    l1_ratio : float
        Share of the L1 penalty, from 0 to 1. With more than 0 coefficients become exactly 0; those
        of a softmax are then not centred over the classes.
    fit_intercept : bool
        Whether there is an intercept, which isn't penalised.
    class_weight : dict, "balanced" or None
        Weight of each class; "balanced" makes the total weight of all classes equal, as counted
        over all rows that `fit` is given.
    label_smoothing : float
        ε in [0, 1): targets become ``(1 - ε) y + ε / K``.
    solver : str or object of :mod:`fastclf.solvers`
        "auto" reaches the optimum, also with an L1 penalty, and "proximal" always; "sgd", "adam"
        and "adamw" train on minibatches. Scikit-learn's names are understood.
    tol : float
        Largest entry of the gradient at the optimum; for minibatch solvers the smallest relative
        improvement of an epoch that counts (0 runs all epochs).
    max_iter : int
        Most iterations, or epochs of a minibatch solver.
    warm_start : bool
        Start from the coefficients of the last fit.
    random_state : int, RandomState or None
        Decides the order of rows and the validation split of minibatch solvers.
    n_threads : int, optional
        None uses all CPUs. The result is the same for any number.
    verbose : int
        Print a line for each iteration or epoch, and one if kernels are compiled for long.
    penalty : {"l2", "l1", "elasticnet", None}
        As in scikit-learn, where it is deprecated: C and l1_ratio tell it.
    dual : bool
        True only with ``solver="liblinear"``, as in scikit-learn; the solution is the same.
    intercept_scaling : float
        With ``solver="liblinear"`` alone the intercept b is penalised, too, as there: by
        ``b² / (2 s²)``, or by ``|b| / s`` with an L1 penalty, s the `intercept_scaling`. X is
        copied then. Without effect otherwise.
    n_jobs : int, optional
        Without effect, as in scikit-learn; see n_threads.
    ignore_index : label, optional
        Rows of y with this label count neither in a fit nor in a score, and it is no class.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    coef_ : ndarray of shape (1, d) for two classes, else (K, d)
    intercept_ : ndarray of shape (1,) or (K,)
    n_iter_ : ndarray of shape (1,)
    history_ : dict of str to ndarray
        One entry an iteration or epoch: "objective", "gradient_norm" or "learning_rate",
        "validation_loss", "seconds", "compile_seconds" (in which kernels were compiled or loaded,
        not part of "seconds"), "passes"; and "solver" and "status", why it stopped:
        "converged", "precision" where arithmetic allows no better point near the optimum, "stalled"
        where it doesn't far from it, with a warning, "max_iter" or "early_stopping".
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (d,)

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from fastclf import LogisticRegression
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> clf = LogisticRegression().fit(X, y)
    >>> round(clf.score(X, y), 3)
    0.958
    >>> P = clf.predict_proba(X)
    >>> student = LogisticRegression().fit(X, P)  # on probabilities
    >>> student.coef_.shape
    (1, 30)

    Another threshold than 0.5 for two classes is that of scikit-learn's meta-estimators;
    `TunedThresholdClassifierCV` chooses one by any metric:

    >>> from sklearn.model_selection import FixedThresholdClassifier
    >>> wary = FixedThresholdClassifier(LogisticRegression(), threshold=0.9).fit(X, y)
    >>> wary.predict(X[:3]), bool((wary.predict(X) == (P[:, 1] >= 0.9)).all())
    (array([0, 0, 0]), True)
    """

    _weight_seen = 0.0

    C: float = field(default=1.0, kw_only=False)
    l1_ratio: float = 0.0
    fit_intercept: bool = True
    class_weight: Any = None
    label_smoothing: float = 0.0
    solver: Any = "auto"
    tol: float = 1e-4
    max_iter: int = 100
    warm_start: bool = False
    random_state: Any = None
    n_threads: int | None = None
    verbose: int = 0
    penalty: Any = compatibility.UNSET
    dual: bool = False
    intercept_scaling: float = 1
    n_jobs: int | None = None
    ignore_index: Any = None

    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
    ) -> "LogisticRegression":
        """Fit to labels or distributions, and return the estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d), or a stream
            A stream, such as `fastclf.data.Stream`, has y and weights with it.
        y : array-like of shape (n,) or (n, K)
            Labels, or a distribution over classes in each row: its columns are the classes 0 to
            K - 1, or the names of the columns of a frame. Rows that sum to 1 within 0.01 are
            divided by their sums.
        sample_weight : array-like of shape (n,), optional
            Negative ones, which scikit-learn takes, are refused: with them the objective isn't
            convex, may have no minimum, and two solvers needn't agree.
        X_val, y_val : array-like, optional
            Rows to validate on and never to train on; for ``early_stopping`` of a minibatch solver.
            Without them it holds out some rows of X; of a stream, by a hash of their features.
            Other solvers only write their loss to ``history_["validation_loss"]``, and a warning
            says so.

        Raises
        ------
        ValueError
            If X isn't finite, y has another length, a missing label or a single class, a row of a
            2-D y isn't a distribution, a parameter can't be used, or numbers are so large that the
            fit overflows.
        """
        settings = settings_of(self)
        if streams.is_stream(X):
            validation.check_alone(y, sample_weight)
            X, problem = self._survey(X, choice.held_out(self.solver, self.random_state, X_val))
        else:
            X, problem = rows_and_problem(self, X, y, sample_weight)
        held_out = None
        if validation.check_both(X_val, y_val):
            X_val = validation.validate_features(self, X_val, reset=False)
            validation.check_rows(X_val, y_val)
            encoded = encoding.encode(y_val, self.classes_, self.ignore_index)
            eps = self.label_smoothing
            alike = np.ones(X_val.shape[0]), np.ones(len(self.classes_))
            held_out = X_val, problem_of_classes(encoded, *alike, X_val.dtype, eps)
            choice.warn_of_no_use(self.solver, stacklevel=2)
        fit_estimator(self, X, problem, settings, held_out, y, sample_weight)
        self._incremental: Incremental | None = None  # partial_fit begins here
        self._weight_seen = float(problem.target.total_weight[0])
        return self

    def _survey(
        self, stream: RowStream, held_out: HeldOut | None = None
    ) -> tuple[StreamedRows, Problem]:
        # The rows of the stream, and a problem that stands for theirs.
        tally = self._tally(stream.several_targets, stream.target_names)
        found = streams.survey(self, stream, tally, held_out)
        problem, encode = counted_classes(self, tally, stream.dtype)
        return StreamedRows(stream, found, encode), problem

    def _tally(self, several: bool, names: tuple[str, ...] | None) -> ClassTally:
        return class_tally(not several, names, self.ignore_index)

    @compatibility.OfMinibatchSolvers
    def partial_fit(
        self, X: Any, y: Any = None, classes: Any = None, sample_weight: Any = None
    ) -> "LogisticRegression":
        """Train one epoch on some rows; call it for one part of the data after another.

        It goes on from the coefficients of an earlier fit, if there was one, and returns the
        estimator.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n, d)
        y : array-like of shape (n,) or (n, K)
            Labels or distributions.
        classes : array-like of shape (K,), optional
            All classes there will be; needed in the first call of an estimator that wasn't fitted,
            unless y holds distributions.
        sample_weight : array-like of shape (n,), optional

        Raises
        ------
        ValueError
            If y holds a label that isn't among the classes, or X isn't finite.
        """
        validation.refuse_stream(
            X,
            "partial_fit takes no stream",
            "fit the stream, or call partial_fit with rows.X and rows.y for rows in "
            "stream.rows_in_order()",
        )
        settings = settings_of(self)
        if choice.named(self.solver).early_stopping is not None:
            raise InputError(
                "early stopping needs a whole fit and doesn't work with partial_fit; set the "
                "solver's early_stopping to None, and stop calling partial_fit when a score falls"
            )
        if self.class_weight == "balanced":
            raise InputError(
                "class_weight='balanced' needs all data at once and doesn't work with partial_fit; "
                "give the weights as a dict"
            )
        known = getattr(self, "classes_", None)
        known = None if known is None else np.asarray(known)  # users may have set a list
        first = known is None
        X = validation.validate_features(self, X, reset=not hasattr(self, "n_features_in_"))
        validation.check_rows(X, y)
        d = X.shape[1]
        if not first and np.shape(self.coef_)[-1] != d:  # coef_ was set by hand
            raise InputError(f"X has {d} features, but coef_ has {np.shape(self.coef_)[-1]}")
        if classes is not None:
            given = np.unique(np.asarray(classes))
            if known is not None and not np.array_equal(given, known):
                raise InputError(
                    f"classes={list(classes)} are not those of the first call: {known.tolist()}"
                )
            known = given
        encoded = encoding.encode(y, known, self.ignore_index)
        if known is None and isinstance(encoded, Labels):
            raise InputError("classes must be given in the first call of partial_fit")
        if len(encoded.classes) < 2:
            raise InputError("partial_fit needs at least two classes")
        no_step = encoded.ignored is not None and encoded.ignored.all()
        if not no_step:
            weights = validation.validate_sample_weight(sample_weight, X)
            of_class = validation.class_weights(self.class_weight, encoded, weights)
            problem = problem_of_classes(encoded, weights, of_class, X.dtype, self.label_smoothing)
        if first:
            self.classes_, K = encoded.classes, len(encoded.classes)
            prediction.set_coefficients(self, np.zeros((d + 1, 1 if K == 2 else K)), X.dtype)
            self.n_iter_ = np.zeros(1, dtype=np.int32)
        if no_step:
            return self
        incremental = getattr(self, "_incremental", None)
        if incremental is None:
            seed, weight = validation.seed_from(self.random_state), self._weight_seen
        else:
            seed, weight = incremental.solver.seed or 0, incremental.weight
        solver = choice.complete(choice.named(self.solver), 0.0, self.max_iter, seed)
        if incremental is None or incremental.solver != solver:  # set_params was called
            incremental = self._incremental = Incremental(solver, weight)
        total = float(problem.target.total_weight[0])
        incremental.weight += total
        # The penalty is divided by the weight of all parts so far, the loss by that of this part.
        settings = settings._replace(C=settings.C * incremental.weight / total)
        objective = objective_of(X, problem, settings)
        with np.errstate(over="ignore", invalid="ignore"):  # checked below
            theta = incremental.train(objective, prediction.starting_theta(self))
        if theta is None:
            raise overflow(X, getattr(self, "feature_names_in_", None))
        prediction.set_coefficients(self, problem.centred(theta), prediction.theta_of(self).dtype)
        self.n_iter_ = np.array([incremental.epochs], dtype=np.int32)
        return self


def settings_of(estimator: LogisticRegression) -> Settings:
    """Check the parameters of a LogisticRegression, and return how it fits problems.

    To be called by ``fit`` itself, so that warnings point to its caller.
    """
    penalty = estimator.penalty, estimator.C, estimator.l1_ratio
    compatibility.check_penalty(*penalty, stacklevel=3)
    validation.positive_number(estimator.intercept_scaling, "intercept_scaling")
    compatibility.check_n_jobs(estimator.n_jobs, stacklevel=3)
    return Settings.of_single_fit(estimator, *compatibility.strength_and_share(*penalty))


def rows_and_problem(
    estimator: LogisticRegression, X: Any, y: Any, sample_weight: Any
) -> tuple[Any, Problem]:
    """Return the features of rows, validated, and the problem to fit; set the classes."""
    X = validation.validate_features(estimator, X, reset=True)
    X = compatibility.in_its_precision(X, estimator.solver)
    validation.check_rows(X, y)
    encoded = encoding.encode(y, ignore=estimator.ignore_index)
    weights = validation.validate_sample_weight(sample_weight, X)
    of_class = set_classes(estimator, encoded, weights)
    eps = estimator.label_smoothing
    return X, problem_of_classes(encoded, weights, of_class, X.dtype, eps)


def set_classes(estimator: Any, encoded: Labels | Distributions, weights: np.ndarray) -> np.ndarray:
    """Set the ``classes_`` of an estimator for labels, and return the weight of each (K,)."""
    validation.check_two_classes(encoded.classes, type(estimator).__name__)
    compatibility.check_classes(estimator.solver, len(encoded.classes))
    estimator.classes_ = encoded.classes
    return validation.class_weights(estimator.class_weight, encoded, weights)


def counted_classes(
    estimator: Any, tally: ClassTally, dtype: np.dtype
) -> tuple[Problem, ClassEncoding]:
    """Return what stands for rows that were counted, and the encoding of some of them.

    The first is a problem of one row for each class with the weights of all its rows. The
    ``classes_`` of the estimator are set.
    """
    ignore = estimator.ignore_index
    if ignore is not None and isinstance(tally, DistributionTally):
        raise encoding.ignored_distributions(ignore)
    sums, mass = tally.encoded()
    if not len(sums.classes):
        raise InputError(f"all of y is ignore_index={ignore!r}, so no row is left to fit")
    of_class, eps = set_classes(estimator, sums, mass), estimator.label_smoothing
    problem = problem_of_classes(sums, mass, of_class, np.dtype(np.float64), eps)
    is_labels = isinstance(sums, Labels)
    return problem, ClassEncoding(sums.classes, of_class, dtype, eps, is_labels, ignore)
