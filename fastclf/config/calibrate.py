"""The table of a recipe about calibration on held-out rows."""

from typing import Literal

from pydantic import model_validator

from fastclf.config.fields import Fraction, Positive, UpTo1
from fastclf.toml import Table, mistake

KEYS_OF_THRESHOLD = {
    "false_positive_cost": "cost",
    "false_negative_cost": "cost",
    "min_precision": "precision",
}
"""The keys that only one value of ``threshold`` has, and needs, by that value."""


class CalibrateTable(Table):
    """``[calibrate]``: choose the temperature and thresholds on held-out training rows.

    Attributes
    ----------
    validation_fraction : float
        The share of the training rows that is held out for calibration.
    temperature : bool
        Whether logits are divided by the temperature with the least log loss on these rows, so that
        probabilities match frequencies; it is stored in the model file.
    threshold : float, "f1", "cost" or "precision", optional
        With two classes: the second one is predicted where its probability is above this number.
        "f1" chooses the threshold with its highest F1 on these rows; "cost" that with the lowest
        cost of wrong predictions; "precision" that with the highest recall of those whose
        precision is min_precision or more. By default 0.5.
    false_positive_cost, false_negative_cost : float, optional
        For threshold = "cost": the cost of a row of the first class that is predicted as the
        second one, and of a row of the second class that is predicted as the first one.
    min_precision : float, optional
        For threshold = "precision": the lowest precision of the second class.
    thresholds : {"none", "f1"}
        With several labels per row: "f1" sets the threshold of each label to the one with the
        highest F1 on these rows.
    """

    validation_fraction: Fraction = 0.2
    temperature: bool = True
    threshold: UpTo1 | Literal["f1", "cost", "precision"] | None = None
    false_positive_cost: Positive | None = None
    false_negative_cost: Positive | None = None
    min_precision: UpTo1 | None = None
    thresholds: Literal["none", "f1"] = "none"

    @model_validator(mode="after")
    def _keys_of_threshold_fit(self) -> "CalibrateTable":
        for key, rule in KEYS_OF_THRESHOLD.items():
            is_set = getattr(self, key) is not None
            if is_set and self.threshold != rule:
                raise mistake(
                    f"calibrate.{key}",
                    f'calibrate.{key} is for calibrate.threshold = "{rule}"; set that, or leave '
                    "this key out",
                )
            if self.threshold == rule and not is_set:
                raise mistake(
                    "calibrate.threshold",
                    f'calibrate.threshold = "{rule}" needs calibrate.{key}, a number',
                )
        return self
