"""Parameters of scikit-learn's LogisticRegression that have no part in fastclf's own signature.

A name of scikit-learn's solvers has its limits, too, so that what is refused there is refused here.
"""

import warnings
from numbers import Integral
from typing import Any

import numpy as np

from fastclf.errors import InputError
from fastclf.estimators.validation import fraction, positive_number

UNSET = "deprecated"
"""Scikit-learn's default for ``penalty``: C and l1_ratio tell it."""

_PENALTIES = ("l1", "l2", "elasticnet", None, UNSET)

_FAILURES = {
    "lbfgs": "lbfgs failed to converge. ",
    "newton-cg": "newton-cg failed to converge. Increase the number of iterations. ",
    "newton-cholesky": "Newton solver did not converge after {n_iter} iterations. ",
    "liblinear": "Liblinear failed to converge, increase the number of iterations. ",
    "sag": "The max_iter was reached which means the coef_ did not converge. ",
    "saga": "The max_iter was reached which means the coef_ did not converge. ",
}
"""How scikit-learn's warnings begin, by which users' filters know them."""


def failure(solver: Any, n_iter: int) -> str:
    """Return how the warning of a fit that hasn't converged begins; empty for our own solvers."""
    return _FAILURES.get(solver, "").format(n_iter=n_iter) if isinstance(solver, str) else ""


def strength_and_share(penalty: Any, C: float, l1_ratio: float | None) -> tuple[float, float]:
    """Return the C and the l1_ratio that scikit-learn's ``penalty`` and they mean together."""
    if penalty is None:
        return np.inf, 0.0
    return C, {"l1": 1.0, "l2": 0.0}.get(penalty, l1_ratio or 0.0)


def check_penalty(penalty: Any, C: float, l1_ratio: Any, stacklevel: int) -> None:
    """Warn of what is deprecated, and refuse what has no meaning.

    Parameters
    ----------
    stacklevel : int
        1 for warnings that point to the caller.
    """
    stacklevel += 1
    if not any(penalty is known or penalty == known for known in _PENALTIES):
        raise InputError(
            f"penalty must be 'l1', 'l2', 'elasticnet' or None, got {penalty!r}; leave it out, and "
            "give C and l1_ratio"
        )
    if l1_ratio is not None:
        fraction(l1_ratio, "l1_ratio")
    elif penalty == "elasticnet":
        raise InputError("l1_ratio must be specified when penalty is elasticnet, got None")
    elif penalty == UNSET:
        warnings.warn(
            "'l1_ratio=None' was deprecated in scikit-learn 1.8; use l1_ratio=0",
            FutureWarning,
            stacklevel=stacklevel,
        )
    if penalty == UNSET:
        return
    warnings.warn(
        f"'penalty' was deprecated in scikit-learn 1.8; in place of penalty={penalty!r} use "
        "C=np.inf for none, l1_ratio=0 for 'l2', 1 for 'l1', and a number between for 'elasticnet'",
        FutureWarning,
        stacklevel=stacklevel,
    )
    if penalty is None and C != 1.0:
        warnings.warn(
            "Setting penalty=None will ignore the C and l1_ratio parameters", stacklevel=stacklevel
        )
    if penalty != "elasticnet" and l1_ratio is not None and 0 < l1_ratio < 1:
        warnings.warn(
            "l1_ratio parameter is only used when penalty is 'elasticnet'. "
            f"Got (penalty={penalty})",
            stacklevel=stacklevel,
        )
    if {"l2": 0, "l1": 1}.get(penalty, l1_ratio) != l1_ratio:
        warnings.warn(
            f"Inconsistent values: penalty={penalty} with l1_ratio={l1_ratio}. Give l1_ratio alone",
            stacklevel=stacklevel,
        )


def check_penalties(penalty: Any, l1_ratios: Any, stacklevel: int) -> None:
    """Do the same for several L1 ratios, None of which scikit-learn takes for 0."""
    if penalty not in ("l1", "l2", "elasticnet", UNSET):
        raise InputError(
            f"penalty must be 'l1', 'l2' or 'elasticnet', got {penalty!r}; leave it out, and give "
            "l1_ratios and Cs"
        )
    if penalty == "elasticnet" and l1_ratios is None:
        raise InputError("l1_ratios must be specified when penalty is elasticnet, got None")
    if penalty != UNSET:
        message = (
            f"'penalty' was deprecated in scikit-learn 1.8; in place of penalty={penalty!r} use "
            "l1_ratios=(0,) for 'l2', (1,) for 'l1', and numbers between for 'elasticnet'"
        )
    elif l1_ratios is None:
        message = "'l1_ratios=None' was deprecated in scikit-learn 1.8; use l1_ratios=(0,)"
    else:
        return
    warnings.warn(message, FutureWarning, stacklevel=stacklevel + 1)


def shares(penalty: Any, l1_ratios: Any) -> Any:
    """Return the L1 ratios that scikit-learn's ``penalty`` and they mean together."""
    return {"l1": (1.0,), "l2": (0.0,)}.get(penalty, (0.0,) if l1_ratios is None else l1_ratios)


def check_solver(solver: Any, C: float, l1_ratio: float, dual: Any) -> None:
    """Refuse what scikit-learn's solver of that name refuses, and name what would work.

    The dual problem has the solution of the primal one, so ``dual`` changes nothing.
    """
    if dual not in (True, False):
        raise InputError(f"dual must be True or False, got {dual!r}")
    if dual and solver != "liblinear":
        raise InputError(
            f"Solver {solver} supports only dual=False, got dual={dual}; leave dual out, for both "
            "problems have the same solution"
        )
    if dual and l1_ratio > 0:
        raise InputError(f"dual=True needs l1_ratio=0, got {l1_ratio}; leave dual out")
    if solver in ("lbfgs", "newton-cg", "newton-cholesky", "sag") and l1_ratio > 0:
        raise InputError(
            f"Solver {solver} supports only 'l2' or None penalties, got l1_ratio={l1_ratio}; "
            "use solver='auto' or 'saga'"
        )
    if solver == "liblinear" and 0 < l1_ratio < 1:
        raise InputError(
            f"Only 'saga' solver supports elasticnet penalty, got solver={solver}. "
            "Use solver='auto' or 'saga'"
        )
    if solver == "liblinear" and C == np.inf:
        raise InputError(
            "C=np.inf as well as penalty=None is not supported for the liblinear solver; "
            "use solver='auto'"
        )


def check_classes(solver: Any, n_classes: int) -> None:
    """Refuse three and more classes for liblinear, which fits one class against the rest."""
    if solver == "liblinear" and n_classes > 2:
        raise InputError(
            "Only binary classification is supported. The 'liblinear' solver does not support "
            f"multiclass classification (y has {n_classes} classes); use solver='auto', or "
            "OneVsRestClassifier around it"
        )


def check_without_effect(intercept_scaling: Any, n_jobs: Any, stacklevel: int) -> None:
    """Check parameters that change nothing here."""
    positive_number(intercept_scaling, "intercept_scaling")
    if n_jobs is None:
        return
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, Integral):
        raise InputError(f"n_jobs must be an integer or None, got {n_jobs!r}")
    warnings.warn(
        f"'n_jobs' has no effect, as in scikit-learn since 1.8; got n_jobs={n_jobs}. The number of "
        "threads is n_threads, and all CPUs by default",
        FutureWarning,
        stacklevel=stacklevel + 1,
    )
