"""The score of a model on rows held out: a metric of evaluations, or a scorer of scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names

from fastclf.errors import ConfigError, DataError, nearest
from fastclf.linear_model import LinearModel
from fastclf.runs.build import Estimator
from fastclf.runs.evaluation import METRICS, metric
from fastclf.runs.parts import Part
from fastclf.runs.tables import LOWER_IS_BETTER


@dataclass(frozen=True)
class Scoring:
    """What models are compared by.

    Attributes
    ----------
    name : str
        As in the recipe.
    lower_is_better : bool
    scorer : callable, optional
        The scorer of scikit-learn; None for a metric of evaluations.
    """

    name: str
    lower_is_better: bool
    scorer: Callable[..., float] | None = None

    @classmethod
    def named(cls, name: str, task: str, is_soft: bool) -> "Scoring":
        """Return what ``tune.scoring`` names, for a task.

        Raises
        ------
        ConfigError
            If there is no such metric or scorer for it.
        """
        known = METRICS["distribution" if is_soft else task]
        if name == "log_loss" and is_soft:
            return cls("cross_entropy", True)
        if name in known:
            return cls(name, name in LOWER_IS_BETTER)
        if name in get_scorer_names():
            return cls(name, False, get_scorer(name))
        raise ConfigError(
            f'tune.scoring = "{name}": must be a metric, which are {", ".join(known)}, or a scorer '
            f"of scikit-learn{nearest(name, [*known, *get_scorer_names()])}"
        )

    def of(self, estimator: Estimator, X: Any, part: Part) -> float:
        """Return the score of a fitted estimator.

        Parameters
        ----------
        estimator : Estimator
        X : ndarray or CSR matrix
            The prepared features of the rows.
        part : Part
            The rows.

        Raises
        ------
        ConfigError
            If the scorer refuses the rows.
        DataError
            If the metric isn't defined for them.
        """
        if self.scorer is not None:
            y = part.y.argmax(axis=1) if part.is_soft else part.y
            score: float | None
            try:
                score = self.scorer(estimator, X, y)
            except ValueError as problem:
                reason = " ".join(str(problem).split())
                raise ConfigError(f'tune.scoring = "{self.name}": {reason}') from None
        else:
            model: LinearModel = estimator.linear_model()
            logits = model.decision_function(X)
            codes = model.decide(logits)
            predicted = codes if model.task == "multilabel" else model.classes[codes]
            p = model.probabilities(logits)
            score = metric(self.name, part.y, predicted, p, model.classes)
        if score is None or not np.isfinite(score):
            raise DataError(
                f'tune.scoring = "{self.name}": isn\'t defined for the rows held out, which may '
                "lack a class; use fewer folds, a larger holdout or another scoring"
            )
        return float(score)
