"""The run directory: its files, and the order in which they are written.

The directory exists from the start of the run. Every file is replaced atomically, except
``metrics.jsonl``, to which whole lines are appended. ``summary.json`` is written last, so a run is
complete if and only if its directory has that file. An incomplete run can be resumed from its
checkpoints.
"""

import json
import os
import shlex
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO, FileIO
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from fastclf.config import Recipe, load_recipe
from fastclf.errors import FastclfError, RunError
from fastclf.files import TEMPORARY_FILES
from fastclf.linear_model import LinearModel
from fastclf.report.facts import Summary, first_mistake
from fastclf.runs.checkpoint import Checkpoints
from fastclf.runs.files import open_in_place, refuse_link, write_file, writing
from fastclf.runs.lock import LOCK, locked
from fastclf.runs.row_results import RowResults

CHECKPOINT = "checkpoint"
CONFIG = "config.toml"
EVALUATION = "evaluation.json"
METRICS = "metrics.jsonl"
MODEL = "model.safetensors"
ORIGIN = "origin.json"
RECIPE = "recipe.toml"
REPORT = "report.html"
SUMMARY = "summary.json"
TEACHER = "teacher.npz"
TEST_ROWS = "test_rows.npz"
TUNE = "tune.jsonl"


def default_path(name: str) -> Path:
    """Return ``runs/<name>-<time>``, with a number appended if that path exists."""
    first = Path("runs") / f"{name}-{datetime.now():%Y%m%d-%H%M%S}"
    path, number = first, 2
    while path.exists():
        path, number = first.with_name(f"{first.name}-{number}"), number + 1
    return path


@dataclass(frozen=True)
class RunDirectory:
    """The directory of a run in progress, created by `new_run` or opened by `reopened_run`."""

    path: Path
    metrics: FileIO

    @property
    def origin_path(self) -> Path:
        """The file that records recipe, data and versions at the start of the run."""
        return self.path / CHECKPOINT / ORIGIN

    def checkpoints(self, keep: int) -> Checkpoints:
        """Return the folder of checkpoints, which keeps the ``keep`` most recent ones."""
        return Checkpoints(self.path / CHECKPOINT, keep)

    def write_origin(self, origin: dict[str, Any]) -> None:
        """Write the record of recipe, data and versions at the start of the run."""
        with writing(self.origin_path.parent):
            self.origin_path.parent.mkdir(exist_ok=True)
        write_file(self.origin_path, to_json(origin) + "\n")

    def check(self) -> None:
        """Check that the path still leads to the directory that this run opened.

        Raises
        ------
        RunError
            If the directory, or its ``metrics.jsonl``, was removed or replaced.
        """
        try:
            current = os.stat(self.path / METRICS, follow_symlinks=False)
            is_ours = os.path.samestat(os.fstat(self.metrics.fileno()), current)
        except OSError:
            is_ours = False
        if not is_ours:
            raise RunError(
                f"{self.path / METRICS}: was removed or replaced during the run, so the run can't "
                "be saved there; train again"
            )

    def write_config(self, text: str) -> None:
        """Write the resolved recipe."""
        self.check()
        write_file(self.path / CONFIG, text)

    def write_draft(self, text: str) -> None:
        """Write the commented recipe that was drafted for the data of this run."""
        write_file(self.path / RECIPE, text)

    def write_metrics(self, line: dict[str, Any]) -> None:
        """Append a line to ``metrics.jsonl``; other processes can read it at once."""
        self.check()
        with writing(self.path / METRICS):
            data = _line(line)
            while data:  # a nearly full disk accepts a part; the next write raises the error
                data = data[self.metrics.write(data) or 0 :]

    def rewind_metrics(self, lines: Sequence[dict[str, Any]]) -> None:
        """Truncate ``metrics.jsonl`` after these lines, the steps up to the resumed checkpoint.

        If the file doesn't have them any more, they are written anew.
        """
        with writing(self.path / METRICS):
            self.metrics.seek(0)
            kept = self.metrics.readall().splitlines(keepends=True)[: len(lines)]
            if not _ends_at_same_iteration(kept, lines):
                kept = [_line(line) for line in lines]
                self.metrics.seek(0)
                self.metrics.write(b"".join(kept))
            self.metrics.truncate(sum(map(len, kept)))
            self.metrics.seek(0, os.SEEK_END)

    def write_evaluation(self, parts: dict[str, Any]) -> None:
        """Write the metrics and tables of each part of the data."""
        self.check()
        write_file(self.path / EVALUATION, to_json(parts))

    def write_row_results(self, results: RowResults) -> None:
        """Write what each test row adds to the metrics."""
        write_file(self.path / TEST_ROWS, results.pack())

    def write_teacher_probabilities(self, p: np.ndarray) -> None:
        """Write the teacher's probabilities of the test rows, shape (n, K)."""
        file = BytesIO()
        np.savez_compressed(file, test=p)
        write_file(self.path / TEACHER, file.getvalue())

    def write_model(self, model: LinearModel) -> None:
        """Write the model."""
        self.check()
        model.save(self.path / MODEL)

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json``, which marks the run as complete."""
        self.check()
        write_file(self.path / SUMMARY, json.dumps(summary, indent=2) + "\n")


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A complete run, as read by `open_run`.

    Attributes
    ----------
    path : Path
        The run directory.
    recipe : Recipe
        The resolved recipe.
    summary : dict
        The contents of ``summary.json``.
    model : LinearModel
        The fitted model.
    """

    path: Path
    recipe: Recipe
    summary: dict[str, Any]
    model: LinearModel

    def fact(self, key: str) -> Any:
        """Return the summary's value of ``key``.

        Raises
        ------
        RunError
            If the summary lacks the key.
        """
        if self.summary.get(key) is None:
            raise RunError(f"{self.path / SUMMARY}: {key} is missing; train the run again")
        return self.summary[key]


