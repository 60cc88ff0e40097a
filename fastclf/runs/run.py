"""One training run, from recipe to run directory."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console

from fastclf.config import Recipe
from fastclf.data import Dataset
from fastclf.errors import ConfigError, RunError
from fastclf.estimators.logistic import LogisticRegression
from fastclf.linear_model import LinearModel
from fastclf.runs.build import build_estimator
from fastclf.runs.calibration import calibrate
from fastclf.runs.directory import FinishedRun, new_run
from fastclf.runs.distillation import beside_teacher, compare, teach
from fastclf.runs.evaluation import Evaluation, evaluate
from fastclf.runs.parts import read_dataset, split_and_prepare
from fastclf.runs.progress import progress_view
from fastclf.runs.reporting import write_report
from fastclf.runs.summary import versions
from fastclf.solvers import Progress, observing
from fastclf.toml import to_toml

KINDS = {"binary": "logistic", "multiclass": "softmax", "multilabel": "multilabel"}


@dataclass(frozen=True, eq=False)
class RunResult:
    """A complete run: where it is, the model, what ``summary.json`` says, and what it is worth."""

    path: Path
    model: LinearModel
    summary: dict[str, Any]
    evaluations: dict[str, Evaluation]


def train(recipe: Recipe, out: Path, console: Console | None = None) -> RunResult:
    """Train the model of a recipe and keep everything in the directory ``out``.

    Parameters
    ----------
    recipe : Recipe
        What to train, on what.
    out : Path
        The run directory; it must not exist yet, or be empty.
    console : rich.console.Console, optional
        Where progress is shown; by default nowhere.

    Raises
    ------
    FastclfError
        If the directory, the data or the recipe can't be used.
    """
    with new_run(out) as directory, _recorded_warnings() as caught:
        dataset = read_dataset(recipe.data, recipe.distill)
        recipe = recipe.with_kind(resolve_kind(recipe.model.kind, dataset))
        directory.write_config(to_toml(recipe))
        parts = split_and_prepare(dataset, recipe.data, recipe.seed, recipe.calibrate)
        estimator = build_estimator(recipe, dataset.labels, dataset.class_names)
        X, y = parts.prepared(parts.train.X), parts.train.y

        def observe(progress: Progress) -> None:
            directory.write_metrics(asdict(progress))
            show(progress)

        with progress_view(console) as show, observing(observe):
            start = perf_counter()
            teaching = None
            if recipe.distill is None:
                fitted = estimator.fit(X, y, parts.train.weights)
            else:
                assert isinstance(estimator, LogisticRegression)  # a recipe distils no other
                teaching = teach(recipe, parts, X, estimator, dataset.labels, dataset.class_names)
                fitted = teaching.student
            fit_seconds = perf_counter() - start

        model = parts.for_raw_rows(fitted.linear_model())
        plain_model, calibration = model, None
        if recipe.calibrate is not None:
            assert parts.held_out is not None  # it was split off
            model, calibration = calibrate(model, recipe.calibrate, parts.held_out)
        model.save(directory.model_path)
        rows = {"train": parts.train, "test": parts.test}
        found = {name: evaluate(model, part) for name, part in rows.items() if len(part)}
        if teaching is not None and teaching.told is not None:
            found["test"] = beside_teacher(found["test"], model, parts.test, teaching.told)
            directory.write_answers(teaching.told)
        directory.write_evaluation({name: judged.as_json() for name, judged in found.items()})
        metrics = {name: judged.metrics for name, judged in found.items()}
        if calibration is not None and len(parts.test):
            metrics["uncalibrated"] = evaluate(plain_model, parts.test).metrics
        if teaching is not None and teaching.told is not None:
            plain = parts.for_raw_rows(estimator.fit(X, y, parts.train.weights).linear_model())
            metrics |= compare(teaching, metrics["test"], plain, parts.test)
        summary = {
            "name": recipe.name,
            "task": dataset.task,
            "kind": recipe.model.kind,
            "solver": recipe.solver.name,
            "seed": recipe.seed,
            "n_train": len(parts.train),
            "n_test": len(parts.test),
            "n_features": X.shape[1],
            "classes": dataset.class_names,
            "fit_seconds": fit_seconds,
            "n_iter": int(fitted.n_iter_[0]),
            "status": str(fitted.history_["status"]),
            "metrics": metrics,
            "warnings": _lines(caught),
            "data_sha256": dataset.fingerprint(),
            "versions": versions(),
        }
        if calibration is not None:
            summary["calibration"] = calibration
        try:
            write_report(FinishedRun(out, recipe, summary, model))
        except RunError as problem:  # a report can be written again, a long fit can't
            summary["warnings"].append(f"there is no report: {problem}")
        directory.write_summary(summary)
    return RunResult(out, model, summary, found)


def resolve_kind(wanted: str, dataset: Dataset) -> str:
    """Return the kind of model that fits the data, which is the one wanted or an error."""
    kind = KINDS[dataset.task]
    if wanted not in {"auto", kind}:
        labels = "several labels" if dataset.task == "multilabel" else "one label"
        raise ConfigError(
            f'model.kind = "{wanted}": {dataset.name} has {labels} a row and '
            f'{len(dataset.class_names)} classes in all; set model.kind to "{kind}"'
        )
    return kind


@contextmanager
def _recorded_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Give the list of the warnings of the block that are meant for users."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        for category in (UserWarning, RuntimeWarning, FutureWarning):
            warnings.simplefilter("always", category)
        yield caught


def _lines(caught: list[warnings.WarningMessage]) -> list[str]:
    """Return each warning once, on one line."""
    return list(dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught))
