"""Parameters and solver names that LogisticRegression takes only because scikit-learn's class does.

What scikit-learn's solver of a name refuses is refused here, too.
"""

import inspect
import warnings
from collections.abc import Callable
from functools import cache
from numbers import Integral
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import numpy as np
import scipy.sparse

from fastclf.errors import InputError
from fastclf.estimators import choice
from fastclf.estimators.validation import fraction

try:
    from sklearn.utils._sparse import _align_api_if_sparse as align_if_sparse
except ImportError:  # before scikit-learn 1.9, which always returns matrices
    align_if_sparse = scipy.sparse.csr_matrix

P = ParamSpec("P")
R = TypeVar("R")

UNSET = "deprecated"
"""Scikit-learn's default for ``penalty``: C and l1_ratio decide the penalty."""

_PENALTIES = ("l1", "l2", "elasticnet", None, UNSET)

_FAILURES = {
    "lbfgs": "lbfgs failed to converge. ",
    "newton-cg": "newton-cg failed to converge. Increase the number of iterations. ",
    "newton-cholesky": "Newton solver did not converge after {n_iter} iterations. ",
    "liblinear": "Liblinear failed to converge, increase the number of iterations. ",
    "sag": "The max_iter was reached which means the coef_ did not converge. ",
    "saga": "The max_iter was reached which means the coef_ did not converge. ",
}
"""The beginnings of scikit-learn's warnings, which users' warning filters look for."""


_PENALTY_DEPRECATED = (
    "'penalty' was deprecated in version 1.8 and will be removed in 1.10 of scikit-learn"
)

_NONE_DEPRECATED = (
    "'{name}=None' was deprecated in version 1.8 and will trigger an error in 1.10 of "
    "scikit-learn. Use {name}={zero} instead."
)


def failure(solver: Any, n_iter: int) -> str:
    """Return how the warning of a fit that hasn't converged begins; empty for our own solvers."""
    return _FAILURES.get(solver, "").format(n_iter=n_iter) if isinstance(solver, str) else ""


def iteration_name(given: Any, solver: Any) -> str:
    """Return the name of the callbacks' task of an iteration.

    Callbacks written for scikit-learn look for "lbfgs-iter", so "auto" and all of scikit-learn's
    solver names have that name.
    """
    if isinstance(given, str) and (given == "auto" or given in _FAILURES):
        return "lbfgs-iter"
    return f"{type(solver).__name__.lower()}-iter"


class OfMinibatchSolvers(Generic[P, R]):
    """A method that an estimator has if its solver trains on minibatches.

    Otherwise its absence has the words of an attribute that there never was, and the reason.
    """

    def __init__(self, method: Callable[Concatenate[Any, P], R]) -> None:
        self.__wrapped__: Any = method
        self._method: Any = method
        self.__doc__ = method.__doc__

    def __get__(self, estimator: Any, owner: type) -> Callable[P, R]:
        """Return the method, bound to an estimator that has it."""
        if estimator is None:
            return self._method
        if not choice.is_minibatch(estimator.solver):
            name = self._method.__name__
            raise AttributeError(
                f"{owner.__name__!r} object has no attribute {name!r}: it needs a minibatch solver "
                f"('sgd', 'adam' or 'adamw'), not {estimator.solver!r}"
            )
        return self._method.__get__(estimator, owner)


def in_its_precision(X: Any, solver: Any) -> Any:
    """Return the features, for liblinear in float64, its only precision."""
    return X.astype(np.float64, copy=False) if choice.is_liblinear(solver) else X


ANNOUNCED = "warn"
"""Scikit-learn's default of parameters whose default will change: the old one and a warning."""

_OLD: dict[str, Any] = {"l1_ratios": None, "scoring": None, "use_legacy_attributes": True}
"""The old defaults of these parameters."""

