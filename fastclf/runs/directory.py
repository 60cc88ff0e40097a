"""The run directory: what a run leaves behind, and in what order.

It exists from the start of the run. Every file is replaced atomically, apart from
``metrics.jsonl``, which grows by whole lines. ``summary.json`` is written last: a directory that
has it is a complete run, and one that lacks it isn't.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from fastclf.errors import RunError

CONFIG = "config.toml"
METRICS = "metrics.jsonl"
MODEL = "model.safetensors"
SUMMARY = "summary.json"


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
        self._replace(CONFIG, text)

    def write_metrics(self, line: dict[str, Any]) -> None:
        """Add a line to ``metrics.jsonl``; another process can read it at once."""
        with _writing(self.path / METRICS):
            self.metrics.write(json.dumps(line) + "\n")
            self.metrics.flush()

    def write_summary(self, summary: dict[str, Any]) -> None:
        """Write ``summary.json``, which marks the run as complete."""
        self._replace(SUMMARY, json.dumps(summary, indent=2) + "\n")

    def _replace(self, name: str, text: str) -> None:
        target = self.path / name
        temporary = target.with_name(f".{name}.partial")
        with _writing(target):
            with open(temporary, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)


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
        for name in (CONFIG, METRICS, MODEL):
            (path / name).unlink(missing_ok=True)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise RunError(
            f"{path}: can't be written: {problem.strerror}; name another place with --out"
        ) from problem
