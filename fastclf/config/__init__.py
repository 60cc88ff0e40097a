"""The schema of recipes, which are read from TOML and written with all keys resolved.

The defaults of estimators and solvers are read from their signatures, so that a recipe and the
Python API always have the same defaults.
"""

from fastclf.config.calibrate import CalibrateTable
from fastclf.config.checkpoint import CheckpointTable
from fastclf.config.data import DataTable
from fastclf.config.distill import TEACHERS, DistillTable, teacher_class
from fastclf.config.model import AutoModel, ModelTable, MultiLabelModel, SingleLabelModel
from fastclf.config.recipe import Recipe, load_recipe, recipe_schema
from fastclf.config.solver import (
    KNOW_L1,
    MINIBATCH_RULES,
    AdamSolver,
    AdamWSolver,
    AutoSolver,
    EarlyStoppingTable,
    ExactSolver,
    LBFGSSolver,
    MinibatchSolver,
    NewtonSolver,
    ProximalSolver,
    SGDSolver,
    SolverTable,
)
from fastclf.config.track import TrackTable
from fastclf.config.tune import LogRange, Range, TuneTable

__all__ = [
    "KNOW_L1",
    "MINIBATCH_RULES",
    "TEACHERS",
    "AdamSolver",
    "AdamWSolver",
    "AutoModel",
    "AutoSolver",
    "CalibrateTable",
    "CheckpointTable",
    "DataTable",
    "DistillTable",
    "EarlyStoppingTable",
    "ExactSolver",
    "LBFGSSolver",
    "LogRange",
    "MinibatchSolver",
    "ModelTable",
    "MultiLabelModel",
    "NewtonSolver",
    "ProximalSolver",
    "Range",
    "Recipe",
    "SGDSolver",
    "SingleLabelModel",
    "SolverTable",
    "TrackTable",
    "TuneTable",
    "load_recipe",
    "recipe_schema",
    "teacher_class",
]