def open_run(path: Path) -> FinishedRun:
    """Read the complete run in the directory ``path``.

    Raises
    ------
    RunError
        If the directory isn't that of a run, or the run is incomplete or damaged.
    """
    check_is_run(path)
    missing = [name for name in (SUMMARY, MODEL) if not (path / name).is_file()]
    if SUMMARY in missing:
        raise RunError(f"{path}: the run is incomplete; resume it with: {resume_command(path)}")
    try:
        if missing:
            raise RunError(f"it has no {MODEL}")
        recipe = load_recipe(path / CONFIG)
        return FinishedRun(path, recipe, _read_summary(path), LinearModel.load(path / MODEL))
    except FastclfError as problem:
        raise RunError(f"{path}: the run is damaged: {problem}") from None


def read_teacher_probabilities(run: FinishedRun) -> np.ndarray | None:
    """Return the teacher's probabilities of the test rows, (n, K); None if the run has none.

    Raises
    ------
    RunError
        If the file is damaged.
    """
    path = run.path / TEACHER
    if not path.is_file():
        return None
    shape = run.fact("n_test"), len(run.model.classes)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            p = arrays["test"]
        if p.shape != shape or p.dtype.kind != "f" or not ((p >= 0) & (p <= 1)).all():
            raise ValueError(f"needs probabilities of shape {shape}, found shape {p.shape}")
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as problem:
        raise RunError(
            f"{path}: doesn't hold a teacher's probabilities ({' '.join(str(problem).split())}); "
            "train the run again"
        ) from None
    return p


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads((path / SUMMARY).read_text(encoding="utf-8"))
        Summary.model_validate(summary, strict=True)
        if "metrics" not in summary:
            raise ValueError
    except ValidationError as problem:
        key, what = first_mistake(problem)
        if not key:
            raise RunError(f"{path / SUMMARY}: isn't the summary of a run") from None
        raise RunError(f"{path / SUMMARY}: {key}: {what}; train the run again") from None
    except (ValueError, RecursionError):
        raise RunError(f"{path / SUMMARY}: isn't the summary of a run") from None
    except OSError as problem:
        raise RunError(f"{path / SUMMARY}: can't be read: {problem.strerror}") from None
    return summary


def to_json(value: Any, indent: str = "") -> str:
    """Return indented JSON; a list or dict without nested ones stays on one line."""
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


@contextmanager
def new_run(path: Path) -> Iterator[RunDirectory]:
    """Create the run directory ``path``, and lock it while the block does the run.

    If the block fails or is interrupted before the first step of the fit is recorded, all files of
    the run are removed.

    Parameters
    ----------
    path : Path
        It must not exist yet, or be an empty directory.

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
    ...     sorted(file.name for file in run.path.glob("[!.]*"))
    ['metrics.jsonl', 'summary.json']
    """
    refuse_if_used(path)
    with writing(path):
        is_new = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
    with locked(path):
        refuse_if_used(path)  # another run may have used it before the lock was taken
        with _metrics(path) as metrics:
            directory = RunDirectory(path, metrics)
            try:
                yield directory
            except BaseException:
                with suppress(RunError):  # another run may have replaced the directory
                    directory.check()
                    if not _is_resumable(path):
                        _remove(path, is_new)
                raise


