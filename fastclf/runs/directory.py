"""The run directory: what a run leaves behind, and in what order.

It exists from the start of the run. Every file is replaced atomically, apart from
``metrics.jsonl``, which grows by whole lines. ``summary.json`` is written last: a directory that
has it is a complete run, and one that lacks it isn't. It can be gone on with from its checkpoints.
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

CHECKPOINT = "checkpoint"
CONFIG = "config.toml"
EVALUATION = "evaluation.json"
METRICS = "metrics.jsonl"
MODEL = "model.safetensors"
ORIGIN = "origin.json"
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
    """The directory of a run that is under way; `new_run` makes one, `old_run` opens one again."""

    path: Path
    metrics: FileIO

    @property
    def origin_path(self) -> Path:
        """Where it is kept what the run began with."""
        return self.path / CHECKPOINT / ORIGIN

    def checkpoints(self, keep: int) -> Checkpoints:
        """Return the folder of checkpoints, of which the last ``keep`` are kept."""
        return Checkpoints(self.path / CHECKPOINT, keep)

    def write_origin(self, origin: dict[str, Any]) -> None:
        """Write what the run begins with."""
        with writing(self.origin_path.parent):
            self.origin_path.parent.mkdir(exist_ok=True)
        write_file(self.origin_path, to_json(origin) + "\n")

    def check(self) -> None:
        """Check that the directory is still there, and the one that this run made.

        Raises
        ------
        RunError
            If it, or its ``metrics.jsonl``, was removed or replaced.
        """
        try:
            there = os.stat(self.path / METRICS, follow_symlinks=False)
            is_ours = os.path.samestat(os.fstat(self.metrics.fileno()), there)
        except OSError:
            is_ours = False
        if not is_ours:
            raise RunError(
                f"{self.path / METRICS}: was removed or replaced while the run was under way, so "
                "nothing more can be kept there; train again"
            )

    def write_config(self, text: str) -> None:
        """Write the resolved recipe."""
        self.check()
        write_file(self.path / CONFIG, text)

    def write_metrics(self, line: dict[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``; another process can read it at once."""
        self.check()
        with writing(self.path / METRICS):
            data = _line(line)
            while data:  # a disk that is nearly full takes a part, and then tells why not more
                data = data[self.metrics.write(data) or 0 :]

    def rewind_metrics(self, lines: Sequence[dict[str, Any]]) -> None:
        """Have ``metrics.jsonl`` end with the last of these lines, which it has or had."""
        with writing(self.path / METRICS):
            self.metrics.seek(0)
            there = self.metrics.readall().splitlines(keepends=True)[: len(lines)]
            if not _end_alike(there, lines):
                there = [_line(line) for line in lines]
                self.metrics.seek(0)
                self.metrics.write(b"".join(there))
            self.metrics.truncate(sum(map(len, there)))
            self.metrics.seek(0, os.SEEK_END)

    def write_evaluation(self, parts: dict[str, Any]) -> None:
        """Write the figures and tables of each part of the data."""
        self.check()
        write_file(self.path / EVALUATION, to_json(parts))

    def write_answers(self, told: np.ndarray) -> None:
        """Write what a teacher said of the test rows, probabilities (n, K)."""
        file = BytesIO()
        np.savez_compressed(file, test=told)
        write_file(self.path / ANSWERS, file.getvalue())

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

    def fact(self, key: str) -> Any:
        """Return what the summary says of ``key``.

        Raises
        ------
        RunError
            If it says nothing.
        """
        if self.summary.get(key) is None:
            raise RunError(f"{self.path / SUMMARY}: {key} is missing; train the run again")
        return self.summary[key]


