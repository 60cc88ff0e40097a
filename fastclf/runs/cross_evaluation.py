"""Cross-validated metrics of a recipe; no model is kept."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table as Grid

from fastclf.config import Recipe
from fastclf.data import Dataset
from fastclf.data.splits import fold_rows
from fastclf.errors import ConfigError
from fastclf.runs.build import build_estimator, resolve_kind
from fastclf.runs.calibration import calibrate
from fastclf.runs.distillation import fit_parts
from fastclf.runs.evaluation import Metrics, evaluate
from fastclf.runs.parts import read_dataset, split_and_prepare


@dataclass(frozen=True)
class CrossEvaluation:
    """The metrics of a recipe on each of some folds.

    Attributes
    ----------
    n_rows : int
        The number of rows in all folds.
    folds : tuple of dict of str to float
        The metrics on the rows that each fold holds out.
    warnings : tuple of str
    """

    n_rows: int
    folds: tuple[Metrics, ...]
    warnings: tuple[str, ...]

    def figures(self) -> dict[str, tuple[float, float]]:
        """Return mean and standard error of each metric that is defined on all folds."""
        names = [name for name in self.folds[0] if all(name in fold for fold in self.folds)]
        scores = {name: np.array([fold[name] for fold in self.folds]) for name in names}
        root = np.sqrt(len(self.folds))
        return {
            name: (float(values.mean()), float(values.std(ddof=1) / root))
            for name, values in scores.items()
        }

    def as_json(self) -> dict[str, Any]:
        """Return the figures as JSON values."""
        return {
            "n_rows": self.n_rows,
            "n_folds": len(self.folds),
            "metrics": {
                name: {
                    "mean": mean,
                    "standard_error": error,
                    "folds": [fold[name] for fold in self.folds],
                }
                for name, (mean, error) in self.figures().items()
            },
            "warnings": list(self.warnings),
        }


def cross_evaluate(
    recipe: Recipe, n_folds: int, tell: Callable[[str], None] = lambda line: None
) -> CrossEvaluation:
    """Fit a recipe to the rows outside each fold, and evaluate it on the rows in the fold.

    The rows are all of the data but those of ``data.test_path``. Preparation, calibration and
    teachers are fitted anew for each fold.

    Parameters
    ----------
    recipe : Recipe
    n_folds : int
    tell : callable
        Is called with a line of text after each fold.

    Raises
    ------
    FastclfError
        If the data or the recipe can't be used, or there are too few rows for so many folds.
    """
    if recipe.data.stream:
        raise ConfigError(
            "--cv needs the rows in memory; set data.stream to false, or use fastclf tune with "
            "tune.holdout"
        )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        data = replace(read_dataset(recipe.data, recipe.distill), test=None)
        recipe = recipe.with_kind(resolve_kind(recipe.model.kind, data))
        splits = fold_rows(
            data,
            folds=n_folds,
            stratify=recipe.data.stratify,
            seed=recipe.seed,
            split_kind=recipe.data.split_kind,
            key="--cv",
        )
        found = []
        for number, (rows, held_out) in enumerate(splits, 1):
            one = replace(data.take(rows), test=data.take(held_out))
            found.append(_metrics(recipe, one))
            tell(f"fold {number} of {n_folds}: {len(rows):,} training rows")
    lines = dict.fromkeys(" ".join(str(one.message).split()) for one in caught)
    n_rows = sum(len(held_out) for _, held_out in splits)
    return CrossEvaluation(n_rows, tuple(found), tuple(lines))


def _metrics(recipe: Recipe, data: Dataset) -> Metrics:
    """Return the metrics of a recipe on the test rows of a data set, which has some."""
    parts = split_and_prepare(data, recipe.data, recipe.seed, recipe.calibrate)
    estimator = build_estimator(recipe, data.labels, data.class_names)
    fitted, _ = fit_parts(recipe, parts, parts.for_fit(), estimator, data)
    model = parts.for_raw_rows(fitted.linear_model())
    if recipe.calibrate is not None:
        assert parts.held_out is not None  # the table asks for it
        model, _ = calibrate(model, recipe.calibrate, parts.held_out)
    return evaluate(model, parts.test).metrics


def print_figures(found: CrossEvaluation, console: Console) -> None:
    """Print mean and standard error of each metric."""
    grid = Grid("metric")
    grid.add_column("mean", justify="right")
    grid.add_column("std. error", justify="right")
    for name, (mean, error) in found.figures().items():
        grid.add_row(name, f"{mean:.4f}", f"{error:.4f}")
    console.print(grid)
    console.print(f"{found.n_rows:,} rows, each held out once, in {len(found.folds)} folds")
