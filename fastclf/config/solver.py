"""The tables of a recipe that say how the model is fitted: one class for each solver."""

from typing import Literal

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
    """``[solver]``: what every solver takes.

    Attributes
    ----------
    name : {"auto", "newton", "lbfgs", "proximal", "sgd", "adam", "adamw"}
        The solver; "auto" is the exact one that is fastest for the data's shape.
    tol : float
        An exact solver stops when no entry of the gradient is larger. A minibatch solver counts
        epochs that improve the objective by less than this, relatively; 0 runs all epochs.
    """

    name: str
    tol: AtLeast0 = default_of(LogisticRegression, "tol")


class ExactSolver(SolverTable):
    """``[solver]``: what every exact solver takes.

    Attributes
    ----------
    max_iter : int
        The most iterations.
    """

    max_iter: Count = default_of(LogisticRegression, "max_iter")


class AutoSolver(ExactSolver):
    """``[solver]`` left to fastclf."""

    name: Literal["auto"] = "auto"


class LBFGSSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.LBFGS`.

    Attributes
    ----------
    memory : int
        How many past steps the approximation of the Hessian uses.
    sample : int
        How many rows are solved first, for a start; 0 for none.
    """

    name: Literal["lbfgs"]
    memory: Count = default_of(LBFGS, "memory")
    sample: Natural = default_of(LBFGS, "sample")


class NewtonSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.Newton`.

    Attributes
    ----------
    whole : bool, optional
        Whether a softmax has one whole Hessian, or a block of it for each class; by default whole
        where there are few coefficients.
    memory : int
        How many past steps mend the Hessian.
    sample : int
        How many rows are solved first, for a start; 0 for none.
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
        How many past steps the approximation of the Hessian uses.
    sample : int
        How many rows are solved first, for a start; 0 for none.
    """

    name: Literal["proximal"]
    memory: Count = default_of(Proximal, "memory")
    sample: Natural = default_of(Proximal, "sample")


class MinibatchSolver(SolverTable):
    """``[solver]``: what every minibatch rule takes; names as in `fastclf.solvers`.

    Attributes
    ----------
    learning_rate : float, optional
        The peak rate; by default one that suits the rule and the number of features.
    batch_size : int
        Rows of a step.
    epochs : int
        The most epochs.
    schedule : {"constant", "inverse_time", "step", "cosine"}
        How the rate changes over the whole training.
    warmup : int
        Steps over which the rate grows at first.
    clip_norm : float, optional
        The largest norm of a gradient; a longer one is scaled down.
    average : bool
        Whether the model is the mean over all steps after the first epoch.
    patience : int
        Stop after so many epochs that each improve the objective by less than tol.
    """

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
        The part of the last step that is taken again.
    nesterov : bool
        Whether the momentum is Nesterov's.
    """

    name: Literal["sgd"]
    momentum: Below1 = default_of(SGD, "momentum")
    nesterov: bool = default_of(SGD, "nesterov")


class AdaptiveSolver(MinibatchSolver):
    """``[solver]``: what every form of Adam takes.

    Attributes
    ----------
    beta1, beta2 : float
        How slowly the means of the gradient and of its square forget.
    epsilon : float
        What is added to the root of the mean square, by which steps are divided.
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
        The share of the coefficients that each step of rate 1 takes away; by default the penalty's.
    """

    name: Literal["adamw"]
    weight_decay: AtLeast0 | None = default_of(AdamW, "weight_decay")


class EarlyStoppingTable(Table):
    """``[early_stopping]`` of a minibatch solver, by the loss on rows that are split off.

    Attributes
    ----------
    patience : int
        Stop after so many epochs without a better validation loss, and keep the best epoch.
    validation_fraction : float
        The part of the training rows that is split off.
    """

    patience: Count = default_of(SGD, "patience")
    validation_fraction: Fraction = default_of(SGD, "validation_fraction")
