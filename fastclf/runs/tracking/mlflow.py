"""MLflow: parameters, metrics, the files of a run, and its model as one of MLflow's."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.pyfunc import save_model

from fastclf import __version__
from fastclf.config import TrackTable
from fastclf.runs.directory import MODEL

LONGEST = 500
"""Characters of a parameter's value that every store accepts."""


OWN_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # by default it tries for minutes
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""Settings of MLflow while it is told of a run, unless the user's environment has others."""


class Tracker:
    """A run of MLflow; it neither reads nor changes MLflow's active run."""

    def __init__(self, table: TrackTable) -> None:
        self._client = MlflowClient(tracking_uri=table.uri)
        self._experiment = table.experiment
        self._id = ""

    def begin(self, name: str, keys: Mapping[str, Any], earlier: str | None) -> str:
        """Begin a run, or continue an earlier one."""
        with _own_settings():
            return self._begin(name, keys, earlier)

    def _begin(self, name: str, keys: Mapping[str, Any], earlier: str | None) -> str:
        if earlier is not None and self._resumed(earlier):
            return earlier
        found = self._client.get_experiment_by_name(self._experiment)
        number = (
            self._client.create_experiment(self._experiment)
            if found is None
            else found.experiment_id
        )
        self._id = self._client.create_run(number, run_name=name).info.run_id
        for key, value in keys.items():
            # MLflow takes letters, digits and a few marks for names.
            name = "".join(c if c.isalnum() or c in "_-. /" else "_" for c in key)
            self._client.log_param(self._id, name, str(value)[:LONGEST])
        return self._id

    def step(self, number: int, figures: Mapping[str, float]) -> None:
        """Log the figures of an iteration or epoch."""
        with _own_settings():
            for key, value in figures.items():
                self._client.log_metric(self._id, key, value, step=number)

    def complete(self, path: Path, figures: Mapping[str, float]) -> None:
        """Log the metrics, the files of the run directory and the model."""
        with _own_settings():
            self._complete(path, figures)

    def _complete(self, path: Path, figures: Mapping[str, float]) -> None:
        for key, value in figures.items():
            self._client.log_metric(self._id, key, value)
        for file in sorted(path.iterdir()):
            if file.is_file() and not file.name.startswith("."):
                self._client.log_artifact(self._id, str(file))
        with TemporaryDirectory() as folder:
            _save_model(path / MODEL, Path(folder, "model"))
            self._client.log_artifacts(self._id, folder)
        self._client.set_terminated(self._id, "FINISHED")

    def fail(self) -> None:
        """End the run as failed."""
        with _own_settings():
            self._client.set_terminated(self._id, "FAILED")

    def _resumed(self, earlier: str) -> bool:
        try:
            self._client.update_run(earlier, status="RUNNING")
        except MlflowException:  # it was removed
            return False
        self._id = earlier
        return True


@contextmanager
def _own_settings() -> Iterator[None]:
    added = {key: value for key, value in OWN_SETTINGS.items() if key not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for key in added:
            os.environ.pop(key, None)


def _save_model(model: Path, folder: Path) -> None:
    """Write a model in MLflow's format: our model file, and the code that loads it; no pickle."""
    logger = logging.getLogger("mlflow")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it is told of type hints, which a table doesn't need
    try:
        save_model(
            folder,
            python_model=str(Path(__file__).with_name("mlflow_model.py")),
            artifacts={"model": str(model)},
            pip_requirements=[f"fastclf=={__version__}", "pandas"],
        )
    finally:
        logger.setLevel(level)
