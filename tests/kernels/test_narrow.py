"""Passes over few features that also compute Hessians, where a row is sure of its class."""

import numpy as np
import pytest

from fastclf.kernels.loss.kinds import SOFTMAX_HARD
from fastclf.kernels.passes import narrow
from fastclf.kernels.runtime.records import Data


@pytest.mark.parametrize("margin", [1.0, 40.0, 300.0])
def test_the_gradient_of_a_row_that_is_sure_of_its_class_keeps_its_digits(margin: float):
    none = np.empty((0, 3))
    data = Data(
        X=np.zeros((1, 1)),
        order=np.empty(0, dtype=np.int64),
        codes=np.zeros(1, dtype=np.int64),
        soft=none,
        teacher=none,
        weights=np.ones((1, 1)),
        scale=np.ones(1),
        positive=np.ones(3),
        parameters=(0.0,),
    )
    w = np.zeros((3, narrow.STEP))
    w[0, 1] = margin  # the intercept of the row's class
    value, gradient, no_blocks = np.zeros(1), np.zeros(w.shape), np.zeros((0, *w.shape[1:] * 2))
    kernel = narrow.of_kind(SOFTMAX_HARD)
    kernel(tuple(data), (w, np.zeros(1), True), 0, 1, (value, gradient, no_blocks))
    other = np.exp(-margin) / (1 + 2 * np.exp(-margin))
    np.testing.assert_allclose(gradient[:, 1], [-2 * other, other, other], rtol=1e-13)
    np.testing.assert_allclose(value, np.log1p(2 * np.exp(-margin)), rtol=1e-13)