_ANNOUNCEMENTS = {
    "l1_ratios": (
        "The default value for l1_ratios will change from None to (0.0,) in version 1.10 of "
        "scikit-learn, and here with it. To avoid this warning, explicitly set a value, "
        "e.g. l1_ratios=(0,)."
    ),
    "scoring": (
        "The default value of the parameter 'scoring' will change from None, i.e. accuracy, to "
        "'neg_log_loss' in version 1.11 of scikit-learn, and here with it. To silence this "
        "warning, explicitly set the scoring parameter: scoring='neg_log_loss' for the new, "
        "scoring='accuracy' or scoring=None for the old default."
    ),
    "use_legacy_attributes": (
        "The fitted attributes of LogisticRegressionCV will be simplified in scikit-learn 1.10 to "
        "remove redundancy, and here with it. Set use_legacy_attributes=False to enable the new "
        "behavior now, or True to silence this warning while keeping the old one. The default "
        "value of use_legacy_attributes will change from True to False in scikit-learn 1.10."
    ),
}
"""They begin as scikit-learn's warnings do, for users' warning filters."""


@cache
def _defaults_of_scikit_learn() -> dict[str, Any]:
    # From the private module, because users may replace the public name by another class.
    from sklearn.linear_model._logistic import LogisticRegressionCV

    parameters = inspect.signature(LogisticRegressionCV).parameters
    return {name: parameter.default for name, parameter in parameters.items()}


def _is_announced(value: Any) -> bool:
    return isinstance(value, str) and value == ANNOUNCED


def stands_for(name: str, value: Any) -> Any:
    """Return a parameter's value; left out it is the default of the installed scikit-learn."""
    if not _is_announced(value):
        return value
    default = _defaults_of_scikit_learn()[name]
    return _OLD[name] if _is_announced(default) else default


def announce(name: str, value: Any, stacklevel: int) -> None:
    """Warn that a default will change, if it was left out and scikit-learn warns, too."""
    if _is_announced(value) and _is_announced(_defaults_of_scikit_learn()[name]):
        warnings.warn(_ANNOUNCEMENTS[name], FutureWarning, stacklevel=stacklevel + 1)


def strength_and_share(penalty: Any, C: float, l1_ratio: float | None) -> tuple[float, float]:
    """Return the C and the l1_ratio that scikit-learn's ``penalty`` and they mean together."""
    if penalty is None:
        return np.inf, 0.0
    return C, {"l1": 1.0, "l2": 0.0}.get(penalty, l1_ratio or 0.0)


def check_penalty(penalty: Any, C: float, l1_ratio: Any, stacklevel: int) -> None:
    """Warn of deprecated parameters, and refuse those without a meaning."""
    if not any(penalty is known or penalty == known for known in _PENALTIES):
        raise InputError(
            f"penalty must be 'l1', 'l2', 'elasticnet' or None, got {penalty!r}; leave it out, and "
            "give C and l1_ratio"
        )
    found: list[Warning] = []
    if l1_ratio is not None:
        fraction(l1_ratio, "l1_ratio")
    elif penalty == "elasticnet":
        raise InputError("l1_ratio must be specified when penalty is elasticnet, got None")
    elif penalty == UNSET:
        found.append(FutureWarning(_NONE_DEPRECATED.format(name="l1_ratio", zero="0")))
    if penalty != UNSET:
        text = (
            f"{_PENALTY_DEPRECATED}; in place of penalty={penalty!r} use C=np.inf for none, "
            "l1_ratio=0 for 'l2', 1 for 'l1', and a number between for 'elasticnet'"
        )
        found.append(FutureWarning(text))
        if penalty is None and C != 1.0:
            text = "Setting penalty=None will ignore the C and l1_ratio parameters"
            found.append(UserWarning(text))
        if penalty != "elasticnet" and l1_ratio is not None and 0 < l1_ratio < 1:
            text = "l1_ratio parameter is only used when penalty is 'elasticnet'. Got "
            found.append(UserWarning(f"{text}(penalty={penalty})"))
        if {"l2": 0, "l1": 1}.get(penalty, l1_ratio) != l1_ratio:
            text = f"Inconsistent values: penalty={penalty} with l1_ratio={l1_ratio}. "
            found.append(UserWarning(f"{text}Give l1_ratio alone"))
    for warning in found:
        warnings.warn(warning, stacklevel=stacklevel + 1)


