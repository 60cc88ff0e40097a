"""Build the estimator, the solver and the teachers that a recipe describes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import ClassifierMixin

from fastclf.config import (
    AutoSolver,
    MinibatchSolver,
    Recipe,
    SingleLabelModel,
    teacher_class,
)
from fastclf.data import Dataset
from fastclf.errors import ConfigError, nearest
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.runs.streamed import StreamedData
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Newton, Proximal

if TYPE_CHECKING:
    from distributed import Client

Estimator = LogisticRegression | MultiLabelLogisticRegression

SOLVERS: dict[str, Any] = {
    "newton": Newton,
    "lbfgs": LBFGS,
    "proximal": Proximal,
    "sgd": SGD,
    "adam": Adam,
    "adamw": AdamW,
}
"""The class of each solver that a recipe names, but "auto"."""

KINDS = {"binary": "logistic", "multiclass": "softmax", "multilabel": "multilabel"}


def resolve_kind(wanted: str, dataset: Dataset | StreamedData) -> str:
    """Return the kind of model for the data's task.

    Raises
    ------
    ConfigError
        If ``wanted`` is neither "auto" nor that kind.
    """
    kind = KINDS[dataset.task]
    if wanted not in {"auto", kind}:
        labels = "several labels" if dataset.task == "multilabel" else "one label"
        raise ConfigError(
            f'model.kind = "{wanted}": {dataset.name} has {labels} a row and '
            f'{len(dataset.class_names)} classes in all; set model.kind to "{kind}"'
        )
    return kind


def build_estimator(
    recipe: Recipe,
    labels: np.ndarray,
    names: Sequence[str] | None = None,
    client: "Client | None" = None,
) -> Estimator:
    """Return the unfitted estimator of a recipe whose kind of model is known.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    labels : ndarray of shape (K,)
        The classes in the data, or their indices if the targets are distributions. Unused for
        multi-label data.
    names : sequence of str, optional
        The names of the classes or labels in the recipe; by default ``labels`` as text.
    client : distributed.Client, optional
        For an estimator of :mod:`fastclf.dask`, whose rows are on the workers.
    """
    single, several = LogisticRegression, MultiLabelLogisticRegression
    if client is not None:
        from fastclf import dask

        single, several = dask.LogisticRegression, dask.MultiLabelLogisticRegression
    options = {**recipe.model.model_dump(exclude={"kind"}), **_solver_options(recipe)}
    if client is not None:
        options["client"] = client
    if not isinstance(recipe.model, SingleLabelModel):
        for key in ("threshold", "pos_weight"):
            if isinstance(options.get(key), dict):
                by_name = dict(zip(names or (), range(len(names or ())), strict=True))
                options[key] = _by_label(key, options[key], by_name, "label")
        return several(**options)
    if isinstance(recipe.model.class_weight, dict):
        by_name = dict(zip(names or map(str, labels.tolist()), labels.tolist(), strict=True))
        options["class_weight"] = _by_label(
            "class_weight", recipe.model.class_weight, by_name, "class"
        )
    return single(**options)


def build_teachers(recipe: Recipe) -> list[ClassifierMixin]:
    """Return the unfitted teachers of a recipe whose ``[distill]`` names classifiers."""
    assert recipe.distill is not None
    teachers = []
    for name in recipe.distill.teacher_names:
        teacher = teacher_class(name)(**recipe.distill.params_of(name))
        if teacher.get_params().get("random_state", 0) is None:
            teacher.set_params(random_state=recipe.seed)
        teachers.append(teacher)
    return teachers


def build_solver(recipe: Recipe) -> Any:
    """Return the solver of a recipe, or None for "auto"."""
    solver = _solver_options(recipe)["solver"]
    return None if solver == "auto" else solver


def _solver_options(recipe: Recipe) -> dict[str, Any]:
    """Return the estimator's parameters ``solver``, ``tol``, ``max_iter`` and ``random_state``."""
    table = recipe.solver
    options: dict[str, Any] = {"tol": table.tol, "random_state": recipe.seed}
    if isinstance(table, MinibatchSolver):
        rule = table.model_dump(exclude={"name", "epochs", "tol"})
        if recipe.early_stopping:
            rule["early_stopping"] = recipe.early_stopping.patience
            rule["validation_fraction"] = recipe.early_stopping.validation_fraction
        return {**options, "solver": SOLVERS[table.name](**rule), "max_iter": table.epochs}
    options["max_iter"] = table.max_iter
    if isinstance(table, AutoSolver):
        return {**options, "solver": table.name}
    exact = SOLVERS[table.name]
    return {**options, "solver": exact(**table.model_dump(exclude={"name", "max_iter", "tol"}))}


def _by_label(
    key: str, numbers: dict[str, float], by_name: dict[str, Any], noun: str
) -> dict[Any, float]:
    """Replace the class or label names that are the keys of a dict by the values in ``by_name``."""
    for name in numbers:
        if name not in by_name:
            raise ConfigError(
                f"model.{key}.{name}: the data have no such {noun}{nearest(name, list(by_name))}; "
                f"they have {', '.join(by_name)}"
            )
    return {by_name[name]: number for name, number in numbers.items()}
