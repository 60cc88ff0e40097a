r"""A step of Newton's method on a small dense problem, all of it compiled.

The passes are those of :mod:`fastclf.kernels.passes.narrow`, whose layout the arrays share; the
line search is that of :mod:`fastclf.kernels.linalg.line_search`. Where the problem is small,
calling each of these from Python would take longer than the work itself. One problem of K columns:

.. math:: (H + \lambda I + \epsilon D) \, p = -g,\qquad \theta \leftarrow \theta + t p

with the intercepts moved to the features' center, and :math:`\epsilon D` a share of H's diagonal
that keeps the matrix of collinear features definite. For K > 1 the Hessian has nothing but the
penalty in the directions that shift all classes alike; a multiple of their projection is added, and
p, whose sum over the classes is 0, doesn't change by it.

Where the tolerance is reached the coefficients may still be wrong in the third digit, because
:math:`H^{-1} g` is large where H is small. So the point is polished there, by full steps with the
Hessian of this point. The last one isn't looked at; others take a pass each, without a Hessian.
"""

from functools import cache

import numpy as np

from fastclf.kernels.linalg import cholesky, line_search
from fastclf.kernels.passes import narrow
from fastclf.kernels.runtime.arrays import add, copy, fill
from fastclf.kernels.runtime.jit import kernel, routine
from fastclf.kernels.runtime.records import Data

RUNNING, CONVERGED, STUCK = range(3)
"""How a step ends: another is due; the problem is solved; no better point can be found."""

VALUE, NORM, LOWEST, SMALLEST, STALE, FIRST, SLOPE, PASSES = range(8)
"""Places in ``numbers``, all 0 at first: the objective; the largest entry of the gradient; the
lowest value and the smallest gradient so far, and the steps since; the length to try first of the
next step; the slope along it; the passes so far.
"""

_START, _LENGTH, _TAKEN, _TRIES, _SIZE = range(8, 13)
"""Within a step: the value at its start; the length of the trial; the length that was taken; the
trials; the largest entry of the last step that polished the point.
"""

NUMBERS = _SIZE + 1

UNPOLISHED, ONE_STEP, POLISHED = -1, 0, 3
"""How many passes may polish the point of a problem that is solved; UNPOLISHED leaves it."""

_SHARP = 1e-9
"""Error that a polished point may have, as a share of its largest coefficient."""

_EPS = float(np.finfo(np.float64).eps)


@routine
def _copy(source, out):
    # A matrix; plain loops in one place keep compilation quick.
    for i in range(len(out)):
        copy(source[i], out[i])


@routine
def _add(source, out):
    for i in range(len(out)):
        add(source[i], out[i])


@routine
def _clear(out):
    for i in range(len(out)):
        fill(out[i], 0.0)


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
    _clear(values)
    for i in range(len(values)):
        _clear(gradients[i])
        for j in range(blocks.shape[1]):
            _clear(blocks[i, j])


@routine
def _begin(w, direction, numbers, search, sums):
    origin, trial = search
    _copy(w, origin)
    if numbers[PASSES] == 0.0:
        _clear(direction)
    numbers[_TAKEN] = numbers[_TRIES] = numbers[_SIZE] = 0.0
    numbers[_START], numbers[_LENGTH] = numbers[VALUE], numbers[FIRST]
    _try(numbers, origin, direction, trial, *sums)


@routine
def _total(strength, free, d, numbers, trial, values, gradients):
    # Leave the value and the gradient at the trial in the first of the sums, once they are summed.
    numbers[PASSES] += 1.0
    g = gradients[0]
    for i in range(1, len(values)):
        values[0, 0] += values[i, 0]
        _add(gradients[i], g)
    square = 0.0
    for k in range(len(g)):
        for j in range(d):
            square += trial[k, j] * trial[k, j]
            g[k, j] += strength * trial[k, j]
        if not free:
            g[k, d] = 0.0
    values[0, 0] += 0.5 * strength * square


