"""One training run, from recipe to run directory."""

import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from sklearn.base import clone

from fastclf.config import Recipe
from fastclf.data import Dataset
from fastclf.data.columns import warn_of_categories
from fastclf.data.prediction_rows import naming
from fastclf.errors import RunError
from fastclf.estimators.logistic import LogisticRegression
from fastclf.linear_model import LinearModel
from fastclf.runs.baseline import baseline_facts, class_frequencies, names_of
from fastclf.runs.build import Estimator, build_estimator, resolve_kind
from fastclf.runs.calibration import calibrate
from fastclf.runs.data_warnings import data_warnings
from fastclf.runs.decided import Sizes, decided
from fastclf.runs.directory import (
    CHECKPOINT,
    ORIGIN,
    TUNE,
    FinishedRun,
    RunDirectory,
    is_complete,
    new_run,
    open_run,
    reopened_run,
    resume_command,
)
from fastclf.runs.distillation import compare, fit_parts, with_teacher_metrics
from fastclf.runs.evaluation import Evaluation, evaluate
from fastclf.runs.input_files import InputFiles
from fastclf.runs.intervals import evaluate_parts, intervals_by_part, undefined_by_part
from fastclf.runs.monitoring import RunMonitor, monitored_run
from fastclf.runs.origin import Origin
from fastclf.runs.parts import Parts, left_out_lines, read_dataset, split_and_prepare
from fastclf.runs.reporting import write_report
from fastclf.runs.row_results import MOST_KEPT, RowResults
from fastclf.runs.streamed import StreamedData, open_stream
from fastclf.runs.streamed_distillation import fit_streamed_student
from fastclf.runs.summary import REPORTED
from fastclf.runs.tracking import tracked
from fastclf.runs.tuning.record import Record
from fastclf.runs.tuning.search import Budget, search
from fastclf.toml import to_toml

if TYPE_CHECKING:
    from distributed import Client


@dataclass(frozen=True, eq=False)
class RunResult:
    """A complete run: its directory, model and summary, and its evaluations.

    Attributes
    ----------
    path : Path
        The run directory.
    model : LinearModel
    summary : dict
        The contents of ``summary.json``.
    evaluations : dict of str to Evaluation
        The evaluations on "train" and "test"; empty for a run that was complete before.
    """

    path: Path
    model: LinearModel
    summary: dict[str, Any]
    evaluations: dict[str, Evaluation]


def train(
    recipe: Recipe,
    out: Path,
    console: Console | None = None,
    client: "Client | None" = None,
    budget: Budget | None = None,
    drafted: str | None = None,
) -> RunResult:
    """Train the model of a recipe, and save everything in the run directory ``out``.

    Parameters
    ----------
    recipe : Recipe
    out : Path
        The run directory; it must not exist yet, or be empty.
    console : rich.console.Console, optional
        Where progress is shown; by default nowhere.
    client : distributed.Client, optional
        For a fit on the workers of a cluster, which read the training rows.
    budget : Budget, optional
        For a search of the keys in ``[tune]`` before the fit.
    drafted : str, optional
        The commented text of a recipe that was drafted for the data, to be saved with the run.

    Raises
    ------
    FastclfError
        If the directory, the data or the recipe can't be used.
    """
    recipe = _recipe_for(recipe, client)
    with new_run(out) as directory:
        if drafted is not None:
            directory.write_draft(drafted)
        return _run(recipe, directory, console, client=client, budget=budget)


def resume(
    recipe: Recipe,
    path: Path,
    console: Console | None = None,
    client: "Client | None" = None,
    budget: Budget | None = None,
) -> RunResult:
    """Resume a stopped run from its last checkpoint.

    The result is bit for bit that of an uninterrupted run. A complete run is left unchanged.

    Parameters
    ----------
    recipe : Recipe
        It must equal the recipe of the run, except for ``[checkpoint]``.
    path : Path
        The run directory.
    console : rich.console.Console, optional
        Where progress is shown; by default nowhere.
    client : distributed.Client, optional
        For a run that began on a cluster.
    budget : Budget, optional
        For a run that began with a search.

    Raises
    ------
    FastclfError
        If the directory isn't that of a run, or the recipe or the data have changed since the run
        began.
    """
    recipe = _recipe_for(recipe, client)
    searched, complete = (path / TUNE).exists(), is_complete(path)
    if searched != (budget is not None) and not (searched and complete):
        raise RunError(f"{path}: resume the run with: {resume_command(path)}")
    if complete:
        begun = _known_origin(path)
        if begun is not None:
            begun.check_recipe(path, begun.completed(recipe))
        run = open_run(path)
        for key in REPORTED:
            run.fact(key)
        return RunResult(path, run.model, run.summary, {})
    with reopened_run(path) as directory:
        begun = Origin.read(directory.origin_path)
        if begun is not None:
            recipe = begun.completed(recipe)
            begun.check_recipe(path, recipe)
            begun.check_place(path, client is not None)
        return _run(recipe, directory, console, begun, client, budget)