def check_penalties(penalty: Any, l1_ratios: Any, stacklevel: int) -> None:
    """Do the same for several L1 ratios; None stands for 0, as in scikit-learn."""
    announce("l1_ratios", l1_ratios, stacklevel + 1)
    left_out, l1_ratios = _is_announced(l1_ratios), stands_for("l1_ratios", l1_ratios)
    if penalty not in ("l1", "l2", "elasticnet", UNSET):
        raise InputError(
            f"penalty must be 'l1', 'l2' or 'elasticnet', got {penalty!r}; leave it out, and give "
            "l1_ratios and Cs"
        )
    if penalty == "elasticnet" and l1_ratios is None:
        raise InputError("l1_ratios must be specified when penalty is elasticnet, got None")
    if penalty != UNSET:
        message = (
            f"{_PENALTY_DEPRECATED}; in place of penalty={penalty!r} use l1_ratios=(0,) for 'l2', "
            "(1,) for 'l1', and numbers between for 'elasticnet'"
        )
    elif l1_ratios is None and not left_out:
        message = _NONE_DEPRECATED.format(name="l1_ratios", zero="(0,)")
    else:
        return
    warnings.warn(message, FutureWarning, stacklevel=stacklevel + 1)


def shares(penalty: Any, l1_ratios: Any) -> Any:
    """Return the L1 ratios that scikit-learn's ``penalty`` and they mean together."""
    l1_ratios = stands_for("l1_ratios", l1_ratios)
    return {"l1": (1.0,), "l2": (0.0,)}.get(penalty, (0.0,) if l1_ratios is None else l1_ratios)


def check_solver(solver: Any, C: float, l1_ratio: float, dual: Any) -> None:
    """Refuse what scikit-learn's solver of that name refuses, and name what would work.

    The dual problem has the same solution as the primal one, so ``dual`` has no effect.
    """
    if dual not in (True, False):
        raise InputError(f"dual must be True or False, got {dual!r}")
    if dual and not choice.is_liblinear(solver):
        raise InputError(
            f"Solver {solver} supports only dual=False, got dual={dual}; leave dual out, "
            "because both problems have the same solution"
        )
    if dual and l1_ratio > 0:
        raise InputError(f"dual=True needs l1_ratio=0, got {l1_ratio}; leave dual out")
    if solver in ("lbfgs", "newton-cg", "newton-cholesky", "sag") and l1_ratio > 0:
        raise InputError(
            f"Solver {solver} supports only 'l2' or None penalties, got l1_ratio={l1_ratio}; "
            "use solver='auto' or 'saga'"
        )
    if choice.is_liblinear(solver) and 0 < l1_ratio < 1:
        raise InputError(
            f"Only 'saga' solver supports elasticnet penalty, got solver={solver}. "
            "Use solver='auto' or 'saga'"
        )
    if choice.is_liblinear(solver) and C == np.inf:
        raise InputError(
            "C=np.inf as well as penalty=None is not supported for the liblinear solver; "
            "use solver='auto'"
        )


def check_classes(solver: Any, n_classes: int) -> None:
    """Refuse three and more classes for liblinear, which fits one class against the rest."""
    if choice.is_liblinear(solver) and n_classes > 2:
        raise InputError(
            "Only binary classification is supported. The 'liblinear' solver does not support "
            f"multiclass classification (y has {n_classes} classes); use solver='auto', or "
            "OneVsRestClassifier around it"
        )


def check_n_jobs(n_jobs: Any, stacklevel: int) -> None:
    """Check a parameter that changes nothing here, and say so."""
    if n_jobs is None:
        return
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral):
        raise InputError(f"n_jobs must be an integer or None, got {n_jobs!r}")
    warnings.warn(
        "'n_jobs' has no effect since 1.8 and will be removed in 1.10 of scikit-learn; got "
        f"n_jobs={n_jobs}. Set n_threads for the number of threads; by default it is the number "
        "of CPUs",
        FutureWarning,
        stacklevel=stacklevel + 1,
    )
