"""The run directory: what a run leaves behind, and in what order.

It exists from the start of the run. Every file is replaced atomically, apart from
``metrics.jsonl``, which grows by whole lines. ``summary.json`` is written last: a directory that
has it is a complete run, and one that lacks it isn't.
"""

import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from fastclf.config import Recipe, load_recipe
from fastclf.errors import FastclfError, RunError
from fastclf.linear_model import LinearModel

CONFIG = "config.toml"
EVALUATION = "evaluation.json"
METRICS = "metrics.jsonl"
MODEL = "model.safetensors"
REPORT = "report.html"
SUMMARY = "summary.json"
ANSWERS = "teacher.npz"


def default_path(name: str) -> Path:
    """Return ``runs/<name>-<time>``, with a number added where that is taken."""
    first = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = first, 2
    while path.exists():
        path, number = first.with_name(f"{first.name}-{number}"), number + 1
    return path


@dataclass(frozen=True)
class RunDirectory:
    """The directory of a run that is under way; `new_run` makes one."""

    path: Path
    metrics: TextIO

    @property
    def model_path(self) -> Path:
        """Where the model is to be saved."""
        return self.path / MODEL

    def write_config(self, text: str) -> None:
        """Write the resolved recipe."""
        write_file(self.path / CONFIG, text)

    def write_metrics(self, line: dict[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``; another process can read it at once."""
        with _writing(self.path / METRICS):
            self.metrics.write(json.dumps(line) + "\n")
            self.metrics.flush()

    def write_evaluation(self, parts: dict[str, Any]) -> None:
        """Write the figures and tables of each part of the data."""
        write_file(self.path / EVALUATION, to_json(parts))

    def write_answers(self, told: np.ndarray) -> None:
        """Write what a teacher said of the test rows, probabilities (n, K)."""
        path = self.path / ANSWERS
        temporary = path.with_name(f".{path.name}.partial")
        with _writing(path):
            with open(temporary, "wb") as file:
                np.savez_compressed(file, test=told)
            os.replace(temporary, path)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json``, which marks the run as complete."""
        write_file(self.path / SUMMARY, json.dumps(summary, indent=2) + "\n")


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run with its model and all that ``summary.json`` tells; `open_run` reads one.

    Attributes
    ----------
    path : Path
        The run directory.
    recipe : Recipe
        The resolved recipe.
    summary : dict
        What ``summary.json`` holds.
    model : LinearModel
        The fitted model.
    """

    path: Path
    recipe: Recipe
    summary: dict[str, Any]
    model: LinearModel


def open_run(path: Path) -> FinishedRun:
    """Read the complete run in the directory ``path``.

    Raises
    ------
    RunError
        If it isn't a run, didn't complete, or is damaged.
    """
    if not path.is_dir():
        what = "isn't a directory" if path.exists() else "no such directory"
        raise RunError(f"{path}: {what}; name the directory of a run")
    missing = [name for name in (CONFIG, SUMMARY, MODEL) if not (path / name).is_file()]
    if CONFIG in missing:
        raise RunError(f"{path}: isn't the directory of a run, because it has no {CONFIG}")
    if SUMMARY in missing:
        raise RunError(f"{path}: the run didn't complete, so it has no {SUMMARY}; train it again")
    try:
        if missing:
            raise RunError(f"it has no {MODEL}")
        recipe = load_recipe(path / CONFIG)
        return FinishedRun(path, recipe, _read_summary(path), LinearModel.load(path / MODEL))
    except FastclfError as problem:
        raise RunError(f"{path}: the run is damaged: {problem}") from None


def read_answers_of(run: FinishedRun) -> np.ndarray | None:
    """Return what a run's teacher said of the test rows, (n, K); None where that isn't known.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = run.path / ANSWERS
    if not path.is_file():
        return None
    shape = run.summary["n_test"], len(run.model.classes)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            told = arrays["test"]
        if told.shape != shape or told.dtype.kind != "f" or not ((told >= 0) & (told <= 1)).all():
            raise ValueError(f"probabilities of shape {shape} are wanted, not {told.shape}")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise RunError(
            f"{path}: isn't what a teacher said ({' '.join(str(problem).split())}); "
            "train the run again"
        ) from None
    return told


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
        if not all(isinstance(part, dict) for part in summary["metrics"].values()):
            raise TypeError
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise RunError(f"{path / SUMMARY}: isn't the summary of a run") from None
    except OSError as problem:
        raise RunError(f"{path / SUMMARY}: can't be read: {problem.strerror}") from None
    return summary


def to_json(value: Any, indent: str = "") -> str:
    """Return JSON in which tables have a line for each key, and lists of lists one for each row."""
    deeper = f"{indent}  "
    if isinstance(value, dict) and any(isinstance(item, dict | list) for item in value.values()):
        items = [f"{json.dumps(key)}: {to_json(item, deeper)}" for key, item in value.items()]
        start, end = "{", "}"
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [to_json(item, deeper) for item in value]
        start, end = "[", "]"
    else:
        return json.dumps(value)
    body = ",\n".join(f"{deeper}{item}" for item in items)
    return f"{start}\n{body}\n{indent}{end}"


def write_file(path: Path, text: str) -> None:
    """Write a file of text in one step.

    Raises
    ------
    RunError
        If it can't be written.
    """
    temporary = path.with_name(f".{path.name}.partial")
    with _writing(path):
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)


@contextmanager
def new_run(path: Path) -> Iterator[RunDirectory]:
    """Make the run directory ``path`` for the block that does the run.

    Where the block fails or is interrupted before a step of the fit was recorded, what was made is
    removed.

    Parameters
    ----------
    path : Path
        A directory that doesn't exist yet, or is empty.

    Raises
    ------
    RunError
        If the path is in use or can't be written.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from fastclf.runs.directory import new_run
    >>> with TemporaryDirectory() as folder, new_run(Path(folder) / "run") as run:
    ...     run.write_summary({"task": "binary"})
    ...     sorted(file.name for file in run.path.iterdir())
    ['metrics.jsonl', 'summary.json']
    """
    with _writing(path):
        if path.is_dir() and any(path.iterdir()):
            raise RunError(
                f"{path} exists and isn't empty; name another directory with --out, or remove it"
            )
        is_new = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
        metrics = open(path / METRICS, "w", encoding="utf-8")
    try:
        with metrics:
            yield RunDirectory(path, metrics)
    except BaseException:
        if (path / METRICS).stat().st_size == 0:
            _remove(path, is_new)
        raise


def _remove(path: Path, is_new: bool) -> None:
    """Remove a run directory that we made, or only our files from one that was there before."""
    if is_new:
        shutil.rmtree(path, ignore_errors=True)
    else:
        for name in (CONFIG, EVALUATION, METRICS, MODEL, ANSWERS, REPORT):
            (path / name).unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise RunError(
            f"{path}: can't be written: {problem.strerror}; name another place with --out"
        ) from problem