def _recipe_for(recipe: Recipe, client: "Client | None") -> Recipe:
    if client is None:
        return recipe
    from fastclf.runs.cluster import for_cluster

    return for_cluster(recipe)


def _known_origin(path: Path) -> Origin | None:
    with suppress(RunError):  # a complete run doesn't need it
        return Origin.read(path / CHECKPOINT / ORIGIN)
    return None


@dataclass(frozen=True, eq=False)
class _Outcome:
    """The result of a fit and of its evaluation.

    Attributes
    ----------
    fitted : estimator
    model : LinearModel
        The model for raw rows, calibrated if the recipe says so.
    n_train, n_test, n_features : int
    evaluations : dict of str to Evaluation
        The evaluations of the model on "train" and "test".
    baseline : dict
        What `fastclf.runs.baseline.baseline_facts` returns.
    metrics : dict
        The metrics of these evaluations, and of the models that it is compared with.
    calibration : dict, optional
        The facts that `fastclf.runs.calibration.calibrate` returns.
    """

    fitted: Estimator
    model: LinearModel
    n_train: int
    n_test: int
    n_features: int
    evaluations: dict[str, Evaluation]
    baseline: dict[str, Any]
    metrics: dict[str, Any]
    calibration: dict[str, Any] | None = None


def _run(
    recipe: Recipe,
    directory: RunDirectory,
    console: Console | None,
    begun: Origin | None = None,
    client: "Client | None" = None,
    budget: Budget | None = None,
) -> RunResult:
    """Do a run in its directory; ``begun`` is the origin of a run to resume."""
    with monitored_run(directory, recipe.checkpoint, console) as monitor:
        if budget is not None:
            Record(directory.path)  # from now on it is resumed as a search
        if begun is None:
            directory.write_config(to_toml(recipe))
        files = InputFiles.of(recipe.data, recipe.distill)
        data: Dataset | StreamedData
        if recipe.data.stream:
            data = open_stream(recipe, client)
        else:
            data = read_dataset(recipe.data, recipe.distill)
        monitor.print_lines(left_out_lines(data.all_left_out))
        layout = data.layout.unusual() if data.layout is not None else None
        recipe = recipe.with_kind(resolve_kind(recipe.model.kind, data), layout)
        for line in data_warnings(data, recipe.data.categorical):
            warnings.warn(line, stacklevel=1)
        origin = _write_or_check_origin(recipe, data, directory, begun)
        found = None
        if budget is not None:
            found = search(
                recipe, data, directory, budget, lambda line: monitor.print_lines([line])
            )
            recipe = found.recipe
            directory.write_config(to_toml(recipe))
            for line in found.warnings:
                warnings.warn(line, stacklevel=1)
        with tracked(recipe, directory.path) as tracker:
            monitor.observers.append(tracker.step)
            if isinstance(data, StreamedData):
                outcome = _fit_stream(recipe, data, directory, files, monitor, client)
            else:
                outcome = _fit_in_memory(recipe, data, directory, files, monitor)
            summary = _summary(recipe, data, outcome, monitor, origin)
            if found is not None:
                summary["tune"] = found.summary
            _write_report_and_summary(recipe, directory, summary, outcome.model)
            if (problem := tracker.complete(summary)) is not None:
                summary["warnings"].append(problem)
                directory.write_summary(summary)
    return RunResult(directory.path, outcome.model, summary, outcome.evaluations)


def _summary(
    recipe: Recipe,
    data: Dataset | StreamedData,
    outcome: _Outcome,
    monitor: RunMonitor,
    origin: Origin,
) -> dict[str, Any]:
    """Return the contents of ``summary.json``."""
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
        "fit_seconds": monitor.fit_seconds,
        "compile_seconds": monitor.compile_seconds,
        "n_iter": int(outcome.fitted.n_iter_[0]),
        "status": str(outcome.fitted.history_["status"]),
        "decided": _decided(recipe, data, outcome),
        "metrics": outcome.metrics,
        "baseline": outcome.baseline,
        "undefined": undefined_by_part(outcome.evaluations),
        "intervals": intervals_by_part(outcome.evaluations),
        "warnings": monitor.warnings(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "data_sha256": origin.data["sha256"],
        "versions": origin.versions,
    }
    if outcome.calibration is not None:
        summary["calibration"] = outcome.calibration
    if data.all_left_out:
        summary["left_out"] = data.all_left_out
    return summary


def _decided(recipe: Recipe, data: Dataset | StreamedData, outcome: _Outcome) -> dict[str, str]:
    held_out = 0 if outcome.calibration is None else outcome.calibration["n_rows"]
    sizes = Sizes(outcome.n_train, held_out, outcome.n_test)
    preparation = outcome.model.encoder or outcome.model.preprocessing
    solver = str(outcome.fitted.history_.get("solver", recipe.solver.name))
    return decided(recipe, data, sizes, preparation, solver)


