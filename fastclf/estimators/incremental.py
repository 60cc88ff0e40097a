"""The state of ``partial_fit`` between calls: the solver's, and the moments of the features."""

from typing import Any

import numpy as np

from fastclf.errors import InputError
from fastclf.objective import Curvature
from fastclf.solvers.ending import NOT_FINITE
from fastclf.solvers.minibatch import Minibatch, MinibatchState


class Incremental:
    """A minibatch training whose rows come in parts.

    ``solver`` has its seed; ``weight`` is the total weight of all rows so far.
    """

    def __init__(self, solver: Minibatch, weight: float = 0.0) -> None:
        self.solver = solver
        self.weight = weight
        self.epochs = 0
        self.moments: Curvature | None = None
        self.state: MinibatchState | None = None

    def train(self, objective: Any, theta: np.ndarray) -> np.ndarray | None:
        """Run one epoch over a part, and return the new theta (d + 1, C).

        The first part starts from ``theta``. ``weight`` must include this part. If features of the
        part are too large, return None and leave the state as it was.
        """
        share = float(objective.total_weight.mean()) / self.weight
        old = self.state
        if old is not None and old.by_feature != objective.shape.is_sparse:
            raise InputError(
                "partial_fit began with another kind of X; give a dense X in each call, or a "
                "sparse X in each call"
            )
        moments = objective.curvature(full=False)
        if self.moments is not None:
            moments = self.moments.joined(moments, min(share, 1.0))
        if old is not None:
            theta = old.raw(old.u, old.u0)
        state = self.solver.start(objective, theta, moments)
        if state.status == NOT_FINITE:
            self.weight -= float(objective.total_weight.mean())
            return None
        self.moments = moments
        if old is not None:
            _carry_over(old, state)
        epoch = state.iteration
        while state.iteration == epoch and state.status == "running":
            self.solver.step(objective, state)
        self.state = state
        self.epochs += 1
        return state.theta()


def _carry_over(old: MinibatchState, new: MinibatchState) -> None:
    # Gradients in u scale with the inverse scale, so their moments move with it.
    change = new.inverse_scale / old.inverse_scale
    change = change[:, None] if new.by_feature else change[None, :]
    new.moments[0] = old.moments[0] * change
    new.moments[1] = old.moments[1] * change**2
    new.moments0[:] = old.moments0
    new.step = old.step
    new.iteration = old.iteration
    new.rate_share = old.rate_share
    new.schedule = old.schedule
    if old.average.size:
        new.average, new.average0 = new.standardised(old.raw(old.average, old.average0))
        new.average_from = old.average_from
