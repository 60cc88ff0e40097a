"""Which solver, engine and matrix a problem gets, as a :class:`Plan`.

An engine is the code that takes the steps of a solver: in lockstep for all problems, from Python,
or compiled as a whole for problems of one kind.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fastclf.plan.costs import MANY_FEATURES, Costs
from fastclf.plan.passes import gains_by_float32, has_narrow, hessian_cost, pass_kind
from fastclf.plan.shape import Shape

LOCKSTEP = "steps in Python"
COMPILED_NEWTON = "compiled steps"
LABEL_BLOCKS = "labels in blocks"
WORKING_SETS = "a working set of features"
ALL_FEATURES = "all features"
COMPILED_PROXIMAL = "compiled proximal steps"
BY_COLUMN = "compiled proximal steps over columns"
BATCHES = "batches"

HESSIAN = "the Hessian"
CLASS_BLOCKS = "a block of the Hessian for each class"
COVARIANCE = "the covariance of the features"
VARIANCES = "the variances of the features"
HESSIAN_BY_COLUMNS = "the Hessian by columns of X"

NEGLIGIBLE = 2e-7
"""Decrease of the objective, relative to that at zero, that isn't worth another step."""

_NEGLIGIBLE_OF_MANY = 1e-5
"""The same for sparse data and very many features, where convergence is slow."""

_NEGLIGIBLE_IN_BLOCKS = 3e-6
"""The same for many labels; the optimum of a rare label is far below its value at zero."""

_kept = lru_cache(maxsize=64)
"""For choices that a fit asks for several times: they follow from sizes alone."""

ENOUGH_ROWS = 5
"""Fewest rows of a sample for each coefficient."""

_PLENTY = 5000
"""Rows above which a sample for a matrix needs two, not five, for each coefficient."""

ENOUGH_ROWS_L1 = 50
"""The same with an L1 penalty, which gives no curvature where a sample has none."""

_FEW_PAIRS = 10, 20
"""Fewest and most pairs of limited-memory BFGS for the classes of a softmax."""

_RARELY = 6.0
"""Cost of variances, in passes: more than the two they take, so that they are seldom renewed."""

_CALLS = 60_000
"""Multiplications that take as long as the Python calls around them."""


@dataclass(frozen=True)
class Plan:
    """The code that fits a problem: solver, engine, matrix, kind of pass and sample.

    Parameters
    ----------
    solver : {"newton", "lbfgs", "proximal", "sgd", "adam", "adamw"} or the name of another
    engine, matrix, reads : str
        The code that takes the steps, the matrix behind them, and the kind of pass over X; ""
        where the engine has passes of its own.
    cost : float
        Cost of the matrix from all rows, in passes.
    price : float
        Cost of the first matrix, with its factors, in passes, if the variances of the features take
        its place until it is known to pay; else 0.
    sample : int
        Number of rows that are fitted first, to start from; 0 for none.
    float32_first : bool
        Whether passes compute in float32 until ``tol`` is reached.
    memory : int
        Number of pairs of limited-memory BFGS; 0 for the solver's default.
    negligible : float
        Decrease that isn't worth a step, relative to the objective at zero.
    batch_size : int
        Rows of a batch, for minibatch solvers.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from fastclf import LogisticRegression
    >>> from fastclf.plan import Shape
    >>> from fastclf.solvers import plan_of
    >>> plan = plan_of(None, Shape(n_rows=150, n_features=4, n_outputs=3))
    >>> plan.solver, plan.engine, plan.matrix
    ('newton', 'compiled steps', 'the Hessian')
    >>> print(plan.sentence())
    Newton with the Hessian, compiled steps, passes by loops over rows
    >>> print(LogisticRegression().fit(*load_iris(return_X_y=True)).history_["path"])
    Newton with the Hessian, compiled steps, passes by loops over rows
    """

    solver: str
    engine: str
    matrix: str = ""
    reads: str = ""
    cost: float = 0.0
    price: float = 0.0
    sample: int = 0
    float32_first: bool = False
    memory: int = 0
    negligible: float = NEGLIGIBLE
    batch_size: int = 0

    @property
    def is_exact(self) -> bool:
        """Whether the matrix over all rows is the Hessian."""
        return self.matrix == HESSIAN

    def sentence(self, span: int = 0) -> str:
        """Return the plan in words.

        Parameters
        ----------
        span : int
            Number of rows if the problem was moved to their span, else 0.
        """
        name = _NAMES.get(self.solver, self.solver)
        if self.engine == BATCHES:
            return f"{name} on batches of {self.batch_size} rows"
        parts = [f"{name} with {self.matrix}" if self.matrix else name]
        if self.price:
            parts.append("if its variances aren't enough")
        if self.engine:
            parts.append(self.engine)
        if self.reads:
            parts.append(f"passes by {self.reads}")
        if self.float32_first:
            parts.append("in float32 first")
        if self.sample:
            parts.append(f"started on {self.sample} rows")
        if span:
            parts.append(f"in the span of {span} rows")
        return ", ".join(parts)


