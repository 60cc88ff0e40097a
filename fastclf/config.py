"""The recipe of a training run: one strict schema, TOML in, resolved TOML out.

Every default that the estimators and solvers have is read from their signatures, so that a recipe
and the Python API can't drift apart.
"""

import importlib
import inspect
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, Strict, ValidationInfo, model_validator
from sklearn.base import ClassifierMixin

from fastclf.errors import ConfigError
from fastclf.estimators.distilled import DistilledClassifier
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Newton, Proximal
from fastclf.toml import Document, Table, filled_in, mistake, nearest

EXACT_SOLVERS = {"newton": Newton, "lbfgs": LBFGS, "proximal": Proximal}
KNOW_L1 = ("auto", "proximal")
MINIBATCH_RULES = {"sgd": SGD, "adam": Adam, "adamw": AdamW}

# Named by module, because importing all of them takes longer than most runs.
TEACHERS = {
    "gradient_boosting": ("sklearn.ensemble", "HistGradientBoostingClassifier"),
    "knn": ("sklearn.neighbors", "KNeighborsClassifier"),
    "mlp": ("sklearn.neural_network", "MLPClassifier"),
    "random_forest": ("sklearn.ensemble", "RandomForestClassifier"),
    "svc": ("sklearn.svm", "SVC"),
}


def default_of(owner: Any, parameter: str) -> Any:
    """Return the default that ``owner`` gives to one of its constructor's parameters."""
    return inspect.signature(owner).parameters[parameter].default


def teacher_class(name: str) -> type[ClassifierMixin]:
    """Return the scikit-learn classifier that ``distill.teacher`` names."""
    module, attribute = TEACHERS[name]
    return getattr(importlib.import_module(module), attribute)


def _from_recipe(path: str, info: ValidationInfo) -> str:
    folder = (info.context or {}).get("folder", Path())
    return str((folder / path).resolve())


def _fit_for_a_directory(name: str) -> str:
    if not re.fullmatch(r"[^./\\\x00-\x1f][^/\\\x00-\x1f]{0,99}", name):
        raise mistake(
            "name",
            f"name = {name!r}: must be fit for a directory: 1 to 100 characters without slashes "
            "or control characters, not starting with a dot",
        )
    return name


def _known_teacher(name: str) -> str:
    if name not in TEACHERS:
        raise mistake(
            "distill.teacher",
            f'distill.teacher = "{name}": must be one of {", ".join(TEACHERS)}'
            f"{nearest(name, list(TEACHERS))}",
        )
    return name


Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
UpTo1 = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Natural = Annotated[int, Field(ge=0)]
Below1 = Annotated[float, Field(ge=0, lt=1)]
AtLeast0 = Annotated[float, Field(ge=0)]


class DataTable(Table):
    """``[data]``: which data, and how they are prepared.

    Attributes
    ----------
    card : str, optional
        Path of a dataset card, relative to the recipe's folder. Either this or ``name``.
    name : str, optional
        A built-in data set.
    classes : tuple of str or int, optional
        The classes to keep; by default all.
    test_size : float
        The part of the rows that is held out.
    stratify : bool
        Whether each class is split in the same proportion. Multi-label rows are drawn at random.
    scale : {"auto", "standard", "minmax", "none"}
        How columns are scaled; see `fastclf.data.scaling`.
    dtype : {"float32", "float64"}
        In what precision the model is fitted.
    """

    card: Annotated[str, AfterValidator(_from_recipe)] | None = None
    name: str | None = None
    classes: Annotated[tuple[str | int, ...], Strict(False), Field(min_length=2)] | None = None
    test_size: Fraction = 0.25
    stratify: bool = True
    scale: Literal["auto", "standard", "minmax", "none"] = "auto"
    dtype: Literal["float32", "float64"] = "float64"

    @model_validator(mode="after")
    def _one_source(self) -> "DataTable":
        if (self.card is None) == (self.name is None):
            raise mistake(
                "data",
                "[data] needs exactly one of card (the path of a dataset card) and name (a "
                "built-in data set such as iris)",
            )
        return self


