"""What a recipe would do: everything but the training."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse
from rich.console import Console
from rich.markup import escape
from rich.table import Table as Grid

from fastclf.config import MinibatchSolver, Recipe
from fastclf.data import Dataset
from fastclf.data.columns import many_dates
from fastclf.data.facts import column_facts, constant_columns
from fastclf.errors import ConfigError
from fastclf.plan import MEASURED, Shape, engines
from fastclf.preprocessing import Encoder
from fastclf.runs.build import build_estimator, build_solver, build_teachers, resolve_kind
from fastclf.runs.distillation import answers, check_labels
from fastclf.runs.doubts import doubts_of
from fastclf.runs.parts import Parts, read_dataset, split_and_prepare
from fastclf.solvers import plan_of
from fastclf.table import Categories, Lists, Numbers, Table, listed, shortened
from fastclf.threads import resolve_n_threads

EXACT_PASSES = 20  # over X, that an exact fit takes more or less
EPOCH_PASSES = 2  # that an epoch takes as long as
NANOSECONDS = (0.5, 0.1)  # that a pass takes for a value of X, and for each of its products


@dataclass(frozen=True)
class Preview:
    """What a run would do.

    Attributes
    ----------
    name, task, kind : str
        Of the recipe, of the data and of the model.
    n_rows, n_train, n_test : int
        All rows, those to train on and those to test on.
    n_columns, n_features : int
        As they were read, and after they are encoded.
    storage : str
        "dense" or "sparse", and the dtype.
    text : str or None
        What is between values of text, and the decimal mark, if not commas and a point.
    classes : dict of str to list
        The rows of each class or label to train on and to test on; of distributions their weight.
    missing : dict of str to int
        Missing values of the columns that have such.
    left_out : dict of str to int
        Why rows are left out, and how many.
    solver : str
        The one of the recipe, or what "auto" means here.
    plan : str
        What it does with the problem, in words.
    megabytes : float
        That the data take, more or less.
    seconds : float
        That the fit takes, more or less, with its kernels compiled.
    warnings : tuple of str
        What looks wrong.
    """

    name: str
    task: str
    kind: str
    n_rows: int
    n_train: int
    n_test: int
    n_columns: int
    n_features: int
    storage: str
    text: str | None
    classes: dict[str, list[float]]
    missing: dict[str, int]
    left_out: dict[str, int]
    solver: str
    plan: str
    megabytes: float
    seconds: float
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return all of it as one table."""
        return asdict(self)


def check_recipe(recipe: Recipe) -> Preview:
    """Do all that a run does before it trains, and tell what it would train.

    Raises
    ------
    FastclfError
        If the data or the recipe can't be used.
    """
    if recipe.data.stream:
        raise ConfigError(
            "data.stream: check reads all rows into memory, and these don't fit; check the recipe "
            "with data.stream = false and a small part of them as data.path"
        )
    dataset = read_dataset(recipe.data, recipe.distill)
    recipe = recipe.with_kind(resolve_kind(recipe.model.kind, dataset))
    parts = split_and_prepare(dataset, recipe.data, recipe.seed, recipe.calibrate)
    build_estimator(recipe, dataset.labels, dataset.class_names)
    if recipe.distill is not None:
        check_labels(parts)
    if recipe.distill is not None and recipe.distill.teacher is not None:
        build_teachers(recipe)
    elif recipe.distill is not None:
        answers(recipe.distill, parts, dataset.labels, dataset.class_names)
    X = parts.for_fit()
    K = len(dataset.class_names)
    values = X.nnz if scipy.sparse.issparse(X) else X.size
    n_outputs = K if dataset.task == "multiclass" else 1
    shape = Shape(
        n_rows=X.shape[0],
        n_features=X.shape[1],
        n_problems=K if dataset.task == "multilabel" else 1,
        n_outputs=n_outputs,
        entries=values,
        dtype=X.dtype,
        is_sparse=scipy.sparse.issparse(X),
        has_narrow_pass=recipe.distill is None,
        is_plain_sigmoid=n_outputs == 1 and recipe.distill is None,
        has_l1=bool(recipe.model.l1_ratio),
    )
    solver, span = build_solver(recipe), 0
    if solver is None and engines.takes_row_span(shape, MEASURED):
        span = shape.n_rows
        shape = shape._replace(n_features=span, entries=span * span)
    plan = plan_of(solver, shape)
    passes: float = EXACT_PASSES
    if isinstance(recipe.solver, MinibatchSolver):
        passes = recipe.solver.epochs * EPOCH_PASSES
    per_value = NANOSECONDS[0] + NANOSECONDS[1] * shape.n_problems * shape.n_outputs
    return Preview(
        name=recipe.name,
        task=dataset.task,
        kind=recipe.model.kind,
        n_rows=parts.n_rows,
        n_train=len(parts.train),
        n_test=len(parts.test),
        n_columns=dataset.features.shape[1],
        n_features=X.shape[1],
        storage=f"{'sparse' if shape.is_sparse else 'dense'} {X.dtype}",
        text=str(dataset.layout) if dataset.layout and dataset.layout.unusual() else None,
        classes=_classes(dataset, parts),
        missing=_missing(dataset),
        left_out=dataset.all_left_out,
        solver=plan.solver,
        plan=plan.sentence(span),
        megabytes=_bytes(dataset.features) / 1e6 + 2 * _bytes(X) / 1e6,
        seconds=passes * values * per_value * 1e-9 / resolve_n_threads(None),
        warnings=tuple(_warnings(recipe, dataset, X, parts)),
    )


