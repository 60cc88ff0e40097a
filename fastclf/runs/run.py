"""One training run, from recipe to run directory."""

import warnings
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from fastclf.config import Recipe, load_recipe
from fastclf.data import Dataset
from fastclf.data.columns import warn_of_dates
from fastclf.data.prediction_rows import naming
from fastclf.errors import ConfigError, RunError
from fastclf.estimators.logistic import LogisticRegression
from fastclf.linear_model import LinearModel
from fastclf.runs.build import Estimator, build_estimator, resolve_kind
from fastclf.runs.calibration import calibrate
from fastclf.runs.directory import (
    CHECKPOINT,
    CONFIG,
    ORIGIN,
    FinishedRun,
    RunDirectory,
    check_is_run,
    default_path,
    is_complete,
    new_run,
    old_run,
    open_run,
)
from fastclf.runs.distillation import beside_teacher, compare, teach
from fastclf.runs.doubts import doubts_of
from fastclf.runs.evaluation import Evaluation, evaluate
from fastclf.runs.inputs import Files
from fastclf.runs.origin import Origin
from fastclf.runs.parts import left_out_lines, read_dataset, split_and_prepare
from fastclf.runs.reporting import write_report
from fastclf.runs.streamed import StreamedData, open_stream
from fastclf.runs.summary import REPORTED
from fastclf.runs.watching import Watch, watching
from fastclf.toml import to_toml


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
    with new_run(out) as directory:
        return _run(recipe, directory, console)


def resume(recipe: Recipe, path: Path, console: Console | None = None) -> RunResult:
    """Go on with a run that was stopped, from its last checkpoint.

    It ends with the same bits as if it had never been stopped. One that is complete is left as it
    is.

    Parameters
    ----------
    recipe : Recipe
        Must be that of the run, except for ``[checkpoint]``.
    path : Path
        The run directory.
    console : rich.console.Console, optional
        Where progress is shown; by default nowhere.

    Raises
    ------
    FastclfError
        If the directory isn't that of a run that can be gone on with, or the recipe or the data
        have changed since it began.
    """
    if is_complete(path):
        begun = _known_origin(path)
        if begun is not None:
            begun.check_recipe(path, begun.completed(recipe))
        run = open_run(path)
        for key in REPORTED:
            run.fact(key)
        return RunResult(path, run.model, run.summary, {})
    with old_run(path) as directory:
        begun = Origin.read(directory.origin_path)
        if begun is not None:
            recipe = begun.completed(recipe)
            begun.check_recipe(path, recipe)
        return _run(recipe, directory, console, begun)


def _known_origin(path: Path) -> Origin | None:
    with suppress(RunError):  # a complete run doesn't need it
        return Origin.read(path / CHECKPOINT / ORIGIN)
    return None


def choose(
    config: Path | None, assignments: Iterable[str], out: Path | None, stopped: Path | None
) -> tuple[Recipe, Path]:
    """Return the recipe and the directory of a run, a new one or one that was stopped.

    Parameters
    ----------
    config : Path, optional
        A recipe; a run that was stopped has one.
    assignments : iterable of str
        Overrides such as ``"model.C=0.5"``.
    out : Path, optional
        The directory of a new run; by default one in ``runs``.
    stopped : Path, optional
        The directory of a run that was stopped.

    Raises
    ------
    ConfigError
        If these don't go together, or the recipe can't be read.
    RunError
        If ``stopped`` isn't the directory of a run.
    """
    if stopped is not None:
        if out is not None:
            raise ConfigError("--resume goes on inside the directory of its run; leave out --out")
        check_is_run(stopped)
        return load_recipe(config or stopped / CONFIG, assignments), stopped
    if config is None:
        raise ConfigError("name a recipe with --config, or a run that was stopped with --resume")
    recipe = load_recipe(config, assignments)
    return recipe, out or default_path(recipe.name)


@dataclass(frozen=True, eq=False)
class _Outcome:
    """What a fit has led to.

    Attributes
    ----------
    fitted : estimator
    model : LinearModel
        Of raw rows, calibrated where the recipe says so.
    n_train, n_test, n_features : int
    evaluations : dict of str to Evaluation
        What the model is worth on each part of the rows.
    metrics : dict
        Those of the evaluations and of the models beside it.
    calibration : dict, optional
        What rows that were held out decided.
    """

    fitted: Estimator
    model: LinearModel
    n_train: int
    n_test: int
    n_features: int
    evaluations: dict[str, Evaluation]
    metrics: dict[str, Any]
    calibration: dict[str, Any] | None = None


