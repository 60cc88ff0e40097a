r"""A step of Newton's method on a small dense problem, all of it compiled.

The passes are those of :mod:`fastclf.kernels.passes.narrow`, whose layout the arrays share; the
line search is that of :mod:`fastclf.kernels.linalg.line_search`. Where the problem is small,
calling each of these from Python would take longer than the work itself. One problem of K columns:

.. math:: (H + \lambda I + \epsilon D) \, p = -g,\qquad \theta \leftarrow \theta + t p

with the intercepts moved to the features' center, and :math:`\epsilon D` a share of H's diagonal
that keeps the matrix of collinear features definite. For K > 1 the Hessian has nothing but the
penalty in the directions that shift all classes alike; a multiple of their projection is added, and
p, whose sum over the classes is 0, doesn't change by it.
"""

from functools import cache

import numpy as np

from fastclf.kernels.linalg import cholesky, line_search
from fastclf.kernels.passes import narrow
from fastclf.kernels.runtime.arrays import add, copy, fill
from fastclf.kernels.runtime.jit import kernel, routine
from fastclf.kernels.runtime.records import Data

RUNNING, CONVERGED, STUCK = range(3)
"""What a step returns: it was taken; the problem is solved; no better point can be found."""

VALUE, NORM, LOWEST, SMALLEST, STALE, FIRST, EXPECTED, PASSES = range(8)
"""Places in ``numbers``, all 0 at first: the objective; the largest entry of the gradient; the
lowest value and the smallest gradient so far, and the steps since; the length to try first; the
decrease that the model of the last step predicted; the passes so far.
"""

ENDING, _START, _SLOPE, _LENGTH, _TAKEN, _TRIES = range(8, 14)
"""Within a step: whether it is expected to be the last, so that no Hessian is computed; the value
and the slope at its start; the length of the trial; the length that was taken; the trials.
"""

NUMBERS = _TRIES + 1

_EPS = float(np.finfo(np.float64).eps)


@routine
def _norm(gradient, center):
    # The largest entry of the gradient, the center undone.
    d = center.size
    largest = 0.0
    for k in range(gradient.shape[0]):
        g = gradient[k]
        largest = max(largest, abs(g[d]))
        for j in range(d):
            largest = max(largest, abs(g[j] + center[j] * g[d]))
    return largest


@routine
def _fill_system(blocks, K, strength, free, jitter, a):
    # The matrix (K q, K q), of which the lower triangle counts.
    q = a.shape[0] // K
    narrow.assemble(blocks, q, a.reshape(1, K * q, K * q))
    mean = 0.0
    for i in range(K * q):
        mean += a[i, i] / (K * q)
    floor = cholesky.floor(mean)
    for j in range(q):
        middle = 0.0
        for i in range(j, K * q, q):
            scale = a[i, i] + floor
            middle += scale / (K * K)
            a[i, i] += jitter * scale + (strength if j < q - 1 else 0.0)
        if K > 1:
            for i in range(j, K * q, q):
                for other in range(j, i + 1, q):
                    a[i, other] += middle
    if not free:
        for i in range(q - 1, K * q, q):
            for j in range(K * q):
                a[max(i, j), min(i, j)] = 1.0 if i == j else 0.0


@routine
def _direct(gradient, blocks, strength, free, q, jitter, direction):
    # Fill the Newton direction (K, side); return its slope.
    K = gradient.shape[0]
    a = np.empty((K * q, K * q))
    x = np.empty(K * q)
    definite = False
    while not definite:
        if not jitter < cholesky.MOST_JITTER:  # there are numbers that aren't finite
            return 0.0
        _fill_system(blocks, K, strength, free, jitter, a)
        definite = cholesky.factor(a)
        jitter *= cholesky.MORE_JITTER
    for k in range(K):
        for j in range(q):
            x[k * q + j] = -gradient[k, j]
    cholesky.solve(a, x)
    slope = 0.0
    for j in range(q):
        mean = 0.0
        if K > 1:
            for i in range(j, K * q, q):
                mean += x[i] / K
        for k in range(K):
            step = x[k * q + j] - mean
            direction[k, j] = step
            slope += step * gradient[k, j]
    return slope


@routine
def _try(numbers, origin, direction, trial, values, gradients, blocks):
    # Fill the next trial, and clear the sums of its pass.
    for k in range(trial.shape[0]):
        for j in range(trial.shape[1]):
            trial[k, j] = origin[k, j] + numbers[_LENGTH] * direction[k, j]
    fill(values.reshape(-1), 0.0)
    fill(gradients.reshape(-1), 0.0)
    fill(blocks.reshape(-1), 0.0)
    numbers[PASSES] += 1.0
    numbers[_TRIES] += 1.0