def print_preview(plan: Preview, console: Console, verbose: bool = False) -> None:
    """Print what a run would do; all classes and columns with missing values if ``verbose``."""
    most = None if verbose else 10
    took = f"about {plan.seconds:.1g} s" if plan.seconds > 0.5 else "less than a second"
    classes = [
        f"{shortened(name)} {rows[0]:.0f}+{rows[1]:.0f}" for name, rows in plan.classes.items()
    ]
    missing = [f"{name} {count:,}" for name, count in plan.missing.items()]
    others = plan.n_rows - plan.n_train - plan.n_test
    held_out = f"{others:,} to calibrate on, " if others else ""
    rows = {
        "model": f"{plan.kind} ({plan.task})",
        "rows": f"{plan.n_train:,} to train on, {held_out}{plan.n_test:,} to test on",
        "columns": f"{plan.n_columns:,}",
        "missing": _first(missing, most) or "no values",
        "features": f"{plan.n_features:,}, {plan.storage}",
        "classes": _first(classes, most),
        "solver": plan.plan,
        "memory": f"about {plan.megabytes:.2g} MB",
        "time": f"{took}; the first fit compiles for some seconds more",
    }
    if plan.left_out:
        texts = [f"{n:,} row{'s' * (n > 1)} {why}" for why, n in plan.left_out.items()]
        rows = {"model": rows.pop("model"), "left out": "; ".join(texts), **rows}
    grid = Grid.grid(padding=(0, 2))
    if plan.text is not None:
        rows["text"] = plan.text
    for key, text in rows.items():
        grid.add_row(key, escape(text))
    console.print(grid)


def _first(items: list[str], most: int | None) -> str:
    more = 0 if most is None else len(items) - most
    return ", ".join(items[:most]) + (f" and {more:,} more" if more > 0 else "")


def _classes(dataset: Dataset, parts: Parts) -> dict[str, list[float]]:
    """Return the rows, or the weight, of each class in the training and the test part."""
    if dataset.y.ndim == 2:
        sums = [np.nansum(part.y, axis=0, dtype=np.float64) for part in (parts.train, parts.test)]
        pairs = np.stack(sums, axis=1).round(3)
        return dict(zip(dataset.class_names, pairs.tolist(), strict=True))
    labels = np.unique(dataset.y)
    counts = [
        np.bincount(np.searchsorted(labels, part.y), minlength=len(labels))
        for part in (parts.train, parts.test)
    ]
    return {
        str(label): [int(train), int(test)]
        for label, train, test in zip(labels.tolist(), *counts, strict=True)
    }


def _missing(dataset: Dataset) -> dict[str, int]:
    if not isinstance(dataset.features, Table):
        return {}
    counts = {name: int(c.missing.sum()) for name, c in dataset.features.columns.items()}
    return {name: count for name, count in counts.items() if count}


def _bytes(features: Any) -> int:
    if isinstance(features, Table):
        return sum(_of_column(column) for column in features.columns.values())
    if scipy.sparse.issparse(features):
        return features.data.nbytes + features.indices.nbytes + features.indptr.nbytes
    return features.nbytes


def _of_column(column: Numbers | Categories | Lists) -> int:
    return column.values.nbytes if isinstance(column, Numbers) else column.codes.nbytes


def _warnings(recipe: Recipe, dataset: Dataset, X: Any, parts: Parts) -> Iterator[str]:
    if isinstance(parts.preparation, Encoder):
        yield from many_dates(parts.preparation)
    yield from doubts_of(dataset, recipe.data.categorical)
    if isinstance(dataset.features, Table):
        facts = column_facts(dataset.features)
        constant = [column.name for column in facts if column.is_constant]
    else:
        constant = [dataset.feature_names[column] for column in constant_columns(X)]
    if constant:
        yield f"{listed(constant)}: the same value in every row, which tells nothing"
    if dataset.y.ndim == 1:
        labels, counts = np.unique(parts.train.y, return_counts=True)
        for label in map(str, labels[counts < 2].tolist()):
            yield (
                f"{shortened(label)}: a class with one row to train on; leave it out with "
                "data.classes"
            )
    else:
        for name, total in zip(dataset.class_names, np.nansum(parts.train.y, axis=0), strict=True):
            if total == 0:
                yield f"{name}: a label without a row to train on, so nothing can be learned of it"
