"""From the ``solver=`` parameter of an estimator to a solver with all its hyperparameters."""

import dataclasses
import warnings
from typing import Any

from fastclf.errors import InputError
from fastclf.estimators.callbacks import CallbackSupportMixin
from fastclf.estimators.sampled import HeldOut
from fastclf.estimators.validation import seed_from
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Newton, Proximal
from fastclf.solvers.minibatch import Minibatch

SOLVERS: dict[str, type | None] = {
    "auto": None,
    "newton": Newton,
    "lbfgs": LBFGS,
    "proximal": Proximal,
    "newton-cg": None,
    "newton-cholesky": Newton,
    "liblinear": None,
    "sag": None,
    "saga": None,
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
}
"""Names of solvers; None if the problem decides. Scikit-learn's names are there, too, and reach the
same optimum.
"""

_VALIDATION = 1
"""Goes into the seed of the rows that early stopping holds out, so that other parts are independent
of them.
"""

_PARTS = ("needs", "max_iter", "early_stopping", "init", "step")
"""What makes an object a solver, also one from outside fastclf."""


class SolverParameters(CallbackSupportMixin):
    """Mixin of estimators with a parameter ``solver``, whose own parameters can be set, too."""

    solver: Any

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what the estimator can do."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class &= not is_liblinear(self.solver)
        return tags

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, with ``deep`` also those of a solver object."""
        params: dict[str, Any] = super().get_params(deep=deep)
        if deep and not isinstance(self.solver, str):
            for name in getattr(self.solver, "__dataclass_fields__", ()):
                params[f"solver__{name}"] = getattr(self.solver, name)
        return params

    def set_params(self, **params: Any) -> "SolverParameters":
        """Set parameters; ``solver__learning_rate`` and the like change the solver."""
        nested = {
            name.removeprefix("solver__"): params.pop(name)
            for name in list(params)
            if name.startswith("solver__")
        }
        super().set_params(**params)
        if nested:
            self.solver = with_changes(self.solver, nested)
        return self


def named(solver: Any) -> Any:
    """Return the solver object of a name or an object; None if the problem decides which it is."""
    if isinstance(solver, str):
        if solver not in SOLVERS:
            raise InputError(f"solver must be one of {', '.join(SOLVERS)}; got {solver!r}")
        kind = SOLVERS[solver]
        return None if kind is None else kind()
    if isinstance(solver, type) or not all(hasattr(solver, part) for part in _PARTS):
        raise InputError(
            f"solver must be a name ({', '.join(SOLVERS)}) or an object of fastclf.solvers (or "
            f"one with {', '.join(_PARTS)}), got {solver!r}"
        )
    return solver


def is_minibatch(solver: Any) -> bool:
    """Return whether a name or an object stands for a minibatch solver."""
    kind = SOLVERS.get(solver) if isinstance(solver, str) else type(solver)
    return kind is not None and issubclass(kind, Minibatch)


def is_liblinear(solver: Any) -> bool:
    """Return whether a solver is scikit-learn's "liblinear"."""
    return isinstance(solver, str) and solver == "liblinear"


def check_l1(solver: Any) -> None:
    """Refuse a solver that can't fit an L1 penalty; the error names those that can."""
    solver = named(solver)
    if not (solver is None or getattr(solver, "handles_l1", False)):
        raise InputError(
            f"solver {type(solver).__name__} can't fit an L1 penalty: with l1_ratio > 0 use "
            "'auto', 'proximal', 'saga' or 'liblinear'; or set l1_ratio=0"
        )


def held_out(solver: Any, random_state: Any, X_val: Any) -> HeldOut | None:
    """Return which rows of a stream early stopping validates on; None if it needs none of them."""
    chosen = named(solver)
    if X_val is not None or chosen is None or chosen.early_stopping is None:
        return None
    return HeldOut(chosen.validation_fraction, (seed_from(random_state), _VALIDATION))


def warn_of_no_use(solver: Any, stacklevel: int) -> None:
    """Warn if a solver doesn't use validation rows; stacklevel 1 points to the caller."""
    chosen = named(solver)
    if chosen is not None and chosen.early_stopping is not None:
        return
    name = type(chosen).__name__ if is_minibatch(solver) else "Adam"
    shown = repr(solver) if isinstance(solver, str) else type(chosen).__name__
    warnings.warn(
        f"X_val and y_val have no influence on this fit, because solver {shown} doesn't stop "
        "early; their loss is in history_['validation_loss']. To stop where it is lowest use e.g. "
        f"solver=fastclf.solvers.{name}(early_stopping=5); else leave them out",
        UserWarning,
        stacklevel=stacklevel + 1,
    )


def with_changes(solver: Any, changes: dict[str, Any]) -> Any:
    """Return the solver with some of its numbers changed."""
    solver = named(solver)
    if solver is None:
        raise ValueError(
            f"Invalid parameter {next(iter(changes))!r}: 'auto' chooses the solver by the data; "
            "name a solver, or pass an object of fastclf.solvers"
        )
    names = [field.name for field in dataclasses.fields(solver)]
    unknown = [name for name in changes if name not in names]
    if unknown:
        raise ValueError(
            f"Invalid parameter {unknown[0]!r} for solver {type(solver).__name__}. "
            f"Valid parameters are: {names!r}."
        )
    return dataclasses.replace(solver, **changes)


def complete(solver: Any, tol: float, max_iter: int, seed: int) -> Any:
    """Return a solver object with the estimator's values where it has none of its own."""
    defaults = {"tol": tol, "max_iter": max_iter, "seed": seed}
    names = {field.name for field in dataclasses.fields(solver)}
    missing = {
        name: value
        for name, value in defaults.items()
        if name in names and getattr(solver, name) is None
    }
    return dataclasses.replace(solver, **missing)
