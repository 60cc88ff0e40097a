"""The only meeting of data and coefficients; see :mod:`fastclf.objective.protocol`."""

from fastclf.objective.arrays import Arrays
from fastclf.objective.in_memory import InMemoryObjective
from fastclf.objective.moments import Curvature, Hessian, Totals
from fastclf.objective.partitioned import PartitionedObjective, Partitions
from fastclf.objective.protocol import LastPass, Objective, Rule
from fastclf.objective.row_space import RowSpace
from fastclf.objective.streamed import Chunks, StreamedObjective
from fastclf.objective.summed import Extent

__all__ = [
    "Arrays",
    "Chunks",
    "Curvature",
    "Extent",
    "Hessian",
    "InMemoryObjective",
    "LastPass",
    "Objective",
    "PartitionedObjective",
    "Partitions",
    "RowSpace",
    "Rule",
    "StreamedObjective",
    "Totals",
]
