"""Validation of the arguments of the public functions, and calls of kernels on chunks of rows."""

from collections.abc import Callable
from math import log
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastclf import threads
from fastclf.errors import InputError
from fastclf.functional.rounding import ROUNDING, SUM_TOLERANCE, off_sum, with_sum_one
from fastclf.kernels.runtime.arrays import for_reading

_LARGEST_CODE = np.iinfo(np.intp).max

_ENTRY = 1.0
"""Approximate time of a kernel per entry, in nanoseconds."""


def real_array(array: ArrayLike, name: str) -> np.ndarray:
    try:
        return np.asarray(array)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"{name} can't be converted to an array: {error}") from None


def floats(array: ArrayLike, name: str) -> np.ndarray:
    values = real_array(array, name)
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype.kind not in "biuf":
        raise InputError(f"{name} must hold real numbers, got dtype {values.dtype}")
    return values.astype(np.float64)


def as_logits(z: ArrayLike, name: str = "z") -> np.ndarray:
    z = floats(z, name)
    if z.ndim == 0 or z.shape[-1] == 0:
        raise InputError(f"{name} must have shape (..., K) with K >= 1 classes, got {z.shape}")
    return z


def _extreme(extreme: Callable[[np.ndarray], Any], values: np.ndarray) -> Any:
    # The minimum or maximum, computed by chunks on all threads; NaN if an entry is NaN.
    rows = values.reshape(-1) if values.flags.c_contiguous else np.atleast_1d(values)
    pieces = threads.chunks(len(rows), 0.3 * rows[:1].size)
    found = np.empty(len(pieces), values.dtype)

    def task(i: int) -> None:
        found[i] = extreme(rows[slice(*pieces[i])])

    threads.run(task, len(pieces))
    return extreme(found)


def as_probabilities(p: ArrayLike, name: str) -> np.ndarray:
    p = floats(p, name)
    if not p.size:
        return p
    low, high = _extreme(np.min, p), _extreme(np.max, p)
    if low >= 0 and high <= 1:
        return p
    if low >= -ROUNDING and high <= 1 + ROUNDING:
        return np.asarray(np.clip(p, 0, 1))
    index = _first(~((p >= -ROUNDING) & (p <= 1 + ROUNDING)))
    raise InputError(
        f"{name} must lie in [0, 1], got {p[index]} at index {index}; give probabilities, such as "
        "softmax or sigmoid of logits"
    )


def as_distribution(p: ArrayLike, name: str, positive_sum: bool = True) -> np.ndarray:
    p = as_logits(p, name)
    low = _extreme(np.min, p) if p.size else 0.0
    if not low >= 0:
        if not low >= -ROUNDING:
            index = _first(~(p >= -ROUNDING))
            raise InputError(
                f"{name} must not be negative or NaN, got {p[index]} at index {index}; give "
                "probabilities, such as softmax of logits"
            )
        p = np.asarray(np.maximum(p, p.dtype.type(0)))
    if positive_sum and not (p.sum(axis=-1) > 0).all():
        row = np.argwhere(~(p.sum(axis=-1) > 0))[0]
        raise InputError(
            f"each row of {name} must have a positive sum; that of row {row.tolist()} is 0"
        )
    return p


def log_probabilities(p: ArrayLike, name: str) -> np.ndarray:
    p = as_probabilities(p, name)
    p = as_logits(p, name)
    sums = np.asarray(p.sum(axis=-1, dtype=np.float64))
    off = off_sum(sums)
    if off.any():
        raise InputError(
            f"with from_logits=False each row must sum to 1 within {SUM_TOLERANCE}, but one sums "
            f"to {sums[off][0]:.6g}; divide it by its sum"
        )
    with np.errstate(divide="ignore"):
        return np.log(with_sum_one(p, sums))


def _first(bad: np.ndarray) -> tuple[int, ...]:
    # The index of the first True of a mask.
    return tuple(int(i) for i in np.argwhere(bad)[0])


