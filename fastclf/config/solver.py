"""The tables of a recipe about the solver, with a class for each solver."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from fastclf.config.fields import (
    AtLeast0,
    Below1,
    Count,
    Fraction,
    Natural,
    Positive,
    default_of,
)
from fastclf.estimators.logistic import LogisticRegression
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Newton, Proximal
from fastclf.toml import Table

EXACT_SOLVERS = {"newton": Newton, "lbfgs": LBFGS, "proximal": Proximal}
KNOW_L1 = ("auto", "proximal")
MINIBATCH_RULES = {"sgd": SGD, "adam": Adam, "adamw": AdamW}


class SolverTable(Table):
    """``[solver]``: the keys of every solver.

    Attributes
    ----------
    name : {"auto", "newton", "lbfgs", "proximal", "sgd", "adam", "adamw"}
        The solver; "auto" chooses the exact solver that is fastest for the shape of the data.
    tol : float
        The tolerance. An exact solver stops when no entry of the gradient is larger in absolute
        value. A minibatch solver stops after ``patience`` epochs that each improve the objective by
        less than this, relative to its value; 0 runs all epochs.
    """

    name: str
    tol: AtLeast0 = default_of(LogisticRegression, "tol")


class ExactSolver(SolverTable):
    """``[solver]``: the keys of every exact solver.

    Attributes
    ----------
    max_iter : int
        Largest number of iterations.
    """

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {"epochs": "counts iterations: set solver.max_iter"}

    max_iter: Count = default_of(LogisticRegression, "max_iter")


class AutoSolver(ExactSolver):
    """``[solver]`` that is chosen by the shape of the data."""

    name: Literal["auto"] = "auto"


class LBFGSSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.LBFGS`.

    Attributes
    ----------
    memory : int
        Number of past steps that the approximation of the Hessian uses.
    sample : int
        Number of rows in the sample on which the starting point is fitted first; 0 for none.
    """

    name: Literal["lbfgs"]
    memory: Count = default_of(LBFGS, "memory")
    sample: Natural = default_of(LBFGS, "sample")


class NewtonSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.Newton`.

    Attributes
    ----------
    whole : bool, optional
        Whether the whole Hessian of a softmax is used, or only its diagonal block of each class; by
        default the whole if there are few coefficients.
    memory : int
        Number of past steps that correct the approximation of the Hessian.
    sample : int
        Number of rows in the sample on which the starting point is fitted first; 0 for none.
    """

    name: Literal["newton"]
    whole: bool | None = default_of(Newton, "whole")
    memory: Count = default_of(Newton, "memory")
    sample: Natural = default_of(Newton, "sample")


class ProximalSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.Proximal`.

    Attributes
    ----------
    memory : int
        Number of past steps that the approximation of the Hessian uses.
    sample : int
        Number of rows in the sample on which the starting point is fitted first; 0 for none.
    """

    name: Literal["proximal"]
    memory: Count = default_of(Proximal, "memory")
    sample: Natural = default_of(Proximal, "sample")


class MinibatchSolver(SolverTable):
    """``[solver]``: the keys of every minibatch solver, named as in `fastclf.solvers`.

    Attributes
    ----------
    learning_rate : float, optional
        The largest learning rate; the default depends on the solver and the number of features.
    batch_size : int
        Number of rows in a batch.
    epochs : int
        Largest number of epochs.
    schedule : {"constant", "inverse_time", "step", "cosine"}
        How the learning rate changes during training.
    warmup : int
        Number of steps at the start in which the learning rate grows to its largest value.
    clip_norm : float, optional
        Largest norm of the gradient; a larger gradient is scaled down to it.
    average : bool
        Whether the model is the mean of the coefficients over all steps after the first epoch.
    patience : int
        Stop after this number of epochs that each improve the objective by less than tol.
    """

    OTHER_NAMES: ClassVar[Mapping[str, str]] = {"max_iter": "counts epochs: set solver.epochs"}

    learning_rate: Positive | None = default_of(SGD, "learning_rate")
    batch_size: Count = default_of(SGD, "batch_size")
    epochs: Count = default_of(LogisticRegression, "max_iter")
    schedule: Literal["constant", "inverse_time", "step", "cosine"] = default_of(SGD, "schedule")
    warmup: Natural = default_of(SGD, "warmup")
    clip_norm: Positive | None = default_of(SGD, "clip_norm")
    average: bool = default_of(SGD, "average")
    patience: Count = default_of(SGD, "patience")


class SGDSolver(MinibatchSolver):
    """``[solver]`` for `fastclf.solvers.SGD`.

    Attributes
    ----------
    momentum : float
        The fraction of the previous step that is added to each step.
    nesterov : bool
        Whether to use Nesterov's momentum.
    """

    name: Literal["sgd"]
    momentum: Below1 = default_of(SGD, "momentum")
    nesterov: bool = default_of(SGD, "nesterov")


class AdaptiveSolver(MinibatchSolver):
    """``[solver]``: the keys of Adam and AdamW.

    Attributes
    ----------
    beta1, beta2 : float
        Decay rates of the running means of the gradient and of its square.
    epsilon : float
        A small number that is added to the root of the mean square, by which steps are divided.
    """

    beta1: Below1 = default_of(Adam, "beta1")
    beta2: Below1 = default_of(Adam, "beta2")
    epsilon: Positive = default_of(Adam, "epsilon")


class AdamSolver(AdaptiveSolver):
    """``[solver]`` for `fastclf.solvers.Adam`."""

    name: Literal["adam"]


class AdamWSolver(AdaptiveSolver):
    """``[solver]`` for `fastclf.solvers.AdamW`.

    Attributes
    ----------
    weight_decay : float, optional
        The fraction by which a step with learning rate 1 shrinks the coefficients; by default the
        strength of the penalty.
    """

    name: Literal["adamw"]
    weight_decay: AtLeast0 | None = default_of(AdamW, "weight_decay")


class EarlyStoppingTable(Table):
    """``[early_stopping]`` of a minibatch solver, by the loss on held-out training rows.

    Attributes
    ----------
    patience : int
        Stop after this number of epochs without a better validation loss, and keep the best epoch.
    validation_fraction : float
        The share of the training rows that is held out.
    """

    patience: Count = default_of(SGD, "patience")
    validation_fraction: Fraction = default_of(SGD, "validation_fraction")
