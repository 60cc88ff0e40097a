"""Rows on which an exported model is compared with the model itself."""

from pathlib import Path
from typing import Any

import numpy as np

from fastclf.config import DataTable
from fastclf.data.prediction_rows import stream_rows
from fastclf.errors import FastclfError
from fastclf.linear_model import LinearModel
from fastclf.preprocessing import CategoricalColumn, NumericColumn
from fastclf.runs.evaluation import logits_of
from fastclf.runs.parts import read_dataset
from fastclf.table import Categories, Column, Numbers, Table
from fastclf.text_features import TextColumn

MOST_ROWS = 1000
"""Largest number of rows of a run's own data."""

_GENERATED = 200


def own_rows(model: LinearModel, data: DataTable | None) -> Any | None:
    """Return the first rows of the data of a run, raw; None if they can't be used any more."""
    if data is None:
        return None
    try:
        if data.path is not None:
            batches = stream_rows(Path(data.path), model, options=data, batch_rows=MOST_ROWS)
            rows = next(batches).X
        else:
            dataset = read_dataset(data.model_copy(update={"download": False}))
            rows = dataset.take(np.arange(min(MOST_ROWS, dataset.n_rows))).features
        logits_of(model, rows)  # the data may have changed, so that the model refuses them
    except (FastclfError, OSError, StopIteration):
        return None
    return rows


def generated_rows(model: LinearModel, seed: int = 0) -> Any:
    """Return rows as a model takes them: a Table if it has an encoder, else a matrix.

    Numbers are within three scales of a column's shift. Columns of categories have all known ones,
    as far as there are rows, an unknown one, and missing values where the model fills them in.
    """
    rng = np.random.default_rng(seed)
    if model.encoder is None:
        X = rng.uniform(-3, 3, (_GENERATED, model.n_features))
        if model.preprocessing is not None:
            X = X * model.preprocessing.scale + model.preprocessing.shift
        return X.astype(model.theta.dtype)
    columns: dict[str, Column] = {}
    for column in model.encoder.columns:
        is_missing = rng.random(_GENERATED) < 0.1
        if isinstance(column, NumericColumn):
            values = column.shift + column.scale * rng.uniform(-3, 3, _GENERATED)
            if column.fill is not None:
                values[is_missing] = np.nan
            columns[column.name] = Numbers(values)
        elif isinstance(column, CategoricalColumn):
            names = (*column.categories, "a category of no row")
            codes = rng.permutation(np.resize(rng.permutation(len(names)), _GENERATED))
            if column.fill is not None:
                codes[is_missing] = -1
            columns[column.name] = Categories(codes.astype(np.int32), names)
        elif isinstance(column, TextColumn):
            texts = ["", *(" ".join(rng.choice(column.vocabulary, 6)) for _ in range(50))]
            columns[column.name] = Categories(
                rng.integers(len(texts), size=_GENERATED, dtype=np.int32), tuple(texts)
            )
    return Table(columns)