@routine
def _judge(model, w, gradient, blocks, direction, numbers, search, sums):
    strength, free, center, _ = model
    origin, trial = search
    values, gradients, trial_blocks = sums
    d = center.size
    _total(strength, free, d, numbers, trial, values, gradients)
    numbers[_TRIES] += 1.0
    for i in range(1, len(values)):
        for j in range(len(blocks)):
            _add(trial_blocks[i, j], trial_blocks[0, j])
    g = gradients[0]
    slope = 0.0
    for k in range(len(g)):
        for j in range(d + 1):
            slope += direction[k, j] * g[k, j]
    take, pending, length, taken = True, False, numbers[_LENGTH], 1.0
    if numbers[PASSES] > 1.0:
        start = numbers[_START], numbers[SLOPE]
        take, pending, length, taken = line_search.judged(
            *start, _EPS, values[0, 0], slope, length, numbers[_TAKEN]
        )
    numbers[_LENGTH], numbers[_TAKEN] = length, taken
    if take:
        numbers[VALUE] = values[0, 0]
        _copy(trial, w)
        _copy(g, gradient)
        for j in range(len(blocks)):
            _copy(trial_blocks[0, j], blocks[j])
    if pending and numbers[_TRIES] < line_search.MOST_TRIALS:
        _try(numbers, origin, direction, trial, *sums)
        return True
    return False


@routine
def _propose(model, w, gradient, blocks, direction, numbers, search, sums):
    # Fill the direction of the next step, and the trial of its full length.
    strength, free, center, jitter = model
    origin, trial = search
    _copy(w, origin)
    q = center.size + 1
    numbers[SLOPE] = _direct(gradient, blocks, strength, free, q, jitter, direction)
    numbers[_LENGTH] = 1.0
    _try(numbers, origin, direction, trial, *sums)


@routine
def _conclude(model, limits, w, gradient, blocks, direction, numbers, search, sums):
    numbers[NORM] = _norm(gradient, model[2])
    numbers[FIRST] = min(1.0, 2.0 * numbers[_TAKEN])
    if numbers[PASSES] == 1.0:
        numbers[LOWEST] = numbers[SMALLEST] = np.inf
    numbers[LOWEST], numbers[SMALLEST], numbers[STALE] = line_search.record(
        numbers[VALUE], numbers[NORM], _EPS, numbers[LOWEST], numbers[SMALLEST], numbers[STALE]
    )
    patience = limits[4]
    if numbers[_TAKEN] == 0.0 or numbers[STALE] >= patience:
        return STUCK
    _propose(model, w, gradient, blocks, direction, numbers, search, sums)
    if line_search.is_met(numbers[NORM], -0.5 * numbers[SLOPE], limits):
        return CONVERGED
    return RUNNING if numbers[SLOPE] < 0.0 else STUCK


@routine
def _largest(a):
    largest = 0.0
    for k in range(a.shape[0]):
        for j in range(a.shape[1]):
            largest = max(largest, abs(a[k, j]))
    return largest


@routine
def _is_sharp(w, direction, numbers):
    size, before = _largest(direction), numbers[_SIZE]
    numbers[_SIZE] = size
    share = min(size / before, 1.0) if before > 0.0 else 1.0
    return share * size <= _SHARP * _largest(w)


@routine
def _polish(model, w, gradient, blocks, direction, numbers, search, sums):
    strength, free, center, _ = model
    _, trial = search
    values, gradients, _ = sums
    _total(strength, free, center.size, numbers, trial, values, gradients)
    norm = _norm(gradients[0], center)
    if not (norm <= numbers[NORM] and np.isfinite(values[0, 0])):
        return False
    numbers[VALUE], numbers[NORM] = values[0, 0], norm
    _copy(trial, w)
    _copy(gradients[0], gradient)
    _propose(model, w, gradient, blocks, direction, numbers, search, sums)
    return True


@cache
def run(kind):
    """Return the kernel that takes steps, for a :class:`~fastclf.kernels.loss.kinds.Kind`."""
    return _make_run(_make_step(narrow.of_kind(kind)))


