"""The ``[calibrate]`` step of a run: temperature and thresholds, fitted on held-out rows."""

import warnings
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from fastclf.config import CalibrateTable
from fastclf.config.calibrate import KEYS_OF_THRESHOLD
from fastclf.estimators.labels import Scores, best_threshold, best_thresholds, f1_scores
from fastclf.estimators.teachers import two_columns
from fastclf.estimators.temperature import best_temperature, labels_temperature, or_one
from fastclf.linear_model import LinearModel
from fastclf.runs.evaluation import evaluate, logits_of
from fastclf.runs.parts import Part

FIGURES = ("log_loss", "cross_entropy", "brier", "ece", "micro_f1", "macro_f1")
"""Metrics that a temperature or thresholds can change."""

_DECISIONS = ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "cost")
"""Metrics that a threshold of two classes can change besides."""


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
        "after" calibration on these rows. With a threshold of two classes also "threshold": its
        "value", the "class" that is predicted above it, what it was "tuned_for" (None for a given
        number), and the keys of the table for that. The metrics then have "precision", "recall"
        and "f1" of that class, and with costs the mean "cost" of a row.

    Warns
    -----
    UserWarning
        If there is no threshold as the table asks for.
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
    after: dict[str, Any] = {}
    if table.threshold is not None:
        p = model.probabilities(logits_of(model, part.X))[:, 1].astype(np.float64)
        on = _is_positive(model, part)
        name = str(model.classes[1])
        chosen = _threshold(table, p, on, part.weights, name)
        model = replace(model, threshold=np.array([chosen]))
        facts["threshold"] = {
            "value": chosen,
            "class": name,
            "tuned_for": table.threshold if isinstance(table.threshold, str) else None,
            **table.model_dump(include={*KEYS_OF_THRESHOLD}, exclude_none=True),
        }
        before = before | _decisions(table, p > 0.5, on)
        after = _decisions(table, p > chosen, on)
    after = evaluate(model, part).metrics | after
    for name, metrics in (("before", before), ("after", after)):
        shown = FIGURES if table.threshold is None else (*FIGURES, *_DECISIONS)
        facts[name] = {key: metrics[key] for key in shown if key in metrics}
    return model, facts


def _is_positive(model: LinearModel, part: Part) -> np.ndarray:
    """Return which rows belong to the second of two classes, by their most probable one if soft."""
    if part.is_soft:
        return part.y.argmax(axis=1) == 1
    return part.y.astype(str) == str(model.classes[1])


def _threshold(
    table: CalibrateTable, p: np.ndarray, on: np.ndarray, weights: np.ndarray | None, name: str
) -> float:
    """Return the given threshold, or that which the table's rule chooses by the rows."""
    if isinstance(table.threshold, float):
        return table.threshold
    weights = np.ones(len(p)) if weights is None else weights
    if not (weights * on).any():
        warnings.warn(
            f'calibrate.threshold: no calibration row is of the class "{name}", so its threshold '
            "stays 0.5; use more rows or a larger calibrate.validation_fraction",
            stacklevel=3,
        )
        return 0.5
    scores: Scores = f1_scores
    default, least = 0.5, 0.0
    if table.false_positive_cost is not None and table.false_negative_cost is not None:
        costs = table.false_positive_cost, table.false_negative_cost
        default = costs[0] / sum(costs)  # the best one if probabilities match frequencies
        scores = partial(_savings, costs)
    elif table.min_precision is not None:
        least = table.min_precision * (1 - 1e-12)  # sums of weights are rounded
        scores = partial(_recall_of_precise, least)
    found = best_threshold(p, on, weights, default, scores)
    reached = (weights * on)[p > found].sum() / max(weights[p > found].sum(), 1e-300)
    if reached < least:
        warnings.warn(
            f'calibrate.min_precision = {table.min_precision}: no threshold of "{name}" reaches it '
            f"on the {len(p)} calibration rows; the one with the highest precision, "
            f"{reached:.4f}, is used",
            stacklevel=3,
        )
    return found


def _savings(
    costs: tuple[float, float], right: np.ndarray, chosen: np.ndarray, true: float
) -> np.ndarray:
    return -(costs[0] * (chosen - right) + costs[1] * (true - right))


def _recall_of_precise(
    least: float, right: np.ndarray, chosen: np.ndarray, true: float
) -> np.ndarray:
    precision = np.divide(right, chosen, out=np.full(len(chosen), -1.0), where=chosen > 0)
    # Recall is never negative, so thresholds without the least precision come after all others.
    return np.where(precision >= least, right / true, precision - 1)


def _decisions(table: CalibrateTable, chosen: np.ndarray, on: np.ndarray) -> dict[str, Any]:
    """Return metrics of the rows that are predicted to be of the second class."""
    right, false, missed = (int(rows.sum()) for rows in (chosen & on, chosen & ~on, ~chosen & on))
    found = {
        "precision": right / (right + false) if right + false else None,
        "recall": right / (right + missed) if right + missed else None,
        "f1": 2 * right / (2 * right + false + missed) if right + false + missed else None,
    }
    if table.false_positive_cost is not None and table.false_negative_cost is not None:
        cost = table.false_positive_cost * false + table.false_negative_cost * missed
        found["cost"] = cost / len(on)
    return found


def _temperature(model: LinearModel, logits: np.ndarray, part: Part) -> float | None:
    if model.task == "multilabel":
        return labels_temperature(logits, part.y, part.weights)
    if part.is_soft:
        return best_temperature(two_columns(logits), part.y, part.weights)
    names = np.array([str(name) for name in model.classes.tolist()])
    is_class = part.y.astype(str)[:, None] == names
    return best_temperature(two_columns(logits), is_class.astype(np.float64), part.weights)
