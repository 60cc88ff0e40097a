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

    Parameters
    ----------
    objective : Objective
        Its shape and table of costs decide; X isn't read.

    Returns
    -------
    LBFGS, Newton or Proximal
        The solver with the numbers that suit the shape.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from fastclf.losses import Softmax
    >>> from fastclf.objective import InMemoryObjective
    >>> from fastclf.penalties import L2
    >>> from fastclf.targets import Target
    >>> X, y = load_iris(return_X_y=True)
    >>> target = Target(np.ones((1, len(y))), codes=y)
    >>> penalty = L2.from_C(1.0, target.total_weight)
    >>> objective = InMemoryObjective(X, target, Softmax(), n_columns=3, penalty=penalty)
    >>> from fastclf.solvers import choose
    >>> type(choose(objective)).__name__
    'Newton'
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

    Parameters
    ----------
    solver : Newton, LBFGS, Proximal, SGD, Adam, AdamW, another solver, or None
    shape : Shape
    costs : Costs
        The table by which code is chosen.

    Returns
    -------
    Plan

    Examples
    --------
    >>> from fastclf.plan import Shape
    >>> from fastclf.solvers import SGD, plan_of
    >>> plan_of(None, Shape(n_rows=150, n_features=4, n_outputs=3)).solver
    'newton'
    >>> plan_of(SGD(batch_size=32), Shape(n_rows=150, n_features=4)).sentence()
    'SGD on batches of 32 rows'
    """
    if solver is None:
        return engines.automatic(shape, costs)
    if hasattr(solver, "plan"):
        return solver.plan(shape, costs)
    return Plan(type(solver).__name__, "")
