"""The tables of a recipe about the solver, with a class for each solver."""

from typing import Literal

from fastclf.config.fields import (
    AtLeast0,
    Below1,
    Count,
    Fraction,
    Natural,
    Positive,
)
from fastclf.toml import Table

KNOW_L1 = ("auto", "proximal")
MINIBATCH_RULES = ("sgd", "adam", "adamw")


class SolverTable(Table):
    """``[solver]``: the keys of every solver.

    Attributes
    ----------
    name : {"auto", "newton", "lbfgs", "proximal", "sgd", "adam", "adamw"}
        The solver; "auto" is the exact solver that is fastest for the shape of the data.
    tol : float
        An exact solver stops when no entry of the gradient is larger. A minibatch solver stops
        after ``patience`` epochs that each improve the objective by less, relative to its value; 0
        runs all epochs.
    """

    name: str
    tol: AtLeast0 = 1e-4


class ExactSolver(SolverTable):
    """``[solver]``: the keys of every exact solver.

    Attributes
    ----------
    max_iter : int
        Largest number of iterations.
    """

    max_iter: Count = 100


class AutoSolver(ExactSolver):
    """``[solver]`` whose solver is chosen by the data."""

    name: Literal["auto"] = "auto"


class LBFGSSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.LBFGS`.

    Attributes
    ----------
    memory : int
        Number of past steps that the approximation of the Hessian uses.
    sample : int
        Size of the sample of rows on which the starting point is fitted first; 0 for none.
    """

    name: Literal["lbfgs"]
    memory: Count = 20
    sample: Natural = 0


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
        Size of the sample of rows on which the starting point is fitted first; 0 for none.
    """

    name: Literal["newton"]
    whole: bool | None = None
    memory: Count = 20
    sample: Natural = 0


class ProximalSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.Proximal`.

    Attributes
    ----------
    memory : int
        Number of past steps that the approximation of the Hessian uses.
    sample : int
        Size of the sample of rows on which the starting point is fitted first; 0 for none.
    """

    name: Literal["proximal"]
    memory: Count = 20
    sample: Natural = 0


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
        Number of first steps in which the learning rate grows to its largest value.
    clip_norm : float, optional
        Largest norm of the gradient; a larger gradient is scaled down to it.
    average : bool
        Whether the model is the mean of the coefficients over all steps after the first epoch.
    patience : int
        Stop after this number of epochs that each improve the objective by less than tol.
    """

    learning_rate: Positive | None = None
    batch_size: Count = 256
    epochs: Count = 100
    schedule: Literal["constant", "inverse_time", "step", "cosine"] = "constant"
    warmup: Natural = 0
    clip_norm: Positive | None = None
    average: bool = False
    patience: Count = 5


class SGDSolver(MinibatchSolver):
    """``[solver]`` for `fastclf.solvers.SGD`.

    Attributes
    ----------
    momentum : float
        The share of the previous step that is added to each step.
    nesterov : bool
        Whether to use Nesterov's momentum.
    """

    name: Literal["sgd"]
    momentum: Below1 = 0.9
    nesterov: bool = True


class AdaptiveSolver(MinibatchSolver):
    """``[solver]``: the keys of Adam and AdamW.

    Attributes
    ----------
    beta1, beta2 : float
        Decay rates of the running means of the gradient and of its square.
    epsilon : float
        Added to the root of the mean square, by which steps are divided.
    """

    beta1: Below1 = 0.9
    beta2: Below1 = 0.999
    epsilon: Positive = 1e-8


class AdamSolver(AdaptiveSolver):
    """``[solver]`` for `fastclf.solvers.Adam`."""

    name: Literal["adam"]


class AdamWSolver(AdaptiveSolver):
    """``[solver]`` for `fastclf.solvers.AdamW`.

    Attributes
    ----------
    weight_decay : float, optional
        The share by which a step of learning rate 1 shrinks the coefficients; by default the
        strength of the penalty.
    """

    name: Literal["adamw"]
    weight_decay: AtLeast0 | None = None


class EarlyStoppingTable(Table):
    """``[early_stopping]`` of a minibatch solver, by the loss on held-out training rows.

    Attributes
    ----------
    patience : int
        Stop after this number of epochs without a better validation loss, and keep the best epoch.
    validation_fraction : float
        The share of the training rows that is held out.
    """

    patience: Count = 5
    validation_fraction: Fraction = 0.1
