"""The solver for a plan, and the plan of a solver."""

from typing import Any

from fastclf.objective import Objective
from fastclf.plan import MEASURED, Costs, Plan, Shape, engines
from fastclf.solvers.lbfgs import LBFGS
from fastclf.solvers.newton import Newton
from fastclf.solvers.proximal import Proximal


def choose(objective: Objective) -> LBFGS | Newton | Proximal:
    """Return the solver that was measured to be the fastest for problems of this shape.

    The table of choices is in :func:`fastclf.plan.engines.automatic`.
    """
    plan = engines.automatic(objective.shape, objective.costs)
    if plan.solver == "proximal":
        return Proximal(sample=plan.sample)
    if plan.solver == "newton":
        whole = False if plan.matrix == engines.CLASS_BLOCKS else None
        return Newton(sample=plan.sample, whole=whole)
    numbers = {"memory": plan.memory} if plan.memory else {}
    return LBFGS(sample=plan.sample, negligible=plan.negligible, **numbers)


def plan_of(solver: Any, shape: Shape, costs: Costs = MEASURED) -> Plan:
    """Return the plan of any solver; None stands for the automatic choice.

    A solver from outside the package may lack ``plan``: its plan has only the name of its class.
    """
    if solver is None:
        return engines.automatic(shape, costs)
    if hasattr(solver, "plan"):
        return solver.plan(shape, costs)
    return Plan(type(solver).__name__, "")
