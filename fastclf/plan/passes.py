"""Choices of how X is read: the kind of pass and its precision; the cost of a Hessian."""

import numpy as np

from fastclf.plan.costs import MANY_FEATURES, Costs
from fastclf.plan.shape import Shape

LOOPS_OVER_ROWS = "loops over rows"
TILES = "tiles of rows"
BLAS = "BLAS on blocks of rows"
COPIES = "float32 copies of rows"
CSR_ROWS = "CSR rows"
CSR_COLUMNS = "CSR rows and columns"
LABEL_GROUPS = "CSR rows, labels in groups"
PARTS = "parts of the rows"

_FEWEST_ROWS = 64
"""Fewest rows of a piece of a batch: kernels read so many at a time."""

_MOST_PIECES = 16
"""Most pieces of a batch, whose gradients are added up."""

_FEWEST_LABELS = 8
"""Fewest labels of a group that shares a read of X."""


def has_narrow(shape: Shape) -> bool:
    """Return whether the kernels for narrow features can read X, and compute Hessians with it."""
    return shape.has_narrow_pass and not shape.is_sparse and shape.n_features < MANY_FEATURES


def loops_over_rows(shape: Shape, costs: Costs) -> bool:
    """Return whether loops over rows are the fastest pass, whatever the number of columns."""
    return has_narrow(shape) and shape.n_features <= costs.few_features


def dense_pass(shape: Shape, costs: Costs, n_columns: int, dtype: np.dtype) -> str:
    """Return the kind of pass over a dense X that computes ``n_columns`` columns in a dtype."""
    if loops_over_rows(shape, costs) and dtype == shape.dtype:
        return LOOPS_OVER_ROWS
    if n_columns >= costs.many_columns:
        return BLAS
    return COPIES if dtype != shape.dtype else TILES


def label_width(shape: Shape, costs: Costs) -> int:
    """Return how many labels of sparse data share a read of X, their coefficients in cache."""
    return max(_FEWEST_LABELS, costs.label_block // shape.n_features)


def most_gradients(shape: Shape, costs: Costs) -> int:
    """Return how many chunks of CSR rows may have a gradient of their own."""
    return max(1, shape.entries // (costs.sparse_entries * shape.n_features))


def sparse_pass(shape: Shape, costs: Costs, n_columns: int) -> str:
    """Return the kind of pass over a CSR X that computes ``n_columns`` columns."""
    if shape.n_outputs == 1 and n_columns >= 2 * label_width(shape, costs):
        return LABEL_GROUPS
    is_large = shape.entries * n_columns >= costs.sparse_work
    return CSR_COLUMNS if is_large and most_gradients(shape, costs) == 1 else CSR_ROWS


def pass_kind(shape: Shape, costs: Costs) -> str:
    """Return the kind of pass that computes all columns in the dtype of X."""
    if not shape.in_memory:
        return PARTS
    if shape.is_sparse:
        return sparse_pass(shape, costs, shape.n_columns)
    return dense_pass(shape, costs, shape.n_columns, shape.dtype)


def gains_by_float32(shape: Shape, costs: Costs) -> bool:
    """Return whether passes over one problem in float64 are faster on float32 copies of rows."""
    if shape.n_problems > 1 or shape.dtype == np.float32 or shape.is_sparse:
        return False
    if not shape.in_memory or loops_over_rows(shape, costs):
        return False
    K = shape.n_outputs
    if K >= costs.many_columns:
        return True
    enough = K >= costs.float32_columns and shape.n_features >= costs.float32_features
    return enough and shape.entries * K >= costs.float32_work


def hessian_cost(shape: Shape, costs: Costs, whole: bool) -> float:
    """Return the cost of Hessians from all rows, in passes; 0 if passes compute them, too.

    ``whole`` asks for the matrix of each problem, otherwise for the diagonal block of each column.
    """
    cost = _cost_of_own(shape, costs, whole)
    return 0.0 if whole and comes_along(shape, costs) else cost


def comes_along(shape: Shape, costs: Costs) -> bool:
    """Return whether the pass for the gradient also computes the whole Hessian."""
    return has_narrow(shape) and _cost_of_own(shape, costs, True) <= costs.hessian_along


def _cost_of_own(shape: Shape, costs: Costs, whole: bool) -> float:
    n, d, M, K = shape.n_rows, shape.n_features, shape.n_problems, shape.n_outputs
    if shape.is_sparse:
        row = shape.entries / max(n, 1)
        pairs = (K - 1) / 2 if whole and K > 1 else 1.0
        return 1 + pairs * row**2 / (30 + 3 * row)
    work = costs.hessian_of_row(d, M, K, whole)
    if d >= MANY_FEATURES:  # in float32
        work *= 0.5
    return 1 + work / (costs.pass_of_row(d, M * K) + costs.calls / n)


def batch_pieces(shape: Shape, costs: Costs, batch_size: int) -> tuple[int, float]:
    """Return into how many pieces a batch is cut, for threads, and its nanoseconds, roughly."""
    if shape.is_sparse:  # each piece would need a gradient of all features
        return 1, 0.0
    work = batch_size * costs.pass_of_row(shape.n_features, shape.n_columns)
    most = min(-(-batch_size // _FEWEST_ROWS), _MOST_PIECES)
    return max(1, min(int(work // costs.batch_piece), most)), work


def work_of_fit(shape: Shape, costs: Costs) -> float:
    """Return how many nanoseconds a fit takes, roughly."""
    return costs.fit_of_entry * shape.entries * shape.n_columns
