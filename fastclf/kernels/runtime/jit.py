"""The compilation policy of every kernel, with its reasons, in one place.

* ``nogil`` and single-threaded: the thread pool runs kernels over chunks of rows.
* ``error_model="numpy"``: Python's check for a zero divisor is a branch that stops vectorisation.
* ``fastmath`` never holds ``nnan`` or ``ninf``: they let LLVM remove guards for NaN and infinity.
  Primitives are compiled with ``contract`` alone, for ``reassoc`` would fold the ``(x + M) - M``
  of a range reduction to ``x``; kernels may also reorder sums. Nor ``arcp``: with it a division
  in float32 becomes an estimate that was seen to be wrong by eight units in the last place.
* A callee is either inlined, always (``forceinline``), or never
  (:mod:`fastclf.kernels.runtime.linking`). What LLVM may inline or not it optimises again in each
  caller, and all these versions have one name, of which the linker takes the one that was loaded
  first. Results then depend on what ran before, and on what came from the cache.
* Entries from Python, which unpack each argument, are compiled for kernels alone, and entries from
  C (``no_cfunc_wrapper``) for nothing.
* Kernels may close over integers and over other kernels: :mod:`fastclf.kernels.runtime.cache` tells
  these variants apart, and finds them again in another process.
* With ``NUMBA_DISABLE_JIT=1`` nothing is compiled, for debugging: kernels are the functions that
  they were made of, and intrinsics their Python twins.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numba
import numpy as np

from fastclf.kernels.runtime.dispatcher import Kernel

CONTRACT = frozenset({"contract"})
REDUCTIONS = frozenset({"contract", "reassoc", "nsz"})


class _Flags(set):
    # Numba makes a part of a function's symbol of the text of its flags. The order of a set of
    # words is another in each process.
    def __repr__(self) -> str:
        return " ".join(sorted(self))

    def copy(self) -> "_Flags":
        return _Flags(self)


def _jit(function: Callable, fastmath: frozenset[str], inlined: bool, entry: bool) -> Any:
    if numba.config.DISABLE_JIT:
        return _interpreted(function)
    return Kernel(
        function,
        targetoptions={
            "nopython": True,
            "nogil": True,
            "error_model": "numpy",
            "fastmath": _Flags(fastmath),
            "forceinline": inlined,
            "no_cpython_wrapper": not entry,
            "no_cfunc_wrapper": True,
        },
    )


def _interpreted(function: Callable) -> Callable:
    # Compiled code divides by zero and overflows in silence.
    @wraps(function)
    def quiet(*arguments: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arguments)

    return quiet


def twin(function: Callable) -> Callable:
    """Return a decorator for intrinsics: where nothing is compiled ``function`` takes their place.

    Parameters
    ----------
    function : callable
        Does the same in Python.
    """
    return lambda intrinsic: function if numba.config.DISABLE_JIT else intrinsic


def primitive(function: Callable) -> Any:
    """Compile an elementwise function whose operations must not be reordered.

    It becomes part of its callers.
    """
    return _jit(function, CONTRACT, inlined=True, entry=False)


def inlined(function: Callable) -> Any:
    """Compile a loop over few numbers, or a part of a loop; it becomes part of its callers."""
    return _jit(function, REDUCTIONS, inlined=True, entry=False)


def routine(function: Callable) -> Any:
    """Compile a loop that kernels call. It is no part of its callers, and has no entry."""
    return _jit(function, REDUCTIONS, inlined=False, entry=False)


def kernel(function: Callable) -> Any:
    """Compile a loop that Python calls, and other kernels may call."""
    return _jit(function, REDUCTIONS, inlined=False, entry=True)
