r"""The mathematics of linear classifiers on arrays: functions, losses and their gradients.

Functions take array-likes and work over the last axis, in float32 or float64; integers become
float64. Arrays are returned in the input's dtype, and scalar losses as floats. With ``out=`` the
result is written into an existing array; allocating a new one often takes as long as the
computation. Large arrays are processed on all CPUs; results don't depend on their number.

The formulas are in :mod:`fastclf.kernels.loss.softmax`,
:mod:`fastclf.kernels.loss.cross_entropy` and :mod:`fastclf.kernels.loss.sigmoid`.
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