def _make_step(add_rows):
    @routine
    def step(data, model, limits, left, w, gradient, blocks, direction, numbers):
        # A step, and how it ended; the first one only evaluates.
        center = model[2]
        search = np.empty(w.shape), np.empty(w.shape)
        values, gradients = np.empty((1, 1)), np.empty(gradient.shape).reshape(1, *gradient.shape)
        sums = values, gradients, np.empty(blocks.shape).reshape(1, *blocks.shape)
        n = Data(*data).weights.shape[1]
        _begin(w, direction, numbers, search, sums)
        more = True
        while more:
            own = values[0], gradients[0], sums[2][0]
            add_rows(data, (search[1], center, True), 0, n, own)
            more = _judge(model, w, gradient, blocks, direction, numbers, search, sums)
        end = _conclude(model, limits, w, gradient, blocks, direction, numbers, search, sums)
        if end == CONVERGED:
            while left > 0 and not _is_sharp(w, direction, numbers):
                own = values[0], gradients[0], sums[2][0, :0]
                add_rows(data, (search[1], center, True), 0, n, own)
                left -= 1
                if not _polish(model, w, gradient, blocks, direction, numbers, search, sums):
                    left = UNPOLISHED
            if left >= 0:
                _copy(search[1], w)
        return end

    return step


def _make_run(step):
    @kernel
    def run(data, model, limits, left, w, gradient, blocks, direction, numbers, trace):
        """Take up to as many steps as ``trace`` (m, 3) has rows; return how it ended, and how many.

        The first step of all only evaluates. A row of ``trace`` gets the value, the largest entry
        of the gradient and the passes after a step.

        ``data`` are the fields of :class:`~fastclf.kernels.runtime.records.Data`, and ``model`` is
        (strength of the penalty, free, center, jitter): unless ``free`` the intercepts stay as they
        are. ``limits`` are the tuple that the solver's stopping rule gives. ``w``, ``gradient`` and
        the direction of the next step (K, side), ``blocks`` (pairs, side, side) and ``numbers`` are
        changed in place. The point of a problem that is solved is polished in up to ``left``
        passes.
        """
        end, i = RUNNING, 0
        while end == RUNNING and i < len(trace):
            end = step(data, model, limits, left, w, gradient, blocks, direction, numbers)
            trace[i, 0], trace[i, 1], trace[i, 2] = numbers[VALUE], numbers[NORM], numbers[PASSES]
            i += 1
        return end, i

    return run


# Steps whose passes several threads share call these from Python. Apart from the routines they are
# compiled for such steps only.


@kernel
def begin(w, direction, numbers, search, sums):
    """Fill the first trial of a step: the point itself, before its first pass.

    ``search`` is (origin, trial), each like ``w``, and ``sums`` (values (P, 1), gradients (P, K,
    side), blocks (P, pairs, side, side)) gets the sums of a pass over P pieces of the rows. The
    rest is as for the steps below.
    """
    _begin(w, direction, numbers, search, sums)


@kernel
def judge(model, w, gradient, blocks, direction, numbers, search, sums):
    """Move to the trial if it is good; fill another one and return True if it takes that."""
    return _judge(model, w, gradient, blocks, direction, numbers, search, sums)


@kernel
def conclude(model, limits, w, gradient, blocks, direction, numbers, search, sums):
    """End a step, and return how; the next one is proposed, and the trial of its full length."""
    return _conclude(model, limits, w, gradient, blocks, direction, numbers, search, sums)


@kernel
def is_sharp(w, direction, numbers):
    """Tell whether the step that is proposed leaves an error as small as it has to be.

    Steps get smaller by the same factor each, so that is the step times this factor.
    """
    return _is_sharp(w, direction, numbers)


@kernel
def polish(model, w, gradient, blocks, direction, numbers, search, sums):
    """Move to the trial if its gradient is smaller, and propose the next; tell whether it did."""
    return _polish(model, w, gradient, blocks, direction, numbers, search, sums)
