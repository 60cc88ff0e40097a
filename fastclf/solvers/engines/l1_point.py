"""Base of the points of both compiled proximal Newton methods."""

import numpy as np

from fastclf.kernels.steps import proximal


class L1Point:
    """A point with the ``numbers`` of :mod:`fastclf.kernels.steps.proximal`."""

    numbers: np.ndarray

    @property
    def value(self) -> float:
        """The objective with its L1 part."""
        return float(self.numbers[proximal.VALUE])

    @property
    def norm(self) -> float:
        """The largest violation of optimality."""
        return float(self.numbers[proximal.NORM])

    @property
    def expected(self) -> float:
        """The decrease that the last model promised."""
        return float(self.numbers[proximal.EXPECTED])

    @property
    def passes(self) -> float:
        """How many times X was read on the way."""
        return float(self.numbers[proximal.PASSES])
