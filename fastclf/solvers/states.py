"""The classes in the states of solvers, beside arrays and scalars, which checkpoints may hold.

A field with ``follows`` in its metadata can be computed from the others and isn't stored.
"""

from fastclf.solvers.engines.label_block import LabelBlock
from fastclf.solvers.engines.label_blocks import LabelBlocksState
from fastclf.solvers.engines.proximal_descent import Descent
from fastclf.solvers.engines.proximal_points import ColumnsPoint, ProximalPoint
from fastclf.solvers.engines.small_newton import SmallNewtonState
from fastclf.solvers.minibatch import MinibatchState
from fastclf.solvers.preconditioner import HessianInverse, MomentsInverse
from fastclf.solvers.proximal import ProximalState
from fastclf.solvers.quadratic_model import QuadraticModel
from fastclf.solvers.quasi_newton import Pairs, QuasiNewtonState
from fastclf.solvers.schedules import Constant, Cosine, InverseTime, Step
from fastclf.solvers.snapshots import Snapshot
from fastclf.solvers.stopping import Stopping

STATES: dict[str, type] = {
    "columns point": ColumnsPoint,
    "constant": Constant,
    "cosine": Cosine,
    "descent": Descent,
    "hessian inverse": HessianInverse,
    "inverse time": InverseTime,
    "label block": LabelBlock,
    "label blocks": LabelBlocksState,
    "minibatch": MinibatchState,
    "moments inverse": MomentsInverse,
    "pairs": Pairs,
    "proximal": ProximalState,
    "proximal point": ProximalPoint,
    "quadratic model": QuadraticModel,
    "quasi-newton": QuasiNewtonState,
    "small newton": SmallNewtonState,
    "snapshot": Snapshot,
    "step": Step,
    "stopping": Stopping,
}
