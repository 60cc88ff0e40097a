"""Which code runs for a problem: the only place that chooses.

* :class:`Shape` is what a choice may depend on, :class:`Costs` the table of measured costs.
* :mod:`fastclf.plan.passes` chooses how X is read, for objectives.
* :mod:`fastclf.plan.engines` chooses solver, engine and matrix, and returns a :class:`Plan`.
"""

from fastclf.plan.costs import MEASURED, Costs, current_costs, using
from fastclf.plan.engines import Plan
from fastclf.plan.shape import Shape

__all__ = ["MEASURED", "Costs", "Plan", "Shape", "current_costs", "using"]
