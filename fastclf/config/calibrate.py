"""The table of a recipe about calibration on held-out rows."""

from typing import Literal

from fastclf.config.fields import Fraction
from fastclf.toml import Table


class CalibrateTable(Table):
    """``[calibrate]``: choose the temperature and thresholds on held-out training rows.

    Attributes
    ----------
    validation_fraction : float
        The share of the training rows that is held out for calibration.
    temperature : bool
        Whether logits are divided by the temperature with the least log-loss on these rows, so that
        probabilities match frequencies; it is stored in the model file.
    thresholds : {"none", "f1"}
        With several labels per row: "f1" sets the threshold of each label to the one with the
        highest F1 on these rows.
    """

    validation_fraction: Fraction = 0.2
    temperature: bool = True
    thresholds: Literal["none", "f1"] = "none"
