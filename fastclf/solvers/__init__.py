"""Solvers: frozen sets of hyperparameters that :func:`minimize` runs over an Objective.

They never see data, a loss or a kernel.
"""

from fastclf.solvers.auto import choose, plan_of
from fastclf.solvers.lbfgs import LBFGS
from fastclf.solvers.loop import Result, minimize
from fastclf.solvers.minibatch import SGD, Adam, AdamW
from fastclf.solvers.newton import Newton
from fastclf.solvers.progress import Progress, observing
from fastclf.solvers.proximal import Proximal
from fastclf.solvers.schedules import Constant, Cosine, InverseTime, Schedule, Step
from fastclf.solvers.snapshots import Keeper, Snapshot, keeping

__all__ = [
    "LBFGS",
    "SGD",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "InverseTime",
    "Keeper",
    "Newton",
    "Progress",
    "Proximal",
    "Result",
    "Schedule",
    "Snapshot",
    "Step",
    "choose",
    "keeping",
    "minimize",
    "observing",
    "plan_of",
]