@kernel
def propose(model, limits, w, gradient, blocks, numbers, search, sums):
    """Fill the first trial of a step, and return RUNNING; or CONVERGED or STUCK, without one.

    At first the trial is where the point is. ``model`` is the tuple (strength, free, center,
    jitter), and the rest as for the steps below; ``search`` is (origin, direction, trial), each
    like ``w``, and ``sums`` (values (P, 1), gradients (P, K, side), blocks (P, pairs, side, side))
    gets the sums of a pass over P pieces of the rows.
    """
    strength, free, center, jitter = model
    origin, direction, trial = search
    copy(w.reshape(-1), origin.reshape(-1))
    fill(direction.reshape(-1), 0.0)
    numbers[ENDING] = numbers[_TAKEN] = numbers[_TRIES] = numbers[_SLOPE] = 0.0
    numbers[_START], numbers[_LENGTH] = numbers[VALUE], numbers[FIRST]
    if numbers[PASSES] > 0.0:
        q = center.size + 1
        slope = _direct(gradient, blocks, strength, free, q, jitter, direction)
        expected = -0.5 * slope
        if line_search.is_met(numbers[NORM], expected, limits):
            return CONVERGED
        if not slope < 0.0:
            return STUCK
        # It will be the last if it decreases the objective by the same factor as the one before.
        share = expected / max(expected, numbers[EXPECTED], 1e-300)
        if line_search.is_met(np.sqrt(share) * numbers[NORM], share * expected, limits):
            numbers[ENDING] = 1.0
        numbers[EXPECTED], numbers[_SLOPE] = expected, slope
    _try(numbers, origin, direction, trial, *sums)
    return RUNNING


@kernel
def judge(model, w, gradient, blocks, numbers, search, sums):
    """Move to the trial if it is good; fill another one and return True if it takes that."""
    strength, free, center, _ = model
    origin, direction, trial = search
    values, gradients, trial_blocks = sums
    d = center.size
    g = gradients[0]
    for i in range(1, len(values)):
        values[0, 0] += values[i, 0]
        add(gradients[i].reshape(-1), g.reshape(-1))
        add(trial_blocks[i].reshape(-1), trial_blocks[0].reshape(-1))
    square = 0.0
    slope = np.zeros(1)
    for k in range(len(g)):
        for j in range(d):
            square += trial[k, j] * trial[k, j]
            g[k, j] += strength * trial[k, j]
        if not free:
            g[k, d] = 0.0
        for j in range(d + 1):
            slope[0] += direction[k, j] * g[k, j]
    values[0, 0] += 0.5 * strength * square
    pending, take = np.ones(1, np.bool_), np.ones(1, np.bool_)
    if numbers[PASSES] == 1.0:
        pending[0] = False
        numbers[_TAKEN] = 1.0
    else:
        start, slopes = numbers[_START : _START + 1], numbers[_SLOPE : _SLOPE + 1]
        length, taken = numbers[_LENGTH : _LENGTH + 1], numbers[_TAKEN : _TAKEN + 1]
        line_search.judge(start, slopes, _EPS, values[0], slope, length, taken, pending, take)
    if take[0]:
        numbers[VALUE] = values[0, 0]
        copy(trial.reshape(-1), w.reshape(-1))
        copy(g.reshape(-1), gradient.reshape(-1))
        if numbers[ENDING] == 0.0:
            copy(trial_blocks[0].reshape(-1), blocks.reshape(-1))
    if pending[0] and numbers[_TRIES] < line_search.MOST_TRIALS:
        _try(numbers, origin, direction, trial, *sums)
        return True
    return False


@kernel
def conclude(center, limits, gradient, numbers):
    """End a step, and return RUNNING or STUCK."""
    numbers[NORM] = _norm(gradient, center)
    numbers[FIRST] = min(1.0, 2.0 * numbers[_TAKEN])
    if numbers[PASSES] == 1.0:
        numbers[LOWEST] = numbers[SMALLEST] = np.inf
    numbers[LOWEST], numbers[SMALLEST], numbers[STALE] = line_search.record(
        numbers[VALUE], numbers[NORM], _EPS, numbers[LOWEST], numbers[SMALLEST], numbers[STALE]
    )
    patience = limits[4]
    return STUCK if numbers[_TAKEN] == 0.0 or numbers[STALE] >= patience else RUNNING


@cache
def step(kind):
    """Return the kernel of a whole step for a :class:`~fastclf.kernels.loss.kinds.Kind`."""
    return _make(narrow.of_kind(kind))


def _make(add_rows):
    @kernel
    def step(data, model, limits, w, gradient, blocks, numbers):
        """Take a step, and return RUNNING, CONVERGED or STUCK; the first call only evaluates.

        ``data`` are the fields of :class:`~fastclf.kernels.runtime.records.Data`, and ``model`` is
        (strength of the penalty, free, center, jitter): unless ``free`` the intercepts stay as they
        are. ``limits`` are the tuple that the solver's stopping rule gives. ``w`` and ``gradient``
        (K, side), ``blocks`` (pairs, side, side) and ``numbers`` are moved in place.
        """
        center = model[2]
        search = np.empty(w.shape), np.empty(w.shape), np.empty(w.shape)
        values, gradients = np.empty((1, 1)), np.empty(gradient.shape).reshape(1, *gradient.shape)
        sums = values, gradients, np.empty(blocks.shape).reshape(1, *blocks.shape)
        end = propose(model, limits, w, gradient, blocks, numbers, search, sums)
        if end != RUNNING:
            return end
        n = Data(*data).weights.shape[1]
        more = True
        while more:
            some = 0 if numbers[ENDING] > 0.0 else len(blocks)
            own = values[0], gradients[0], sums[2][0, :some]
            add_rows(data, (search[2], center, True), 0, n, own)
            more = judge(model, w, gradient, blocks, numbers, search, sums)
        return conclude(center, limits, gradient, numbers)

    return step
