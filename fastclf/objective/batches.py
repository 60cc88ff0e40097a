"""What the kernel of minibatch training takes, from a solver's rule and state."""

from typing import Any

from fastclf.kernels.passes.minibatch import Batches, Moved, Scaling, Update
from fastclf.objective.protocol import Rule


def batch_records(
    objective: Any, rule: Rule, state: Any, first: int, last: int
) -> tuple[tuple, tuple, tuple, tuple]:
    """Return the fields of the four records of :mod:`fastclf.kernels.passes.minibatch`.

    They are for batches ``first`` to ``last`` of an epoch.
    """
    batches = Batches(rule.batch_size, first, last, state.rates(last - first), state.step)
    update = Update(
        rule=rule.kernel_rule,
        parameters=rule.kernel_parameters,
        clip_norm=float(rule.clip_norm or 0.0),
        average_from=state.average_from,
        penalty=state.penalty.astype(objective.dtype),
        decay=rule.decay(objective).astype(objective.dtype),
        fit_intercept=objective.fit_intercept,
    )
    scaling = Scaling(state.center, state.inverse_scale, state.by_feature)
    moved = tuple(getattr(state, name) for name in Moved._fields)
    return tuple(batches), tuple(update), tuple(scaling), moved