class ModelTable(Table):
    """``[model]``: what every kind of linear classifier takes; names as in the estimators."""

    kind: str
    C: Annotated[float, Field(gt=0, allow_inf_nan=True)] = default_of(LogisticRegression, "C")
    l1_ratio: UpTo1 = default_of(LogisticRegression, "l1_ratio")
    fit_intercept: bool = default_of(LogisticRegression, "fit_intercept")
    label_smoothing: Below1 = default_of(LogisticRegression, "label_smoothing")


class AutoModel(ModelTable):
    """``[model]`` whose kind follows from the data."""

    kind: Literal["auto"] = "auto"


class SingleLabelModel(ModelTable):
    """``[model]`` with one label a row: "logistic" for two classes, "softmax" for more.

    ``class_weight`` is "balanced" or a table of weights by class name.
    """

    kind: Literal["logistic", "softmax"]
    class_weight: Literal["balanced"] | dict[str, Positive] | None = default_of(
        LogisticRegression, "class_weight"
    )


class MultiLabelModel(ModelTable):
    """``[model]`` with any number of labels a row.

    ``threshold`` and ``pos_weight`` are one number, or one for each label.
    """

    kind: Literal["multilabel"]
    threshold: UpTo1 | list[UpTo1] = default_of(MultiLabelLogisticRegression, "threshold")
    pos_weight: Positive | list[Positive] | None = default_of(
        MultiLabelLogisticRegression, "pos_weight"
    )


class AutoSolver(Table):
    """``[solver]`` left to fastclf."""

    name: Literal["auto"] = "auto"
    tol: AtLeast0 = default_of(LogisticRegression, "tol")
    max_iter: Count = default_of(LogisticRegression, "max_iter")


class LBFGSSolver(Table):
    """``[solver]`` for `fastclf.solvers.LBFGS`."""

    name: Literal["lbfgs"]
    memory: Count = default_of(LBFGS, "memory")
    sample: Natural = default_of(LBFGS, "sample")
    tol: AtLeast0 = default_of(LogisticRegression, "tol")
    max_iter: Count = default_of(LogisticRegression, "max_iter")


class NewtonSolver(Table):
    """``[solver]`` for `fastclf.solvers.Newton`."""

    name: Literal["newton"]
    whole: bool | None = default_of(Newton, "whole")
    memory: Count = default_of(Newton, "memory")
    sample: Natural = default_of(Newton, "sample")
    tol: AtLeast0 = default_of(LogisticRegression, "tol")
    max_iter: Count = default_of(LogisticRegression, "max_iter")


class ProximalSolver(Table):
    """``[solver]`` for `fastclf.solvers.Proximal`."""

    name: Literal["proximal"]
    memory: Count = default_of(Proximal, "memory")
    sample: Natural = default_of(Proximal, "sample")
    tol: AtLeast0 = default_of(LogisticRegression, "tol")
    max_iter: Count = default_of(LogisticRegression, "max_iter")


class MinibatchSolver(Table):
    """``[solver]``: what every minibatch rule takes; names as in `fastclf.solvers`.

    ``epochs`` and ``tol`` are the estimators' ``max_iter`` and ``tol``. Without a
    ``learning_rate`` the rule chooses one.
    """

    name: str
    learning_rate: Positive | None = default_of(SGD, "learning_rate")
    batch_size: Count = default_of(SGD, "batch_size")
    epochs: Count = default_of(LogisticRegression, "max_iter")
    schedule: Literal["constant", "inverse_time", "step", "cosine"] = default_of(SGD, "schedule")
    warmup: Natural = default_of(SGD, "warmup")
    clip_norm: Positive | None = default_of(SGD, "clip_norm")
    average: bool = default_of(SGD, "average")
    tol: AtLeast0 = default_of(LogisticRegression, "tol")
    patience: Count = default_of(SGD, "patience")


class SGDSolver(MinibatchSolver):
    """``[solver]`` for `fastclf.solvers.SGD`."""

    name: Literal["sgd"]
    momentum: Below1 = default_of(SGD, "momentum")
    nesterov: bool = default_of(SGD, "nesterov")


class AdamSolver(MinibatchSolver):
    """``[solver]`` for `fastclf.solvers.Adam`."""

    name: Literal["adam"]
    beta1: Below1 = default_of(Adam, "beta1")
    beta2: Below1 = default_of(Adam, "beta2")
    epsilon: Positive = default_of(Adam, "epsilon")