def _run(
    recipe: Recipe,
    directory: RunDirectory,
    console: Console | None,
    begun: Origin | None = None,
) -> RunResult:
    """Do a run in its directory, or the rest of one that began with ``begun``."""
    with watching(directory, recipe.checkpoint, console) as watch:
        if begun is None:
            directory.write_config(to_toml(recipe))
        files = Files.of(recipe.data, recipe.distill)
        data: Dataset | StreamedData
        if recipe.data.stream:
            data = open_stream(recipe.data)
        else:
            data = read_dataset(recipe.data, recipe.distill)
            watch.tell(left_out_lines(data.all_left_out))
        layout = data.layout.unusual() if data.layout is not None else None
        recipe = recipe.with_kind(resolve_kind(recipe.model.kind, data), layout)
        for line in doubts_of(data, recipe.data.categorical):
            warnings.warn(line, stacklevel=1)
        origin = _begin(recipe, data, directory, begun)
        if isinstance(data, StreamedData):
            outcome = _fit_stream(recipe, data, directory, files, watch)
        else:
            outcome = _fit_in_memory(recipe, data, directory, files, watch)
        summary = {
            "name": recipe.name,
            "task": data.task,
            "kind": recipe.model.kind,
            "solver": recipe.solver.name,
            "plan": str(outcome.fitted.history_["path"]),
            "seed": recipe.seed,
            "n_train": outcome.n_train,
            "n_test": outcome.n_test,
            "n_features": outcome.n_features,
            "classes": data.class_names,
            "fit_seconds": watch.fit_seconds,
            "n_iter": int(outcome.fitted.n_iter_[0]),
            "status": str(outcome.fitted.history_["status"]),
            "metrics": outcome.metrics,
            "warnings": watch.warnings(),
            "data_sha256": origin.data["sha256"],
            "versions": origin.versions,
        }
        if outcome.calibration is not None:
            summary["calibration"] = outcome.calibration
        if isinstance(data, Dataset) and data.all_left_out:
            summary["left_out"] = data.all_left_out
        _end(recipe, directory, summary, outcome.model)
    return RunResult(directory.path, outcome.model, summary, outcome.evaluations)


def _fit_in_memory(
    recipe: Recipe, dataset: Dataset, directory: RunDirectory, files: Files, watch: Watch
) -> _Outcome:
    """Fit to rows in memory; keep the model and what it is worth in the directory of the run."""
    parts = split_and_prepare(dataset, recipe.data, recipe.seed, recipe.calibrate)
    warn_of_dates(parts.preparation)
    estimator = build_estimator(recipe, dataset.labels, dataset.class_names)
    X, y = parts.for_fit(), parts.train.y
    files.check()
    with watch.fit(len(y)):
        teaching = None
        if recipe.distill is None:
            fitted = estimator.fit(X, y, parts.train.weights)
        else:
            assert isinstance(estimator, LogisticRegression)  # a recipe distils no other
            teaching = teach(recipe, parts, X, estimator, dataset.labels, dataset.class_names)
            fitted = teaching.student
    model = parts.for_raw_rows(fitted.linear_model())
    plain_model, calibration = model, None
    if recipe.calibrate is not None:
        assert parts.held_out is not None  # it was split off
        model, calibration = calibrate(model, recipe.calibrate, parts.held_out)
    directory.write_model(model)
    rows = {"train": parts.train, "test": parts.test}
    found = {name: evaluate(model, part) for name, part in rows.items() if len(part)}
    if teaching is not None and teaching.told is not None:
        found["test"] = beside_teacher(found["test"], model, parts.test, teaching.told)
        directory.write_answers(teaching.told)
    metrics = _keep(found, directory)
    if calibration is not None and len(parts.test):
        metrics["uncalibrated"] = evaluate(plain_model, parts.test).metrics
    if teaching is not None and teaching.told is not None:
        plain = parts.for_raw_rows(estimator.fit(X, y, parts.train.weights).linear_model())
        metrics |= compare(teaching, metrics["test"], plain, parts.test)
    sizes = len(parts.train), len(parts.test), X.shape[1]
    return _Outcome(fitted, model, *sizes, found, metrics, calibration)


def _fit_stream(
    recipe: Recipe, data: StreamedData, directory: RunDirectory, files: Files, watch: Watch
) -> _Outcome:
    """Fit to rows that don't fit into memory; keep the model and what it is worth."""
    estimator = build_estimator(recipe, data.labels, data.class_names)
    with watch.fit(data.n_rows), naming(data.stream.path):
        fitted = estimator.fit(data.stream)
    files.check()
    model = data.for_raw_rows(fitted.linear_model())
    directory.write_model(model)
    found = {"test": evaluate(model, data.test)}
    sizes = data.n_rows, len(data.test), len(data.feature_names)
    return _Outcome(fitted, model, *sizes, found, _keep(found, directory))


def _keep(found: dict[str, Evaluation], directory: RunDirectory) -> dict[str, Any]:
    """Write evaluations to the directory of the run; return their metrics."""
    directory.write_evaluation({name: judged.as_json() for name, judged in found.items()})
    return {name: judged.metrics for name, judged in found.items()}


def _begin(
    recipe: Recipe,
    dataset: Dataset | StreamedData,
    directory: RunDirectory,
    begun: Origin | None,
) -> Origin:
    """Write down what a run begins with, or hold it against what one began with."""
    origin = Origin.of(recipe, dataset)
    if begun is None:
        directory.write_config(to_toml(recipe))
        directory.write_origin(origin.as_json())
    else:
        begun.check_data(directory.path, origin)
        for line in begun.other_versions(origin):
            warnings.warn(line, stacklevel=1)
    return origin


def _end(
    recipe: Recipe, directory: RunDirectory, summary: dict[str, Any], model: LinearModel
) -> None:
    """Write the report and the summary."""
    try:
        write_report(FinishedRun(directory.path, recipe, summary, model))
    except RunError as problem:  # a report can be written again, a long fit can't
        summary["warnings"].append(f"there is no report: {problem}")
    directory.write_summary(summary)
