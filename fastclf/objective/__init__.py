"""The only meeting of data and coefficients; see :mod:`fastclf.objective.protocol`."""

from fastclf.objective.in_memory import InMemoryObjective
from fastclf.objective.protocol import (
    MANY_FEATURES,
    Curvature,
    Hessian,
    NewtonPoint,
    Objective,
    Rule,
)
from fastclf.objective.row_space import RowSpace
from fastclf.objective.streamed import Chunks, StreamedObjective

__all__ = [
    "MANY_FEATURES",
    "Chunks",
    "Curvature",
    "Hessian",
    "InMemoryObjective",
    "NewtonPoint",
    "Objective",
    "RowSpace",
    "Rule",
    "StreamedObjective",
]
