"""``fastclf check``: everything that a run does before training, and estimates of its cost."""

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
from fastclf.data.columns import encoder_warnings
from fastclf.data.facts import constant_columns
from fastclf.plan import MEASURED, Shape, engines
from fastclf.preprocessing import Encoder
from fastclf.runs.baseline import baseline_metrics, class_frequencies, predicted_by_baseline
from fastclf.runs.build import build_estimator, build_solver, build_teachers, resolve_kind
from fastclf.runs.counts import joined_features
from fastclf.runs.data_warnings import constant_warning, data_warnings
from fastclf.runs.decided import Sizes, decided
from fastclf.runs.distillation import check_labels, recorded_teachers
from fastclf.runs.evaluation import Metrics
from fastclf.runs.parts import Parts, read_dataset, split_and_prepare
from fastclf.runs.streamed import open_stream
from fastclf.runs.tables import baseline_line, memory_text
from fastclf.solvers import plan_of
from fastclf.table import Categories, Lists, Numbers, Table, shortened
from fastclf.threads import resolve_n_threads

FIRST_ROWS = 20_000  # rows of a stream that are read to train on
EXACT_PASSES = 20  # typical number of passes over X of an exact fit
EPOCH_PASSES = 2  # time of a minibatch epoch, in passes
NANOSECONDS = (0.5, 0.1)  # time of a pass per value of X, and per value of X and output


@dataclass(frozen=True)
class Preview:
    """What a run would do.

    Attributes
    ----------
    name, task, kind : str
        The name of the recipe, the task of the data and the kind of model.
    n_rows, n_train, n_test : int
        The number of all rows, of training rows and of test rows.
    n_columns, n_features : int
        The number of raw columns, and of features after encoding.
    storage : str
        "dense" or "sparse", and the dtype.
    text : str or None
        The delimiter and the decimal mark of a text file; None for commas and points.
    classes : dict of str to list
        The number of training rows and of test rows of each class or label; for distributions
        their total weight.
    missing : dict of str to int
        The number of missing values of each column that has any.
    left_out : dict of str to int
        The number of rows left out, by reason.
    decided : dict of str to str
        The split, the scaling and the solver, see `fastclf.runs.decided.decided`.
    baseline : dict of str to float
        The metrics of the baseline on the test rows, see `fastclf.runs.baseline`.
    baseline_predicts : str or list of str
        The class or the labels that the baseline predicts.
    solver : str
        The solver of the recipe, or the one that "auto" stands for here.
    plan : str
        A sentence about how the solver does the fit.
    megabytes : float
        Estimate of the memory that the data take.
    seconds : float
        Estimate of the time of the fit, without compilation.
    first_rows : bool
        Whether all this is of the first rows of a stream that may have more.
    warnings : tuple of str
        What looks like a mistake in the data.
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
    decided: dict[str, str]
    baseline: Metrics
    baseline_predicts: str | list[str]
    solver: str
    plan: str
    megabytes: float
    seconds: float
    first_rows: bool
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return all attributes as a dict."""
        return asdict(self)


def check_recipe(recipe: Recipe) -> Preview:
    """Do everything that a run does before training, and describe the training.

    Raises
    ------
    FastclfError
        If the data or the recipe can't be used.
    """
    only_first = False
    if recipe.data.stream:
        dataset, parts, only_first = _first_rows(recipe)
        recipe = recipe.with_kind(resolve_kind(recipe.model.kind, dataset))
    else:
        dataset = read_dataset(recipe.data, recipe.distill)
        recipe = recipe.with_kind(resolve_kind(recipe.model.kind, dataset))
        parts = split_and_prepare(dataset, recipe.data, recipe.seed, recipe.calibrate)
    build_estimator(recipe, dataset.labels, dataset.class_names)
    if recipe.distill is not None:
        check_labels(parts.train)
    if recipe.distill is not None and recipe.distill.teacher is not None:
        build_teachers(recipe)
    elif recipe.distill is not None and not recipe.data.stream:
        recorded_teachers(recipe.distill, parts, dataset.labels, dataset.class_names)
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
    sizes = Sizes(
        len(parts.train), parts.n_rows - len(parts.train) - len(parts.test), len(parts.test)
    )
    frequencies = class_frequencies(parts.train.y, dataset.class_names)
    several = dataset.task == "multilabel"
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
        decided=decided(recipe, dataset, sizes, parts.preparation, plan.solver),
        baseline=baseline_metrics(
            parts.test.y, frequencies, dataset.class_names, several_labels=several
        ),
        baseline_predicts=predicted_by_baseline(dataset.class_names, frequencies, several),
        solver=plan.solver,
        plan=plan.sentence(span),
        megabytes=_bytes(dataset.features) / 1e6 + 2 * _bytes(X) / 1e6,
        seconds=passes * values * per_value * 1e-9 / resolve_n_threads(None),
        first_rows=only_first,
        warnings=tuple(_warnings(recipe, dataset, X, parts)),
    )