class AdamWSolver(MinibatchSolver):
    """``[solver]`` for `fastclf.solvers.AdamW`."""

    name: Literal["adamw"]
    beta1: Below1 = default_of(AdamW, "beta1")
    beta2: Below1 = default_of(AdamW, "beta2")
    epsilon: Positive = default_of(AdamW, "epsilon")
    weight_decay: AtLeast0 | None = default_of(AdamW, "weight_decay")


class EarlyStoppingTable(Table):
    """``[early_stopping]``: stop when ``patience`` epochs brought no better validation loss."""

    patience: Count = default_of(SGD, "patience")
    validation_fraction: Fraction = default_of(SGD, "validation_fraction")


class DistillTable(Table):
    """``[distill]``: fit to what a scikit-learn classifier, trained in the run, predicts.

    ``teacher_params`` goes to the teacher's constructor.
    """

    teacher: Annotated[str, AfterValidator(_known_teacher)]
    teacher_params: dict[str, Any] = Field(default_factory=dict)
    temperature: Positive = default_of(DistilledClassifier, "temperature")
    hard_weight: UpTo1 = default_of(DistilledClassifier, "hard_weight")

    @model_validator(mode="after")
    def _known_parameters(self) -> "DistillTable":
        right = list(inspect.signature(teacher_class(self.teacher)).parameters)
        for name in self.teacher_params:
            if name not in right:
                raise mistake(
                    f"distill.teacher_params.{name}",
                    f'the teacher "{self.teacher}" has no parameter {name}{nearest(name, right)}; '
                    f"it has {', '.join(right)}",
                )
        return self


class Recipe(Table):
    """All that decides a training run.

    Attributes
    ----------
    name : str
        What the run is called; by default as its file.
    seed : int
        Decides the split, the order of the rows and the teacher.
    data, model, solver, early_stopping, distill
        The tables.
    """

    name: Annotated[str, AfterValidator(_fit_for_a_directory)]
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataTable
    model: Annotated[
        AutoModel | SingleLabelModel | MultiLabelModel,
        Field(discriminator="kind"),
        filled_in("kind", "auto"),
    ] = AutoModel()
    solver: Annotated[
        AutoSolver
        | NewtonSolver
        | LBFGSSolver
        | ProximalSolver
        | SGDSolver
        | AdamSolver
        | AdamWSolver,
        Field(discriminator="name"),
        filled_in("name", "auto"),
    ] = AutoSolver()
    early_stopping: EarlyStoppingTable | None = None
    distill: DistillTable | None = None

    @model_validator(mode="after")
    def _tables_agree(self) -> "Recipe":
        if self.early_stopping and self.solver.name not in MINIBATCH_RULES:
            raise mistake(
                "early_stopping",
                f'[early_stopping] needs a minibatch solver, and solver.name is "'
                f'{self.solver.name}"; set it to one of {", ".join(MINIBATCH_RULES)}',
            )
        if self.model.l1_ratio > 0 and self.solver.name not in KNOW_L1:
            raise mistake(
                "model.l1_ratio",
                f"model.l1_ratio = {self.model.l1_ratio} is an L1 penalty, and solver.name is "
                f'"{self.solver.name}", which knows none; set it to one of {", ".join(KNOW_L1)}, '
                "or model.l1_ratio to 0.0",
            )
        if self.distill and self.model.kind == "multilabel":
            raise mistake(
                "distill",
                '[distill] needs one label a row, and model.kind is "multilabel"; leave out one '
                "of the two",
            )
        return self

    def with_kind(self, kind: str) -> "Recipe":
        """Return the recipe with a kind of model in place of "auto"."""
        values = self.model_dump()
        return Recipe.model_validate({**values, "model": {**values["model"], "kind": kind}})


def load_recipe(path: Path, assignments: Iterable[str] = ()) -> Recipe:
    """Read the recipe at ``path``.

    Parameters
    ----------
    path : Path
        A TOML file.
    assignments : iterable of str
        Overrides such as ``"model.C=0.5"``; later ones win.

    Raises
    ------
    ConfigError
        If the file can't be read, or a key or a value is wrong.
    """
    document = Document.read(path, ConfigError)
    document = replace(document, values={"name": path.stem, **document.values})
    for assignment in assignments:
        document = document.override(assignment)
    return document.parse(Recipe)
