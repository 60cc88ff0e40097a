"""What a run decided beyond its recipe, in words: split, scaling and solver."""

from typing import NamedTuple

import scipy.sparse

from fastclf.config import Recipe
from fastclf.data import Dataset
from fastclf.encoded import DateColumn, NumericColumn
from fastclf.linear_model import Affine
from fastclf.preprocessing import Encoder
from fastclf.runs.streamed import StreamedData


class Sizes(NamedTuple):
    """The number of rows of each part."""

    train: int
    held_out: int
    test: int


def decided(
    recipe: Recipe,
    data: Dataset | StreamedData,
    sizes: Sizes,
    preparation: Encoder | Affine | None,
    solver: str,
) -> dict[str, str]:
    """Return what a run decided, for ``summary.json`` and for the terminal.

    Parameters
    ----------
    recipe : Recipe
    data : Dataset or StreamedData
    sizes : Sizes
    preparation : Encoder, Affine or None
        The encoding or scaling of the features.
    solver : str
        The name of the solver that did the fit.

    Returns
    -------
    dict of str to str
        "rows", such as "75 training rows + 25 test rows, stratified, seed 0"; "scaling", such as
        "standardised (chosen by auto)"; and "solver", such as "newton (chosen by auto)".
    """
    return {
        "rows": rows_text(recipe, data, sizes),
        "scaling": scaling_text(recipe.data.scale, data, preparation),
        "solver": f"{solver}{' (chosen by auto)' if recipe.solver.name == 'auto' else ''}",
    }


def scaling_text(
    method: str, data: Dataset | StreamedData, preparation: Encoder | Affine | None
) -> str:
    """Return how the features were scaled by a method of `fastclf.data.scaling`."""
    noun, is_scaled = "", preparation is not None
    if isinstance(preparation, Encoder):
        noun = "numeric columns "
        numeric = [one for one in preparation.columns if isinstance(one, NumericColumn)]
        dates = [one for one in preparation.columns if isinstance(one, DateColumn)]
        numeric += [part for column in dates for part in column.parts]
        if not numeric:
            return "no numeric columns"
        is_scaled = any(column.shift != 0 or column.scale != 1 for column in numeric)
    rows = data.features if isinstance(data, Dataset) else data.train.X
    if not is_scaled:
        how = "as they are"
    elif scipy.sparse.issparse(rows):  # never shifted
        how = "largest absolute value" if method == "minmax" else "standard deviation"
        how = f"divided by the {how}"
    else:
        how = "scaled to the range 0 to 1" if method == "minmax" else "standardised"
    return f"{noun}{how}{' (chosen by auto)' if method == 'auto' else ''}"


def rows_text(recipe: Recipe, data: Dataset | StreamedData, sizes: Sizes) -> str:
    """Return how many rows each part has, and how the rows were split."""
    counts = [f"{sizes.train:,} training rows"]
    if sizes.held_out:
        counts.append(f"{sizes.held_out:,} calibration rows")
    counts.append(f"{sizes.test:,} test rows" if sizes.test else "no test rows")
    has_file = recipe.data.test_path is not None
    if isinstance(data, Dataset) and not recipe.data.stream:
        has_file = data.test is not None
    text = " + ".join(counts) if sizes.test else ", ".join(counts)
    if has_file:
        text += " from their own file"
    is_split = sizes.held_out or (sizes.test and not has_file)
    return f"{text}, {_split(recipe, data)}" if is_split else text


def _split(recipe: Recipe, data: Dataset | StreamedData) -> str:
    table = recipe.data
    if isinstance(data, StreamedData) or table.stream:
        return f"split by a hash of their values, seed {recipe.seed}"
    if data.groups is not None:
        column = "" if table.split_by is None else f' in column "{table.split_by}"'
        if table.split_kind == "time":
            return f"split by the times{column}"
        return f"split by the groups{column}, seed {recipe.seed}"
    return f"{'stratified' if table.stratify else 'split at random'}, seed {recipe.seed}"
