"""The table of a recipe about distillation from a teacher."""

import importlib
import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from fastclf.config.fields import Positive, UpTo1
from fastclf.data.options import FilePath, Names
from fastclf.errors import nearest
from fastclf.toml import AS_TUPLE, Table, mistake

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

# Module and class of each teacher; importing all of the modules takes longer than most runs.
TEACHERS = {
    "gradient_boosting": ("sklearn.ensemble", "HistGradientBoostingClassifier"),
    "knn": ("sklearn.neighbors", "KNeighborsClassifier"),
    "mlp": ("sklearn.neural_network", "MLPClassifier"),
    "random_forest": ("sklearn.ensemble", "RandomForestClassifier"),
    "svc": ("sklearn.svm", "SVC"),
}


def teacher_class(name: str) -> "type[ClassifierMixin]":
    """Return the scikit-learn classifier that ``distill.teacher`` names."""
    module, attribute = TEACHERS[name]
    return getattr(importlib.import_module(module), attribute)


def _known_teacher(name: str) -> str:
    if name not in TEACHERS:
        raise mistake(
            "distill.teacher",
            f'distill.teacher = "{name}": must be one of {", ".join(TEACHERS)}'
            f"{nearest(name, list(TEACHERS))}",
        )
    return name


class DistillTable(Table):
    """``[distill]``: fit to the outputs of a teacher.

    There is exactly one teacher: scikit-learn classifiers that are trained in the run, a file,
    columns of the data, or an earlier run.

    Attributes
    ----------
    teacher : {"gradient_boosting", "knn", "mlp", "random_forest", "svc"}, optional
        A scikit-learn classifier, or a list of several, whose probabilities are averaged.
    teacher_params : table
        The parameters of its constructor; with several teachers, a table for each by its name.
    cv : int, optional
        Number of folds: the student learns from the outputs of teachers that were fitted to the
        other folds. By default it learns from the outputs for the teacher's own training rows.
    teacher_file : str, optional
        An NPY file, or an NPZ file with one array, which has a row for each row of the data and a
        column for each class in sorted order. With ``data.stream`` it is an NPY file.
    teacher_columns : tuple of str, optional
        Columns of the data, one for each class in sorted order; they aren't features.
    teacher_run : str, optional
        The directory of an earlier run, or a model file, for the same raw data.
    teacher_kind : {"auto", "logits", "probabilities"}
        What the file or columns hold; by default probabilities if each row sums to 1, else logits.
    temperature : float
        The temperature by which the logits of teacher and student are divided in the loss.
    hard_weight : float
        The weight of the labels in the loss: 0 uses the teacher only, 1 the labels only.
    """

    teacher: (
        Annotated[str, AfterValidator(_known_teacher)]
        | Annotated[
            tuple[Annotated[str, AfterValidator(_known_teacher)], ...],
            Field(min_length=2),
            AS_TUPLE,
        ]
        | None
    ) = None
    teacher_params: dict[str, Any] = Field(default_factory=dict)
    teacher_file: FilePath | None = None
    teacher_columns: Annotated[Names, Field(min_length=1)] | None = None
    teacher_run: FilePath | None = None
    teacher_kind: Literal["auto", "logits", "probabilities"] = "auto"
    cv: Annotated[int, Field(ge=2)] | None = None
    temperature: Positive = 2.0
    hard_weight: UpTo1 = 0.0

    @property
    def teacher_names(self) -> tuple[str, ...]:
        """The names of the scikit-learn classifiers; empty for other kinds of teachers."""
        if self.teacher is None:
            return ()
        return (self.teacher,) if isinstance(self.teacher, str) else self.teacher

    def params_of(self, name: str) -> dict[str, Any]:
        """Return the parameters of the constructor of one of the teachers."""
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
                    "distill.teacher_params", "distill.teacher_params needs distill.teacher"
                )
            if self.cv is not None:
                raise mistake("distill.cv", "distill.cv needs distill.teacher")
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
