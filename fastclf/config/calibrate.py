"""The table of a recipe that says what rows decide that a model isn't fitted to."""

from typing import Literal

from fastclf.config.fields import Fraction
from fastclf.toml import Table


class CalibrateTable(Table):
    """``[calibrate]``: decide on rows that are split off from training what a fit can't tell.

    Attributes
    ----------
    validation_fraction : float
        The part of the training rows that is split off.
    temperature : bool
        Whether logits are divided by the temperature that makes probabilities right as often as
        they say; it is stored in the model file.
    thresholds : {"none", "f1"}
        With several labels a row: whether a label's threshold is the one with the highest F1.
    """

    validation_fraction: Fraction = 0.2
    temperature: bool = True
    thresholds: Literal["none", "f1"] = "none"
