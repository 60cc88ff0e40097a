"""The table of a recipe about the model, with a class for each kind of model."""

from typing import Annotated, Literal

from pydantic import Field

from fastclf.config.fields import Below1, Count, Positive, UpTo1
from fastclf.toml import Table


class ModelTable(Table):
    """``[model]``: the keys of every kind of linear classifier, named as in the estimators.

    Attributes
    ----------
    kind : {"auto", "logistic", "softmax", "multilabel"}
        The kind of model: "logistic" for two classes, "softmax" for more, "multilabel" for any
        number of labels per row; "auto" chooses by the data.
    C : float
        Inverse strength of the penalty; inf for none.
    l1_ratio : float
        The share of the L1 penalty, from 0 (L2 only) to 1 (L1 only).
    fit_intercept : bool
        Whether there is an intercept for each class or label.
    label_smoothing : float
        The share of each target that is spread evenly over all classes.
    """

    kind: str
    C: Annotated[float, Field(gt=0, allow_inf_nan=True)] = 1.0
    l1_ratio: UpTo1 = 0.0
    fit_intercept: bool = True
    label_smoothing: Below1 = 0.0


class AutoModel(ModelTable):
    """``[model]`` whose kind is chosen by the data."""

    kind: Literal["auto"] = "auto"


class SingleLabelModel(ModelTable):
    """``[model]`` with one label per row: "logistic" for two classes, "softmax" for more.

    Attributes
    ----------
    class_weight : "balanced" or table, optional
        The weight of each class by its name; "balanced" gives all classes the same total weight.
    """

    kind: Literal["logistic", "softmax"]
    class_weight: Literal["balanced"] | dict[str, Positive] | None = None


class MultiLabelModel(ModelTable):
    """``[model]`` with any number of labels per row.

    Attributes
    ----------
    threshold : float, list of float or table
        A label is predicted if its probability is larger: one number, a number for each label, or a
        table of numbers by label, in which missing labels have 0.5.
    pos_weight : float, list of float, table or "balanced", optional
        The weight of rows that have a label, relative to rows that don't: one number, a number for
        each label, or a table of numbers by label, in which missing labels have 1. "balanced" gives
        both the same total weight.
    top_k : int, optional
        Predict this number of most probable labels in each row, instead of using the threshold.
    """

    kind: Literal["multilabel"]
    threshold: UpTo1 | list[UpTo1] | dict[str, UpTo1] = 0.5
    pos_weight: Positive | list[Positive] | dict[str, Positive] | Literal["balanced"] | None = None
    top_k: Count | None = None