def open_run(path: Path) -> FinishedRun:
    """Read the complete run in the directory ``path``.

    Raises
    ------
    RunError
        If it isn't a run, didn't complete, or is damaged.
    """
    check_is_run(path)
    missing = [name for name in (SUMMARY, MODEL) if not (path / name).is_file()]
    if SUMMARY in missing:
        raise RunError(
            f"{path}: the run didn't complete, so it has no {SUMMARY}; go on with: "
            f"{how_to_go_on(path)}"
        )
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
    shape = run.fact("n_test"), len(run.model.classes)
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
    ...     sorted(file.name for file in run.path.glob("[!.]*"))
    ['metrics.jsonl', 'summary.json']
    """
    _refuse_if_used(path)
    with writing(path):
        is_new = not path.exists()
        path.mkdir(parents=True, exist_ok=True)
    with locked(path):
        _refuse_if_used(path)  # another run may have been quicker
        with _metrics(path) as metrics:
            directory = RunDirectory(path, metrics)
            try:
                yield directory
            except BaseException:
                with suppress(RunError):  # the directory may be another's by now
                    directory.check()
                    if not _can_go_on(path):
                        _remove(path, is_new)
                raise


@contextmanager
def old_run(path: Path) -> Iterator[RunDirectory]:
    """Open the directory of a run that didn't complete, for the block that goes on with it.

    Nothing in it is removed if the block fails.

    Raises
    ------
    RunError
        If it isn't such a directory, or another process uses it, or it can't be written.
    """
    check_is_run(path)
    if (path / CHECKPOINT).is_symlink():
        refuse_link(path / CHECKPOINT)
    with locked(path), _metrics(path) as metrics:
        for left_over in path.glob(TEMPORARY_FILES):  # by a process that was killed
            with suppress(OSError):
                left_over.unlink()
        yield RunDirectory(path, metrics)


def is_complete(path: Path) -> bool:
    """Tell whether the run in the directory ``path`` has come to its end."""
    return (path / SUMMARY).is_file()


def check_is_run(path: Path) -> None:
    """Check that there is a run in the directory ``path``, complete or not.

    Raises
    ------
    RunError
        If there is none.
    """
    if not path.is_dir():
        what = "isn't a directory" if path.exists() else "no such directory"
        raise RunError(f"{path}: {what}; name the directory of a run")
    if not (path / CONFIG).is_file():
        raise RunError(f"{path}: isn't the directory of a run, because it has no {CONFIG}")


def how_to_go_on(path: Path) -> str:
    """Return the command that goes on with a run."""
    return f"fastclf train --resume {shlex.quote(str(path))}"


def what_is_kept(path: Path) -> str:
    """Tell what is left of a run that was interrupted, and how to go on with it."""
    if not (path / CONFIG).exists():
        return "kept nothing"
    return f"kept {path}; go on with: {how_to_go_on(path)}"


def _refuse_if_used(path: Path) -> None:
    with writing(path):
        if not path.is_dir() or set(os.listdir(path)) <= {LOCK}:
            return
    if (path / LOCK).exists():
        with locked(path):  # or it says who is at work
            pass
    remedy = "name another directory with --out, or remove it"
    if (path / CONFIG).exists() and not is_complete(path):
        remedy = f"go on with what is there by {how_to_go_on(path)}, or {remedy}"
    raise RunError(f"{path} exists and isn't empty; {remedy}")


def _can_go_on(path: Path) -> bool:
    """Tell whether a run has got somewhere: to the end of a step, or to a checkpoint."""
    return (path / METRICS).stat().st_size > 0 or bool(Checkpoints(path / CHECKPOINT, 1).numbers())


def _remove(path: Path, is_new: bool) -> None:
    """Remove a run directory that we made, or only our files from one that was there before."""
    if is_new:
        shutil.rmtree(path, ignore_errors=True)
    else:
        for name in (CONFIG, EVALUATION, METRICS, MODEL, ANSWERS, ORIGIN, REPORT):
            (path / name).unlink(missing_ok=True)
        shutil.rmtree(path / CHECKPOINT, ignore_errors=True)


def _metrics(path: Path) -> FileIO:
    # Without a buffer, which could fail when it is closed.
    return FileIO(open_in_place(path / METRICS), "r+")


def _line(values: dict[str, Any]) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _end_alike(there: list[bytes], lines: Sequence[dict[str, Any]]) -> bool:
    """Tell whether lines of a file are as many as others, and the last ones of the same step."""
    if len(there) != len(lines) or not there:
        return not lines
    try:
        return json.loads(there[-1])["iteration"] == lines[-1]["iteration"]
    except (ValueError, KeyError, TypeError):
        return False
