r"""The mathematics of linear classifiers on arrays: functions, losses and their gradients.

Functions work over the last axis of float32 and float64 arrays, or of anything that NumPy makes an
array of; integers become float64. Arrays come back in the input's dtype, scalars in float64. Where
there is ``out=``, a reused array saves the time that fresh memory costs, which is often as long as
the computation. Work on large arrays is shared among all CPUs; results don't depend on how many.

Formulas: :mod:`fastclf.kernels.loss.softmax`, :mod:`fastclf.kernels.loss.cross_entropy` and
:mod:`fastclf.kernels.loss.sigmoid`.
"""

from fastclf.functional.losses import (
    binary_cross_entropy,
    binary_cross_entropy_with_grad,
    cross_entropy,
    cross_entropy_with_grad,
    distillation_loss_with_grad,
)
from fastclf.functional.measures import (
    entropy,
    expected_calibration_error,
    information,
    kl_divergence,
    reliability,
)
from fastclf.functional.transforms import (
    hardmax,
    log_sigmoid,
    log_softmax,
    logit,
    logsumexp,
    sigmoid,
    sigmoid_derivative,
    smooth_labels,
    soften,
    softmax,
    softmax_jacobian,
)

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_grad",
    "cross_entropy",
    "cross_entropy_with_grad",
    "distillation_loss_with_grad",
    "entropy",
    "expected_calibration_error",
    "hardmax",
    "information",
    "kl_divergence",
    "log_sigmoid",
    "log_softmax",
    "logit",
    "logsumexp",
    "reliability",
    "sigmoid",
    "sigmoid_derivative",
    "smooth_labels",
    "soften",
    "softmax",
    "softmax_jacobian",
]
