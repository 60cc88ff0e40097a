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

from pydantic import AfterValidator, Field, Strict, ValidationError, model_validator
from sklearn.base import ClassifierMixin

from fastclf.data.options import FileOptions, FilePath, Names
from fastclf.errors import ConfigError, nearest
from fastclf.estimators.distilled import DistilledClassifier
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.schema import json_schema
from fastclf.solvers import LBFGS, SGD, Adam, AdamW, Newton, Proximal
from fastclf.toml import Document, Table, filled_in, mistake

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


class DataTable(FileOptions):
    """``[data]``: which data, how they are read, and how they are prepared.

    The keys that say how a file is read are those of `fastclf.data.FileOptions`; they go with
    ``path``, and the others with every kind of data.

    Attributes
    ----------
    card : str, optional
        Path of a dataset card. Either this, ``name`` or ``path``. Relative paths start at the
        recipe's folder.
    name : str, optional
        A data set of scikit-learn's: one that comes with it, one that it fetches (covtype,
        20newsgroups_vectorized, rcv1, kddcup99), or one of OpenML's like openml:credit-g or
        openml:31.
    path : str, optional
        A data file, or a folder of Parquet files.
    data_home : str, optional
        With ``name``: the folder where fetched data are kept; by default scikit-learn's.
    download : bool
        With ``name``: whether data are fetched that aren't there.
    classes : tuple of str or int, optional
        The classes to keep; by default all.
    ignore_index : str or int, optional
        A label whose rows are left out, such as -100 or "unknown": they count neither in the fit
        nor in the figures, and it is no class.
    test_size : float
        The part of the rows that is held out; 0 for none.
    stratify : bool
        Whether each class, or each of several labels, is split in the same proportion.
    scale : {"auto", "standard", "minmax", "none"}
        How columns are scaled; see `fastclf.data.scaling`.
    impute : {"mean", "median", "most_frequent", "zero", "none"}
        What a missing value in a table is taken for; "none" makes it an error.
    min_frequency : int or float
        Categories in fewer rows than that, or in a smaller part of them, are one feature together.
    dtype : {"float32", "float64"}
        In what precision the model is fitted.
    stream : bool
        With ``path`` and ``test_path``: read the rows to train on anew in each pass, because they
        don't fit into memory.
    """

    card: FilePath | None = None
    name: str | None = None
    path: FilePath | None = None
    data_home: FilePath | None = None
    download: bool = True
    classes: Annotated[tuple[str | int, ...], Strict(False), Field(min_length=2)] | None = None
    ignore_index: str | int | None = None
    test_size: Below1 = 0.25
    stratify: bool = True
    scale: Literal["auto", "standard", "minmax", "none"] = "auto"
    impute: Literal["mean", "median", "most_frequent", "zero", "none"] = "mean"
    min_frequency: Count | Fraction = 1
    dtype: Literal["float32", "float64"] = "float64"
    stream: bool = False

    @model_validator(mode="after")
    def _can_be_streamed(self) -> "DataTable":
        if not self.stream:
            return self
        if self.path is None or self.test_path is None:
            raise mistake(
                "data.stream",
                "data.stream: rows that aren't in memory can't be split; name a file to train on "
                "with data.path, and one to test on with data.test_path",
            )
        whole = ("classes", "ignore_index", "target_path", "label_separator", "missing_target")
        for key in whole:
            if getattr(self, key) != DataTable.model_fields[key].default:
                raise mistake(
                    f"data.{key}",
                    f"data.{key} needs all rows in memory; leave it out, or set data.stream to "
                    "false",
                )
        if self.impute not in ("mean", "zero", "none"):
            raise mistake(
                "data.impute",
                f'data.impute = "{self.impute}" needs all rows in memory; with data.stream it is '
                '"mean", "zero" or "none"',
            )
        if self.target_kind not in ("auto", "labels", "indicators"):
            raise mistake(
                "data.target_kind",
                f'data.target_kind = "{self.target_kind}" needs all rows in memory; with '
                'data.stream it is "labels" or "indicators"',
            )
        return self

    @model_validator(mode="after")
    def _one_source(self) -> "DataTable":
        sources = [self.card, self.name, self.path]
        if sum(source is not None for source in sources) != 1:
            raise mistake(
                "data",
                "[data] needs exactly one of card (the path of a dataset card), name (a built-in "
                "data set such as iris) and path (a data file)",
            )
        if self.name is None and (self.data_home is not None or not self.download):
            key = "data_home" if self.data_home is not None else "download"
            raise mistake(f"data.{key}", f"data.{key} goes with data.name, and there is none")
        if self.ignore_index is not None and self.classes is not None:
            raise mistake(
                "data.ignore_index",
                "data.ignore_index and data.classes both say which rows are left out; keep one",
            )
        if self.path is None:
            for key, info in FileOptions.model_fields.items():
                if getattr(self, key) != info.default:
                    said = "the card says" if self.card else "it is known"
                    raise mistake(
                        f"data.{key}", f"data.{key} goes with data.path; here {said} how to read"
                    )
        return self


