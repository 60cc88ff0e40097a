"""The only meeting of data and coefficients; see :mod:`fastclf.objective.protocol`."""

from fastclf.objective.arrays import Arrays
from fastclf.objective.in_memory import InMemoryObjective, Totals
from fastclf.objective.moments import Curvature, Hessian
from fastclf.objective.protocol import LastPass, Objective, Rule
from fastclf.objective.row_space import RowSpace
from fastclf.objective.streamed import Chunks, StreamedObjective

__all__ = [
    "Arrays",
    "Chunks",
    "Curvature",
    "Hessian",
    "InMemoryObjective",
    "LastPass",
    "Objective",
    "RowSpace",
    "Rule",
    "StreamedObjective",
    "Totals",
]