_NAMES = {
    "newton": "Newton",
    "lbfgs": "L-BFGS",
    "proximal": "proximal Newton",
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
}


@_kept
def automatic(shape: Shape, costs: Costs) -> Plan:
    """Return the plan that was measured to be the fastest for problems of this shape.

    With n rows, d features, M problems of K outputs:

    ====================================================== =====================================
    problem                                                solver
    ====================================================== =====================================
    a penalty with an L1 part                              proximal Newton
    several sigmoids, a small dense X                      L-BFGS over the features' covariance
    sparse, one output, d small beside the entries         Newton, whole Hessians
    otherwise sparse, or d > 4096, or n < d >= 256         L-BFGS over the features' variances
    one output, a matrix for each problem has room         Newton, whole Hessians
    softmax, K (d + 1) <= 200                              Newton, whole Hessian
    softmax, a matrix for each class has room              Newton, a block for each class
    otherwise                                              L-BFGS over the features' covariance
    ====================================================== =====================================

    A matrix has room if it takes less than 16 MB plus a tenth of the memory of X. If a tenth of the
    rows has at least five for each of the K (d + 1) coefficients, the fit starts from the optimum
    on them, or on 500 rows for each coefficient if that is less. C and tol change how many steps
    are needed, but not which solver is fastest. ``docs/benchmarks/solvers.md`` has measurements.
    """
    n, d, M, K = shape.n_rows, shape.n_features, shape.n_problems, shape.n_outputs
    coefficients = shape.n_coefficients
    large = n * d * M * K > costs.tiny_pass
    sample = min(n // 10, costs.sample_rows * coefficients) if large else 0
    if shape.has_l1:
        return proximal(shape, costs, 0 if shape.is_sparse else sample)
    if shape.is_sparse:
        return _of_sparse(shape, costs, sample)
    if blocks_pay(shape, costs):
        return lbfgs(shape, costs, memory=10)
    if d > costs.full_matrix or n < d >= MANY_FEATURES:
        return lbfgs(shape, costs, negligible=_NEGLIGIBLE_OF_MANY)
    size = 4 if d >= MANY_FEATURES else 8
    room = costs.matrix_room + 0.1 * n * d * shape.dtype.itemsize
    if K > 1 and coefficients > costs.whole_hessian:
        if M * coefficients * (d + 1) * size <= room:
            return newton(shape, costs, sample, whole=False)
        return lbfgs(shape, costs, sample, memory=_pairs(shape))
    if M * coefficients**2 * size <= room:
        return newton(shape, costs, sample)
    return lbfgs(shape, costs, sample)


def _of_sparse(shape: Shape, costs: Costs, sample: int) -> Plan:
    d, M, K, entries = shape.n_features, shape.n_problems, shape.n_outputs, shape.entries
    has_room = M * (d + 1) ** 2 * 8 <= costs.matrix_room
    if K == 1 and has_room and costs.factor(d) <= max(entries, costs.tiny_pass):
        return newton(shape, costs, sample)
    # With short columns a pair costs as much as a pass, so keep few.
    memory = int(np.clip(entries / (4 * d), 6, 10))
    if blocks_pay(shape, costs):
        return lbfgs(shape, costs, memory=memory, negligible=_NEGLIGIBLE_IN_BLOCKS)
    negligible = _NEGLIGIBLE_OF_MANY if M == 1 else NEGLIGIBLE
    return lbfgs(shape, costs, memory=memory, negligible=negligible)


@_kept
def newton(
    shape: Shape,
    costs: Costs,
    sample: int = 0,
    whole: bool | None = None,
    negligible: float = NEGLIGIBLE,
) -> Plan:
    """Return the plan of Newton's method; ``whole`` is as in :class:`fastclf.solvers.Newton`."""
    sample = _usable(sample, ENOUGH_ROWS, shape)
    if shape.is_sparse and shape.n_features > costs.full_matrix:  # there is no room for a matrix
        matrix = VARIANCES
    else:
        few = shape.n_coefficients <= costs.whole_hessian
        exact = shape.n_outputs == 1 or (few if whole is None else whole)
        matrix = HESSIAN if exact else CLASS_BLOCKS
    is_small = matrix == HESSIAN and _has_small_passes(shape, costs)
    cost = hessian_cost(shape, costs, matrix == HESSIAN)
    count = shape.n_problems if matrix == HESSIAN else shape.n_columns
    side = shape.n_coefficients if matrix == HESSIAN else shape.n_features + 1
    factors = count * costs.factor(side)
    return Plan(
        solver="newton",
        engine=COMPILED_NEWTON if is_small else LOCKSTEP,
        matrix=matrix,
        reads=pass_kind(shape, costs),
        cost=cost,
        price=0.0 if sample or is_small else _price(shape, costs, cost, factors),
        sample=sample,
        float32_first=not is_small and gains_by_float32(shape, costs),
        negligible=negligible,
    )


@_kept
def lbfgs(
    shape: Shape,
    costs: Costs,
    sample: int = 0,
    memory: int = 0,
    negligible: float = NEGLIGIBLE,
) -> Plan:
    """Return the plan of limited-memory BFGS."""
    in_blocks = sample == 0 and blocks_pay(shape, costs)  # these start from no sample
    d = shape.n_features
    full = not shape.is_sparse and d <= max(min(costs.full_matrix, shape.n_rows), MANY_FEATURES)
    cost = _passes_for(shape, 0.1 * d / shape.n_columns) if full else _RARELY
    sample = _usable(sample, ENOUGH_ROWS, shape)
    is_late = full and not in_blocks and not sample
    return Plan(
        solver="lbfgs",
        engine=LABEL_BLOCKS if in_blocks else LOCKSTEP,
        matrix=COVARIANCE if full else VARIANCES,
        reads="" if in_blocks else pass_kind(shape, costs),
        cost=cost,
        price=_price(shape, costs, cost, costs.factor(d)) if is_late else 0.0,
        sample=sample,
        float32_first=gains_by_float32(shape, costs),
        memory=memory,
        negligible=negligible,
    )


@_kept
def proximal(shape: Shape, costs: Costs, sample: int = 0, negligible: float = NEGLIGIBLE) -> Plan:
    """Return the plan of the proximal Newton method."""
    whole = _whole_hessian_pays_l1(shape, costs)
    by_column = goes_by_column(shape, costs)
    has_columns = shape.is_sparse and shape.in_memory
    matrix = HESSIAN if whole else HESSIAN_BY_COLUMNS if has_columns else CLASS_BLOCKS
    if shape.in_memory and not (by_column or has_matrix_l1(shape, costs)):
        matrix = HESSIAN_BY_COLUMNS
    few = costs.few_features_l1 if shape.in_memory else costs.few_features_elsewhere_l1
    takes_all = by_column or (not has_columns and shape.n_features <= few)
    engine = WORKING_SETS
    if by_column:
        engine = BY_COLUMN
    elif takes_all:
        small = proximal_pass(shape, costs) <= costs.small_pass
        engine = COMPILED_PROXIMAL if small and shape.n_problems == 1 else ALL_FEATURES
    return Plan(
        solver="proximal",
        engine=engine,
        matrix=matrix,
        reads="" if by_column else pass_kind(shape, costs),
        cost=hessian_cost(shape, costs, whole),
        sample=_usable(sample, ENOUGH_ROWS_L1, shape),
        negligible=negligible,
    )


def batches(shape: Shape, costs: Costs, solver: str, batch_size: int) -> Plan:
    """Return the plan of a minibatch solver."""
    return Plan(solver, BATCHES, reads=pass_kind(shape, costs), batch_size=batch_size)


def folds_have_own_hessians(plan: Plan, shape: Shape, costs: Costs) -> bool:
    """Return whether each fold of a cross-validation is solved with its own Hessian.

    ``plan`` is that of one fold. Otherwise all folds are solved with the Hessian of all rows.
    """
    return plan.is_exact and hessian_cost(shape, costs, True) <= costs.hessians_of_folds


def takes_row_span(shape: Shape, costs: Costs) -> bool:
    """Return whether a dense problem with an L2 penalty is faster in the span of its rows."""
    n, d = shape.n_rows, shape.n_features
    few = n <= costs.span_rows and d >= max(2 * n, costs.span_features)
    return few and shape.in_memory and not shape.is_sparse and not shape.has_l1


def takes_dense_copy(shape: Shape, costs: Costs) -> bool:
    """Return whether a sparse X is so small that a problem with an L2 penalty gets a dense copy.

    Then its fit is, bit for bit, that of a dense X.
    """
    small = shape.n_rows * shape.n_features <= costs.dense_copy
    return shape.is_sparse and small and shape.in_memory and not shape.has_l1


def blocks_pay(shape: Shape, costs: Costs) -> bool:
    """Return whether compiled blocks of labels are faster than passes over all labels.

    Problems of a dense X share a factor of its covariance, so their penalties must be alike.
    """
    M = shape.n_problems
    if not (shape.in_memory and shape.is_plain_sigmoid):
        return False
    if shape.is_sparse:
        return M > costs.few_labels
    most = min(costs.dense_label_entries * M, costs.dense_entries)
    return M > 1 and shape.entries <= most and shape.penalty_ratio <= costs.alike_penalties


@_kept
def whole_pass(shape: Shape, costs: Costs) -> float:
    """Return the nanoseconds of a pass over one of the dense problems that computes its Hessian.

    Infinity if no compiled step can do that.
    """
    if not (shape.in_memory and has_narrow(shape)):
        return np.inf
    n, d, K = shape.n_rows, shape.n_features, shape.n_outputs
    return n * (costs.hessian_of_row(d, 1, K, True) + costs.pass_of_row(d, K))


def proximal_pass(shape: Shape, costs: Costs) -> float:
    """Return the nanoseconds of a pass of compiled L1 steps; infinity if there are none."""
    if shape.n_coefficients > costs.proximal_coefficients or not shape.in_memory:
        return np.inf
    if not shape.is_sparse:
        return whole_pass(shape, costs)
    if not shape.is_plain_sigmoid:
        return np.inf
    row = shape.entries / max(shape.n_rows, 1)
    return shape.n_rows * (30 + 3 * row + 0.5 * row**2)


def goes_by_column(shape: Shape, costs: Costs) -> bool:
    """Return whether compiled L1 steps over the columns of a sparse X are the fastest."""
    sparse_sigmoid = shape.in_memory and shape.is_sparse and shape.is_plain_sigmoid
    return sparse_sigmoid and shape.n_features >= costs.proximal_coefficients


def has_matrix_l1(shape: Shape, costs: Costs) -> bool:
    """Return whether an L1 problem has room for a matrix; if not, columns of X are its model.

    Where X isn't in memory there are no columns, so all problems on a working set need a matrix.
    """
    q, K = shape.n_features + 1, shape.n_outputs
    if not shape.in_memory:
        whole = _whole_hessian_pays_l1(shape, costs)
        return K * q**2 * (K if whole else 1) <= costs.matrix_room_elsewhere
    if shape.is_sparse:
        has_room = (K * q) ** 2 <= costs.matrix_room_l1
        return has_room and _whole_hessian_pays_l1(shape, costs)
    return q <= costs.full_matrix and K * q**2 <= max(costs.matrix_room_l1, 0.1 * shape.entries)


def _whole_hessian_pays_l1(shape: Shape, costs: Costs) -> bool:
    return shape.n_outputs == 1 or shape.n_coefficients <= costs.whole_hessian_l1


def _has_small_passes(shape: Shape, costs: Costs) -> bool:
    few = shape.n_problems == 1 and shape.n_coefficients <= costs.small_coefficients
    return few and whole_pass(shape, costs) <= costs.small_pass


def rows_for_matrix(shape: Shape) -> int:
    """Return the fewest rows that a matrix of full rank should be computed from."""
    coefficients = shape.n_features + 1
    return max(min(ENOUGH_ROWS * coefficients, _PLENTY), 2 * coefficients)


def _pairs(shape: Shape) -> int:
    # The pairs that take a fifth of the memory of X, within limits; fewer cost some more passes.
    pair = 8 * shape.n_coefficients * shape.n_problems
    X = shape.n_rows * shape.n_features * shape.dtype.itemsize
    return int(np.clip(0.2 * X / pair, *_FEW_PAIRS))


def _price(shape: Shape, costs: Costs, cost: float, factors: float) -> float:
    # The cost in passes of a matrix that costs so many from all rows, and of its factors, in
    # nanoseconds; 0 if it is computed at once.
    if shape.is_sparse or not shape.in_memory:
        return 0.0
    n = shape.n_rows
    read = n * costs.pass_of_row(shape.n_features, shape.n_columns) + costs.calls
    price = cost * min(rows_for_matrix(shape) / n, 1.0) + factors / read
    return price if price >= costs.late_matrix else 0.0


def _usable(sample: int, enough: int, shape: Shape) -> int:
    return sample if sample >= enough * shape.n_coefficients else 0


def _passes_for(shape: Shape, factor: float) -> float:
    # The cost in passes of a matrix that takes ``factor`` times the work of a pass.
    work = shape.n_rows * shape.n_features * shape.n_columns
    return 1 + (factor * work + _CALLS) / (work + _CALLS)