class ModelTable(Table):
    """``[model]``: what every kind of linear classifier takes; names as in the estimators.

    Attributes
    ----------
    kind : {"auto", "logistic", "softmax", "multilabel"}
        What is fitted: "logistic" for two classes, "softmax" for more, "multilabel" for any number
        of labels a row; "auto" follows from the data.
    C : float
        Inverse strength of the penalty; inf for none.
    l1_ratio : float
        The share of the L1 penalty; only 0 so far.
    fit_intercept : bool
        Whether there is an intercept for each class or label.
    label_smoothing : float
        The part of each target that is spread over all classes.
    """

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

    Attributes
    ----------
    class_weight : "balanced" or table, optional
        The weight of each class by its name; "balanced" makes their totals equal.
    """

    kind: Literal["logistic", "softmax"]
    class_weight: Literal["balanced"] | dict[str, Positive] | None = default_of(
        LogisticRegression, "class_weight"
    )


class MultiLabelModel(ModelTable):
    """``[model]`` with any number of labels a row.

    Attributes
    ----------
    threshold : float or list of float
        A label is predicted where its probability is larger: one number, or one for each label.
    pos_weight : float, list of float or "balanced", optional
        The weight of the rows that have a label: one number, or one for each label; "balanced"
        makes it that of the rows that don't.
    top_k : int, optional
        Predict so many labels in each row, the most probable ones, whatever the threshold.
    """

    kind: Literal["multilabel"]
    threshold: UpTo1 | list[UpTo1] = default_of(MultiLabelLogisticRegression, "threshold")
    pos_weight: Positive | list[Positive] | Literal["balanced"] | None = default_of(
        MultiLabelLogisticRegression, "pos_weight"
    )
    top_k: Count | None = default_of(MultiLabelLogisticRegression, "top_k")


class SolverTable(Table):
    """``[solver]``: what every solver takes.

    Attributes
    ----------
    name : {"auto", "newton", "lbfgs", "sgd", "adam", "adamw"}
        The solver; "auto" is the exact one that is fastest for the data's shape.
    tol : float
        An exact solver stops when no entry of the gradient is larger. A minibatch solver counts
        epochs that improve the objective by less than this, relatively; 0 runs all epochs.
    """

    name: str
    tol: AtLeast0 = default_of(LogisticRegression, "tol")


class ExactSolver(SolverTable):
    """``[solver]``: what every exact solver takes.

    Attributes
    ----------
    max_iter : int
        The most iterations.
    """

    max_iter: Count = default_of(LogisticRegression, "max_iter")


class AutoSolver(ExactSolver):
    """``[solver]`` left to fastclf."""

    name: Literal["auto"] = "auto"


class LBFGSSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.LBFGS`.

    Attributes
    ----------
    memory : int
        How many past steps the approximation of the Hessian uses.
    sample : int
        How many rows are solved first, for a start; 0 for none.
    """

    name: Literal["lbfgs"]
    memory: Count = default_of(LBFGS, "memory")
    sample: Natural = default_of(LBFGS, "sample")


class NewtonSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.Newton`.

    Attributes
    ----------
    whole : bool, optional
        Whether a softmax has one whole Hessian, or a block of it for each class; by default whole
        where there are few coefficients.
    memory : int
        How many past steps mend the Hessian.
    sample : int
        How many rows are solved first, for a start; 0 for none.
    """

    name: Literal["newton"]
    whole: bool | None = default_of(Newton, "whole")
    memory: Count = default_of(Newton, "memory")
    sample: Natural = default_of(Newton, "sample")


class ProximalSolver(ExactSolver):
    """``[solver]`` for `fastclf.solvers.Proximal`.

    Attributes
    ----------
    memory : int
        How many past steps the approximation of the Hessian uses.
    sample : int
        How many rows are solved first, for a start; 0 for none.
    """

    name: Literal["proximal"]
    memory: Count = default_of(Proximal, "memory")
    sample: Natural = default_of(Proximal, "sample")


class MinibatchSolver(SolverTable):
    """``[solver]``: what every minibatch rule takes; names as in `fastclf.solvers`.

    Attributes
    ----------
    learning_rate : float, optional
        The peak rate; by default one that suits the rule and the number of features.
    batch_size : int
        Rows of a step.
    epochs : int
        The most epochs.
    schedule : {"constant", "inverse_time", "step", "cosine"}
        How the rate changes over the whole training.
    warmup : int
        Steps over which the rate grows at first.
    clip_norm : float, optional
        The largest norm of a gradient; a longer one is scaled down.
    average : bool
        Whether the model is the mean over all steps after the first epoch.
    patience : int
        Stop after so many epochs that each improve the objective by less than tol.
    """

    learning_rate: Positive | None = default_of(SGD, "learning_rate")
    batch_size: Count = default_of(SGD, "batch_size")
    epochs: Count = default_of(LogisticRegression, "max_iter")
    schedule: Literal["constant", "inverse_time", "step", "cosine"] = default_of(SGD, "schedule")
    warmup: Natural = default_of(SGD, "warmup")
    clip_norm: Positive | None = default_of(SGD, "clip_norm")
    average: bool = default_of(SGD, "average")
    patience: Count = default_of(SGD, "patience")


class SGDSolver(MinibatchSolver):
    """``[solver]`` for `fastclf.solvers.SGD`.

    Attributes
    ----------
    momentum : float
        The part of the last step that is taken again.
    nesterov : bool
        Whether the momentum is Nesterov's.
    """

    name: Literal["sgd"]
    momentum: Below1 = default_of(SGD, "momentum")
    nesterov: bool = default_of(SGD, "nesterov")


class AdamSolver(MinibatchSolver):
    """``[solver]`` for `fastclf.solvers.Adam`.

    Attributes
    ----------
    beta1, beta2 : float
        How slowly the means of the gradient and of its square forget.
    epsilon : float
        What is added to the root of the mean square, by which steps are divided.
    """

    name: Literal["adam"]
    beta1: Below1 = default_of(Adam, "beta1")
    beta2: Below1 = default_of(Adam, "beta2")
    epsilon: Positive = default_of(Adam, "epsilon")


class AdamWSolver(MinibatchSolver):
    """``[solver]`` for `fastclf.solvers.AdamW`.

    Attributes
    ----------
    beta1, beta2 : float
        How slowly the means of the gradient and of its square forget.
    epsilon : float
        What is added to the root of the mean square, by which steps are divided.
    weight_decay : float, optional
        The share of the coefficients that each step of rate 1 takes away; by default the penalty's.
    """

    name: Literal["adamw"]
    beta1: Below1 = default_of(AdamW, "beta1")
    beta2: Below1 = default_of(AdamW, "beta2")
    epsilon: Positive = default_of(AdamW, "epsilon")
    weight_decay: AtLeast0 | None = default_of(AdamW, "weight_decay")


class EarlyStoppingTable(Table):
    """``[early_stopping]`` of a minibatch solver, by the loss on rows that are split off.

    Attributes
    ----------
    patience : int
        Stop after so many epochs without a better validation loss, and keep the best epoch.
    validation_fraction : float
        The part of the training rows that is split off.
    """

    patience: Count = default_of(SGD, "patience")
    validation_fraction: Fraction = default_of(SGD, "validation_fraction")


class DistillTable(Table):
    """``[distill]``: fit to what a teacher says of the rows.

    The teacher is exactly one of a scikit-learn classifier that is trained in the run, a file,
    columns of the data, and an earlier run.

    Attributes
    ----------
    teacher : {"gradient_boosting", "knn", "mlp", "random_forest", "svc"}, optional
        A scikit-learn classifier, or a list of several, whose probabilities are averaged.
    teacher_params : table
        What its constructor takes; of several a table for each by its name.
    cv : int, optional
        So many folds: the student learns from what teachers say of rows that they weren't fitted
        to. By default from what they say of their own rows.
    teacher_file : str, optional
        An NPZ file with one array, a row for each of the data's and a column for each class in
        sorted order.
    teacher_columns : tuple of str, optional
        Columns of the data, one for each class in sorted order; they aren't features.
    teacher_run : str, optional
        The directory of an earlier run, or a model file, that takes the same raw data.
    teacher_kind : {"auto", "logits", "probabilities"}
        What a file or columns hold; by default probabilities if each row sums to 1.
    temperature : float
        What logits are divided by, before the teacher and the student are compared.
    hard_weight : float
        The weight of the labels: 0 is the teacher alone, 1 the labels alone.
    """

    teacher: (
        Annotated[str, AfterValidator(_known_teacher)]
        | Annotated[
            tuple[Annotated[str, AfterValidator(_known_teacher)], ...],
            Strict(False),
            Field(min_length=2),
        ]
        | None
    ) = None
    teacher_params: dict[str, Any] = Field(default_factory=dict)
    teacher_file: FilePath | None = None
    teacher_columns: Annotated[Names, Field(min_length=1)] | None = None
    teacher_run: FilePath | None = None
    teacher_kind: Literal["auto", "logits", "probabilities"] = "auto"
    cv: Annotated[int, Field(ge=2)] | None = None
    temperature: Positive = default_of(DistilledClassifier, "temperature")
    hard_weight: UpTo1 = default_of(DistilledClassifier, "hard_weight")

    @property
    def teacher_names(self) -> tuple[str, ...]:
        """The names of scikit-learn's classifiers; none for another teacher."""
        if self.teacher is None:
            return ()
        return (self.teacher,) if isinstance(self.teacher, str) else self.teacher

    def params_of(self, name: str) -> dict[str, Any]:
        """Return what the constructor of one of the teachers gets."""
        if isinstance(self.teacher, str):
            return self.teacher_params
        return self.teacher_params.get(name, {})

    @model_validator(mode="after")
    def _one_teacher(self) -> "DistillTable":
        teachers = (self.teacher, self.teacher_file, self.teacher_columns, self.teacher_run)
        if teachers.count(None) == 4:
            raise mistake(
                "distill",
                "distill.teacher is missing; or set one of teacher_file, teacher_columns and "
                "teacher_run",
            )
        if teachers.count(None) < 3:
            raise mistake(
                "distill",
                "[distill] has several teachers; keep one of teacher, teacher_file, "
                "teacher_columns and teacher_run",
            )
        return self

    @model_validator(mode="after")
    def _known_parameters(self) -> "DistillTable":
        if self.teacher is None:
            if self.teacher_params:
                raise mistake(
                    "distill.teacher_params", "distill.teacher_params goes with distill.teacher"
                )
            if self.cv is not None:
                raise mistake("distill.cv", "distill.cv goes with distill.teacher")
            return self
        if len(set(self.teacher_names)) < len(self.teacher_names):
            raise mistake("distill.teacher", "distill.teacher names a classifier twice")
        several = not isinstance(self.teacher, str)
        for name, params in self.teacher_params.items() if several else ():
            if name not in self.teacher_names or not isinstance(params, dict):
                raise mistake(
                    f"distill.teacher_params.{name}",
                    f"distill.teacher_params.{name}: with several teachers it has a table for each "
                    f"by its name: {', '.join(self.teacher_names)}",
                )
        for teacher in self.teacher_names:
            right = list(inspect.signature(teacher_class(teacher)).parameters)
            for name in self.params_of(teacher):
                if name not in right:
                    where = f"{teacher}.{name}" if several else name
                    raise mistake(
                        f"distill.teacher_params.{where}",
                        f'the teacher "{teacher}" has no parameter {name}{nearest(name, right)}; '
                        f"it has {', '.join(right)}",
                    )
        return self


class CalibrateTable(Table):
    """``[calibrate]``: decide on rows that are split off from training what a fit can't tell.

    Attributes
    ----------
    validation_fraction : float
        The part of the training rows that is split off.
    temperature : bool
        Whether logits are divided by the temperature that makes probabilities right as often as
        they say; it is stored in the model file.
    thresholds : {"none", "f1"}
        With several labels a row: whether a label's threshold is the one with the highest F1.
    """

    validation_fraction: Fraction = 0.2
    temperature: bool = True
    thresholds: Literal["none", "f1"] = "none"


class CheckpointTable(Table):
    """``[checkpoint]``: how often a run keeps where its fit stands, to go on from there.

    Attributes
    ----------
    every_seconds : float
        After how many seconds a checkpoint is written, at the next iteration or slice of an epoch;
        later where that would take more than a fiftieth of the time. 0 writes one after each.
    every_epochs : int, optional
        After how many epochs or iterations one is written in any case.
    keep : int
        How many of the last checkpoints are kept; the best one is, too.
    """

    every_seconds: AtLeast0 = 10.0
    every_epochs: Count | None = None
    keep: Count = 2


class Recipe(Table):
    """All that decides a training run.

    Attributes
    ----------
    name : str
        What the run is called; by default as its file.
    seed : int
        Decides the split, the order of the rows and the teacher.
    data, model, solver, early_stopping, distill, calibrate, checkpoint
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
    calibrate: CalibrateTable | None = None
    checkpoint: CheckpointTable = CheckpointTable()

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
        if self.data.stream:
            for key in ("early_stopping", "distill", "calibrate"):
                if getattr(self, key) is not None:
                    raise mistake(
                        key, f"[{key}] needs all rows in memory; set data.stream to false"
                    )
            if self.model.l1_ratio > 0:
                raise mistake(
                    "model.l1_ratio",
                    "model.l1_ratio: an L1 penalty needs all rows in memory; set data.stream to "
                    "false",
                )
        if self.distill and self.model.kind == "multilabel":
            raise mistake(
                "distill",
                '[distill] needs one label a row, and model.kind is "multilabel"; leave out one '
                "of the two",
            )
        tuned = self.calibrate is not None and self.calibrate.thresholds != "none"
        if tuned and self.model.kind in ("logistic", "softmax"):
            raise mistake(
                "calibrate.thresholds",
                f"calibrate.thresholds goes with several labels a row, and model.kind is "
                f'"{self.model.kind}"; leave it out',
            )
        if tuned and isinstance(self.model, MultiLabelModel) and self.model.top_k is not None:
            raise mistake(
                "calibrate.thresholds",
                "calibrate.thresholds and model.top_k both decide which labels are predicted; "
                "leave out one of them",
            )
        if self.distill and self.distill.teacher_columns and self.data.path is None:
            raise mistake(
                "distill.teacher_columns",
                "distill.teacher_columns are columns of a data file, so it goes with data.path",
            )
        return self

    def with_kind(self, kind: str) -> "Recipe":
        """Return the recipe with a kind of model in place of "auto".

        Raises
        ------
        ConfigError
            If another table doesn't go with it.
        """
        values = self.model_dump()
        try:
            return Recipe.model_validate({**values, "model": {**values["model"], "kind": kind}})
        except ValidationError as problems:
            raise ConfigError(f"{self.name}: {problems.errors()[0]['msg']}") from None


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


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema of a recipe as it is written: its name may be that of the file."""
    schema = json_schema(Recipe)
    schema["required"].remove("name")
    return schema