def _fit_in_memory(
    recipe: Recipe,
    dataset: Dataset,
    directory: RunDirectory,
    files: InputFiles,
    monitor: RunMonitor,
) -> _Outcome:
    """Fit to rows in memory; write the model and its evaluations to the run directory."""
    parts = split_and_prepare(dataset, recipe.data, recipe.seed, recipe.calibrate)
    warn_of_categories(parts.preparation)
    estimator = build_estimator(recipe, dataset.labels, dataset.class_names)
    X, y = parts.for_fit(), parts.train.y
    files.check()
    with monitor.fit(len(y)):
        fitted, distilled = fit_parts(recipe, parts, X, estimator, dataset)
    sizes = len(parts.train), len(parts.test), X.shape[1]
    refit = partial(estimator.fit, X, y, parts.train.weights)
    return _evaluated(recipe, parts, directory, fitted, sizes, distilled, refit)


def _fit_stream(
    recipe: Recipe,
    data: StreamedData,
    directory: RunDirectory,
    files: InputFiles,
    monitor: RunMonitor,
    client: "Client | None",
) -> _Outcome:
    """Fit to a stream of rows; write the model and its evaluation to the run directory."""
    warn_of_categories(data.preparation)
    estimator = build_estimator(recipe, data.labels, data.class_names, client)
    distilled = None
    with monitor.fit(data.n_rows), naming(data.stream.path):
        if recipe.distill is None:
            fitted = estimator.fit(data.stream)
        else:
            assert isinstance(estimator, LogisticRegression)  # recipes allow no other student
            distilled = fit_streamed_student(recipe, data, clone(estimator))
            fitted = distilled.student
    files.check()
    sizes = data.n_rows, len(data.test), len(data.feature_names)
    refit = partial(estimator.fit, data.stream)
    return _evaluated(recipe, data, directory, fitted, sizes, distilled, refit)


def _evaluated(
    recipe: Recipe,
    data: Parts | StreamedData,
    directory: RunDirectory,
    fitted: Estimator,
    sizes: tuple[int, int, int],
    distilled: Any,
    refit: Callable[[], Estimator],
) -> _Outcome:
    """Calibrate a model and evaluate it; write both to the run directory.

    ``refit`` fits the estimator without a teacher, to compare with.
    """
    model = data.for_raw_rows(fitted.linear_model())
    plain_model, calibration = model, None
    if recipe.calibrate is not None:
        assert data.held_out is not None  # split off before the fit
        model, calibration = calibrate(model, recipe.calibrate, data.held_out)
    directory.write_model(model)
    rows = {"train": data.train, "test": data.test}
    found = evaluate_parts(model, rows, recipe.seed)
    frequencies = class_frequencies(data.train.y, names_of(model))
    baseline = baseline_facts(model, frequencies, found)
    taught = None if distilled is None else distilled.teacher_p
    if taught is not None:
        found["test"] = with_teacher_metrics(found["test"], model, data.test, taught)
        directory.write_teacher_probabilities(taught)
    if 0 < len(data.test) <= MOST_KEPT:
        directory.write_row_results(RowResults.of(data.test, found["test"].terms))
    metrics = _write_evaluations(found, directory)
    if calibration is not None and len(data.test):
        metrics["uncalibrated"] = evaluate(plain_model, data.test).metrics
    if taught is not None:
        plain = data.for_raw_rows(refit().linear_model())
        metrics |= compare(distilled, metrics["test"], plain, data.test)
    return _Outcome(fitted, model, *sizes, found, baseline, metrics, calibration)


def _write_evaluations(found: dict[str, Evaluation], directory: RunDirectory) -> dict[str, Any]:
    """Write evaluations to the run directory; return their metrics."""
    directory.write_evaluation({name: one.as_json() for name, one in found.items()})
    return {name: one.metrics for name, one in found.items()}


def _write_or_check_origin(
    recipe: Recipe,
    dataset: Dataset | StreamedData,
    directory: RunDirectory,
    begun: Origin | None,
) -> Origin:
    """Write the origin of a new run; for a resumed run check that its data are unchanged."""
    origin = Origin.of(recipe, dataset)
    if begun is None:
        directory.write_config(to_toml(recipe))
        directory.write_origin(origin.as_json())
    else:
        begun.check_data(directory.path, origin)
        for line in begun.other_versions(origin):
            warnings.warn(line, stacklevel=1)
    return origin


def _write_report_and_summary(
    recipe: Recipe, directory: RunDirectory, summary: dict[str, Any], model: LinearModel
) -> None:
    """Write the report and the summary; a report that fails becomes a warning."""
    try:
        write_report(FinishedRun(directory.path, recipe, summary, model))
    except RunError as problem:  # the report can be written later; a long fit must not be lost
        summary["warnings"].append(f"there is no report: {problem}")
    directory.write_summary(summary)