def class_codes(
    labels: np.ndarray, n_classes: int, ignore_index: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    # The classes as a flat array of intp, and a mask of the ignored rows, whose code is set to 0;
    # the mask is None if no row is ignored.
    if labels.dtype.kind == "u" and labels.size and _extreme(np.max, labels) > _LARGEST_CODE:
        # Converted to intp, they would be negative, and might equal ignore_index.
        at = int((labels.reshape(-1) > _LARGEST_CODE).argmax())
        raise InputError(
            f"y must hold classes 0 to {n_classes - 1}, got {labels.flat[at]} at row {at}"
        )
    codes = np.ascontiguousarray(labels, dtype=np.intp).reshape(-1)
    # Viewed as unsigned, negative classes are huge, so the maximum alone shows both violations.
    if not codes.size or _extreme(np.max, codes.view(np.uintp)) < n_classes:
        if ignore_index is None or ignore_index < 0 or not (codes == ignore_index).any():
            return codes, None
    ignored = codes == ignore_index if ignore_index is not None else np.zeros(codes.shape, bool)
    bad = ~ignored & ((codes < 0) | (codes >= n_classes))
    if bad.any():
        at = int(bad.argmax())
        raise InputError(f"y must hold classes 0 to {n_classes - 1}, got {codes[at]} at row {at}")
    return np.where(ignored, 0, codes), ignored


def class_weights(weight: ArrayLike, n_classes: int, dtype: np.dtype) -> np.ndarray:
    values = floats(weight, "weight").astype(dtype, copy=False)
    if values.shape != (n_classes,) or not (values >= 0).all():
        raise InputError(
            f"weight must hold {n_classes} numbers >= 0, one for each class; got {weight!r}"
        )
    return values


def entry_weights(weight: ArrayLike | None, z: np.ndarray, name: str) -> np.ndarray:
    if weight is None:
        return np.ones(1, z.dtype)
    values = floats(weight, name).astype(z.dtype, copy=False)
    if not (values >= 0).all():
        raise InputError(f"{name} must not be negative or NaN")
    try:
        return np.ascontiguousarray(np.broadcast_to(values, z.shape)).reshape(-1)
    except ValueError:
        raise InputError(
            f"{name} of shape {values.shape} doesn't broadcast to the logits' {z.shape}"
        ) from None


def number(value: float, name: str, low: float, high: float) -> float:
    if not (isinstance(value, Real) and low <= value <= high):
        raise InputError(f"{name} must be a number from {low:g} to {high:g}, got {value!r}")
    return float(value)


def positive_temperature(temperature: float) -> float:
    # Its inverse must be finite in float32, too.
    return number(temperature, "temperature", 1e-30, 1e30)


def fraction(value: float, name: str) -> float:
    return number(value, name, 0, 1)


def log_base(base: float) -> float:
    if not (isinstance(base, Real) and 0 < base < np.inf and base != 1):
        raise InputError(f"base must be a positive number other than 1, got {base!r}")
    return log(base)


def check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def as_rows(z: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(z).reshape(-1, z.shape[-1])


def result_array(
    out: np.ndarray | None, like: np.ndarray, apart_from: tuple[Any, ...] = ()
) -> np.ndarray:
    if out is None:
        return np.empty(like.shape, like.dtype)
    if not isinstance(out, np.ndarray):
        raise InputError(f"out must be an array, got {type(out).__name__}")
    if out.shape != like.shape or out.dtype != like.dtype:
        raise InputError(
            f"out must have shape {like.shape} and dtype {like.dtype}, "
            f"got {out.shape} and {out.dtype}"
        )
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise InputError("out must be C-contiguous and writable")
    if any(isinstance(a, np.ndarray) and np.may_share_memory(out, a) for a in apart_from):
        raise InputError("out must not share memory with the logits, targets or weights")
    return out


def by_rows(
    kernel: Callable[..., None], z: ArrayLike, temperature: float, out: np.ndarray | None
) -> np.ndarray:
    z = as_logits(z)
    temperature = positive_temperature(temperature)
    result = result_array(out, z)
    rows = as_rows(z)
    if np.may_share_memory(rows, result):
        rows = rows.copy()
    run(kernel, rows, rows, temperature, out=result.reshape(rows.shape))
    return result


def by_entries(
    kernel: Callable[..., None], z: ArrayLike, out: np.ndarray | None
) -> np.ndarray | np.floating:
    z = floats(z, "z")
    result = result_array(out, z)
    flat = np.ascontiguousarray(z).reshape(-1)
    if np.may_share_memory(flat, result) and flat.ctypes.data != result.ctypes.data:
        flat = flat.copy()
    run(kernel, flat, flat, out=result.reshape(-1))
    return result if out is not None else result[()]


def _for_reading(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(for_reading(a) if isinstance(a, np.ndarray) else a for a in arguments)


def run(kernel: Callable[..., None], along: np.ndarray, *arguments: Any, out: np.ndarray) -> None:
    arguments = _for_reading(arguments)
    pieces = threads.chunks(len(along), _ENTRY * along[:1].size)
    threads.run(lambda i: kernel(*arguments, *pieces[i], out), len(pieces))


def run_sum(
    kernel: Callable[..., float], along: np.ndarray, *arguments: Any, out: tuple[Any, ...]
) -> float:
    # The sum of the kernel's results over all chunks, added in order.
    arguments = _for_reading(arguments)
    pieces = threads.chunks(len(along), _ENTRY * along[:1].size)
    sums = np.zeros(len(pieces))

    def task(i: int) -> None:
        sums[i] = kernel(*arguments, *pieces[i], *out)

    threads.run(task, len(pieces))
    return float(sums.sum())
