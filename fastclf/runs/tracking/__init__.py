"""Trackers of experiments, each in a module of its own, and what a run tells them.

A tracker that fails after the run has begun causes a warning, and is told nothing more: no fit is
lost for it.
"""

import importlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from fastclf.config import Recipe, TrackTable
from fastclf.errors import ConfigError, FastclfError
from fastclf.runs.comparison import dotted
from fastclf.runs.directory import CHECKPOINT
from fastclf.runs.files import write_file
from fastclf.solvers import Progress

TRACKED = "track.json"

TRACKERS = {"mlflow": "fastclf.runs.tracking.mlflow"}
"""The module of each tracker, which has a class ``Tracker``."""

STEPS = ("objective", "gradient_norm", "learning_rate", "validation_loss")
"""The fields of a step that are told."""


class Tracker(Protocol):
    """The calls that a tracker receives for one run, in this order."""

    def __init__(self, table: TrackTable) -> None:
        """Connect to where the table says."""

    def begin(self, name: str, keys: Mapping[str, Any], earlier: str | None) -> str:
        """Begin a run with the keys of its recipe; return its id.

        ``earlier`` is the id of the run before it was stopped, which goes on.
        """

    def step(self, number: int, figures: Mapping[str, float]) -> None:
        """Take the figures of an iteration or epoch."""

    def complete(self, path: Path, figures: Mapping[str, float]) -> None:
        """Take the metrics and the directory of the complete run, and end it."""

    def fail(self) -> None:
        """End a run that failed or was interrupted."""


class Tracked:
    """The tracker of a run, which may have none.

    Parameters
    ----------
    recipe : Recipe
    directory : Path
        The run directory.

    Raises
    ------
    ConfigError
        If the tracker isn't installed, or can't be reached.
    """

    def __init__(self, recipe: Recipe, directory: Path) -> None:
        self._directory = directory
        self._name = "" if recipe.track is None else recipe.track.to
        self._tracker: Tracker | None = None
        if recipe.track is None:
            return
        try:
            with _quiet():
                module = importlib.import_module(TRACKERS[self._name])
                self._tracker = tracker = module.Tracker(recipe.track)
                keys = dict(dotted(recipe.model_dump(mode="json", exclude_none=True)))
                found = tracker.begin(recipe.name, keys, self._earlier())
        except ImportError:
            raise ConfigError(
                f'track.to = "{self._name}": {self._name} isn\'t installed; run: '
                "pip install 'fastclf[track]', or leave out [track]"
            ) from None
        except FastclfError:
            raise
        except Exception as problem:
            raise ConfigError(
                f'track.to = "{self._name}": {_one_line(problem)}; correct track.uri, or leave out '
                "[track]"
            ) from None
        write_file(self._path, json.dumps({"id": found}) + "\n")

    def step(self, progress: Progress) -> None:
        """Send an iteration or epoch."""
        values = progress._asdict()
        figures = {key: float(values[key]) for key in STEPS if values[key] is not None}
        problem = self._tell(lambda tracker: tracker.step(progress.iteration, figures))
        if problem is not None:
            warnings.warn(problem, stacklevel=1)

    def complete(self, summary: Mapping[str, Any]) -> str | None:
        """Send the complete run; return the error, if any."""
        figures = {
            f"{part}_{name}": float(value)
            for part, metrics in summary["metrics"].items()
            for name, value in metrics.items()
            if value is not None
        }
        figures["fit_seconds"] = float(summary["fit_seconds"])
        return self._tell(lambda tracker: tracker.complete(self._directory, figures))

    def fail(self) -> None:
        """Mark the run as failed."""
        self._tell(lambda tracker: tracker.fail())

    @property
    def _path(self) -> Path:
        return self._directory / CHECKPOINT / TRACKED

    def _earlier(self) -> str | None:
        try:
            return str(json.loads(self._path.read_text(encoding="utf-8"))["id"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _tell(self, call: Callable[[Tracker], None]) -> str | None:
        if self._tracker is None:
            return None
        try:
            with _quiet():
                call(self._tracker)
        except Exception as problem:
            self._tracker = None
            return f"{self._name} received no more data about this run: {_one_line(problem)}"
        return None


@contextmanager
def tracked(recipe: Recipe, directory: Path) -> Iterator[Tracked]:
    """Yield the tracker of the run in the block; mark the run as failed if the block fails.

    The parameters and errors are those of `Tracked`.
    """
    tracker = Tracked(recipe, directory)
    try:
        yield tracker
    except BaseException:
        tracker.fail()
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the warnings of a tracker's own code out of those of the run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _one_line(problem: Exception) -> str:
    text = " ".join(str(problem).split()) or type(problem).__name__
    return text if len(text) <= 300 else f"{text[:300]} ..."
