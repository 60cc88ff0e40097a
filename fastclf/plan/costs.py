"""The table of measured costs, on which every choice of code depends.

Measured on two cores (AMD EPYC, Zen 4); ``docs/benchmarks/solvers.md`` has the measurements. Tests
use another table (:func:`using`) to reach code that their small data would not take.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

MANY_FEATURES = 256
"""Features from which on matrices of second moments are float32: this is twice as fast, and precise
enough for a preconditioner.
"""


@dataclass(frozen=True, eq=False)  # hashed by identity, which choices are kept by
class Costs:
    """Costs in nanoseconds, and the sizes at which one way becomes faster than another.

    Parameters
    ----------
    few_features : int
        Features up to which loops over rows are faster than loops over features.
    many_columns : int
        Columns of theta from which on BLAS takes the products of a dense X.
    float32_columns, float32_features, float32_work : int
        Columns, features and multiplications of a pass from which on converting a float64 X to
        float32 block by block saves time.
    hessian_along : float
        Largest cost of a Hessian, in passes, at which it is computed in the same pass as the
        gradient.
    late_matrix : float
        Cost of a matrix with its factors, in passes, from which on the variances of the features
        take its place until it is known to pay.
    hessians_of_folds : float
        Largest cost of the Hessians of all folds, in passes, at which each fold has its own.
    calls : float
        Nanoseconds of Python calls around a pass.
    sparse_work : int
        Multiplications of a sparse pass from which on a second thread pays.
    sparse_entries : int
        Stored entries for each coefficient that a chunk of rows needs for a gradient of its own.
    label_block : int
        Coefficients of a block of labels that stay in cache.
    small_coefficients : int
        Coefficients up to which a compiled Cholesky factorisation keeps up with LAPACK.
    small_pass : float
        Nanoseconds of a pass up to which compiled steps pay, because Python calls between passes
        would take a noticeable share of the time.
    small_pass_of_many : float
        The same for many problems, each on one thread.
    shared_pass : float
        Nanoseconds of a pass from which on several threads share it, between compiled calls.
    proximal_coefficients : int
        Coefficients up to which an L1 problem is solved by one compiled function.
    few_labels : int
        Number of labels of sparse data up to which they aren't solved in blocks.
    dense_label_entries, dense_entries : int
        Entries of a dense X for each label, and in all, up to which blocks of labels pay.
    alike_penalties : float
        Ratio of penalties up to which labels may share one factor of the covariance.
    block_time : float
        Nanoseconds of work between two checks of the blocks, which join those with few running
        labels.
    block_passes : tuple of int
        Fewest and most passes in that time.
    whole_hessian, whole_hessian_l1 : int
        Coefficients up to which the whole Hessian of a softmax pays, without and with an L1 part.
    full_matrix : int
        Features up to which second moments are a matrix; above, only the diagonal is computed.
    few_features_l1 : int
        Features up to which an L1 problem is solved without working sets.
    few_features_elsewhere_l1 : int
        The same where X isn't in memory, and each working set is copied there first.
    working_set, working_set_sparse : int
        Smallest size of a working set of features, for dense and for sparse data.
    matrix_room_l1 : int
        Entries of a matrix of an L1 problem that is allowed whatever the size of X.
    matrix_room_elsewhere : int
        The same where X isn't in memory, and a matrix is the only model there is.
    own_hessians_room : int
        Largest memory of the Hessians of single labels, in bytes.
    matrix_room : int
        Largest memory of Hessian blocks beyond a tenth of that of X, in bytes.
    batch_piece : float
        Least nanoseconds of a piece of a batch, which threads share.
    tiny_pass : int
        Multiplications of a pass up to which a start on a sample costs more than it saves.
    sample_rows : int
        Rows for each coefficient beyond which a larger sample gives no better start.
    slice_work : float
        Multiplications in a slice of an epoch, which take tens of milliseconds; Ctrl-C waits for
        the end of a slice.
    span_rows, span_features : int
        Rows up to which, and features from which on, a problem is moved to the span of its rows.
    dense_copy : int
        Entries of a dense copy of a sparse X up to which it is made.
    fit_of_entry : float
        Nanoseconds of a whole fit for each multiplication of a pass.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from fastclf.plan import MEASURED, Shape
    >>> from fastclf.solvers import plan_of
    >>> shape = Shape(n_rows=150, n_features=4, n_outputs=3)
    >>> plan_of(None, shape, MEASURED).engine
    'compiled steps'
    >>> plan_of(None, shape, replace(MEASURED, small_pass=0)).engine
    'steps in Python'
    """

    few_features: int = 40
    many_columns: int = 96
    float32_columns: int = 16
    float32_features: int = 100
    float32_work: int = 1 << 24
    hessian_along: float = 3.0
    late_matrix: float = 15.0
    hessians_of_folds: float = 4.0
    calls: float = 50_000
    sparse_work: int = 250_000
    sparse_entries: int = 20
    label_block: int = 1 << 15
    small_coefficients: int = 160
    small_pass: float = 2e6
    small_pass_of_many: float = 1e9
    shared_pass: float = 3e5
    proximal_coefficients: int = 400
    few_labels: int = 16
    dense_label_entries: int = 1 << 17
    dense_entries: int = 1 << 21
    alike_penalties: float = 10.0
    block_time: float = 5e6
    block_passes: tuple[int, int] = (5, 10)
    whole_hessian: int = 200
    whole_hessian_l1: int = 300
    full_matrix: int = 4096
    few_features_l1: int = 64
    few_features_elsewhere_l1: int = 512
    working_set: int = 100
    working_set_sparse: int = 300
    matrix_room_l1: int = 1 << 21
    matrix_room_elsewhere: int = 1 << 25
    own_hessians_room: int = 1 << 25
    matrix_room: int = 1 << 24
    batch_piece: float = 1e5
    tiny_pass: int = 100_000
    sample_rows: int = 500
    slice_work: float = 3e8
    span_rows: int = 256
    span_features: int = 256
    dense_copy: int = 1 << 18
    fit_of_entry: float = 25.0

    def pass_of_row(self, n_features: int, n_columns: int) -> float:
        """Return the nanoseconds of a row's value and gradient, in loops over rows."""
        return 4.0 + 0.3 * n_features + n_columns * (2.5 + 0.1 * n_features)

    def factor(self, side: int) -> float:
        """Return the nanoseconds of the factor of a matrix with so many rows, and of its use."""
        return side**3 / 60

    def hessian_of_row(
        self, n_features: int, n_problems: int, n_outputs: int, whole: bool
    ) -> float:
        """Return the nanoseconds that a row adds to the computation of Hessians.

        With ``whole``, of the Hessian of each problem, otherwise of each column's diagonal block.
        """
        blocks = n_problems * n_outputs
        if whole:
            blocks = n_problems * max(n_outputs * (n_outputs - 1) // 2, 1)
        return 0.03 * blocks * (4 * -(-(n_features + 1) // 4)) ** 2


MEASURED = Costs()
"""The measured costs."""

_costs: ContextVar[Costs] = ContextVar("costs", default=MEASURED)


def current_costs() -> Costs:
    """Return the table of costs that objectives made in this context get.

    Returns
    -------
    Costs
        `MEASURED`, unless `using` has set another table.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from fastclf.plan import MEASURED, current_costs, using
    >>> current_costs() is MEASURED
    True
    >>> with using(replace(MEASURED, few_features=10)):
    ...     current_costs().few_features
    10
    """
    return _costs.get()


@contextmanager
def using(costs: Costs) -> Iterator[None]:
    """Give objectives that are made in this context another table of costs.

    Parameters
    ----------
    costs : Costs
        The other table, until the end of the block.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from sklearn.datasets import load_iris
    >>> import fastclf
    >>> X, y = load_iris(return_X_y=True)
    >>> with using(replace(MEASURED, small_pass=0)):
    ...     clf = fastclf.LogisticRegression().fit(X, y)
    >>> "compiled" in str(clf.history_["path"])
    False
    """
    token = _costs.set(costs)
    try:
        yield
    finally:
        _costs.reset(token)
