"""One training run, from recipe to run directory."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

from rich.console import Console

from fastclf.config import Recipe, load_recipe
from fastclf.data import Dataset
from fastclf.errors import ConfigError, RunError
from fastclf.estimators.logistic import LogisticRegression
from fastclf.linear_model import LinearModel
from fastclf.runs.build import build_estimator
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
from fastclf.runs.evaluation import Evaluation, evaluate
from fastclf.runs.inputs import Files
from fastclf.runs.interrupt import deferred_interrupt
from fastclf.runs.keeper import RunKeeper
from fastclf.runs.origin import Origin
from fastclf.runs.parts import read_dataset, split_and_prepare
from fastclf.runs.progress import progress_view
from fastclf.runs.reporting import write_report
from fastclf.runs.streamed import StreamedData, naming_stream, open_stream
from fastclf.solvers import Progress, keeping, observing
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


def _run(
    recipe: Recipe,
    directory: RunDirectory,
    console: Console | None,
    begun: Origin | None = None,
) -> RunResult:
    """Do a run in its directory, or the rest of one that began with ``begun``."""
    with _recorded_warnings() as caught:
        if begun is None:
            directory.write_config(to_toml(recipe))
        files = Files.of(recipe.data, recipe.distill)
        if recipe.data.stream:
            return _run_stream(recipe, directory, console, begun, caught, files)
        dataset = read_dataset(recipe.data, recipe.distill)
        recipe = recipe.with_kind(resolve_kind(recipe.model.kind, dataset))
        origin = _begin(recipe, dataset, directory, begun)
        parts = split_and_prepare(dataset, recipe.data, recipe.seed, recipe.calibrate)
        estimator = build_estimator(recipe, dataset.labels, dataset.class_names)
        X, y = parts.prepared(parts.train.X), parts.train.y
        files.check()

        def observe(progress: Progress) -> None:
            directory.write_metrics(asdict(progress))
            show(progress)

        with (
            progress_view(console, len(y)) as show,
            observing(observe),
            _checkpoints(recipe, directory, caught, console) as keeper,
        ):
            start = perf_counter()
            teaching = None
            if recipe.distill is None:
                fitted = estimator.fit(X, y, parts.train.weights)
            else:
                assert isinstance(estimator, LogisticRegression)  # a recipe distils no other
                teaching = teach(recipe, parts, X, estimator, dataset.labels, dataset.class_names)
                fitted = teaching.student
            fit_seconds = perf_counter() - start + keeper.earlier_seconds

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
            "warnings": list(dict.fromkeys([*keeper.earlier_warnings, *_lines(caught)])),
            "data_sha256": origin.data["sha256"],
            "versions": origin.versions,
        }
        if calibration is not None:
            summary["calibration"] = calibration
        _end(recipe, directory, summary, model)
    return RunResult(directory.path, model, summary, found)


def _run_stream(
    recipe: Recipe,
    directory: RunDirectory,
    console: Console | None,
    begun: Origin | None,
    caught: list[warnings.WarningMessage],
    files: Files,
) -> RunResult:
    """Do a run on rows that don't fit into memory, or the rest of one."""
    data = open_stream(recipe.data)
    recipe = recipe.with_kind(resolve_kind(recipe.model.kind, data))
    origin = _begin(recipe, data, directory, begun)
    estimator = build_estimator(recipe, data.labels, data.class_names)

    def observe(progress: Progress) -> None:
        directory.write_metrics(asdict(progress))
        show(progress)

    with (
        progress_view(console, data.n_rows) as show,
        observing(observe),
        _checkpoints(recipe, directory, caught, console) as keeper,
        naming_stream(data.stream.path),
    ):
        start = perf_counter()
        fitted = estimator.fit(data.stream)
        fit_seconds = perf_counter() - start + keeper.earlier_seconds
    files.check()
    model = data.for_raw_rows(fitted.linear_model())
    model.save(directory.model_path)
    found = {"test": evaluate(model, data.test)}
    directory.write_evaluation({name: judged.as_json() for name, judged in found.items()})
    summary = {
        "name": recipe.name,
        "task": data.task,
        "kind": recipe.model.kind,
        "solver": recipe.solver.name,
        "seed": recipe.seed,
        "n_train": data.n_rows,
        "n_test": len(data.test),
        "n_features": len(data.feature_names),
        "classes": data.class_names,
        "fit_seconds": fit_seconds,
        "n_iter": int(fitted.n_iter_[0]),
        "status": str(fitted.history_["status"]),
        "metrics": {name: judged.metrics for name, judged in found.items()},
        "warnings": list(dict.fromkeys([*keeper.earlier_warnings, *_lines(caught)])),
        "data_sha256": origin.data["sha256"],
        "versions": origin.versions,
    }
    _end(recipe, directory, summary, model)
    return RunResult(directory.path, model, summary, found)


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


@contextmanager
def _checkpoints(
    recipe: Recipe,
    directory: RunDirectory,
    caught: list[warnings.WarningMessage],
    console: Console | None,
) -> Iterator[RunKeeper]:
    """Have the fit in the block keep checkpoints and go on from one, and Ctrl-C wait for its step.

    One that has come too late for the fit is raised at the end.
    """

    def rewind(heard: list[Progress]) -> None:
        directory.rewind_metrics([asdict(progress) for progress in heard])

    def damaged(what: str) -> None:
        if console is not None:  # at once, because it may cost hours
            console.out(f"warning: {what}", highlight=False)
        warnings.warn(what, stacklevel=1)

    with deferred_interrupt() as interrupt:
        keeper = RunKeeper(
            directory.checkpoints(recipe.checkpoint.keep),
            recipe.checkpoint,
            interrupt,
            warned=lambda: _lines(caught),
            go_on=rewind,
            damaged=damaged,
        )
        with keeping(keeper):
            yield keeper
    if interrupt.requested:
        raise KeyboardInterrupt


def resolve_kind(wanted: str, dataset: Dataset | StreamedData) -> str:
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