def _first_rows(recipe: Recipe) -> tuple[Dataset, Parts, bool]:
    """Return the first rows of a stream, as if they were all, and whether there may be more."""
    if recipe.data.impute == "median":  # other passes would read all rows
        table = recipe.data.model_copy(update={"impute": "mean"})
        recipe = recipe.model_copy(update={"data": table})
    data = open_stream(recipe, most_rows=FIRST_ROWS)
    held = [] if data.held_out is None else [data.held_out]
    own = [data.train, *held, *([data.test] if recipe.data.test_path is None else [])]
    own = [part for part in own if len(part)]
    names = data.class_names if data.task == "multilabel" or data.is_soft else None
    parts = Parts(
        str(data.stream.path),
        data.train,
        data.test,
        data.preparation,
        data.feature_names,
        names,
        data.held_out,
    )
    dataset = Dataset(
        data.name,
        joined_features([part.X for part in own]),
        np.concatenate([part.y for part in own]),
        data.preparation.column_names
        if isinstance(data.preparation, Encoder)
        else data.feature_names,
        data.class_names,
        is_soft=data.is_soft,
        layout=data.layout,
        left_out=data.all_left_out,
    )
    return dataset, parts, data.n_rows >= FIRST_ROWS


def print_preview(plan: Preview, console: Console, verbose: bool = False) -> None:
    """Print what a run would do; ten classes and columns at most unless ``verbose``."""
    limit = None if verbose else 10
    took = f"about {plan.seconds:.1g} s" if plan.seconds > 0.5 else "less than a second"
    names = "labels" if plan.task == "multilabel" else "classes"
    classes = [
        f"{shortened(name)} {rows[0]:,.0f} + {rows[1]:,.0f}" for name, rows in plan.classes.items()
    ]
    missing = [f"{name} {count:,}" for name, count in plan.missing.items()]
    of_first = "; only these first rows were read" if plan.first_rows else ""
    rows = {
        "model": f"{plan.kind} ({plan.task})",
        "rows": f"{plan.decided['rows']}{of_first}",
        "columns": f"{plan.n_columns:,}",
        "missing": _listed_up_to(limit, missing) or "no values",
        "features": f"{plan.n_features:,}, {plan.decided['scaling']}, {plan.storage}",
        names: f"{_listed_up_to(limit, classes)} (training + test rows)",
        "solver": plan.decided["solver"],
        "memory": f"about {memory_text(plan.megabytes * 1e6)}",
        "time": f"{took}, and some seconds to compile kernels that aren't cached yet",
    }
    if plan.left_out:
        texts = [f"{n:,} row{'s' * (n > 1)} {why}" for why, n in plan.left_out.items()]
        rows = {"model": rows.pop("model"), "left out": "; ".join(texts), **rows}
    if plan.baseline:
        line = baseline_line(plan.baseline_predicts).removeprefix("baseline: ")
        figures = ", ".join(f"{name} {value:.4f}" for name, value in plan.baseline.items())
        rows["baseline"] = f"{line}; on the test rows {figures}"
    grid = Grid.grid(padding=(0, 2))
    if plan.text is not None:
        rows["format"] = plan.text
    if verbose:
        rows["computation"] = plan.plan
    for key, text in rows.items():
        grid.add_row(key, escape(text))
    console.print(grid)


def _listed_up_to(limit: int | None, items: list[str]) -> str:
    more = 0 if limit is None else len(items) - limit
    return ", ".join(items[:limit]) + (f" and {more:,} more" if more > 0 else "")


def _classes(dataset: Dataset, parts: Parts) -> dict[str, list[float]]:
    """Return the number of rows, or the weight, of each class in the training and test rows."""
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
        return sum(_column_bytes(column) for column in features.columns.values())
    if scipy.sparse.issparse(features):
        return features.data.nbytes + features.indices.nbytes + features.indptr.nbytes
    return features.nbytes


def _column_bytes(column: Numbers | Categories | Lists) -> int:
    return column.values.nbytes if isinstance(column, Numbers) else column.codes.nbytes


def _warnings(recipe: Recipe, dataset: Dataset, X: Any, parts: Parts) -> Iterator[str]:
    if isinstance(parts.preparation, Encoder):
        yield from encoder_warnings(parts.preparation)
    yield from data_warnings(dataset, recipe.data.categorical)
    if not isinstance(dataset.features, Table):
        constant = [dataset.feature_names[column] for column in constant_columns(X)]
        if constant:
            yield constant_warning(constant)
    if dataset.y.ndim == 1:
        labels, counts = np.unique(parts.train.y, return_counts=True)
        for label in map(str, labels[counts < 2].tolist()):
            name = shortened(label)
            yield f"{name}: the class has only one training row; leave it out with data.classes"
    else:
        for name, total in zip(dataset.class_names, np.nansum(parts.train.y, axis=0), strict=True):
            if total == 0:
                yield f"{name}: no training row has this label, so it can't be learned"
