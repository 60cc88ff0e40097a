"""The table of a recipe that says which model: one class for each kind."""

from typing import Annotated, Literal

from pydantic import Field

from fastclf.config.fields import Below1, Count, Positive, UpTo1, default_of
from fastclf.estimators.logistic import LogisticRegression
from fastclf.estimators.multilabel import MultiLabelLogisticRegression
from fastclf.toml import Table


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
        The share of the L1 penalty.
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
    threshold : float, list of float or table
        A label is predicted where its probability is larger: one number, one for each label, or
        a table of numbers by label, where those that aren't named have 0.5.
    pos_weight : float, list of float, table or "balanced", optional
        The weight of the rows that have a label: one number, one for each label, or a table of
        numbers by label, where those that aren't named have 1; "balanced" makes it that of the
        rows that don't.
    top_k : int, optional
        Predict so many labels in each row, the most probable ones, whatever the threshold.
    """

    kind: Literal["multilabel"]
    threshold: UpTo1 | list[UpTo1] | dict[str, UpTo1] = default_of(
        MultiLabelLogisticRegression, "threshold"
    )
    pos_weight: Positive | list[Positive] | dict[str, Positive] | Literal["balanced"] | None = (
        default_of(MultiLabelLogisticRegression, "pos_weight")
    )
    top_k: Count | None = default_of(MultiLabelLogisticRegression, "top_k")
