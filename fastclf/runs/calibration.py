"""The ``[calibrate]`` step of a run: temperature and thresholds, fitted on held-out rows."""

from dataclasses import replace
from typing import Any

import numpy as np

from fastclf.config import CalibrateTable
from fastclf.estimators.labels import best_thresholds
from fastclf.estimators.teachers import two_columns
from fastclf.estimators.temperature import best_temperature, labels_temperature, or_one
from fastclf.linear_model import LinearModel
from fastclf.runs.evaluation import evaluate, logits_of
from fastclf.runs.parts import Part

FIGURES = ("log_loss", "cross_entropy", "brier", "ece", "micro_f1", "macro_f1")
"""Metrics that a temperature or thresholds can change."""


def calibrate(
    model: LinearModel, table: CalibrateTable, part: Part
) -> tuple[LinearModel, dict[str, Any]]:
    """Calibrate a model on held-out rows.

    Parameters
    ----------
    model : LinearModel
        Takes raw rows.
    table : CalibrateTable
    part : Part
        Rows that the model wasn't fitted to.

    Returns
    -------
    model : LinearModel
        The calibrated model.
    facts : dict
        JSON values: "n_rows", "temperature", "thresholds" by label, and the metrics "before" and
        "after" calibration on these rows.
    """
    logits = logits_of(model, part.X)
    facts: dict[str, Any] = {"n_rows": len(part)}
    before = evaluate(model, part).metrics
    if table.temperature:
        model = replace(model, temperature=or_one(_temperature(model, logits, part)))
        facts["temperature"] = model.temperature
    if table.thresholds == "f1":
        assert model.threshold is not None  # recipes allow this for multi-label models only
        p = model.probabilities(logits_of(model, part.X))
        tuned = best_thresholds(p, part.y.astype(np.float64), model.threshold, part.weights)
        model = replace(model, threshold=tuned)
        names = map(str, model.classes.tolist())
        facts["thresholds"] = dict(zip(names, tuned.tolist(), strict=True))
    after = evaluate(model, part).metrics
    for name, metrics in (("before", before), ("after", after)):
        facts[name] = {key: metrics[key] for key in FIGURES if key in metrics}
    return model, facts


def _temperature(model: LinearModel, logits: np.ndarray, part: Part) -> float | None:
    if model.task == "multilabel":
        return labels_temperature(logits, part.y, part.weights)
    if part.is_soft:
        return best_temperature(two_columns(logits), part.y, part.weights)
    names = np.array([str(name) for name in model.classes.tolist()])
    is_class = part.y.astype(str)[:, None] == names
    return best_temperature(two_columns(logits), is_class.astype(np.float64), part.weights)
