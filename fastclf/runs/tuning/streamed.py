"""The fits of a search on a stream, whose rows to score on are taken by a hash of their values."""

from collections.abc import Sequence
from dataclasses import dataclass

from sklearn.base import clone

from fastclf.config import MINIBATCH_RULES, CalibrateTable, Recipe
from fastclf.data.prediction_rows import naming
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.paths import Grid
from fastclf.runs.build import build_estimator
from fastclf.runs.streamed import open_stream
from fastclf.runs.streamed_distillation import fit_streamed_student
from fastclf.runs.tuning.fits import Tell
from fastclf.runs.tuning.scoring import Scoring


@dataclass(frozen=True)
class StreamedFits:
    """The fits of a recipe with each penalty of a grid, on a stream of rows.

    Parameters
    ----------
    recipe : Recipe
        With the values of a trial.
    holdout : float
        The share of the training rows to score on.
    grid : Grid
    scoring : Scoring
    """

    recipe: Recipe
    holdout: float
    grid: Grid
    scoring: Scoring

    n_folds = 1

    def run(self, folds: Sequence[int], tell: Tell) -> None:
        """Fit and score; each exact fit starts from the one with the next smaller C.

        Raises
        ------
        FastclfError
            If the rows can't be fitted or scored.
        """
        split = CalibrateTable(validation_fraction=self.holdout)
        recipe = self.recipe.model_copy(update={"calibrate": split})
        data = open_stream(recipe)
        assert data.held_out is not None  # the table asks for it
        X = data.held_out.X if data.preparation is None else data.preparation.apply(data.held_out.X)
        estimator = build_estimator(recipe, data.labels, data.class_names)
        is_exact = recipe.solver.name not in MINIBATCH_RULES
        with naming(data.stream.path):
            for r, l1_ratio in enumerate(self.grid.l1_ratios.tolist()):
                own = clone(estimator).set_params(l1_ratio=l1_ratio, warm_start=is_exact)
                for c, C in enumerate(self.grid.Cs.tolist()):
                    own.set_params(C=C)
                    fitted = own
                    if recipe.distill is None:
                        own.fit(data.stream)
                    else:
                        assert isinstance(own, LogisticRegression)  # recipes allow no other student
                        fitted = fit_streamed_student(recipe, data, clone(own)).student
                    tell(0, r, c, self.scoring.of(fitted, X, data.held_out))