@contextmanager
def reopened_run(path: Path) -> Iterator[RunDirectory]:
    """Open the directory of an incomplete run, and lock it while the block resumes the run.

    No file of the run is removed if the block fails.

    Raises
    ------
    RunError
        If it isn't the directory of a run, another process uses it, or it can't be written.
    """
    check_is_run(path)
    if (path / CHECKPOINT).is_symlink():
        refuse_link(path / CHECKPOINT)
    with locked(path), _metrics(path) as metrics:
        for left_over in path.glob(TEMPORARY_FILES):  # of a killed process
            with suppress(OSError):
                left_over.unlink()
        yield RunDirectory(path, metrics)


def is_complete(path: Path) -> bool:
    """Return whether the run in the directory ``path`` is complete."""
    return (path / SUMMARY).is_file()


def check_is_run(path: Path) -> None:
    """Check that ``path`` is the directory of a run, complete or not.

    Raises
    ------
    RunError
        If it isn't.
    """
    if not path.is_dir():
        reason = "isn't a directory" if path.exists() else "no such directory"
        raise RunError(f"{path}: {reason}; name the directory of a run")
    if not (path / CONFIG).is_file():
        raise RunError(f"{path}: isn't the directory of a run, because it has no {CONFIG}")


def resume_command(path: Path) -> str:
    """Return the shell command that resumes a run."""
    command = "tune" if (path / TUNE).exists() else "train"
    return f"fastclf {command} --resume {shlex.quote(str(path))}"


def interruption_message(path: Path, scheduler: str | None = None) -> str:
    """Return a message about where an interrupted run is saved, and how to resume it."""
    if not (path / CONFIG).exists():
        return "nothing was saved"
    more = "" if scheduler is None else f" --scheduler {scheduler}"
    return f"saved in {path}; resume with: {resume_command(path)}{more}"


def refuse_if_used(path: Path) -> None:
    """Check that a path can be the directory of a new run.

    Raises
    ------
    RunError
        If it exists and isn't an empty directory.
    """
    with writing(path):
        if not path.is_dir() or set(os.listdir(path)) <= {LOCK}:
            return
    if (path / LOCK).exists():
        with locked(path):  # raises an error that names the process, if a run is in progress
            pass
    remedy = "name another directory with --out, or remove it"
    if (path / CONFIG).exists() and not is_complete(path):
        remedy = f"resume that run with {resume_command(path)}, or {remedy}"
    raise RunError(f"{path} exists and isn't empty; {remedy}")


def _is_resumable(path: Path) -> bool:
    """Return whether a run has recorded a step, a checkpoint or scores of a search."""
    records = (path / METRICS, path / TUNE)
    has_records = any(record.is_file() and record.stat().st_size > 0 for record in records)
    return has_records or bool(Checkpoints(path / CHECKPOINT, 1).numbers())


def _remove(path: Path, is_new: bool) -> None:
    """Remove the run directory if this run created it; otherwise only the files of the run."""
    if is_new:
        shutil.rmtree(path, ignore_errors=True)
    else:
        files = (
            CONFIG,
            EVALUATION,
            METRICS,
            MODEL,
            ORIGIN,
            RECIPE,
            REPORT,
            TEACHER,
            TEST_ROWS,
            TUNE,
        )
        for name in files:
            (path / name).unlink(missing_ok=True)
        shutil.rmtree(path / CHECKPOINT, ignore_errors=True)


def _metrics(path: Path) -> FileIO:
    # Unbuffered: flushing a buffer on close could raise an error there.
    return FileIO(open_in_place(path / METRICS), "r+")


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _ends_at_same_iteration(written: list[bytes], lines: Sequence[dict[str, Any]]) -> bool:
    """Tell whether written lines have the same number and the same last iteration as ``lines``."""
    if len(written) != len(lines) or not written:
        return not lines
    try:
        return json.loads(written[-1])["iteration"] == lines[-1]["iteration"]
    except (ValueError, KeyError, TypeError):
        return False
