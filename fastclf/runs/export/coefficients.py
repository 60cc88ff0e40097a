"""The coefficients of a model as a table: CSV, JSON lines or Parquet."""

import csv
import io
import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fastclf.data.writers import SUFFIXES
from fastclf.errors import InputError
from fastclf.files import is_stream
from fastclf.linear_model import Affine, LinearModel
from fastclf.preprocessing import DateColumn, NumericColumn
from fastclf.runs.loading import theta_of_features

INTERCEPT = "(intercept)"

Columns = dict[str, list[Any]]


def coefficients(model: LinearModel) -> Columns:
    """Return the coefficients of a model as columns of a table.

    Parameters
    ----------
    model : LinearModel

    Returns
    -------
    dict of str to list
        "class", for several labels "label": the class or label; of two classes the second.
        "feature" and "column": the name of the feature, "(intercept)" for the intercept, and the
        raw column that it comes from. "coefficient": the change of the logit if the feature, before
        scaling, grows by 1. "odds_ratio": its exponential. "scaled_coefficient": the same for the
        scaled feature, None if the feature isn't scaled.

        The rows are class after class, the intercept first. A temperature is part of all
        coefficients, so that intercept and coefficients times features add up to the logit.

    Examples
    --------
    >>> import numpy as np
    >>> from fastclf.linear_model import LinearModel
    >>> from fastclf.preprocessing import CategoricalColumn, Encoder, NumericColumn
    >>> from fastclf.runs.export.coefficients import coefficients
    >>> city = CategoricalColumn("city", ("Bonn",))
    >>> encoder = Encoder((NumericColumn("age", shift=40.0, scale=10.0), city))
    >>> theta, classes = np.array([[2.0], [-1.0], [0.5]]), np.array(["no", "yes"])
    >>> found = coefficients(LinearModel(theta, "binary", classes, encoder=encoder))
    >>> found["feature"], found["coefficient"]
    (['(intercept)', 'age', 'city=Bonn'], [-7.5, 0.2, -1.0])
    >>> found["scaled_coefficient"], found["column"]
    ([0.5, 2.0, None], [None, 'age', 'city'])
    """
    columns, scaling = _sources(model)
    own = theta_of_features(replace(model, preprocessing=scaling)).astype(np.float64)
    scaled = theta_of_features(replace(model, preprocessing=None)).astype(np.float64)
    scales = np.zeros(model.n_features, bool)
    if scaling is not None:
        scales = (scaling.shift != 0) | (scaling.scale != 1)
    is_scaled = [bool(scales.any()), *scales.tolist()]
    encoder = model.encoder
    names = model.feature_names if encoder is None else encoder.feature_names
    names = names or tuple(f"feature {i}" for i in range(model.n_features))
    classes = [str(name) for name in model.classes.tolist()][-own.shape[1] :]
    with np.errstate(over="ignore"):
        odds = np.exp(own)

    def listed(theta: np.ndarray) -> Iterator[Any]:
        for values in theta.T.tolist():
            yield values[-1]
            yield from values[:-1]

    n = len(classes)
    return {
        "label" if model.task == "multilabel" else "class": [
            name for name in classes for _ in range(model.n_features + 1)
        ],
        "feature": [INTERCEPT, *names] * n,
        "coefficient": list(listed(own)),
        "odds_ratio": list(listed(odds)),
        "scaled_coefficient": [
            value if known else None
            for value, known in zip(listed(scaled), is_scaled * n, strict=True)
        ],
        "column": [None, *(columns or names)] * n,
    }


def meaning_of_odds(model: LinearModel) -> str:
    """Return a sentence about the odds ratios of a model's coefficients."""
    names = [str(name) for name in model.classes.tolist()]
    if model.task == "multiclass":
        return (
            "odds_ratio is relative to the other classes: the odds of one class against another "
            "change by the quotient of their odds ratios"
        )
    if model.task == "multilabel":
        return "odds_ratio is the factor by which the odds of a label change"
    return f"odds_ratio is the factor by which the odds of {names[1]} against {names[0]} change"


def coefficients_file(model: LinearModel, path: Path | None = None) -> bytes:
    """Return the coefficients of a model as the content of a file.

    Parameters
    ----------
    model : LinearModel
    path : Path, optional
        Its suffix decides the format: ``.csv``, ``.jsonl`` or ``.parquet``. CSV without a path, and
        for a pipe or device without a suffix.

    Raises
    ------
    InputError
        If the suffix is another one, or pyarrow isn't installed, which Parquet needs.
    """
    format: str | None = "csv"
    if path is not None and (path.suffix or not is_stream(path)):
        format = SUFFIXES.get(path.suffix.lower())
    table = coefficients(model)
    rows = zip(*table.values(), strict=True)
    if format == "csv":
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([[*table], *rows])
        return text.getvalue().encode()
    if format == "jsonl":
        lines = []
        for row in rows:  # JSON has no infinity
            values = (None if value == math.inf else value for value in row)
            entry = dict(zip(table, values, strict=True))
            lines.append(f"{json.dumps(entry, ensure_ascii=False)}\n")
        return "".join(lines).encode()
    if format != "parquet":
        raise InputError(
            f"{path}: coefficients are written as .csv, .jsonl or .parquet; give the file one of "
            "these suffixes"
        )
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(
            f"{path}: Parquet is written with pyarrow, which isn't installed; run: pip install "
            "'fastclf[data]', or write CSV or JSON lines"
        ) from None
    content = io.BytesIO()
    parquet.write_table(pyarrow.table(table), content)
    return content.getvalue()


def _sources(model: LinearModel) -> tuple[list[str] | None, Affine | None]:
    """Return the raw column of each feature, None for the feature itself, and the scaling."""
    if model.encoder is None:
        return None, model.preprocessing
    names: list[str] = []
    numbers: list[tuple[float, float]] = []
    for column in model.encoder.columns:
        names += [column.name] * column.width
        if isinstance(column, NumericColumn):
            numbers.append((column.shift, column.scale))
        elif isinstance(column, DateColumn):
            numbers += [(part.shift, part.scale) for part in column.parts]
        else:
            numbers += [(0.0, 1.0)] * column.width
    shift, scale = np.array(numbers, np.float64).reshape(-1, 2).T
    return names, Affine(shift, scale)
